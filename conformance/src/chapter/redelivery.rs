//! Delivery that is taken up again after a connection ended (section 4.4), and its order (section 4.6).

use std::time::Duration;

use crate::client::{Client, Event};
use crate::context::Context;
use crate::outcome::{Outcome, check};
use crate::packet::{self, PUBACK, PUBCOMP, PUBREC, PUBREL};
use crate::received::Packet;

super::tests! {
    an_unacknowledged_qos_1_message_is_sent_again: v311 ["3.3.1-1", "4.3.2-1", "4.4.0-1"] v5 ["3.3.1-1", "4.3.2-3", "4.4.0-1"];
    an_unacknowledged_qos_2_message_is_sent_again: v311 ["3.3.1-1", "4.3.3-1", "4.4.0-1"] v5 ["3.3.1-1", "4.3.3-3", "4.4.0-1"];
    an_unacknowledged_pubrel_is_sent_again: v311 ["4.3.3-1", "4.4.0-1"] v5 ["4.3.3-5", "4.3.3-6", "4.4.0-1"];
    an_acknowledged_message_is_not_sent_again: v311 ["4.4.0-1"] v5 ["4.4.0-1"];
    messages_are_sent_again_in_their_order: v311 ["4.6.0-1", "4.6.0-6"] v5 ["4.6.0-5"];
    nothing_is_sent_again_on_a_living_connection: v311 [] v5 ["4.4.0-1"];
    a_message_refused_with_an_error_is_not_sent_again: v311 [] v5 ["4.4.0-2"];
}

/// A kept session subscribed to `topic`, and its client identifier.
fn subscribed(context: &Context, topic: &str) -> Outcome<(String, Client)> {
    let id = context.kept_id();
    let mut client = context.kept_client(&id)?;
    client.subscribe(topic, 2)?;
    Ok((id, client))
}

fn is_sent_again(context: &Context, qos: u8) -> Outcome {
    let topic = context.topic("again");
    let (id, mut client) = subscribed(context, &topic)?;
    context.client()?.say(&topic, "x", qos)?;
    let first = client.delivery()?;
    check!(!first.dup, "expected DUP 0 on the first delivery; got {first:?}");
    client.cut()?;
    // More than once: a second loss must not lose the message either.
    for _ in 0..2 {
        let mut client = context.kept_client(&id)?;
        let again = client.delivery()?;
        let same = again.dup && again.id == first.id && again.text() == "x" && again.qos == qos;
        check!(same, "expected {first:?} again with DUP 1; got {again:?}");
        client.cut()?;
    }
    let mut client = context.kept_client(&id)?;
    client.take_text("x")?;
    client.nothing()?;
    client.disconnect()?;
    context.kept_client(&id)?.nothing()
}

fn an_unacknowledged_qos_1_message_is_sent_again(context: &Context) -> Outcome {
    is_sent_again(context, 1)
}

fn an_unacknowledged_qos_2_message_is_sent_again(context: &Context) -> Outcome {
    is_sent_again(context, 2)
}

fn an_unacknowledged_pubrel_is_sent_again(context: &Context) -> Outcome {
    let topic = context.topic("pubrel");
    let (id, mut client) = subscribed(context, &topic)?;
    context.client()?.say(&topic, "x", 2)?;
    let publish = client.delivery()?;
    client.send(&packet::acknowledge(context.version, PUBREC, publish.id, 0))?;
    client.pubrel(publish.id)?;
    client.cut()?;
    let mut client = context.kept_client(&id)?;
    match client.event()? {
        Event::Packet(Packet::Ack(ack)) if ack.first == PUBREL && ack.id == publish.id => {}
        other => return client.wrong("the PUBREL again and not the PUBLISH", &format!("{other:?}")),
    }
    client.send(&packet::acknowledge(context.version, PUBCOMP, publish.id, 0))?;
    client.nothing()
}

fn an_acknowledged_message_is_not_sent_again(context: &Context) -> Outcome {
    let topic = context.topic("done");
    let (id, mut client) = subscribed(context, &topic)?;
    let mut publisher = context.client()?;
    for qos in 0..3 {
        publisher.say(&topic, "x", qos)?;
        client.take_text("x")?;
    }
    client.nothing()?;
    client.cut()?;
    context.kept_client(&id)?.nothing()
}

fn messages_are_sent_again_in_their_order(context: &Context) -> Outcome {
    let topic = context.topic("order");
    let (id, mut client) = subscribed(context, &topic)?;
    let mut publisher = context.client()?;
    let mut sent = Vec::new();
    for n in 0..8 {
        publisher.say(&topic, &n.to_string(), 1)?;
        sent.push(client.delivery()?.id);
    }
    client.cut()?;
    let mut client = context.kept_client(&id)?;
    for (n, packet_id) in sent.iter().enumerate() {
        let again = client.delivery()?;
        let same = again.text() == n.to_string() && again.id == *packet_id;
        check!(same, "expected message {n} with identifier {packet_id}; got {again:?}");
    }
    Ok(())
}

fn nothing_is_sent_again_on_a_living_connection(context: &Context) -> Outcome {
    let topic = context.topic("once");
    let (_, mut client) = subscribed(context, &topic)?;
    let mut publisher = context.client()?;
    publisher.say(&topic, "one", 1)?;
    publisher.say(&topic, "two", 2)?;
    let one = client.delivery()?;
    let two = client.delivery()?;
    client.quiet_for(Duration::from_millis(3000))?;
    client.accept(&one)?;
    client.accept(&two)?;
    client.nothing()
}

fn a_message_refused_with_an_error_is_not_sent_again(context: &Context) -> Outcome {
    let topic = context.topic("refused");
    let (id, mut client) = subscribed(context, &topic)?;
    let mut publisher = context.client()?;
    for (qos, first) in [(1, PUBACK), (2, PUBREC)] {
        publisher.say(&topic, "x", qos)?;
        let publish = client.delivery()?;
        client.send(&packet::acknowledge(context.version, first, publish.id, 0x83))?;
    }
    client.nothing()?;
    client.cut()?;
    context.kept_client(&id)?.nothing()
}
