//! What acknowledgements may carry in version 5 (sections 3.4 to 3.7, 3.9, 3.11).

use crate::client::{Client, Event};
use crate::context::Context;
use crate::outcome::{Outcome, check};
use crate::packet::{self, PUBACK, PUBCOMP, PUBREC, PUBREL, Publish};
use crate::property::{
    MAXIMUM_PACKET_SIZE, Properties, REASON_STRING, REQUEST_PROBLEM_INFORMATION, USER_PROPERTY,
};
use crate::received::Packet;

super::tests! {
    reason_codes_of_puback_are_listed_ones: v311 [] v5 ["3.4.2-1"];
    reason_codes_of_pubrec_are_listed_ones: v311 [] v5 ["3.5.2-1"];
    reason_codes_of_pubrel_are_listed_ones: v311 [] v5 ["3.6.2-1"];
    reason_codes_of_pubcomp_are_listed_ones: v311 [] v5 ["3.7.2-1"];
    no_reason_strings_come_when_problem_information_is_not_wanted: v311 [] v5 ["3.1.2-29"];
    acknowledgements_stay_within_the_clients_maximum_packet_size: v311 [] v5 [
        "3.4.2-2", "3.4.2-3", "3.5.2-2", "3.5.2-3", "3.6.2-2", "3.6.2-3", "3.7.2-2", "3.7.2-3", "3.9.2-1", "3.9.2-2",
        "3.11.2-1", "3.11.2-2"
    ];
}

const PUBLISH_REASONS: [u8; 9] = [0x00, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99];
const RELEASE_REASONS: [u8; 2] = [0x00, 0x92];

fn listed(reason: u8, allowed: &[u8]) -> Outcome {
    check!(allowed.contains(&reason), "expected one of the reason codes {allowed:02x?}; got {reason:#04x}");
    Ok(())
}

fn reason_codes_of_puback_are_listed_ones(context: &Context) -> Outcome {
    let topic = context.topic("puback");
    let mut client = context.client()?;
    listed(client.publish(&Publish::new(&topic, "nobody listens").qos(1, 1))?, &PUBLISH_REASONS)?;
    client.subscribe(&topic, 0)?;
    listed(client.publish(&Publish::new(&topic, "somebody listens").qos(1, 2))?, &PUBLISH_REASONS)
}

fn reason_codes_of_pubrec_are_listed_ones(context: &Context) -> Outcome {
    let topic = context.topic("pubrec");
    let mut client = context.client()?;
    listed(client.publish(&Publish::new(&topic, "nobody listens").qos(2, 1))?, &PUBLISH_REASONS)?;
    client.send(&Publish::new(&topic, "twice").qos(2, 2).bytes(context.version))?;
    listed(client.ack(PUBREC, 2)?.reason, &PUBLISH_REASONS)?;
    client.send(&Publish::new(&topic, "twice").qos(2, 2).again().bytes(context.version))?;
    listed(client.ack(PUBREC, 2)?.reason, &PUBLISH_REASONS)
}

fn reason_codes_of_pubrel_are_listed_ones(context: &Context) -> Outcome {
    let topic = context.topic("pubrel");
    let mut client = context.client()?;
    client.subscribe(&topic, 2)?;
    client.say(&topic, "x", 2)?;
    let publish = client.delivery()?;
    client.send(&packet::acknowledge(context.version, PUBREC, publish.id, 0))?;
    listed(client.pubrel(publish.id)?.reason, &RELEASE_REASONS)
}

fn reason_codes_of_pubcomp_are_listed_ones(context: &Context) -> Outcome {
    let mut client = context.client()?;
    client.send(&Publish::new(&context.topic("pubcomp"), "x").qos(2, 3).bytes(context.version))?;
    client.ack(PUBREC, 3)?;
    for id in [3, 4] {
        client.send(&packet::acknowledge(context.version, PUBREL, id, 0))?;
        listed(client.ack(PUBCOMP, id)?.reason, &RELEASE_REASONS)?;
    }
    Ok(())
}

/// Provokes acknowledgements a server might comment on and returns all packets that came.
fn provoke(context: &Context, client: &mut Client) -> Outcome<Vec<Packet>> {
    let topic = context.topic("provoke");
    let version = context.version;
    let mut bytes = Publish::new(&topic, "x").qos(1, 1).bytes(version);
    bytes.extend(Publish::new(&topic, "x").qos(2, 2).bytes(version));
    bytes.extend(packet::acknowledge(version, PUBREL, 2, 0));
    bytes.extend(packet::acknowledge(version, PUBREL, 77, 0));
    bytes.extend(packet::acknowledge(version, PUBREC, 78, 0));
    bytes.extend(packet::subscribe(
        version,
        3,
        &[(b"$share/g/a", 0), (b"$SYS/none", 0)],
        &Properties::none(),
    ));
    bytes.extend(packet::unsubscribe(version, 4, &[b"never/subscribed"]));
    client.send(&bytes)?;
    let mut came = Vec::new();
    loop {
        match client.event()? {
            Event::Packet(packet) => {
                let last = matches!(&packet, Packet::Codes(codes) if codes.first == 0xB0);
                came.push(packet);
                if last {
                    return Ok(came);
                }
            }
            Event::Closed => return client.wrong("acknowledgements", "the end of the connection"),
        }
    }
}

fn no_reason_strings_come_when_problem_information_is_not_wanted(context: &Context) -> Outcome {
    let mut client = context.client_with(Properties::none().byte(REQUEST_PROBLEM_INFORMATION, 0))?;
    for packet in provoke(context, &mut client)? {
        let properties = match &packet {
            Packet::Ack(ack) => &ack.properties,
            Packet::Codes(codes) => &codes.properties,
            _ => continue,
        };
        let silent = properties.get(REASON_STRING).is_none() && properties.get(USER_PROPERTY).is_none();
        check!(silent, "request problem information 0; expected no reason string; got {packet:?}");
    }
    Ok(())
}

fn acknowledgements_stay_within_the_clients_maximum_packet_size(context: &Context) -> Outcome {
    for limit in [24, 40, 60] {
        let mut client = context.client_with(Properties::none().u32(MAXIMUM_PACKET_SIZE, limit))?;
        client.largest = 0;
        let came = provoke(context, &mut client)?;
        for first in [PUBACK, PUBREC, PUBREL, PUBCOMP] {
            let there = came.iter().any(|p| matches!(p, Packet::Ack(ack) if ack.first == first));
            check!(there, "expected an acknowledgement of type {first:#04x}; got {came:?}");
        }
        let largest = client.largest;
        check!(largest <= limit as usize, "maximum packet size {limit}; got a packet of {largest} bytes");
    }
    Ok(())
}
