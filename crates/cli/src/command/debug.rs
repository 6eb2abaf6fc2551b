//! `--debug`: one line on standard output for every packet, as mosquitto's clients write it.

use darter_client::{Direction, Packet, QoS, SubscribeFilter, Version};
use std::fmt::Display;
use std::io::{self, Write};

/// Writes the lines.
#[derive(Debug)]
pub(crate) struct Debug {
    version: Version,
    quiet: bool,
    /// mosquitto's clients number QoS 0 messages as well.
    last_id: u16,
}

impl Debug {
    pub(crate) fn new(version: Version, quiet: bool) -> Self {
        Self { version, quiet, last_id: 0 }
    }

    pub(crate) fn packet(&mut self, client_id: &str, direction: Direction, packet: &Packet) {
        let id = if client_id.is_empty() { "(null)" } else { client_id };
        let mut lines = String::new();
        for text in self.describe(direction, packet) {
            lines.push_str(&line(id, direction, &text));
        }
        if let (Packet::SubAck(suback), false) = (packet, self.quiet) {
            let granted: Vec<_> = suback.reasons.iter().map(|reason| (*reason as u8).to_string()).collect();
            lines.push_str(&format!(
                "Subscribed (mid: {}): {}\n",
                suback.packet_id.get(),
                granted.join(", ")
            ));
        }
        // Without a reader there is nobody to tell.
        let _ = io::stdout().write_all(lines.as_bytes());
        let _ = io::stdout().flush();
    }

    fn describe(&mut self, direction: Direction, packet: &Packet) -> Vec<String> {
        let sent = direction == Direction::Sent;
        let one = |text: String| vec![text];
        match packet {
            Packet::Connect(_) => one("CONNECT".to_owned()),
            Packet::ConnAck(connack) => {
                one(format!("CONNACK ({})", super::outcome::connack_code(connack, self.version)))
            }
            Packet::Publish(publish) => {
                let id = self.message_id(sent, publish.qos, publish.packet_id.map(|id| id.get()));
                one(format!(
                    "PUBLISH (d{}, q{}, r{}, m{id}, '{}', ... ({} bytes))",
                    u8::from(publish.dup),
                    publish.qos as u8,
                    u8::from(publish.retain),
                    publish.topic,
                    publish.payload.len(),
                ))
            }
            Packet::PubAck(ack) => one(if sent {
                format!("PUBACK (m{}, rc{})", ack.packet_id.get(), ack.reason as u8)
            } else {
                format!("PUBACK (Mid: {}, RC:{})", ack.packet_id.get(), ack.reason as u8)
            }),
            Packet::PubRec(ack) => one(if sent {
                format!("PUBREC (m{}, rc{})", ack.packet_id.get(), ack.reason as u8)
            } else {
                format!("PUBREC (Mid: {})", ack.packet_id.get())
            }),
            Packet::PubRel(ack) => one(numbered("PUBREL", sent, ack.packet_id.get())),
            Packet::PubComp(ack) => one(if sent {
                format!("PUBCOMP (m{})", ack.packet_id.get())
            } else {
                format!("PUBCOMP (Mid: {}, RC:{})", ack.packet_id.get(), ack.reason as u8)
            }),
            Packet::Subscribe(subscribe) => {
                self.last_id = subscribe.packet_id.get();
                let line = |filter: &SubscribeFilter| {
                    format!(
                        "SUBSCRIBE (Mid: {}, Topic: {}, QoS: {}, Options: 0x{:02x})",
                        subscribe.packet_id.get(),
                        filter.filter,
                        filter.options.qos as u8,
                        filter.options.to_u8() & !3,
                    )
                };
                subscribe.filters.iter().map(line).collect()
            }
            Packet::Unsubscribe(unsubscribe) => {
                self.last_id = unsubscribe.packet_id.get();
                let line = |filter: &dyn Display| {
                    format!("UNSUBSCRIBE (Mid: {}, Topic: {filter})", unsubscribe.packet_id.get())
                };
                unsubscribe.filters.iter().map(|filter| line(filter)).collect()
            }
            Packet::SubAck(_) => one("SUBACK".to_owned()),
            Packet::UnsubAck(_) => one("UNSUBACK".to_owned()),
            Packet::PingReq => one("PINGREQ".to_owned()),
            Packet::PingResp => one("PINGRESP".to_owned()),
            Packet::Disconnect(_) if sent => one("DISCONNECT".to_owned()),
            Packet::Disconnect(disconnect) => one(format!("DISCONNECT ({})", disconnect.reason as u8)),
            Packet::Auth(_) => one("AUTH".to_owned()),
        }
    }

    fn message_id(&mut self, sent: bool, qos: QoS, id: Option<u16>) -> u16 {
        if !sent {
            return id.unwrap_or(0);
        }
        self.last_id = match (qos, id) {
            (QoS::AtMostOnce, _) | (_, None) => self.last_id.wrapping_add(1),
            (_, Some(id)) => id,
        };
        self.last_id
    }
}

fn line(id: &str, direction: Direction, text: &str) -> String {
    let verb = match direction {
        Direction::Sent => "sending",
        Direction::Received => "received",
    };
    format!("Client {id} {verb} {text}\n")
}

fn numbered(name: &str, sent: bool, id: u16) -> String {
    if sent { format!("{name} (m{id})") } else { format!("{name} (Mid: {id})") }
}
