//! CONNACK (section 3.2) and what a server does once it has answered.

use crate::client::Event;
use crate::context::Context;
use crate::outcome::{Outcome, check};
use crate::packet::{self, Connect, PINGREQ, Publish};
use crate::property::{
    AUTHENTICATION_METHOD, MAXIMUM_PACKET_SIZE, Properties, REQUEST_RESPONSE_INFORMATION,
    RESPONSE_INFORMATION,
};
use crate::received::Packet;

super::tests! {
    connack_comes_before_anything_else: v311 ["3.2.0-1", "3.1.4-4"] v5 ["3.2.0-1", "3.1.4-5"];
    connack_comes_once: v311 [] v5 ["3.2.0-2"];
    packets_sent_right_behind_connect_are_answered_after_connack: v311 ["3.1.4-4"] v5 ["3.1.4-5"];
    the_reserved_connack_flags_are_zero: v311 [] v5 ["3.2.2-1"];
    session_present_is_zero_on_a_clean_start: v311 ["3.2.2-1"] v5 ["3.2.2-2"];
    session_present_is_one_for_a_kept_session: v311 ["3.2.2-2"] v5 ["3.2.2-3"];
    session_present_is_zero_without_a_kept_session: v311 ["3.2.2-3"] v5 ["3.2.2-3"];
    a_connack_that_refuses_has_no_session_present_and_ends_the_connection:
        v311 ["3.2.2-4", "3.2.2-5"] v5 ["3.2.2-6", "3.2.2-7", "4.13.2-1"];
    reason_codes_of_connack_are_listed_ones: v311 [] v5 ["3.2.2-8"];
    nothing_behind_a_refused_connect_is_processed: v311 ["3.1.4-5"] v5 ["3.1.4-6"];
    no_response_information_comes_unasked: v311 [] v5 ["3.1.2-28"];
    connack_stays_within_the_clients_maximum_packet_size: v311 [] v5 ["3.2.2-19", "3.2.2-20"];
}

const CONNECT_REASONS: [u8; 22] = [
    0x00, 0x80, 0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8A, 0x8C, 0x90, 0x95, 0x97, 0x99,
    0x9A, 0x9B, 0x9C, 0x9D, 0x9F,
];

/// A CONNECT that every server without that authentication method must refuse, or one of an unknown level in 3.1.1.
fn unacceptable(context: &Context) -> Connect {
    let connect = Connect::new(context.version, &context.id());
    if context.v5() {
        connect.with(Properties::none().bytes(AUTHENTICATION_METHOD, "conformance-no-such-method"))
    } else {
        Connect { clean: false, client_id: Vec::new(), ..connect }
    }
}

fn connack_comes_before_anything_else(context: &Context) -> Outcome {
    let id = context.kept_id();
    let topic = context.topic("queued");
    let mut client = context.kept_client(&id)?;
    client.subscribe(&topic, 1)?;
    client.disconnect()?;
    let mut publisher = context.client()?;
    for n in 0..5 {
        publisher.say(&topic, &n.to_string(), 1)?;
    }
    // `connect` accepts nothing but CONNACK as the first packet.
    let mut client = context.kept_client(&id)?;
    for n in 0..5 {
        client.take_text(&n.to_string())?;
    }
    Ok(())
}

fn connack_comes_once(context: &Context) -> Outcome {
    let topic = context.topic("once");
    let mut client = context.client()?;
    client.subscribe(&topic, 1)?;
    client.say(&topic, "x", 1)?;
    client.take_text("x")?;
    client.unsubscribe(&[&topic])?;
    client.nothing()
}

fn packets_sent_right_behind_connect_are_answered_after_connack(context: &Context) -> Outcome {
    let topic = context.topic("behind");
    let mut bytes = Connect::new(context.version, &context.id()).bytes();
    bytes.extend(packet::subscribe(context.version, 3, &[(topic.as_bytes(), 0)], &Properties::none()));
    bytes.extend(PINGREQ);
    let mut client = context.open()?;
    client.send(&bytes)?;
    let connack = client.connack()?;
    check!(connack.code == 0, "expected acceptance; got {connack:?}");
    client.codes(0x90, 3)?;
    match client.event()? {
        Event::Packet(Packet::PingResp) => Ok(()),
        other => client.wrong("PINGRESP", &format!("{other:?}")),
    }
}

fn the_reserved_connack_flags_are_zero(context: &Context) -> Outcome {
    let id = context.kept_id();
    for _ in 0..2 {
        let client = context.kept_client(&id)?;
        check!(client.connack.flags & 0xFE == 0, "expected flags 7 to 1 to be 0; got {:?}", client.connack);
        client.disconnect()?;
    }
    Ok(())
}

fn session_present_is_zero_on_a_clean_start(context: &Context) -> Outcome {
    let id = context.kept_id();
    context.kept_client(&id)?.disconnect()?;
    let client = context.connect(&Connect::new(context.version, &id))?;
    check!(client.connack.flags == 0, "expected session present 0; got {:?}", client.connack);
    Ok(())
}

fn session_present_is_one_for_a_kept_session(context: &Context) -> Outcome {
    let id = context.kept_id();
    context.kept_client(&id)?.disconnect()?;
    let client = context.kept_client(&id)?;
    check!(client.connack.flags == 1, "expected session present 1; got {:?}", client.connack);
    Ok(())
}

fn session_present_is_zero_without_a_kept_session(context: &Context) -> Outcome {
    let client = context.kept_client(&context.kept_id())?;
    check!(client.connack.flags == 0, "expected session present 0; got {:?}", client.connack);
    Ok(())
}

fn a_connack_that_refuses_has_no_session_present_and_ends_the_connection(context: &Context) -> Outcome {
    // `refused` sees to it that the connection ends after the CONNACK.
    match context.refused(&unacceptable(context))? {
        Some(connack) => {
            check!(
                connack.flags == 0,
                "expected session present 0 in a CONNACK that refuses; got {connack:?}"
            );
            Ok(())
        }
        None => crate::outcome::not_applicable!("the server refuses without CONNACK"),
    }
}

fn reason_codes_of_connack_are_listed_ones(context: &Context) -> Outcome {
    let malformed = Connect { flags: Some(0x03), ..Connect::new(context.version, &context.id()) };
    for connect in [unacceptable(context), malformed] {
        if let Some(connack) = context.refused(&connect)? {
            check!(CONNECT_REASONS.contains(&connack.code), "expected a listed reason code; got {connack:?}");
        }
    }
    let client = context.client()?;
    check!(client.connack.code == 0, "expected reason code 0; got {:?}", client.connack);
    Ok(())
}

fn nothing_behind_a_refused_connect_is_processed(context: &Context) -> Outcome {
    let topic = context.topic("behind");
    let mut subscriber = context.client()?;
    subscriber.subscribe(&topic, 1)?;
    let mut bytes = unacceptable(context).bytes();
    bytes.extend(Publish::new(&topic, "must not arrive").bytes(context.version));
    let mut client = context.open()?;
    client.send(&bytes)?;
    client.refusal()?;
    context.client()?.say(&topic, "sentinel", 1)?;
    subscriber.take_text("sentinel").map(drop)
}

fn no_response_information_comes_unasked(context: &Context) -> Outcome {
    for properties in [Properties::none(), Properties::none().byte(REQUEST_RESPONSE_INFORMATION, 0)] {
        let client = context.client_with(properties)?;
        let information = client.connack.properties.get(RESPONSE_INFORMATION);
        check!(information.is_none(), "expected no response information; got {information:?}");
    }
    Ok(())
}

fn connack_stays_within_the_clients_maximum_packet_size(context: &Context) -> Outcome {
    for limit in [24, 40, 60] {
        for connect in [Connect::new(context.version, &context.id()), unacceptable(context)] {
            let mut client = context.open()?;
            client.send(&connect.with(Properties::none().u32(MAXIMUM_PACKET_SIZE, limit)).bytes())?;
            client.event()?;
            let largest = client.largest;
            check!(
                largest <= limit as usize,
                "expected no packet over {limit} bytes; got one of {largest} bytes"
            );
        }
    }
    Ok(())
}
