//! Chapters 1 and 2: strings, lengths, flags, packet identifiers, the byte stream.

use crate::client::{Client, Event};
use crate::context::Context;
use crate::outcome::{Outcome, check, fail};
use crate::packet::{self, Connect, PUBACK, PUBCOMP, PUBREC, PUBREL, Publish, frame};
use crate::property::{Properties, USER_PROPERTY, Value};
use crate::received::Packet;

super::tests! {
    ill_formed_utf8_ends_the_connection: v311 ["1.5.3-1"] v5 ["1.5.4-1"];
    a_null_character_ends_the_connection: v311 ["1.5.3-2"] v5 ["1.5.4-2"];
    a_byte_order_mark_in_a_string_is_kept: v311 ["1.5.3-3"] v5 ["1.5.4-3"];
    lengths_from_the_server_are_in_their_shortest_form: v311 [] v5 ["1.5.5-1"];
    a_remaining_length_of_five_bytes_is_malformed: v311 ["4.8.0-1"] v5 ["4.13.1-1"];
    both_strings_of_a_user_property_must_be_well_formed: v311 [] v5 ["1.5.7-1"];
    reserved_flags_of_the_fixed_header_are_checked: v311 ["2.2.2-1", "2.2.2-2"] v5 ["2.1.3-1"];
    a_reserved_packet_type_ends_the_connection: v311 ["4.8.0-1"] v5 ["4.13.1-1"];
    packets_only_a_server_sends_are_refused: v311 ["4.8.0-1"] v5 ["4.13.1-1"];
    a_packet_identifier_of_zero_is_refused: v311 ["2.3.1-1"] v5 ["2.2.1-3"];
    a_qos_0_message_carries_no_packet_identifier: v311 ["2.3.1-5"] v5 ["2.2.1-2"];
    packet_identifiers_of_the_server_are_unused_and_not_zero:
        v311 ["2.3.1-4", "4.3.2-1", "4.3.3-1"] v5 ["2.2.1-4", "4.3.2-1", "4.3.3-1"];
    acknowledgements_repeat_the_packet_identifier: v311 ["2.3.1-6"] v5 ["2.2.1-5"];
    suback_and_unsuback_repeat_the_packet_identifier:
        v311 ["2.3.1-7", "3.8.4-2", "3.10.4-4"] v5 ["2.2.1-6", "3.8.4-2", "3.10.4-5"];
    an_absence_of_properties_is_a_length_of_zero: v311 [] v5 ["2.2.2-1"];
    a_property_in_the_wrong_packet_is_refused: v311 [] v5 ["4.13.1-1"];
    an_unknown_property_is_refused: v311 [] v5 ["4.13.1-1"];
    packets_in_many_segments_and_many_packets_in_one_are_understood: v311 ["7.1.1-1"] v5 ["4.2-1"];
}

const ILL_FORMED: [&[u8]; 4] = [b"a\xff", b"a\xc0\x80", b"a\xed\xa0\x80", b"a\xf4\x90\x80\x80"];

fn ill_formed_utf8_ends_the_connection(context: &Context) -> Outcome {
    for text in ILL_FORMED {
        let publish = Publish { topic: text.to_vec(), ..Publish::new("", "x") };
        context.ends_connection(&publish.bytes(context.version))?;
        let subscribe = packet::subscribe(context.version, 1, &[(text, 0)], &Properties::none());
        context.ends_connection(&subscribe)?;
    }
    Ok(())
}

fn a_null_character_ends_the_connection(context: &Context) -> Outcome {
    let publish = Publish::new("conformance/a\0b", "x");
    context.ends_connection(&publish.bytes(context.version))?;
    let subscribe = packet::subscribe(context.version, 1, &[(b"conformance/a\0b", 0)], &Properties::none());
    context.ends_connection(&subscribe)
}

fn a_byte_order_mark_in_a_string_is_kept(context: &Context) -> Outcome {
    let plain = context.topic("a");
    let marked = format!("{plain}/\u{feff}b");
    let bare = format!("{plain}/b");
    let mut subscriber = context.client()?;
    subscriber.subscribe(&marked, 0)?;
    let mut publisher = context.client()?;
    publisher.say(&bare, "bare", 1)?;
    publisher.say(&marked, "marked", 1)?;
    let got = subscriber.take_text("marked")?;
    check!(got.topic == marked.as_bytes(), "sent topic {marked:?}; got {:?}", got.topic_text());
    Ok(())
}

fn lengths_from_the_server_are_in_their_shortest_form(context: &Context) -> Outcome {
    let topic = context.topic("length");
    let mut subscriber = context.client()?;
    subscriber.subscribe(&topic, 0)?;
    let mut publisher = context.client()?;
    let overhead = 2 + topic.len() + 1;
    for length in [100, 127, 128, 16_383, 16_384, 70_000] {
        let payload = "x".repeat(length - overhead);
        publisher.say(&topic, &payload, 1)?;
        // The reader refuses a remaining or property length that is longer than it needs to be.
        subscriber.take_text(&payload)?;
    }
    Ok(())
}

fn a_remaining_length_of_five_bytes_is_malformed(context: &Context) -> Outcome {
    context.ends_connection(&[0x30, 0xff, 0xff, 0xff, 0xff, 0x01, 0, 0, 0])
}

fn both_strings_of_a_user_property_must_be_well_formed(context: &Context) -> Outcome {
    for (name, value) in [(b"\xff".to_vec(), b"v".to_vec()), (b"n".to_vec(), b"\xed\xa0\x80".to_vec())] {
        let properties = Properties::none().with(USER_PROPERTY, Value::Pair(name, value));
        let publish = Publish::new(&context.topic("user"), "x").with(properties);
        context.ends_connection(&publish.bytes(context.version))?;
    }
    Ok(())
}

fn reserved_flags_of_the_fixed_header_are_checked(context: &Context) -> Outcome {
    for (first, body) in [(0xC1, &[][..]), (0xC8, &[]), (0x41, &[0, 1]), (0x51, &[0, 1]), (0x71, &[0, 1])] {
        context.ends_connection(&frame(first, body))?;
    }
    let mut connect = Connect::new(context.version, &context.id()).bytes();
    connect[0] = 0x11;
    let mut client = context.open()?;
    client.send(&connect)?;
    client.refusal().map(drop)
}

fn a_reserved_packet_type_ends_the_connection(context: &Context) -> Outcome {
    context.ends_connection(&[0x00, 0x00])?;
    if context.v5() { Ok(()) } else { context.ends_connection(&[0xF0, 0x00]) }
}

fn packets_only_a_server_sends_are_refused(context: &Context) -> Outcome {
    let (suback, connack): (&[u8], &[u8]) =
        if context.v5() { (&[0, 1, 0, 0], &[0, 0, 0]) } else { (&[0, 1, 0], &[0, 0]) };
    for bytes in [frame(0x20, connack), frame(0x90, suback), frame(0xB0, suback), frame(0xD0, &[])] {
        context.ends_connection(&bytes)?;
    }
    Ok(())
}

fn a_packet_identifier_of_zero_is_refused(context: &Context) -> Outcome {
    let version = context.version;
    let topic = context.topic("zero");
    for qos in [1, 2] {
        context.ends_connection(&Publish::new(&topic, "x").qos(qos, 0).bytes(version))?;
    }
    context.ends_connection(&packet::subscribe(version, 0, &[(topic.as_bytes(), 0)], &Properties::none()))?;
    context.ends_connection(&packet::unsubscribe(version, 0, &[topic.as_bytes()]))
}

fn a_qos_0_message_carries_no_packet_identifier(context: &Context) -> Outcome {
    let topic = context.topic("zero");
    let mut subscriber = context.client()?;
    subscriber.subscribe(&topic, 0)?;
    let mut publisher = context.client()?;
    for qos in [0, 1] {
        publisher.say(&topic, "payload", qos)?;
        // A packet identifier would stand at the front of the payload.
        subscriber.take_text("payload")?;
    }
    Ok(())
}

fn packet_identifiers_of_the_server_are_unused_and_not_zero(context: &Context) -> Outcome {
    let topic = context.topic("ids");
    let mut subscriber = context.client()?;
    subscriber.subscribe(&topic, 2)?;
    let mut publisher = context.client()?;
    for n in 0..10 {
        publisher.say(&topic, &n.to_string(), 1 + n % 2)?;
    }
    let mut seen = Vec::new();
    for _ in 0..10 {
        let publish = subscriber.delivery()?;
        check!(publish.id != 0, "expected a packet identifier that is not zero; got {publish:?}");
        check!(
            !seen.contains(&publish.id),
            "expected an unused packet identifier; got {publish:?} after {seen:?}"
        );
        seen.push(publish.id);
    }
    Ok(())
}

fn acknowledgements_repeat_the_packet_identifier(context: &Context) -> Outcome {
    let topic = context.topic("ids");
    let mut client = context.client()?;
    for id in [1, 0x1234, u16::MAX] {
        client.publish(&Publish::new(&topic, "one").qos(1, id))?;
        client.publish(&Publish::new(&topic, "two").qos(2, id))?;
    }
    delivered_pubrel_repeats_the_identifier(context, &mut client)
}

fn delivered_pubrel_repeats_the_identifier(context: &Context, publisher: &mut Client) -> Outcome {
    let topic = context.topic("pubrel");
    let mut subscriber = context.client()?;
    subscriber.subscribe(&topic, 2)?;
    publisher.say(&topic, "two", 2)?;
    let publish = subscriber.delivery()?;
    subscriber.send(&packet::acknowledge(context.version, PUBREC, publish.id, 0))?;
    match subscriber.event()? {
        Event::Packet(Packet::Ack(ack)) if ack.first == PUBREL && ack.id == publish.id => {}
        other => return subscriber.wrong("PUBREL with the identifier of the PUBLISH", &format!("{other:?}")),
    }
    subscriber.send(&packet::acknowledge(context.version, PUBCOMP, publish.id, 0))
}

fn suback_and_unsuback_repeat_the_packet_identifier(context: &Context) -> Outcome {
    let topic = context.topic("ids");
    let mut client = context.client()?;
    for id in [1, 0x1234, u16::MAX] {
        let filters = [(topic.as_bytes(), 1)];
        client.send(&packet::subscribe(context.version, id, &filters, &Properties::none()))?;
        client.codes(0x90, id)?;
        client.send(&packet::unsubscribe(context.version, id, &[topic.as_bytes()]))?;
        client.codes(0xB0, id)?;
    }
    Ok(())
}

fn an_absence_of_properties_is_a_length_of_zero(context: &Context) -> Outcome {
    let topic = context.topic("bare");
    let mut client = context.client()?;
    client.subscribe(&topic, 1)?;
    client.send(&Publish::new(&topic, "x").qos(1, 9).bytes(context.version))?;
    for _ in 0..2 {
        match client.event()? {
            Event::Packet(Packet::Publish(publish)) => {
                check!(
                    publish.text() == "x",
                    "expected the payload behind a property length of 0; got {publish:?}"
                );
            }
            Event::Packet(Packet::Ack(ack)) if ack.first == PUBACK => {}
            other => fail!("expected PUBACK and PUBLISH; got {other:?}"),
        }
    }
    Ok(())
}

fn a_property_in_the_wrong_packet_is_refused(context: &Context) -> Outcome {
    let topic = context.topic("wrong");
    let publish =
        Publish::new(&topic, "x").with(Properties::none().u16(crate::property::SERVER_KEEP_ALIVE, 5));
    context.ends_connection(&publish.bytes(context.version))?;
    let expiry = Properties::none().u32(crate::property::SESSION_EXPIRY, 5);
    context.ends_connection(&packet::subscribe(context.version, 1, &[(topic.as_bytes(), 0)], &expiry))
}

fn an_unknown_property_is_refused(context: &Context) -> Outcome {
    let publish = Publish::new(&context.topic("unknown"), "x").with(Properties::none().byte(0x7E, 1));
    context.ends_connection(&publish.bytes(context.version))
}

fn packets_in_many_segments_and_many_packets_in_one_are_understood(context: &Context) -> Outcome {
    let topic = context.topic("stream");
    let mut client = context.open()?;
    let mut bytes = Connect::new(context.version, &context.id()).bytes();
    bytes.extend(packet::subscribe(context.version, 7, &[(topic.as_bytes(), 0)], &Properties::none()));
    for byte in bytes {
        client.send(&[byte])?;
    }
    client.connack()?;
    client.codes(0x90, 7)?;
    let mut many = Vec::new();
    for n in 0..50 {
        many.extend(Publish::new(&topic, &n.to_string()).bytes(context.version));
    }
    many.extend(packet::PINGREQ);
    client.send(&many)?;
    let mut left = (0..50).collect::<std::collections::VecDeque<_>>();
    let mut pinged = false;
    while !left.is_empty() || !pinged {
        match client.event()? {
            Event::Packet(Packet::PingResp) => pinged = true,
            Event::Packet(Packet::Publish(publish)) => {
                let wanted = left.pop_front().map(|n: i32| n.to_string());
                check!(Some(publish.text()) == wanted, "expected message {wanted:?}; got {publish:?}");
            }
            other => return client.wrong("50 messages and PINGRESP", &format!("{other:?}")),
        }
    }
    Ok(())
}
