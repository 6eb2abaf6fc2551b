//! What a server may leave out, and must then say (sections 3.1.3.1, 3.2.2.3, 3.3.5).

use crate::client::{Client, Event};
use crate::context::Context;
use crate::outcome::{Outcome, check, not_applicable};
use crate::packet::{self, Connect, PUBREC, PUBREL, Publish, Will};
use crate::property::{MAXIMUM_QOS, Properties, RETAIN_AVAILABLE};
use crate::received::Packet;

super::tests! {
    a_server_without_qos_1_or_2_names_its_maximum: v311 [] v5 ["3.2.2-9"];
    subscriptions_may_ask_for_any_qos: v311 [] v5 ["3.2.2-10"];
    a_will_qos_above_the_maximum_is_rejected: v311 [] v5 ["3.2.2-12"];
    a_retained_will_is_rejected_without_retained_messages: v311 [] v5 ["3.2.2-13"];
    a_rejected_client_identifier_ends_the_connection: v311 [] v5 ["3.1.3-8"];
    an_unauthorised_publish_is_acknowledged_or_ends_the_connection: v311 ["3.3.5-2"] v5 [];
}

fn maximum_qos(client: &Client) -> u8 {
    client.connack.properties.number(MAXIMUM_QOS).and_then(|n| u8::try_from(n).ok()).unwrap_or(2)
}

fn a_server_without_qos_1_or_2_names_its_maximum(context: &Context) -> Outcome {
    let mut client = context.client()?;
    let topic = context.topic("qos");
    // Whatever the server does not exclude must work.
    for qos in 0..=maximum_qos(&client) {
        client.say(&topic, "x", qos)?;
    }
    client.nothing()
}

fn subscriptions_may_ask_for_any_qos(context: &Context) -> Outcome {
    let mut client = context.client()?;
    let maximum = maximum_qos(&client);
    for qos in 0..3 {
        let granted = client.subscribe(&context.topic("any"), qos)?;
        check!(granted <= qos.min(maximum), "asked for QoS {qos} of at most {maximum}; granted {granted}");
    }
    Ok(())
}

fn will(context: &Context, qos: u8, retain: bool) -> Connect {
    let topic = context.topic("will").into();
    let will = Will { topic, payload: b"x".to_vec(), qos, retain, properties: Properties::none() };
    Connect::new(context.version, &context.id()).with_will(will)
}

fn a_will_qos_above_the_maximum_is_rejected(context: &Context) -> Outcome {
    let maximum = maximum_qos(&context.client()?);
    if maximum == 2 {
        not_applicable!("the server serves every QoS");
    }
    context.refused(&will(context, maximum + 1, false)).map(drop)
}

fn a_retained_will_is_rejected_without_retained_messages(context: &Context) -> Outcome {
    if context.client()?.connack.properties.number(RETAIN_AVAILABLE) != Some(0) {
        not_applicable!("the server keeps retained messages");
    }
    context.refused(&will(context, 0, true)).map(drop)
}

fn a_rejected_client_identifier_ends_the_connection(context: &Context) -> Outcome {
    let name = context.id();
    for id in [format!("{name}/#"), format!("{name}\u{1}"), format!("{name}\u{ffff}"), name.repeat(2000)] {
        let mut client = context.open()?;
        client.send(&Connect::new(context.version, &id).bytes())?;
        match client.event()? {
            Event::Packet(Packet::ConnAck(connack)) if connack.code == 0 => drop(client.disconnect()),
            Event::Packet(Packet::ConnAck(_)) => return client.closed(),
            Event::Closed => return Ok(()),
            other => return client.wrong("CONNACK or the end of the connection", &format!("{other:?}")),
        }
    }
    not_applicable!("no client identifier was found that the server rejects")
}

fn an_unauthorised_publish_is_acknowledged_or_ends_the_connection(context: &Context) -> Outcome {
    // Names that begin with $SYS/ belong to the server; many servers let no client publish there.
    let topic = format!("$SYS/{}", context.topic("forbidden"));
    let mut subscriber = context.client()?;
    subscriber.subscribe_raw(&[(&topic, 0)], &Properties::none())?;
    for qos in [1, 2] {
        let mut client = context.client()?;
        client.send(&Publish::new(&topic, "x").qos(qos, 5).bytes(context.version))?;
        match client.event()? {
            Event::Closed => {}
            Event::Packet(Packet::Ack(ack)) if ack.id == 5 => {
                if ack.first == PUBREC {
                    client.send(&packet::acknowledge(context.version, PUBREL, 5, 0))?;
                    client.event()?;
                }
            }
            other => {
                return client
                    .wrong("an acknowledgement or the end of the connection", &format!("{other:?}"));
            }
        }
    }
    match subscriber.barrier()?.is_empty() {
        true => Ok(()),
        false => not_applicable!("the server lets every client publish under $SYS/"),
    }
}
