//! Retained messages (section 3.3.1.3) and the subscription options about them (section 3.8.3.1).

use crate::client::Client;
use crate::context::Context;
use crate::outcome::{Outcome, check};
use crate::packet::{Connect, Publish};

super::tests! {
    a_retained_message_reaches_later_subscribers: v311 ["3.3.1-5", "3.3.1-6"] v5 ["3.3.1-5", "3.3.1-9"];
    a_retained_message_keeps_its_qos: v311 ["3.3.1-5"] v5 ["3.3.1-5"];
    a_retained_message_replaces_the_former_one: v311 ["3.3.1-5", "3.3.1-6"] v5 ["3.3.1-5"];
    a_retained_message_of_qos_0_discards_the_former_one: v311 ["3.3.1-7"] v5 ["3.3.1-5"];
    retain_is_one_for_a_new_subscription: v311 ["3.3.1-8"] v5 ["3.3.1-9"];
    retain_is_zero_for_an_established_subscription: v311 ["3.3.1-9"] v5 ["3.3.1-12"];
    retain_as_published_keeps_the_flag: v311 [] v5 ["3.3.1-13"];
    an_empty_retained_message_removes_the_former_one: v311 ["3.3.1-10"] v5 ["3.3.1-6"];
    an_empty_retained_message_is_not_stored: v311 ["3.3.1-11"] v5 ["3.3.1-7"];
    a_message_without_retain_leaves_the_retained_one: v311 ["3.3.1-12"] v5 ["3.3.1-8"];
    a_message_without_retain_is_not_stored: v311 ["3.3.1-12"] v5 ["3.3.1-8"];
    retained_messages_outlive_the_session_that_sent_them: v311 ["3.1.2-7"] v5 ["3.3.1-5"];
    retain_handling_0_sends_retained_messages_again: v311 [] v5 ["3.3.1-9", "3.8.4-4"];
    retain_handling_1_sends_retained_messages_to_new_subscriptions_only: v311 [] v5 ["3.3.1-10"];
    retain_handling_2_sends_no_retained_messages: v311 [] v5 ["3.3.1-11"];
}

/// A new client that subscribes to the topic with these options.
fn late(context: &Context, topic: &str, options: u8) -> Outcome<Client> {
    let mut client = context.client()?;
    client.subscribe(topic, options)?;
    Ok(client)
}

fn a_retained_message_reaches_later_subscribers(context: &Context) -> Outcome {
    let root = context.topic("tree");
    let names: Vec<String> = (0..3).map(|_| context.retained_topic("leaf")).collect();
    let mut publisher = context.client()?;
    for name in &names {
        publisher.retain(name, "kept")?;
    }
    let mut client = context.client()?;
    client.subscribe(&format!("{root}/nothing"), 0)?;
    for name in &names {
        client.subscribe(name, 0)?;
        let got = client.take_text("kept")?;
        check!(got.topic_text() == *name, "expected the retained message of {name}; got {got:?}");
    }
    let parent = names[0].trim_end_matches("/leaf");
    let mut wild = late(context, &format!("{parent}/#"), 0)?;
    wild.take_text("kept").map(drop)
}

fn a_retained_message_keeps_its_qos(context: &Context) -> Outcome {
    let topic = context.retained_topic("qos");
    let mut publisher = context.client()?;
    publisher.retain(&topic, "first")?;
    for qos in [1, 2] {
        publisher.publish(&Publish::new(&topic, "x").qos(qos, 9).retained())?;
        let got = late(context, &topic, 2)?.take_text("x")?;
        check!(got.qos == qos, "retained with QoS {qos}, subscribed with 2; got {got:?}");
    }
    Ok(())
}

fn a_retained_message_replaces_the_former_one(context: &Context) -> Outcome {
    let topic = context.retained_topic("replace");
    let mut publisher = context.client()?;
    publisher.retain(&topic, "first")?;
    publisher.retain(&topic, "second")?;
    let mut client = late(context, &topic, 1)?;
    client.take_text("second")?;
    client.nothing()
}

fn a_retained_message_of_qos_0_discards_the_former_one(context: &Context) -> Outcome {
    let topic = context.retained_topic("replace");
    let mut publisher = context.client()?;
    publisher.retain(&topic, "first")?;
    publisher.publish(&Publish::new(&topic, "second").retained())?;
    publisher.nothing()?;
    // A server may drop a retained message of QoS 0 whenever it likes, but the old one must not come back.
    let mut client = late(context, &topic, 1)?;
    publisher.say(&topic, "sentinel", 1)?;
    loop {
        let got = client.take()?;
        match got.text().as_str() {
            // It may come as a live message, too: nothing tells the publisher when QoS 0 has reached everybody.
            "second" => {}
            "sentinel" => return Ok(()),
            _ => return client.wrong("the new retained message or none", &format!("{got:?}")),
        }
    }
}

fn retain_is_one_for_a_new_subscription(context: &Context) -> Outcome {
    let topic = context.retained_topic("flag");
    context.client()?.retain(&topic, "kept")?;
    let got = late(context, &topic, 1)?.take_text("kept")?;
    check!(got.retain, "expected RETAIN 1 on a retained message for a new subscription; got {got:?}");
    Ok(())
}

fn retain_is_zero_for_an_established_subscription(context: &Context) -> Outcome {
    let topic = context.retained_topic("flag");
    let mut client = late(context, &topic, 1)?;
    context.client()?.retain(&topic, "kept")?;
    let got = client.take_text("kept")?;
    check!(!got.retain, "expected RETAIN 0 on a message for an established subscription; got {got:?}");
    Ok(())
}

fn retain_as_published_keeps_the_flag(context: &Context) -> Outcome {
    let topic = context.retained_topic("flag");
    let mut client = late(context, &topic, 0x08 | 1)?;
    let mut publisher = context.client()?;
    publisher.retain(&topic, "retained")?;
    publisher.say(&topic, "plain", 1)?;
    let flags = [client.take_text("retained")?.retain, client.take_text("plain")?.retain];
    check!(flags == [true, false], "sent RETAIN 1, then 0 (retain as published); got {flags:?}");
    Ok(())
}

fn an_empty_retained_message_removes_the_former_one(context: &Context) -> Outcome {
    let topic = context.retained_topic("remove");
    let mut publisher = context.client()?;
    publisher.retain(&topic, "kept")?;
    let mut established = context.client()?;
    established.subscribe(&topic, 1)?;
    established.take_text("kept")?;
    publisher.retain(&topic, "")?;
    // It is a normal message for those who have subscribed already.
    established.take_text("")?;
    late(context, &topic, 1)?.nothing()
}

fn an_empty_retained_message_is_not_stored(context: &Context) -> Outcome {
    let topic = context.retained_topic("empty");
    context.client()?.retain(&topic, "")?;
    late(context, &topic, 1)?.nothing()
}

fn a_message_without_retain_leaves_the_retained_one(context: &Context) -> Outcome {
    let topic = context.retained_topic("leave");
    let mut publisher = context.client()?;
    publisher.retain(&topic, "kept")?;
    publisher.say(&topic, "passing", 1)?;
    publisher.say(&topic, "", 1)?;
    let mut client = late(context, &topic, 1)?;
    client.take_text("kept")?;
    client.nothing()
}

fn a_message_without_retain_is_not_stored(context: &Context) -> Outcome {
    let topic = context.topic("passing");
    context.client()?.say(&topic, "passing", 1)?;
    late(context, &topic, 1)?.nothing()
}

fn retained_messages_outlive_the_session_that_sent_them(context: &Context) -> Outcome {
    let topic = context.retained_topic("outlive");
    let id = context.id();
    let mut publisher = context.connect(&Connect::new(context.version, &id))?;
    publisher.retain(&topic, "kept")?;
    publisher.disconnect()?;
    context.connect(&Connect::new(context.version, &id))?.disconnect()?;
    late(context, &topic, 1)?.take_text("kept").map(drop)
}

fn retain_handling_0_sends_retained_messages_again(context: &Context) -> Outcome {
    let topic = context.retained_topic("handling");
    context.client()?.retain(&topic, "kept")?;
    let mut client = context.client()?;
    for _ in 0..2 {
        client.subscribe(&topic, 1)?;
        client.take_text("kept")?;
    }
    client.nothing()
}

fn retain_handling_1_sends_retained_messages_to_new_subscriptions_only(context: &Context) -> Outcome {
    let topic = context.retained_topic("handling");
    context.client()?.retain(&topic, "kept")?;
    let mut client = late(context, &topic, 0x10 | 1)?;
    client.take_text("kept")?;
    client.subscribe(&topic, 0x10 | 1)?;
    client.nothing()?;
    client.unsubscribe(&[&topic])?;
    client.subscribe(&topic, 0x10 | 1)?;
    client.take_text("kept").map(drop)
}

fn retain_handling_2_sends_no_retained_messages(context: &Context) -> Outcome {
    let topic = context.retained_topic("handling");
    let mut publisher = context.client()?;
    publisher.retain(&topic, "kept")?;
    let mut client = late(context, &topic, 0x20 | 1)?;
    client.nothing()?;
    publisher.say(&topic, "live", 1)?;
    client.take_text("live").map(drop)
}
