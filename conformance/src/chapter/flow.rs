//! Flow control and packet sizes (sections 3.1.2.11.3, 3.1.2.11.4, 4.9), version 5.

use crate::client::{Client, Event};
use crate::context::Context;
use crate::outcome::{Outcome, check, not_applicable};
use crate::packet::{self, PUBACK, PUBREC, Publish};
use crate::property::{MAXIMUM_PACKET_SIZE, Properties, RECEIVE_MAXIMUM};
use crate::received::Packet;

super::tests! {
    the_server_stays_within_the_clients_receive_maximum: v311 [] v5 ["3.3.4-9", "4.9.0-1", "4.9.0-2"];
    a_pubrec_with_an_error_gives_the_quota_back: v311 [] v5 ["3.3.4-9", "4.4.0-2"];
    other_packets_do_not_wait_for_the_receive_maximum: v311 [] v5 ["3.3.4-10", "4.9.0-3"];
    more_messages_than_the_servers_receive_maximum_are_refused: v311 [] v5 ["3.3.4-7"];
    a_message_over_the_clients_maximum_packet_size_is_not_sent: v311 [] v5 ["3.1.2-24"];
    a_message_that_is_too_large_counts_as_sent: v311 [] v5 ["3.1.2-25"];
    a_queued_message_that_is_too_large_does_not_block_the_next: v311 [] v5 ["3.1.2-25"];
}

fn limited(context: &Context, topic: &str, maximum: u16) -> Outcome<Client> {
    let mut client = context.client_with(Properties::none().u16(RECEIVE_MAXIMUM, maximum))?;
    client.subscribe(topic, 2)?;
    Ok(client)
}

fn the_server_stays_within_the_clients_receive_maximum(context: &Context) -> Outcome {
    let topic = context.topic("quota");
    let mut subscriber = limited(context, &topic, 2)?;
    let mut publisher = context.client()?;
    for n in 0..6 {
        publisher.say(&topic, &n.to_string(), 1 + n % 2)?;
    }
    let mut open: Vec<Publish> = Vec::new();
    let mut came = Vec::new();
    for n in 0..6_usize {
        while open.len() < 2 && open.len() + n < 6 {
            open.push(subscriber.delivery()?);
        }
        // Two are open, so nothing may come until one is acknowledged.
        subscriber.nothing()?;
        let publish = open.remove(0);
        subscriber.accept(&publish)?;
        came.push(publish.text());
    }
    came.sort();
    check!(came == ["0", "1", "2", "3", "4", "5"], "expected every message once; got {came:?}");
    Ok(())
}

fn a_pubrec_with_an_error_gives_the_quota_back(context: &Context) -> Outcome {
    let topic = context.topic("quota");
    let mut subscriber = limited(context, &topic, 1)?;
    let mut publisher = context.client()?;
    for text in ["first", "second", "third"] {
        publisher.say(&topic, text, 2)?;
    }
    for text in ["first", "second"] {
        let got = subscriber.delivery()?;
        check!(got.text() == text, "expected {text}; got {got:?}");
        subscriber.send(&packet::acknowledge(context.version, PUBREC, got.id, 0x83))?;
    }
    subscriber.take_text("third").map(drop)
}

fn other_packets_do_not_wait_for_the_receive_maximum(context: &Context) -> Outcome {
    let topic = context.topic("quota");
    let mut subscriber = limited(context, &topic, 1)?;
    let mut publisher = context.client()?;
    publisher.say(&topic, "first", 1)?;
    publisher.say(&topic, "second", 1)?;
    let first = subscriber.delivery()?;
    // Every exchange below must be answered although the quota is used up.
    subscriber.nothing()?;
    let other = context.topic("other");
    subscriber.subscribe(&other, 0)?;
    subscriber.say(&topic, "mine", 1)?;
    subscriber.say(&other, "flows", 2)?;
    let got = subscriber.delivery()?;
    check!(
        got.text() == "flows" && got.qos == 0,
        "expected the QoS 0 message while the quota is zero; got {got:?}"
    );
    subscriber.unsubscribe(&[&other])?;
    subscriber.accept(&first)?;
    subscriber.take_text("second")?;
    subscriber.take_text("mine").map(drop)
}

fn more_messages_than_the_servers_receive_maximum_are_refused(context: &Context) -> Outcome {
    let mut client = context.client()?;
    let maximum = client.connack.properties.number(RECEIVE_MAXIMUM).unwrap_or(65_535);
    if maximum > 5_000 {
        not_applicable!("the server's receive maximum is {maximum}");
    }
    let topic = context.topic("over");
    let mut bytes = Vec::new();
    for id in 1..=u16::try_from(maximum + 1).unwrap_or(u16::MAX) {
        bytes.extend(Publish::new(&topic, "x").qos(2, id).bytes(context.version));
    }
    client.send(&bytes)?;
    loop {
        match client.event()? {
            Event::Packet(Packet::Ack(ack)) if ack.first == PUBREC => {}
            Event::Packet(Packet::Disconnect(reason)) => {
                check!(reason.code == 0x93, "expected DISCONNECT 0x93 or a close; got {reason:?}");
                return client.closed();
            }
            Event::Closed => return Ok(()),
            other => return client.wrong("PUBREC, then the end of the connection", &format!("{other:?}")),
        }
    }
}

fn small(context: &Context, topic: &str, limit: u32) -> Outcome<Client> {
    let properties = Properties::none().u32(MAXIMUM_PACKET_SIZE, limit).u16(RECEIVE_MAXIMUM, 1);
    let mut client = context.client_with(properties)?;
    client.subscribe(topic, 1)?;
    Ok(client)
}

fn a_message_over_the_clients_maximum_packet_size_is_not_sent(context: &Context) -> Outcome {
    let topic = context.topic("size");
    let mut subscriber = small(context, &topic, 100)?;
    let mut publisher = context.client()?;
    let fits = "x".repeat(100 - Publish::new(&topic, "").qos(1, 1).bytes(context.version).len());
    for (payload, qos) in [(format!("{fits}x"), 1), ("y".repeat(5000), 0), (fits.clone(), 1)] {
        publisher.say(&topic, &payload, qos)?;
    }
    subscriber.take_text(&fits)?;
    check!(
        subscriber.largest <= 100,
        "maximum packet size 100; got a packet of {} bytes",
        subscriber.largest
    );
    Ok(())
}

fn a_message_that_is_too_large_counts_as_sent(context: &Context) -> Outcome {
    let topic = context.topic("size");
    let mut subscriber = small(context, &topic, 100)?;
    let mut publisher = context.client()?;
    // The receive maximum is 1: a discarded message that kept its place would block the next.
    for n in 0..3 {
        publisher.say(&topic, &"y".repeat(300), 1)?;
        publisher.say(&topic, &n.to_string(), 1)?;
        subscriber.take_text(&n.to_string())?;
    }
    subscriber.nothing()
}

fn a_queued_message_that_is_too_large_does_not_block_the_next(context: &Context) -> Outcome {
    let topic = context.topic("size");
    let id = context.kept_id();
    let limit = Properties::none().u32(MAXIMUM_PACKET_SIZE, 100);
    let mut client = context.kept_client(&id)?;
    client.subscribe(&topic, 1)?;
    client.disconnect()?;
    let mut publisher = context.client()?;
    publisher.say(&topic, &"y".repeat(300), 1)?;
    publisher.say(&topic, "small", 1)?;
    let mut back = context.connect(&packet::Connect::kept(context.version, &id).with(limit))?;
    let got = back.delivery()?;
    check!(got.text() == "small", "expected the small message; got one of {} bytes", got.payload.len());
    back.send(&packet::acknowledge(context.version, PUBACK, got.id, 0))?;
    back.nothing()
}
