//! PUBLISH: flags, topic name, what is answered, overlapping subscriptions (section 3.3).

use crate::client::Event;
use crate::context::Context;
use crate::outcome::{Outcome, check};
use crate::packet::{self, PUBACK, PUBCOMP, PUBREC, PUBREL, Publish, frame};
use crate::property::{Properties, SUBSCRIPTION_ID, Value};
use crate::received::Packet;

super::tests! {
    a_first_delivery_has_dup_zero: v311 ["3.3.1-1", "4.3.2-1", "4.3.3-1"] v5 ["3.3.1-1", "4.3.2-2", "4.3.3-2"];
    a_qos_0_message_has_dup_zero: v311 ["3.3.1-2", "4.3.1-1"] v5 ["3.3.1-2", "4.3.1-1"];
    dup_is_not_passed_on: v311 ["3.3.1-3"] v5 ["3.3.1-3"];
    a_qos_of_three_ends_the_connection: v311 ["3.3.1-4"] v5 ["3.3.1-4"];
    a_publish_without_topic_name_is_refused: v311 ["3.3.2-1"] v5 ["3.3.2-1"];
    wildcards_in_a_topic_name_are_refused: v311 ["3.3.2-2", "4.7.1-1"] v5 ["3.3.2-2", "4.7.0-1"];
    messages_come_under_the_topic_name_they_were_published_with: v311 ["3.3.2-3"] v5 ["3.3.2-3"];
    the_answer_to_a_publish_follows_its_qos: v311 ["3.3.4-1", "4.3.2-2", "4.3.3-2"] v5 ["3.3.4-1", "4.3.2-4", "4.3.3-8"];
    overlapping_subscriptions_deliver_with_the_highest_qos: v311 ["3.3.5-1"] v5 ["3.3.4-2"];
    overlapping_subscriptions_send_their_identifiers: v311 [] v5 ["3.3.4-3", "3.3.4-4", "3.3.4-5"];
    a_subscription_identifier_from_a_client_is_refused: v311 [] v5 ["3.3.4-6"];
    messages_of_one_client_keep_their_order: v311 ["4.6.0-5", "4.6.0-6"] v5 ["4.6.0-5", "4.6.0-6"];
    a_message_reaches_every_matching_session: v311 ["4.5.0-1"] v5 ["4.5.0-1"];
}

fn a_first_delivery_has_dup_zero(context: &Context) -> Outcome {
    let topic = context.topic("first");
    let mut subscriber = context.client()?;
    subscriber.subscribe(&topic, 2)?;
    let mut publisher = context.client()?;
    for qos in 0..3 {
        publisher.say(&topic, "x", qos)?;
        let got = subscriber.take()?;
        check!(!got.dup && got.qos == qos, "sent QoS {qos}; expected DUP 0 and the same QoS; got {got:?}");
    }
    Ok(())
}

fn a_qos_0_message_has_dup_zero(context: &Context) -> Outcome {
    let topic = context.topic("zero");
    let mut subscriber = context.client()?;
    subscriber.subscribe(&topic, 0)?;
    let mut publisher = context.client()?;
    for (qos, again) in [(0, false), (1, true), (2, true)] {
        publisher.publish(&Publish { dup: again, ..Publish::new(&topic, "x").qos(qos, 5) })?;
        let got = subscriber.take_text("x")?;
        check!(!got.dup && got.qos == 0, "expected QoS 0 with DUP 0; got {got:?}");
    }
    Ok(())
}

fn dup_is_not_passed_on(context: &Context) -> Outcome {
    let topic = context.topic("dup");
    let mut subscriber = context.client()?;
    subscriber.subscribe(&topic, 2)?;
    let mut publisher = context.client()?;
    for qos in [1, 2] {
        publisher.publish(&Publish::new(&topic, "x").qos(qos, 7).again())?;
        let got = subscriber.take_text("x")?;
        check!(!got.dup, "sent DUP 1 with QoS {qos}; expected DUP 0 at the subscriber; got {got:?}");
    }
    Ok(())
}

fn a_qos_of_three_ends_the_connection(context: &Context) -> Outcome {
    context.ends_connection(&Publish::new(&context.topic("three"), "x").qos(3, 1).bytes(context.version))
}

fn a_publish_without_topic_name_is_refused(context: &Context) -> Outcome {
    context.ends_connection(&frame(0x30, &[]))?;
    context.ends_connection(&frame(0x30, &[0, 9, b'a', b'b']))
}

fn wildcards_in_a_topic_name_are_refused(context: &Context) -> Outcome {
    for topic in ["conformance/#", "#", "conformance/+/x", "+", "conformance/a#", "conformance/a+b"] {
        context.ends_connection(&Publish::new(topic, "x").bytes(context.version))?;
    }
    Ok(())
}

fn messages_come_under_the_topic_name_they_were_published_with(context: &Context) -> Outcome {
    let root = context.topic("tree");
    let mut subscriber = context.client()?;
    subscriber.subscribe(&format!("{root}/+/leaf"), 1)?;
    let mut publisher = context.client()?;
    for name in ["a/leaf", "a/other", "leaf", "b/c/leaf", "b/leaf", "/leaf"] {
        publisher.say(&format!("{root}/{name}"), name, 1)?;
    }
    for name in ["a/leaf", "b/leaf", "/leaf"] {
        let got = subscriber.take_text(name)?;
        check!(got.topic_text() == format!("{root}/{name}"), "expected topic {root}/{name}; got {got:?}");
    }
    subscriber.nothing()
}

fn the_answer_to_a_publish_follows_its_qos(context: &Context) -> Outcome {
    let topic = context.topic("answer");
    let mut client = context.client()?;
    client.send(&Publish::new(&topic, "0").bytes(context.version))?;
    client.nothing()?;
    client.send(&Publish::new(&topic, "1").qos(1, 11).bytes(context.version))?;
    client.ack(PUBACK, 11)?;
    client.send(&Publish::new(&topic, "2").qos(2, 12).bytes(context.version))?;
    client.ack(PUBREC, 12)?;
    client.send(&packet::acknowledge(context.version, PUBREL, 12, 0))?;
    client.ack(PUBCOMP, 12)?;
    client.nothing()
}

fn overlapping_subscriptions_deliver_with_the_highest_qos(context: &Context) -> Outcome {
    let root = context.topic("overlap");
    let mut subscriber = context.client()?;
    subscriber.subscribe(&format!("{root}/#"), 2)?;
    subscriber.subscribe(&format!("{root}/+"), 1)?;
    subscriber.subscribe(&format!("{root}/a"), 0)?;
    let mut publisher = context.client()?;
    publisher.say(&format!("{root}/a"), "x", 2)?;
    publisher.say(&format!("{root}/a"), "end", 2)?;
    let mut best = 0;
    loop {
        let got = subscriber.take()?;
        if got.text() != "x" {
            break;
        }
        best = best.max(got.qos);
    }
    check!(
        best == 2,
        "subscriptions of QoS 0, 1 and 2 match; expected the message with QoS 2; got at most {best}"
    );
    Ok(())
}

fn overlapping_subscriptions_send_their_identifiers(context: &Context) -> Outcome {
    let root = context.topic("overlap");
    let mut subscriber = context.client()?;
    let identifier = |n| Properties::none().with(SUBSCRIPTION_ID, Value::Var(n));
    subscriber.subscribe_with(&format!("{root}/#"), 1, &identifier(1))?;
    subscriber.subscribe_with(&format!("{root}/+"), 1, &identifier(268_435_455))?;
    subscriber.subscribe(&format!("{root}/a"), 1)?;
    let mut publisher = context.client()?;
    publisher.say(&format!("{root}/a"), "x", 1)?;
    publisher.say(&format!("{root}/a"), "end", 1)?;
    let mut copies = Vec::new();
    loop {
        let got = subscriber.take()?;
        if got.text() != "x" {
            break;
        }
        let ids = got.properties.all(SUBSCRIPTION_ID).filter_map(|v| match v {
            Value::Var(n) => Some(*n),
            _ => None,
        });
        let mut ids: Vec<u32> = ids.collect();
        ids.sort_unstable();
        copies.push(ids);
    }
    copies.sort();
    let one_copy = vec![vec![1, 268_435_455]];
    let copy_each = vec![vec![], vec![1], vec![268_435_455]];
    check!(
        copies == one_copy || copies == copy_each,
        "subscriptions with the identifiers 1, 268435455 and none match; expected one copy with both or one copy for each; got {copies:?}"
    );
    Ok(())
}

fn a_subscription_identifier_from_a_client_is_refused(context: &Context) -> Outcome {
    let identifier = Properties::none().with(SUBSCRIPTION_ID, Value::Var(1));
    let publish = Publish::new(&context.topic("identifier"), "x").with(identifier);
    context.ends_connection(&publish.bytes(context.version))
}

fn messages_of_one_client_keep_their_order(context: &Context) -> Outcome {
    let topic = context.topic("order");
    let mut subscriber = context.client()?;
    subscriber.subscribe(&topic, 2)?;
    let mut publisher = context.client()?;
    for qos in 0..3_u8 {
        let mut bytes = Vec::new();
        for n in 0..15_u16 {
            bytes.extend(Publish::new(&topic, &format!("{qos}.{n}")).qos(qos, 1 + n).bytes(context.version));
        }
        publisher.send(&bytes)?;
        for n in 0..15_u16 {
            match qos {
                0 => {}
                1 => drop(publisher.ack(PUBACK, 1 + n)?),
                _ => drop(publisher.ack(PUBREC, 1 + n)?),
            }
        }
        for n in (0..15_u16).filter(|_| qos == 2) {
            publisher.send(&packet::acknowledge(context.version, PUBREL, 1 + n, 0))?;
            publisher.ack(PUBCOMP, 1 + n)?;
        }
        for n in 0..15 {
            subscriber.take_text(&format!("{qos}.{n}"))?;
        }
    }
    Ok(())
}

fn a_message_reaches_every_matching_session(context: &Context) -> Outcome {
    let root = context.topic("all");
    let topic = format!("{root}/x");
    let away = context.kept_id();
    let mut client = context.kept_client(&away)?;
    client.subscribe(&topic, 1)?;
    client.disconnect()?;
    let mut online = Vec::new();
    for filter in [topic.clone(), format!("{root}/+"), format!("{root}/#"), topic.clone()] {
        let mut subscriber = context.client()?;
        subscriber.subscribe(&filter, 1)?;
        online.push(subscriber);
    }
    context.client()?.say(&topic, "to all", 1)?;
    for subscriber in &mut online {
        subscriber.take_text("to all")?;
    }
    let mut client = context.kept_client(&away)?;
    match client.event()? {
        Event::Packet(Packet::Publish(publish)) if publish.text() == "to all" => Ok(()),
        other => client.wrong("the message that came while away", &format!("{other:?}")),
    }
}
