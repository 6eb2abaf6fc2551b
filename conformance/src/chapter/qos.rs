//! The delivery protocols of QoS 1 and 2 (section 4.3), the server as receiver and as sender.

use std::time::Duration;

use crate::client::Event;
use crate::context::Context;
use crate::outcome::{Outcome, check};
use crate::packet::{self, PUBACK, PUBCOMP, PUBREC, PUBREL, Publish};
use crate::property::{MESSAGE_EXPIRY, Properties};
use crate::received::Packet;

super::tests! {
    a_packet_identifier_is_free_again_after_puback: v311 ["4.3.2-2"] v5 ["4.3.2-5"];
    a_qos_2_message_sent_twice_is_delivered_once: v311 ["4.3.3-2"] v5 ["4.3.3-10"];
    pubrel_is_answered_with_pubcomp: v311 ["4.3.3-2"] v5 ["4.3.3-11"];
    a_packet_identifier_is_free_again_after_pubcomp: v311 ["4.3.3-2"] v5 ["4.3.3-12"];
    a_qos_2_identifier_is_remembered_across_connections: v311 ["4.3.3-2", "4.1.0-1"] v5 ["4.3.3-10"];
    pubrec_is_answered_with_pubrel: v311 ["4.3.3-1"] v5 ["4.3.3-4"];
    pubrels_follow_the_order_of_the_pubrecs: v311 ["4.6.0-6"] v5 ["4.3.3-4"];
    a_qos_2_exchange_goes_on_after_the_message_has_expired: v311 [] v5 ["4.3.3-13"];
    a_message_already_sent_does_not_expire: v311 [] v5 ["4.3.3-7"];
    an_identifier_refused_with_pubrec_is_new_again: v311 [] v5 ["4.3.3-9"];
}

fn a_packet_identifier_is_free_again_after_puback(context: &Context) -> Outcome {
    let topic = context.topic("again");
    let mut subscriber = context.client()?;
    subscriber.subscribe(&topic, 1)?;
    let mut publisher = context.client()?;
    publisher.publish(&Publish::new(&topic, "first").qos(1, 5))?;
    publisher.publish(&Publish::new(&topic, "second").qos(1, 5))?;
    publisher.publish(&Publish::new(&topic, "third").qos(1, 5).again())?;
    for text in ["first", "second", "third"] {
        subscriber.take_text(text)?;
    }
    Ok(())
}

fn a_qos_2_message_sent_twice_is_delivered_once(context: &Context) -> Outcome {
    let topic = context.topic("twice");
    let mut subscriber = context.client()?;
    subscriber.subscribe(&topic, 2)?;
    let mut publisher = context.client()?;
    let publish = Publish::new(&topic, "once").qos(2, 5);
    publisher.send(&publish.bytes(context.version))?;
    publisher.ack(PUBREC, 5)?;
    for _ in 0..2 {
        publisher.send(&publish.clone().again().bytes(context.version))?;
        publisher.ack(PUBREC, 5)?;
    }
    publisher.send(&packet::acknowledge(context.version, PUBREL, 5, 0))?;
    publisher.ack(PUBCOMP, 5)?;
    publisher.say(&topic, "sentinel", 2)?;
    subscriber.take_text("once")?;
    subscriber.take_text("sentinel").map(drop)
}

fn pubrel_is_answered_with_pubcomp(context: &Context) -> Outcome {
    let mut client = context.client()?;
    client.send(&Publish::new(&context.topic("release"), "x").qos(2, 5).bytes(context.version))?;
    client.ack(PUBREC, 5)?;
    // A client that did not get the PUBCOMP sends the PUBREL again.
    for _ in 0..2 {
        client.send(&packet::acknowledge(context.version, PUBREL, 5, 0))?;
        client.ack(PUBCOMP, 5)?;
    }
    Ok(())
}

fn a_packet_identifier_is_free_again_after_pubcomp(context: &Context) -> Outcome {
    let topic = context.topic("again");
    let mut subscriber = context.client()?;
    subscriber.subscribe(&topic, 2)?;
    let mut publisher = context.client()?;
    for text in ["first", "second"] {
        publisher.publish(&Publish::new(&topic, text).qos(2, 5))?;
        subscriber.take_text(text)?;
    }
    Ok(())
}

fn a_qos_2_identifier_is_remembered_across_connections(context: &Context) -> Outcome {
    let topic = context.topic("twice");
    let mut subscriber = context.client()?;
    subscriber.subscribe(&topic, 2)?;
    let id = context.kept_id();
    let publish = Publish::new(&topic, "once").qos(2, 5);
    let mut publisher = context.kept_client(&id)?;
    publisher.send(&publish.bytes(context.version))?;
    publisher.ack(PUBREC, 5)?;
    publisher.cut()?;
    let mut publisher = context.kept_client(&id)?;
    publisher.publish(&publish.again())?;
    publisher.say(&topic, "sentinel", 2)?;
    subscriber.take_text("once")?;
    subscriber.take_text("sentinel").map(drop)
}

fn pubrec_is_answered_with_pubrel(context: &Context) -> Outcome {
    let topic = context.topic("release");
    let mut client = context.client()?;
    client.subscribe(&topic, 2)?;
    client.say(&topic, "x", 2)?;
    let publish = client.delivery()?;
    client.nothing()?;
    client.send(&packet::acknowledge(context.version, PUBREC, publish.id, 0))?;
    match client.event()? {
        Event::Packet(Packet::Ack(ack)) if ack.first == PUBREL && ack.id == publish.id => {}
        other => return client.wrong("PUBREL with the same identifier", &format!("{other:?}")),
    }
    client.send(&packet::acknowledge(context.version, PUBCOMP, publish.id, 0))?;
    client.nothing()
}

fn pubrels_follow_the_order_of_the_pubrecs(context: &Context) -> Outcome {
    let topic = context.topic("release");
    let mut subscriber = context.client()?;
    subscriber.subscribe(&topic, 2)?;
    let mut publisher = context.client()?;
    let mut ids = Vec::new();
    for _ in 0..8 {
        publisher.say(&topic, "x", 2)?;
        ids.push(subscriber.delivery()?.id);
    }
    let recs: Vec<u8> =
        ids.iter().flat_map(|id| packet::acknowledge(context.version, PUBREC, *id, 0)).collect();
    subscriber.send(&recs)?;
    for id in ids {
        match subscriber.event()? {
            Event::Packet(Packet::Ack(ack)) if ack.first == PUBREL && ack.id == id => {}
            other => return subscriber.wrong(&format!("PUBREL {id}"), &format!("{other:?}")),
        }
    }
    Ok(())
}

fn a_qos_2_exchange_goes_on_after_the_message_has_expired(context: &Context) -> Outcome {
    let mut client = context.client()?;
    let short = Properties::none().u32(MESSAGE_EXPIRY, 1);
    client.send(&Publish::new(&context.topic("expiry"), "x").qos(2, 5).with(short).bytes(context.version))?;
    client.ack(PUBREC, 5)?;
    client.quiet_for(Duration::from_millis(2200))?;
    client.send(&packet::acknowledge(context.version, PUBREL, 5, 0))?;
    client.ack(PUBCOMP, 5).map(drop)
}

fn a_message_already_sent_does_not_expire(context: &Context) -> Outcome {
    let topic = context.topic("expiry");
    let id = context.kept_id();
    let mut client = context.kept_client(&id)?;
    client.subscribe(&topic, 2)?;
    let short = Properties::none().u32(MESSAGE_EXPIRY, 1);
    let mut publisher = context.client()?;
    publisher.publish(&Publish::new(&topic, "sent").qos(2, 5).with(short))?;
    let first = client.delivery()?;
    client.cut()?;
    publisher.quiet_for(Duration::from_millis(2200))?;
    let mut client = context.kept_client(&id)?;
    let again = client.take_text("sent")?;
    check!(again.id == first.id && again.dup, "expected the same PUBLISH again with DUP 1; got {again:?}");
    Ok(())
}

fn an_identifier_refused_with_pubrec_is_new_again(context: &Context) -> Outcome {
    let mut client = context.client()?;
    // A name that begins with $SYS/ is the server's own; many servers refuse it.
    let refused = Publish::new("$SYS/conformance/refused", "x").qos(2, 5);
    client.send(&refused.bytes(context.version))?;
    match client.event()? {
        Event::Packet(Packet::Ack(ack)) if ack.first == PUBREC && ack.reason >= 0x80 => {}
        other => crate::outcome::not_applicable!(
            "nothing was found that the server refuses with PUBREC: {other:?}"
        ),
    }
    let topic = context.topic("new");
    let mut subscriber = context.client()?;
    subscriber.subscribe(&topic, 2)?;
    client.publish(&Publish::new(&topic, "new").qos(2, 5))?;
    subscriber.take_text("new").map(drop)?;
    client.publish(&Publish::new(&topic, "one").qos(1, 5))?;
    client.send(&packet::acknowledge(context.version, PUBACK, 999, 0))?;
    client.nothing()
}
