//! What a follower is told of a packet.

use super::cutter::Cut;
use bytes::Bytes;
use darter_codec::frame::PacketType;
use darter_codec::{Connect, Packet, Properties, Property, ReasonCode, Version};
use serde_json::{Map, Value, json};
use std::fmt::Write;
use std::time::SystemTime;

/// Bytes of a payload that are shown.
const SHOWN: usize = 64;
/// Letters of a property that are shown.
const PROPERTY: usize = 120;

/// Who sent a packet.
#[derive(Debug, Clone, Copy)]
pub(super) enum From {
    Client,
    Server,
}

impl From {
    fn name(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Server => "server",
        }
    }
}

/// The line of a packet.
pub(super) fn packet(from: From, version: Version, cut: &Cut<'_>) -> Value {
    let mut line = line(from, &name(cut.first), cut.size);
    if cut.is_whole {
        match Packet::decode(version, cut.first, &Bytes::copy_from_slice(cut.body)) {
            Ok(packet) => describe(&mut line, &packet),
            Err(error) => put(&mut line, "wrong", error.what()),
        }
    } else if PacketType::of(cut.first) == Some(PacketType::Publish) {
        if let Some(topic) = topic_of(cut.body) {
            put(&mut line, "topic", topic);
        }
        put(&mut line, "qos", (cut.first >> 1) & 3);
        put(&mut line, "retain", cut.first & 1 == 1);
    }
    Value::Object(line)
}

/// The line of a CONNECT. Its password is not in it.
pub(super) fn connect(connect: &Connect) -> Value {
    let mut line = line(From::Client, "CONNECT", 0);
    line.remove("bytes");
    put(
        &mut line,
        "version",
        match connect.version {
            Version::V31 => "3.1",
            Version::V311 => "3.1.1",
            Version::V5 => "5",
        },
    );
    put(&mut line, "client", &*connect.client_id);
    put(&mut line, "clean", connect.clean_start);
    put(&mut line, "keep_alive", connect.keep_alive);
    if let Some(user) = &connect.username {
        put(&mut line, "user", &**user);
    }
    put(&mut line, "password", connect.password.is_some());
    if let Some(will) = &connect.will {
        let mut shown = Map::new();
        put(&mut shown, "topic", &*will.topic);
        put(&mut shown, "qos", will.qos as u8);
        put(&mut shown, "retain", will.retain);
        payload(&mut shown, &will.payload);
        put(&mut line, "will", Value::Object(shown));
    }
    properties(&mut line, &connect.properties);
    Value::Object(line)
}

/// The line of something that is no packet.
pub(super) fn event(what: &str) -> Value {
    json!({ "at": now(), "event": what })
}

fn line(from: From, packet: &str, size: usize) -> Map<String, Value> {
    let mut line = Map::new();
    put(&mut line, "at", now());
    put(&mut line, "from", from.name());
    put(&mut line, "packet", packet);
    put(&mut line, "bytes", size);
    line
}

/// Milliseconds since 1970.
fn now() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

fn put(line: &mut Map<String, Value>, name: &str, value: impl Into<Value>) {
    line.insert(name.into(), value.into());
}

fn name(first: u8) -> String {
    PacketType::of(first).map_or("?".into(), |kind| format!("{kind:?}").to_uppercase())
}

fn describe(line: &mut Map<String, Value>, packet: &Packet) {
    match packet {
        // Passwords have their own way.
        Packet::Connect(_) | Packet::PingReq | Packet::PingResp => {}
        Packet::ConnAck(packet) => {
            put(line, "session_present", packet.session_present);
            reason(line, packet.reason);
            properties(line, &packet.properties);
        }
        Packet::Publish(packet) => {
            put(line, "topic", &*packet.topic);
            put(line, "qos", packet.qos as u8);
            put(line, "retain", packet.retain);
            if packet.dup {
                put(line, "dup", true);
            }
            if let Some(id) = packet.packet_id {
                put(line, "id", id.get());
            }
            payload(line, &packet.payload);
            properties(line, &packet.properties);
        }
        Packet::PubAck(ack) => acknowledgement(line, ack.packet_id.get(), ack.reason, &ack.properties),
        Packet::PubRec(ack) => acknowledgement(line, ack.packet_id.get(), ack.reason, &ack.properties),
        Packet::PubRel(ack) => acknowledgement(line, ack.packet_id.get(), ack.reason, &ack.properties),
        Packet::PubComp(ack) => acknowledgement(line, ack.packet_id.get(), ack.reason, &ack.properties),
        Packet::Subscribe(packet) => {
            put(line, "id", packet.packet_id.get());
            let filter =
                |entry: &darter_codec::SubscribeFilter| json!([&*entry.filter, entry.options.qos as u8]);
            put(line, "filters", packet.filters.iter().map(filter).collect::<Vec<_>>());
            properties(line, &packet.properties);
        }
        Packet::SubAck(packet) => several(line, packet.packet_id.get(), &packet.reasons),
        Packet::Unsubscribe(packet) => {
            put(line, "id", packet.packet_id.get());
            put(line, "filters", packet.filters.iter().map(|filter| json!(&**filter)).collect::<Vec<_>>());
        }
        Packet::UnsubAck(packet) => several(line, packet.packet_id.get(), &packet.reasons),
        Packet::Disconnect(packet) => {
            reason(line, packet.reason);
            properties(line, &packet.properties);
        }
        Packet::Auth(packet) => {
            reason(line, packet.reason);
            properties(line, &packet.properties);
        }
    }
}

fn acknowledgement(line: &mut Map<String, Value>, id: u16, code: ReasonCode, all: &Properties) {
    put(line, "id", id);
    reason(line, code);
    properties(line, all);
}

fn several(line: &mut Map<String, Value>, id: u16, reasons: &[ReasonCode]) {
    put(line, "id", id);
    put(line, "reasons", reasons.iter().map(|code| json!(format!("{code:?}"))).collect::<Vec<_>>());
}

fn reason(line: &mut Map<String, Value>, code: ReasonCode) {
    put(line, "reason", format!("{code:?}"));
}

/// The beginning of a payload: text if it is text, else in hexadecimal digits.
fn payload(line: &mut Map<String, Value>, payload: &[u8]) {
    put(line, "payload_bytes", payload.len());
    let mut end = payload.len().min(SHOWN);
    // A letter that is cut in two is left out.
    if end < payload.len() {
        end = (end.saturating_sub(3)..=end).rev().find(|at| payload[*at] & 0xC0 != 0x80).unwrap_or(end);
    }
    let shown = &payload[..end];
    match std::str::from_utf8(shown) {
        Ok(text) if !text.contains(|letter: char| letter.is_control() && !"\t\r\n".contains(letter)) => {
            put(line, "payload", text);
        }
        _ => {
            let hex = shown.iter().fold(String::new(), |mut hex, byte| {
                let _ = write!(hex, "{byte:02x}");
                hex
            });
            put(line, "payload_hex", hex);
        }
    }
    if shown.len() < payload.len() {
        put(line, "shortened", true);
    }
}

/// Properties in words; authentication data is secret.
fn properties(line: &mut Map<String, Value>, all: &Properties) {
    let shown: Vec<Value> = all
        .iter()
        .map(|property| match property {
            Property::AuthenticationData(_) => json!("AuthenticationData(hidden)"),
            other => {
                let text = format!("{other:?}");
                let short: String = text.chars().take(PROPERTY).collect();
                json!(if short.len() < text.len() { format!("{short}...") } else { short })
            }
        })
        .collect();
    if !shown.is_empty() {
        put(line, "properties", shown);
    }
}

/// The topic name at the start of a PUBLISH, if all of it is there.
fn topic_of(body: &[u8]) -> Option<&str> {
    let (len, rest) = body.split_first_chunk::<2>()?;
    std::str::from_utf8(rest.get(..usize::from(u16::from_be_bytes(*len)))?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use darter_codec::{PacketId, Publish, QoS};

    fn told(version: Version, packet: impl Into<Packet>) -> Value {
        let mut bytes = Vec::new();
        packet.into().encode(version, &mut bytes).unwrap();
        let size = bytes.len();
        super::packet(
            From::Server,
            version,
            &Cut { first: bytes[0], body: &bytes[2..], size, is_whole: true },
        )
    }

    #[test]
    fn a_publication_is_told_with_the_beginning_of_its_payload() {
        let publish = |payload: &[u8]| Publish {
            dup: false,
            qos: QoS::AtLeastOnce,
            retain: true,
            topic: "home/door".into(),
            packet_id: PacketId::new(7),
            properties: Properties::default(),
            payload: Bytes::copy_from_slice(payload),
        };
        let line = told(Version::V311, publish("offen \u{e9}".as_bytes()));
        assert_eq!(
            (&line["packet"], &line["topic"], &line["qos"]),
            (&json!("PUBLISH"), &json!("home/door"), &json!(1))
        );
        assert_eq!((&line["id"], &line["payload"]), (&json!(7), &json!("offen \u{e9}")));
        let long = "\u{e9}".repeat(50);
        let line = told(Version::V311, publish(&[b"x", long.as_bytes()].concat()));
        assert_eq!(line["payload"], json!(format!("x{}", "\u{e9}".repeat(31))), "no half letter");
        assert_eq!((&line["shortened"], &line["payload_bytes"]), (&json!(true), &json!(101)));
        assert_eq!(told(Version::V311, publish(&[0, 255]))["payload_hex"], json!("00ff"));
    }

    #[test]
    fn secrets_are_not_told() {
        let mut connect = Connect::new(Version::V5, "c");
        connect.username = Some("ann".into());
        connect.password = Some(Bytes::from_static(b"sesame"));
        connect.properties.push(Property::AuthenticationData(Bytes::from_static(b"sesame")));
        let line = super::connect(&connect);
        assert_eq!((&line["user"], &line["password"]), (&json!("ann"), &json!(true)));
        assert!(!line.to_string().contains("sesame"), "{line}");
        let again = told(Version::V5, Packet::Connect(Box::new(connect)));
        assert!(!again.to_string().contains("sesame"), "{again}");
    }
}
