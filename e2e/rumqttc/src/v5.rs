//! rumqttc with version 5.

use std::time::Duration;

use rumqttc::Outgoing;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{ConnectProperties, LastWill, Packet, Publish, PublishProperties};
use rumqttc::v5::{AsyncClient, ClientError, ConnectionError, Event, EventLoop, MqttOptions, StateError};
use serde_json::{Value, json};
use tokio::sync::mpsc::UnboundedReceiver;

use crate::wire::{Command, encoded, report, report_failure, report_plain};

/// Larger than any payload of the suite.
const MAX_PACKET: u32 = 4 << 20;

/// Connects as the first command says and carries out the others.
pub async fn run(first: &Command, mut queue: UnboundedReceiver<Command>) {
    let (client, events) = AsyncClient::new(options(first), 1024);
    tokio::task::spawn_local(watch(events));
    while let Some(command) = queue.recv().await {
        let outcome = match command.text("do") {
            "subscribe" => client.subscribe(command.text("filter"), qos(&command)).await,
            "unsubscribe" => client.unsubscribe(command.text("filter")).await,
            "publish" => publish(&client, &command).await,
            _ => client.disconnect().await,
        };
        if let Err(error) = outcome {
            report_failure(&error.to_string());
        }
    }
}

async fn publish(client: &AsyncClient, command: &Command) -> Result<(), ClientError> {
    let (topic, payload) = (command.text("topic"), command.bytes("payload"));
    let (qos, retain) = (qos(command), command.flag("retain"));
    let Some(wanted) = command.object("properties") else {
        return client.publish(topic, qos, retain, payload).await;
    };
    let properties = PublishProperties {
        user_properties: wanted.pairs("user"),
        content_type: Some(wanted.text("content_type").to_owned()),
        response_topic: Some(wanted.text("response_topic").to_owned()),
        correlation_data: Some(wanted.bytes("correlation").into()),
        ..PublishProperties::default()
    };
    client.publish_with_properties(topic, qos, retain, payload, properties).await
}

fn options(first: &Command) -> MqttOptions {
    let port = u16::try_from(first.number("port")).unwrap_or_default();
    let mut options = MqttOptions::new(first.text("client_id"), first.text("host"), port);
    options.set_keep_alive(Duration::from_secs(60));
    options.set_clean_start(first.flag("clean"));
    options.set_connect_properties(ConnectProperties {
        session_expiry_interval: u32::try_from(first.number("expiry")).ok(),
        max_packet_size: Some(MAX_PACKET),
        ..ConnectProperties::new()
    });
    if let Some(will) = first.object("will") {
        let (topic, payload) = (will.text("topic"), will.bytes("payload"));
        options.set_last_will(LastWill::new(topic, payload, qos(&will), will.flag("retain"), None));
    }
    options
}

fn qos(command: &Command) -> QoS {
    match command.number("qos") {
        0 => QoS::AtMostOnce,
        1 => QoS::AtLeastOnce,
        _ => QoS::ExactlyOnce,
    }
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
            Err(error) => {
                return report("closed", json!({ "reason": reason(&error), "what": error.to_string() }));
            }
        }
    }
}

/// The reason code of a DISCONNECT from the server.
fn reason(error: &ConnectionError) -> Option<u8> {
    match error {
        ConnectionError::MqttState(StateError::ServerDisconnect { reason_code, .. }) => {
            Some(*reason_code as u8)
        }
        _ => None,
    }
}

fn report_message(publish: &Publish) {
    let qos = match publish.qos {
        QoS::AtMostOnce => 0,
        QoS::AtLeastOnce => 1,
        QoS::ExactlyOnce => 2,
    };
    let details = json!({
        "topic": String::from_utf8_lossy(&publish.topic),
        "payload": encoded(&publish.payload),
        "qos": qos,
        "retain": publish.retain,
        "properties": seen(publish.properties.as_ref()),
    });
    report("message", details);
}

fn seen(properties: Option<&PublishProperties>) -> Value {
    let properties = properties.cloned().unwrap_or_default();
    json!({
        "user": properties.user_properties,
        "content_type": properties.content_type,
        "response_topic": properties.response_topic,
        "correlation": properties.correlation_data.map(|data| encoded(&data)),
    })
}
