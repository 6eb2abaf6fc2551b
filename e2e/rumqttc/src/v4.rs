//! rumqttc with version 3.1.1.

use std::time::Duration;

use rumqttc::{AsyncClient, Event, EventLoop, LastWill, MqttOptions, Outgoing, Packet, Publish, QoS};
use serde_json::json;
use tokio::sync::mpsc::UnboundedReceiver;

use crate::wire::{Command, encoded, report, report_failure, report_plain};

/// Larger than any payload of the suite.
const MAX_PACKET: usize = 4 << 20;

/// Connects as the first command says and carries out the others.
pub async fn run(first: &Command, mut queue: UnboundedReceiver<Command>) {
    let (client, events) = AsyncClient::new(options(first), 1024);
    tokio::task::spawn_local(watch(events));
    while let Some(command) = queue.recv().await {
        let outcome = match command.text("do") {
            "subscribe" => client.subscribe(command.text("filter"), command.qos()).await,
            "unsubscribe" => client.unsubscribe(command.text("filter")).await,
            "publish" => {
                let (topic, payload) = (command.text("topic"), command.bytes("payload"));
                client.publish(topic, command.qos(), command.flag("retain"), payload).await
            }
            _ => client.disconnect().await,
        };
        if let Err(error) = outcome {
            report_failure(&error.to_string());
        }
    }
}

fn options(first: &Command) -> MqttOptions {
    let port = u16::try_from(first.number("port")).unwrap_or_default();
    let mut options = MqttOptions::new(first.text("client_id"), first.text("host"), port);
    options.set_keep_alive(Duration::from_secs(60));
    options.set_clean_session(first.flag("clean"));
    options.set_max_packet_size(MAX_PACKET, MAX_PACKET);
    if let Some(will) = first.object("will") {
        options.set_last_will(LastWill::new(
            will.text("topic"),
            will.bytes("payload"),
            will.qos(),
            will.flag("retain"),
        ));
    }
    options
}

/// Reports what the connection brings until it ends.
async fn watch(mut events: EventLoop) {
    let mut leaving = false;
    loop {
        match events.poll().await {
            Ok(Event::Incoming(packet)) => match packet {
                Packet::ConnAck(connack) => {
                    report("connected", json!({ "session_present": connack.session_present }));
                }
                Packet::Publish(publish) => report_message(&publish),
                Packet::PubAck(_) | Packet::PubComp(_) => report_plain("published"),
                Packet::SubAck(_) => report_plain("subscribed"),
                Packet::UnsubAck(_) => report_plain("unsubscribed"),
                _ => {}
            },
            // A QoS 0 message has no packet identifier and no acknowledgement.
            Ok(Event::Outgoing(Outgoing::Publish(0))) => report_plain("published"),
            Ok(Event::Outgoing(Outgoing::Disconnect)) => leaving = true,
            Ok(Event::Outgoing(_)) => {}
            Err(_) if leaving => return report_plain("disconnected"),
            Err(error) => return report("closed", json!({ "reason": null, "what": error.to_string() })),
        }
    }
}

fn report_message(publish: &Publish) {
    let qos = match publish.qos {
        QoS::AtMostOnce => 0,
        QoS::AtLeastOnce => 1,
        QoS::ExactlyOnce => 2,
    };
    let payload = encoded(&publish.payload);
    let details = json!({
        "topic": publish.topic, "payload": payload, "qos": qos, "retain": publish.retain, "properties": null,
    });
    report("message", details);
}
