//! Packets as a client sends them, correct by default and easy to damage.

use crate::property::Properties;

/// The version of the protocol a test speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Version {
    /// MQTT 3.1.1, protocol level 4.
    V311,
    /// MQTT 5.0, protocol level 5.
    V5,
}

impl Version {
    /// Both, in order.
    pub const ALL: [Self; 2] = [Self::V311, Self::V5];

    /// The protocol level of CONNECT.
    pub fn level(self) -> u8 {
        match self {
            Self::V311 => 4,
            Self::V5 => 5,
        }
    }

    /// The name of the standard, "3.1.1" or "5.0".
    pub fn name(self) -> &'static str {
        match self {
            Self::V311 => "3.1.1",
            Self::V5 => "5.0",
        }
    }

    /// Whether packets carry properties and reason codes.
    pub fn is_v5(self) -> bool {
        self == Self::V5
    }
}

/// First byte of PUBACK.
pub const PUBACK: u8 = 0x40;
/// First byte of PUBREC.
pub const PUBREC: u8 = 0x50;
/// First byte of PUBREL.
pub const PUBREL: u8 = 0x62;
/// First byte of PUBCOMP.
pub const PUBCOMP: u8 = 0x70;
/// A whole PINGREQ.
pub const PINGREQ: [u8; 2] = [0xC0, 0];

/// Appends a variable byte integer (section 1.5.5, in 3.1.1 the remaining length of section 2.2.3).
pub fn variable(out: &mut Vec<u8>, mut value: usize) {
    loop {
        let byte = u8::try_from(value & 0x7F).unwrap_or(0);
        value >>= 7;
        if value == 0 {
            out.push(byte);
            return;
        }
        out.push(byte | 0x80);
    }
}

/// Appends a string or binary data with its two length bytes.
pub fn string(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend(u16::try_from(bytes.len()).unwrap_or(u16::MAX).to_be_bytes());
    out.extend(bytes);
}

/// A whole packet from its first byte and what follows the remaining length.
pub fn frame(first: u8, body: &[u8]) -> Vec<u8> {
    let mut out = vec![first];
    variable(&mut out, body.len());
    out.extend(body);
    out
}

/// A will message.
#[derive(Debug, Clone, Default)]
pub struct Will {
    /// Topic name.
    pub topic: Vec<u8>,
    /// Payload.
    pub payload: Vec<u8>,
    /// 0 to 2; 3 to be wrong.
    pub qos: u8,
    /// Whether it is to be retained.
    pub retain: bool,
    /// Will properties, version 5 only.
    pub properties: Properties,
}

/// A CONNECT packet. `flags` and `tail` are for tests that send a wrong one.
#[derive(Debug, Clone)]
pub struct Connect {
    /// Version, which decides the level and whether properties stand in it.
    pub version: Version,
    /// Protocol name, `MQTT`.
    pub name: Vec<u8>,
    /// Protocol level.
    pub level: u8,
    /// Clean session, clean start.
    pub clean: bool,
    /// Seconds, 0 for none.
    pub keep_alive: u16,
    /// Client identifier.
    pub client_id: Vec<u8>,
    /// Will message.
    pub will: Option<Will>,
    /// User name.
    pub user: Option<Vec<u8>>,
    /// Password.
    pub password: Option<Vec<u8>>,
    /// Properties, version 5 only.
    pub properties: Properties,
    /// Sent instead of the computed connect flags.
    pub flags: Option<u8>,
    /// Appended after the last field.
    pub tail: Vec<u8>,
}

impl Connect {
    /// A correct CONNECT with a clean session and no keep alive.
    pub fn new(version: Version, client_id: &str) -> Self {
        Self {
            version,
            name: b"MQTT".to_vec(),
            level: version.level(),
            clean: true,
            keep_alive: 0,
            client_id: client_id.into(),
            will: None,
            user: None,
            password: None,
            properties: Properties::none(),
            flags: None,
            tail: Vec::new(),
        }
    }

    /// A CONNECT that continues or makes a session which outlives its connection.
    pub fn kept(version: Version, client_id: &str) -> Self {
        let mut connect = Self { clean: false, ..Self::new(version, client_id) };
        if version.is_v5() {
            connect.properties = Properties::none().u32(crate::property::SESSION_EXPIRY, 300);
        }
        connect
    }

    /// The same with a will.
    #[must_use]
    pub fn with_will(mut self, will: Will) -> Self {
        self.will = Some(will);
        self
    }

    /// The same with other properties added.
    #[must_use]
    pub fn with(mut self, properties: Properties) -> Self {
        self.properties.0.extend(properties.0);
        self
    }

    fn computed_flags(&self) -> u8 {
        let mut flags = u8::from(self.clean) << 1;
        if let Some(will) = &self.will {
            flags |= 0x04 | (will.qos << 3) | (u8::from(will.retain) << 5);
        }
        flags | (u8::from(self.password.is_some()) << 6) | (u8::from(self.user.is_some()) << 7)
    }

    /// The bytes of the packet.
    pub fn bytes(&self) -> Vec<u8> {
        let mut body = Vec::new();
        string(&mut body, &self.name);
        body.push(self.level);
        body.push(self.flags.unwrap_or_else(|| self.computed_flags()));
        body.extend(self.keep_alive.to_be_bytes());
        if self.version.is_v5() {
            self.properties.encode(&mut body);
        }
        string(&mut body, &self.client_id);
        if let Some(will) = &self.will {
            if self.version.is_v5() {
                will.properties.encode(&mut body);
            }
            string(&mut body, &will.topic);
            string(&mut body, &will.payload);
        }
        for field in [&self.user, &self.password].into_iter().flatten() {
            string(&mut body, field);
        }
        body.extend(&self.tail);
        frame(0x10, &body)
    }
}

/// A PUBLISH packet, sent or received.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Publish {
    /// Sent before.
    pub dup: bool,
    /// 0 to 2; 3 to be wrong.
    pub qos: u8,
    /// Retain flag.
    pub retain: bool,
    /// Topic name.
    pub topic: Vec<u8>,
    /// Packet identifier, on the wire for QoS 1 and 2 only.
    pub id: u16,
    /// Properties, version 5 only.
    pub properties: Properties,
    /// Payload.
    pub payload: Vec<u8>,
}

impl Publish {
    /// A message of QoS 0.
    pub fn new(topic: &str, payload: &str) -> Self {
        Self { topic: topic.into(), payload: payload.into(), ..Self::default() }
    }

    /// The same with a QoS and packet identifier.
    #[must_use]
    pub fn qos(mut self, qos: u8, id: u16) -> Self {
        self.qos = qos;
        self.id = id;
        self
    }

    /// The same with the retain flag.
    #[must_use]
    pub fn retained(mut self) -> Self {
        self.retain = true;
        self
    }

    /// The same with the DUP flag.
    #[must_use]
    pub fn again(mut self) -> Self {
        self.dup = true;
        self
    }

    /// The same with properties added.
    #[must_use]
    pub fn with(mut self, properties: Properties) -> Self {
        self.properties.0.extend(properties.0);
        self
    }

    /// The topic name as text.
    pub fn topic_text(&self) -> String {
        String::from_utf8_lossy(&self.topic).into_owned()
    }

    /// The payload as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.payload).into_owned()
    }

    /// The bytes of the packet.
    pub fn bytes(&self, version: Version) -> Vec<u8> {
        let mut body = Vec::new();
        string(&mut body, &self.topic);
        if self.qos > 0 {
            body.extend(self.id.to_be_bytes());
        }
        if version.is_v5() {
            self.properties.encode(&mut body);
        }
        body.extend(&self.payload);
        frame(0x30 | (u8::from(self.dup) << 3) | (self.qos << 1) | u8::from(self.retain), &body)
    }
}

/// A SUBSCRIBE with one option byte per topic filter.
pub fn subscribe(version: Version, id: u16, filters: &[(&[u8], u8)], properties: &Properties) -> Vec<u8> {
    let mut body = id.to_be_bytes().to_vec();
    if version.is_v5() {
        properties.encode(&mut body);
    }
    for (filter, options) in filters {
        string(&mut body, filter);
        body.push(*options);
    }
    frame(0x82, &body)
}

/// An UNSUBSCRIBE.
pub fn unsubscribe(version: Version, id: u16, filters: &[&[u8]]) -> Vec<u8> {
    let mut body = id.to_be_bytes().to_vec();
    if version.is_v5() {
        body.push(0);
    }
    for filter in filters {
        string(&mut body, filter);
    }
    frame(0xA2, &body)
}

/// A PUBACK, PUBREC, PUBREL or PUBCOMP; the reason stands in it for version 5 when it is not 0.
pub fn acknowledge(version: Version, first: u8, id: u16, reason: u8) -> Vec<u8> {
    let mut body = id.to_be_bytes().to_vec();
    if version.is_v5() && reason != 0 {
        body.push(reason);
    }
    frame(first, &body)
}

/// A DISCONNECT; reason and properties are sent in version 5 only.
pub fn disconnect(version: Version, reason: u8, properties: &Properties) -> Vec<u8> {
    let mut body = Vec::new();
    if version.is_v5() && (reason != 0 || !properties.0.is_empty()) {
        body.push(reason);
        properties.encode(&mut body);
    }
    frame(0xE0, &body)
}
