//! DISCONNECT, AUTH and how a server answers errors (sections 3.14, 3.15, 4.12, 4.13).

use crate::client::Event;
use crate::context::Context;
use crate::outcome::{Outcome, check};
use crate::packet::{Connect, PINGREQ, Publish, frame};
use crate::property::{AUTHENTICATION_METHOD, MAXIMUM_PACKET_SIZE, Properties, SESSION_EXPIRY};
use crate::received::{Packet, Reason};

super::tests! {
    disconnect_with_wrong_flags_is_refused: v311 ["3.14.1-1"] v5 ["3.14.1-1"];
    pubrel_with_wrong_flags_ends_the_connection: v311 ["3.6.1-1"] v5 ["3.6.1-1"];
    a_violation_ends_only_the_connection_it_came_on: v311 ["4.8.0-1"] v5 ["4.13.1-1", "4.13.2-1"];
    no_disconnect_comes_before_connack: v311 [] v5 ["3.14.0-1"];
    reason_codes_of_disconnect_are_listed_ones: v311 [] v5 ["3.14.2-1"];
    a_disconnect_from_the_server_has_no_session_expiry: v311 [] v5 ["3.14.2-2"];
    a_disconnect_stays_within_the_clients_maximum_packet_size: v311 [] v5 ["3.14.2-3", "3.14.2-4"];
    after_its_disconnect_the_server_sends_nothing_and_closes: v311 [] v5 ["3.14.4-1", "3.14.4-2", "4.13.2-1"];
    auth_with_wrong_flags_ends_the_connection: v311 [] v5 ["3.15.1-1"];
    an_unknown_authentication_method_is_refused: v311 [] v5 ["4.12.0-1", "3.1.4-2", "4.12.0-4"];
    nothing_about_authentication_comes_unasked: v311 [] v5 ["4.12.0-6"];
    auth_without_an_authentication_method_is_refused: v311 [] v5 ["4.12.0-7"];
}

const DISCONNECT_REASONS: [u8; 27] = [
    0x00, 0x80, 0x81, 0x82, 0x83, 0x87, 0x89, 0x8B, 0x8D, 0x8E, 0x8F, 0x90, 0x93, 0x94, 0x95, 0x96, 0x97,
    0x98, 0x99, 0x9A, 0x9B, 0x9C, 0x9D, 0x9E, 0x9F, 0xA0, 0xA1,
];

fn disconnect_with_wrong_flags_is_refused(context: &Context) -> Outcome {
    for first in [0xE1, 0xE2, 0xE8] {
        let topic = context.topic("flags");
        let mut watcher = context.client()?;
        watcher.subscribe(&topic, 0)?;
        let will =
            crate::packet::Will { topic: topic.into(), payload: b"gone".to_vec(), ..Default::default() };
        let mut client = context.connect(&Connect::new(context.version, &context.id()).with_will(will))?;
        client.send(&frame(first, &[]))?;
        client.closed()?;
        // It was no DISCONNECT, so the will is due.
        watcher.take_text("gone")?;
    }
    Ok(())
}

fn pubrel_with_wrong_flags_ends_the_connection(context: &Context) -> Outcome {
    for first in [0x60, 0x61, 0x63, 0x6A] {
        context.ends_connection(&frame(first, &[0, 1]))?;
    }
    Ok(())
}

fn a_violation_ends_only_the_connection_it_came_on(context: &Context) -> Outcome {
    let mut bystander = context.client()?;
    context.ends_connection(&Publish::new("conformance/#", "x").bytes(context.version))?;
    context.ends_connection(&[0x30, 0x02, 0x00, 0x05])?;
    bystander.nothing()
}

fn no_disconnect_comes_before_connack(context: &Context) -> Outcome {
    let wrong_flags = Connect { flags: Some(0x03), ..Connect::new(context.version, &context.id()) }.bytes();
    let cut_off = frame(0x10, &wrong_flags[2..wrong_flags.len() - 3]);
    for bytes in [vec![0xE0, 0], vec![0x30, 3, 0, 1, b'a'], wrong_flags, cut_off] {
        let mut client = context.open()?;
        client.send(&bytes)?;
        // `refusal` takes a CONNACK or the end of the connection, and nothing else.
        client.refusal()?;
    }
    Ok(())
}

/// DISCONNECT packets of the server after different mistakes; servers may leave them out.
fn provoked(context: &Context) -> Outcome<Vec<Reason>> {
    let mut reasons = Vec::new();
    let version = context.version;
    let mistakes = [
        Publish::new("conformance/#", "x").bytes(version),
        Connect::new(version, &context.id()).bytes(),
        vec![0x00, 0x00],
        frame(0x82, &[0, 1, 0]),
        frame(0x30, &[0, 1, 0xff, 0]),
        Publish::new("a", "x").qos(3, 1).bytes(version),
    ];
    for bytes in mistakes {
        let mut client = context.client()?;
        client.send(&bytes)?;
        reasons.extend(client.closed_with()?);
    }
    let connect = Connect::new(version, &context.id());
    let mut first = context.connect(&connect)?;
    let _second = context.connect(&connect)?;
    reasons.extend(first.closed_with()?);
    if reasons.is_empty() {
        crate::outcome::not_applicable!("the server closes connections without DISCONNECT");
    }
    Ok(reasons)
}

fn reason_codes_of_disconnect_are_listed_ones(context: &Context) -> Outcome {
    for reason in provoked(context)? {
        let listed = DISCONNECT_REASONS.contains(&reason.code);
        check!(listed, "expected a reason code listed for DISCONNECT; got {reason:?}");
        check!(reason.code >= 0x80, "expected an error code after an error; got {reason:?}");
    }
    Ok(())
}

fn a_disconnect_from_the_server_has_no_session_expiry(context: &Context) -> Outcome {
    for reason in provoked(context)? {
        check!(reason.properties.get(SESSION_EXPIRY).is_none(), "expected no session expiry; got {reason:?}");
    }
    Ok(())
}

fn a_disconnect_stays_within_the_clients_maximum_packet_size(context: &Context) -> Outcome {
    for limit in [24, 40] {
        let mut client = context.client_with(Properties::none().u32(MAXIMUM_PACKET_SIZE, limit))?;
        client.largest = 0;
        client.send(&Publish::new("conformance/#", "x").bytes(context.version))?;
        client.closed()?;
        let largest = client.largest;
        check!(largest <= limit as usize, "maximum packet size {limit}; got a packet of {largest} bytes");
    }
    Ok(())
}

fn after_its_disconnect_the_server_sends_nothing_and_closes(context: &Context) -> Outcome {
    let topic = context.topic("after");
    let mut client = context.client()?;
    client.subscribe(&topic, 0)?;
    let mut bytes = Publish::new("conformance/#", "wrong").bytes(context.version);
    for n in 0..20 {
        bytes.extend(Publish::new(&topic, &n.to_string()).bytes(context.version));
        bytes.extend(PINGREQ);
    }
    client.send(&bytes)?;
    // `closed_with` takes one DISCONNECT and then nothing but the end of the connection.
    match client.closed_with()? {
        Some(_) => Ok(()),
        None => crate::outcome::not_applicable!("the server closes a connection without DISCONNECT"),
    }
}

fn auth_with_wrong_flags_ends_the_connection(context: &Context) -> Outcome {
    for first in [0xF1, 0xF2, 0xF8] {
        context.ends_connection(&frame(first, &[0x18, 0]))?;
    }
    Ok(())
}

fn an_unknown_authentication_method_is_refused(context: &Context) -> Outcome {
    let method = Properties::none().bytes(AUTHENTICATION_METHOD, "conformance-no-such-method");
    let connack = context.refused(&Connect::new(context.version, &context.id()).with(method))?;
    if let Some(connack) = connack {
        let right = matches!(connack.code, 0x8C | 0x87);
        check!(right, "expected 0x8C or 0x87 for an unknown authentication method; got {connack:?}");
    }
    Ok(())
}

fn nothing_about_authentication_comes_unasked(context: &Context) -> Outcome {
    let mut client = context.client()?;
    let method = client.connack.properties.get(AUTHENTICATION_METHOD).cloned();
    check!(method.is_none(), "expected no authentication method; got {method:?}");
    client.nothing()
}

fn auth_without_an_authentication_method_is_refused(context: &Context) -> Outcome {
    let mut client = context.client()?;
    let mut body = vec![0x19];
    Properties::none().bytes(AUTHENTICATION_METHOD, "method").encode(&mut body);
    client.send(&frame(0xF0, &body))?;
    match client.event()? {
        Event::Closed => Ok(()),
        Event::Packet(Packet::Disconnect(_)) => client.closed(),
        other => client.wrong("the end of the connection", &format!("{other:?}")),
    }
}
