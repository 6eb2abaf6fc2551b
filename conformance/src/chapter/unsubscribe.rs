//! UNSUBSCRIBE and UNSUBACK (sections 3.10, 3.11).

use crate::context::Context;
use crate::outcome::{Outcome, check};
use crate::packet::{self, PUBCOMP, PUBREC};

super::tests! {
    unsubscribe_with_wrong_flags_ends_the_connection: v311 ["3.10.1-1"] v5 ["3.10.1-1"];
    an_ill_formed_filter_to_unsubscribe_is_refused: v311 ["3.10.3-1"] v5 ["3.10.3-1"];
    an_unsubscribe_without_filters_is_refused: v311 ["3.10.3-2"] v5 ["3.10.3-2"];
    only_the_very_same_filter_is_unsubscribed: v311 ["3.10.4-1"] v5 ["3.10.4-1"];
    after_unsuback_no_new_messages_come: v311 ["3.10.4-2"] v5 ["3.10.4-2"];
    an_exchange_begun_before_unsubscribe_is_completed: v311 ["3.10.4-3"] v5 ["3.10.4-3"];
    unsubscribe_is_answered_with_unsuback: v311 ["3.10.4-4"] v5 ["3.10.4-4"];
    an_unsubscribe_of_nothing_is_answered_too: v311 ["3.10.4-5"] v5 ["3.10.4-5"];
    many_filters_are_unsubscribed_like_many_unsubscribes: v311 ["3.10.4-6"] v5 ["3.10.4-6"];
    unsuback_has_a_listed_code_for_each_filter_in_order: v311 [] v5 ["3.11.3-1", "3.11.3-2"];
}

const UNSUBSCRIBE_REASONS: [u8; 7] = [0x00, 0x11, 0x80, 0x83, 0x87, 0x8F, 0x91];

fn unsubscribe_with_wrong_flags_ends_the_connection(context: &Context) -> Outcome {
    for first in [0xA0, 0xA1, 0xA3, 0xAA] {
        let mut bytes = packet::unsubscribe(context.version, 1, &[context.topic("flags").as_bytes()]);
        bytes[0] = first;
        context.ends_connection(&bytes)?;
    }
    Ok(())
}

fn an_ill_formed_filter_to_unsubscribe_is_refused(context: &Context) -> Outcome {
    for filter in [&b"a/\xff"[..], b"a/\xed\xa0\x80"] {
        context.ends_connection(&packet::unsubscribe(context.version, 1, &[filter]))?;
    }
    Ok(())
}

fn an_unsubscribe_without_filters_is_refused(context: &Context) -> Outcome {
    context.ends_connection(&packet::unsubscribe(context.version, 1, &[]))
}

fn only_the_very_same_filter_is_unsubscribed(context: &Context) -> Outcome {
    let root = context.topic("Same");
    let mut client = context.client()?;
    let kept = [format!("{root}/a"), format!("{root}/b/+"), format!("{root}/c/#")];
    for filter in &kept {
        client.subscribe(filter, 1)?;
    }
    let others = [
        format!("{root}/#"),
        format!("{root}/+"),
        format!("{root}/A"),
        format!("{root}/b/x"),
        format!("{root}/a/"),
    ];
    client.unsubscribe(&others.iter().map(String::as_str).collect::<Vec<_>>())?;
    let mut publisher = context.client()?;
    for name in ["a", "b/x", "c/x"] {
        publisher.say(&format!("{root}/{name}"), name, 1)?;
        client.take_text(name)?;
    }
    client.unsubscribe(&[&kept[1]])?;
    publisher.say(&format!("{root}/b/x"), "gone", 1)?;
    publisher.say(&format!("{root}/c/x"), "still", 1)?;
    client.take_text("still")?;
    client.nothing()
}

fn after_unsuback_no_new_messages_come(context: &Context) -> Outcome {
    let (topic, other) = (context.topic("gone"), context.topic("stays"));
    let mut client = context.client()?;
    client.subscribe(&topic, 1)?;
    client.subscribe(&other, 1)?;
    let mut publisher = context.client()?;
    publisher.say(&topic, "before", 1)?;
    client.take_text("before")?;
    client.unsubscribe(&[&topic])?;
    for qos in 0..3 {
        publisher.say(&topic, "after", qos)?;
    }
    publisher.say(&other, "sentinel", 1)?;
    client.take_text("sentinel")?;
    client.nothing()
}

fn an_exchange_begun_before_unsubscribe_is_completed(context: &Context) -> Outcome {
    let topic = context.topic("begun");
    let id = context.kept_id();
    let mut client = context.kept_client(&id)?;
    client.subscribe(&topic, 2)?;
    let mut publisher = context.client()?;
    publisher.say(&topic, "two", 2)?;
    publisher.say(&topic, "one", 1)?;
    // Order is promised within one QoS only.
    let (first, second) = (client.delivery()?, client.delivery()?);
    let two = if first.qos == 2 { first } else { second };
    client.unsubscribe(&[&topic])?;
    client.send(&packet::acknowledge(context.version, PUBREC, two.id, 0))?;
    client.pubrel(two.id)?;
    client.send(&packet::acknowledge(context.version, PUBCOMP, two.id, 0))?;
    client.nothing()?;
    client.cut()?;
    // The QoS 1 message was sent but not acknowledged: its delivery goes on.
    let mut client = context.kept_client(&id)?;
    let again = client.take_text("one")?;
    check!(again.dup, "expected the unacknowledged message with DUP 1; got {again:?}");
    Ok(())
}

fn unsubscribe_is_answered_with_unsuback(context: &Context) -> Outcome {
    let topic = context.topic("answer");
    let mut client = context.client()?;
    for _ in 0..2 {
        client.subscribe(&topic, 0)?;
        client.unsubscribe(&[&topic])?;
    }
    client.nothing()
}

fn an_unsubscribe_of_nothing_is_answered_too(context: &Context) -> Outcome {
    let mut client = context.client()?;
    client.unsubscribe(&[&context.topic("never")])?;
    client.nothing()
}

fn many_filters_are_unsubscribed_like_many_unsubscribes(context: &Context) -> Outcome {
    let topics: Vec<String> = (0..4).map(|_| context.topic("many")).collect();
    let mut client = context.client()?;
    for topic in &topics {
        client.subscribe(topic, 1)?;
    }
    client.unsubscribe(&topics[..3].iter().map(String::as_str).collect::<Vec<_>>())?;
    let mut publisher = context.client()?;
    for topic in &topics {
        publisher.say(topic, topic, 1)?;
    }
    client.take_text(&topics[3])?;
    client.nothing()
}

fn unsuback_has_a_listed_code_for_each_filter_in_order(context: &Context) -> Outcome {
    let topics: Vec<String> = (0..4).map(|_| context.topic("codes")).collect();
    let mut client = context.client()?;
    client.subscribe(&topics[0], 1)?;
    client.subscribe(&topics[3], 1)?;
    let unsuback = client.unsubscribe(&topics.iter().map(String::as_str).collect::<Vec<_>>())?;
    check!(
        unsuback.codes.iter().all(|c| UNSUBSCRIBE_REASONS.contains(c)),
        "expected listed codes; got {unsuback:?}"
    );
    check!(
        unsuback.codes == [0x00, 0x11, 0x11, 0x00],
        "unsubscribed a filter that was there, two that were not, one that was; got {unsuback:?}"
    );
    Ok(())
}
