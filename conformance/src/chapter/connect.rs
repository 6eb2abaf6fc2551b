//! CONNECT: its form, the protocol version, the client identifier, clean start (section 3.1).

use crate::client::Event;
use crate::context::Context;
use crate::outcome::{Outcome, check};
use crate::packet::{self, Connect, PINGREQ, Publish, Will, frame};
use crate::property::{ASSIGNED_CLIENT_ID, Properties, RECEIVE_MAXIMUM, SESSION_EXPIRY};
use crate::received::Packet;

super::tests! {
    the_first_packet_must_be_connect: v311 ["3.1.0-1"] v5 ["3.1.0-1"];
    a_second_connect_ends_the_connection: v311 ["3.1.0-2"] v5 ["3.1.0-2"];
    a_wrong_protocol_name_is_refused: v311 ["3.1.2-1"] v5 ["3.1.2-1"];
    an_unknown_protocol_level_is_refused: v311 ["3.1.2-2"] v5 ["3.1.2-2"];
    the_reserved_connect_flag_must_be_zero: v311 ["3.1.2-3"] v5 ["3.1.2-3"];
    a_malformed_connect_ends_the_connection: v311 ["3.1.4-1"] v5 ["3.1.4-1"];
    a_connect_property_given_twice_is_refused: v311 [] v5 ["3.1.4-1", "4.13.1-1"];
    a_receive_maximum_of_zero_is_refused: v311 [] v5 ["3.1.4-1", "4.13.1-1"];
    a_connect_without_client_identifier_field_is_refused: v311 ["3.1.3-3"] v5 ["3.1.3-3"];
    an_ill_formed_client_identifier_is_refused: v311 ["3.1.3-4"] v5 ["3.1.3-4"];
    client_identifiers_of_1_to_23_letters_and_digits_are_accepted: v311 ["3.1.3-5"] v5 ["3.1.3-5"];
    an_empty_client_identifier_is_replaced_by_a_unique_one:
        v311 ["3.1.3-6"] v5 ["3.1.3-6", "3.1.3-7", "3.2.2-16"];
    an_empty_client_identifier_with_a_kept_session_is_rejected: v311 ["3.1.3-7", "3.1.3-8", "3.1.3-9"] v5 [];
    every_field_of_the_payload_is_read_in_order: v311 ["3.1.3-1"] v5 ["3.1.3-1"];
    the_client_identifier_names_the_session: v311 ["3.1.3-2"] v5 ["3.1.3-2"];
    a_clean_start_discards_the_former_session: v311 ["3.1.2-6", "3.1.4-3"] v5 ["3.1.2-4", "3.1.4-4"];
    a_connection_with_the_same_client_identifier_takes_over: v311 ["3.1.4-2"] v5 ["3.1.4-3"];
}

fn the_first_packet_must_be_connect(context: &Context) -> Outcome {
    let topic = context.topic("early");
    let subscribe = packet::subscribe(context.version, 1, &[(topic.as_bytes(), 0)], &Properties::none());
    for bytes in [Publish::new(&topic, "x").bytes(context.version), PINGREQ.to_vec(), subscribe] {
        let mut client = context.open()?;
        client.send(&bytes)?;
        client.refusal()?;
    }
    Ok(())
}

fn a_second_connect_ends_the_connection(context: &Context) -> Outcome {
    let connect = Connect::new(context.version, &context.id());
    let mut client = context.connect(&connect)?;
    client.send(&connect.bytes())?;
    client.closed()
}

fn a_wrong_protocol_name_is_refused(context: &Context) -> Outcome {
    for name in [&b"XQTT"[..], b"mqtt", b"MQTTX", b""] {
        let connect = Connect { name: name.to_vec(), ..Connect::new(context.version, &context.id()) };
        context.refused(&connect)?;
    }
    Ok(())
}

fn an_unknown_protocol_level_is_refused(context: &Context) -> Outcome {
    for level in [0, 9, 0x7F] {
        let connect = Connect { level, ..Connect::new(context.version, &context.id()) };
        let mut client = context.open()?;
        client.send(&connect.bytes())?;
        // Which form of CONNACK an unknown level is owed is open, so only type and code are looked at.
        match client.event_raw()? {
            None if context.v5() => {}
            Some((0x20, body)) if matches!(body.get(..2), Some([0, 0x01 | 0x84])) => client.closed()?,
            other => {
                return client
                    .wrong("CONNACK with the code for an unacceptable level", &format!("{other:02x?}"));
            }
        }
    }
    Ok(())
}

fn the_reserved_connect_flag_must_be_zero(context: &Context) -> Outcome {
    let connect = Connect { flags: Some(0x03), ..Connect::new(context.version, &context.id()) };
    context.refused(&connect).map(drop)
}

fn a_malformed_connect_ends_the_connection(context: &Context) -> Outcome {
    let good = Connect::new(context.version, &context.id());
    let reserved = Connect { flags: Some(0x03), ..good.clone() };
    let trailing = Connect { tail: vec![0, 1, b'x'], ..good.clone() };
    let whole = good.bytes();
    let short = frame(0x10, &whole[2..whole.len() - 3]);
    for bytes in [reserved.bytes(), trailing.bytes(), short] {
        let mut client = context.open()?;
        client.send(&bytes)?;
        let connack = client.refusal()?;
        if !context.v5() && connack.is_some() {
            return client.wrong("the end of the connection without CONNACK", &format!("{connack:?}"));
        }
    }
    Ok(())
}

fn a_connect_property_given_twice_is_refused(context: &Context) -> Outcome {
    let twice = Properties::none().u32(SESSION_EXPIRY, 1).u32(SESSION_EXPIRY, 1);
    context.refused(&Connect::new(context.version, &context.id()).with(twice)).map(drop)
}

fn a_receive_maximum_of_zero_is_refused(context: &Context) -> Outcome {
    let zero = Properties::none().u16(RECEIVE_MAXIMUM, 0);
    context.refused(&Connect::new(context.version, &context.id()).with(zero)).map(drop)
}

fn a_connect_without_client_identifier_field_is_refused(context: &Context) -> Outcome {
    let whole = Connect::new(context.version, "").bytes();
    let mut client = context.open()?;
    client.send(&frame(0x10, &whole[2..whole.len() - 2]))?;
    client.refusal().map(drop)
}

fn an_ill_formed_client_identifier_is_refused(context: &Context) -> Outcome {
    for id in [&b"a\xff"[..], b"a\xed\xa0\x80", b"a\0b"] {
        let connect = Connect { client_id: id.to_vec(), ..Connect::new(context.version, "") };
        context.refused(&connect)?;
    }
    Ok(())
}

fn client_identifiers_of_1_to_23_letters_and_digits_are_accepted(context: &Context) -> Outcome {
    let full = format!("{}ABCDEFGHIJKLMNOPQRSTUVWXYZ", context.id());
    for id in ["Q", &full[..23]] {
        context.connect(&Connect::new(context.version, id))?.disconnect()?;
    }
    for alphabet in ["0123456789abcdefghijklm", "nopqrstuvwxyzABCDEFGHIJ", "KLMNOPQRSTUVWXYZ"] {
        context.connect(&Connect::new(context.version, alphabet))?.disconnect()?;
    }
    Ok(())
}

fn an_empty_client_identifier_is_replaced_by_a_unique_one(context: &Context) -> Outcome {
    let mut first = context.connect(&Connect::new(context.version, ""))?;
    let mut second = context.connect(&Connect::new(context.version, ""))?;
    first.nothing()?;
    second.nothing()?;
    let topic = context.topic("own");
    first.subscribe(&topic, 1)?;
    second.say(&topic, "hello", 1)?;
    first.take_text("hello")?;
    if context.v5() {
        let names =
            [&first, &second].map(|c| c.connack.properties.data(ASSIGNED_CLIENT_ID).map(<[u8]>::to_vec));
        check!(
            names.iter().all(|n| n.as_ref().is_some_and(|n| !n.is_empty())) && names[0] != names[1],
            "expected two different assigned client identifiers; got {names:?}"
        );
    }
    Ok(())
}

fn an_empty_client_identifier_with_a_kept_session_is_rejected(context: &Context) -> Outcome {
    let connect = Connect { clean: false, ..Connect::new(context.version, "") };
    let connack = context.refused(&connect)?;
    let rejected = connack.as_ref().is_some_and(|c| c.code == 2 && c.flags == 0);
    check!(
        rejected,
        "sent an empty client identifier with clean session 0; expected return code 2; got {connack:?}"
    );
    Ok(())
}

fn every_field_of_the_payload_is_read_in_order(context: &Context) -> Outcome {
    let topic = context.topic("will");
    let mut watcher = context.client()?;
    watcher.subscribe(&topic, 0)?;
    let will = Will { topic: topic.clone().into(), payload: b"gone".to_vec(), ..Will::default() };
    let id = context.kept_id();
    let mut connect = Connect::kept(context.version, &id).with_will(will);
    connect.user = Some(b"somebody".to_vec());
    connect.password = Some(b"secret".to_vec());
    let mut client = context.open()?;
    client.send(&connect.bytes())?;
    let connack = client.connack()?;
    if matches!(connack.code, 4 | 5 | 0x86 | 0x87) {
        crate::outcome::not_applicable!("the server does not let an invented user in");
    }
    check!(connack.code == 0, "sent a CONNECT with every field; expected acceptance; got {connack:?}");
    client.cut()?;
    watcher.take_text("gone")?;
    let again = context.kept_client(&id)?;
    check!(again.connack.flags & 1 == 1, "expected the session of {id}; got {:?}", again.connack);
    Ok(())
}

fn the_client_identifier_names_the_session(context: &Context) -> Outcome {
    let (one, two) = (context.kept_id(), context.kept_id());
    let topics = [context.topic("one"), context.topic("two")];
    for (id, topic) in [&one, &two].into_iter().zip(&topics) {
        let mut client = context.kept_client(id)?;
        client.subscribe(topic, 1)?;
        client.disconnect()?;
    }
    let mut publisher = context.client()?;
    publisher.say(&topics[0], "for one", 1)?;
    publisher.say(&topics[1], "for two", 1)?;
    let mut client = context.kept_client(&two)?;
    client.take_text("for two")?;
    client.nothing()?;
    let mut client = context.kept_client(&one)?;
    client.take_text("for one")?;
    client.nothing()
}

fn a_clean_start_discards_the_former_session(context: &Context) -> Outcome {
    let id = context.kept_id();
    let topic = context.topic("discard");
    let mut client = context.kept_client(&id)?;
    client.subscribe(&topic, 1)?;
    client.disconnect()?;
    let mut publisher = context.client()?;
    publisher.say(&topic, "queued", 1)?;
    let mut clean = context.connect(&Connect::new(context.version, &id))?;
    check!(clean.connack.flags == 0, "expected session present 0; got {:?}", clean.connack);
    publisher.say(&topic, "live", 1)?;
    clean.nothing()?;
    clean.disconnect()?;
    // The clean session ended with its connection: nothing of it comes back either.
    let mut again = context.kept_client(&id)?;
    check!(
        again.connack.flags == 0,
        "expected session present 0 after a clean session; got {:?}",
        again.connack
    );
    again.nothing()
}

fn a_connection_with_the_same_client_identifier_takes_over(context: &Context) -> Outcome {
    let connect = Connect::new(context.version, &context.id());
    let mut first = context.connect(&connect)?;
    let mut second = context.connect(&connect)?;
    let reason = first.closed_with()?;
    if context.v5() {
        let code = reason.as_ref().map(|r| r.code);
        check!(code == Some(0x8E), "expected DISCONNECT 0x8E before the close; got {reason:?}");
    }
    match second.event_within(std::time::Duration::from_millis(50))? {
        None => second.nothing(),
        Some(Event::Packet(Packet::PingResp)) => Ok(()),
        other => second.wrong("the new connection to live on", &format!("{other:?}")),
    }
}
