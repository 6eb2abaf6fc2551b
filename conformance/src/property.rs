//! Properties of version 5 as the suite reads and writes them (section 2.2.2).

use crate::received::{Reader, WireError};

/// Payload format indicator, one byte.
pub const PAYLOAD_FORMAT: u8 = 0x01;
/// Message expiry interval, seconds.
pub const MESSAGE_EXPIRY: u8 = 0x02;
/// Content type, a string.
pub const CONTENT_TYPE: u8 = 0x03;
/// Response topic, a string.
pub const RESPONSE_TOPIC: u8 = 0x08;
/// Correlation data, bytes.
pub const CORRELATION_DATA: u8 = 0x09;
/// Subscription identifier, a variable byte integer.
pub const SUBSCRIPTION_ID: u8 = 0x0B;
/// Session expiry interval, seconds.
pub const SESSION_EXPIRY: u8 = 0x11;
/// Assigned client identifier, a string.
pub const ASSIGNED_CLIENT_ID: u8 = 0x12;
/// Server keep alive, seconds.
pub const SERVER_KEEP_ALIVE: u8 = 0x13;
/// Authentication method, a string.
pub const AUTHENTICATION_METHOD: u8 = 0x15;
/// Request problem information, one byte.
pub const REQUEST_PROBLEM_INFORMATION: u8 = 0x17;
/// Will delay interval, seconds.
pub const WILL_DELAY: u8 = 0x18;
/// Request response information, one byte.
pub const REQUEST_RESPONSE_INFORMATION: u8 = 0x19;
/// Response information, a string.
pub const RESPONSE_INFORMATION: u8 = 0x1A;
/// Reason string.
pub const REASON_STRING: u8 = 0x1F;
/// Receive maximum.
pub const RECEIVE_MAXIMUM: u8 = 0x21;
/// Topic alias maximum.
pub const TOPIC_ALIAS_MAXIMUM: u8 = 0x22;
/// Topic alias.
pub const TOPIC_ALIAS: u8 = 0x23;
/// Maximum QoS of the server.
pub const MAXIMUM_QOS: u8 = 0x24;
/// Whether the server keeps retained messages.
pub const RETAIN_AVAILABLE: u8 = 0x25;
/// User property, a pair of strings.
pub const USER_PROPERTY: u8 = 0x26;
/// Maximum packet size, bytes.
pub const MAXIMUM_PACKET_SIZE: u8 = 0x27;
/// Whether the server offers shared subscriptions.
pub const SHARED_AVAILABLE: u8 = 0x2A;

/// The value of one property. Strings are bytes here, because some tests send ill-formed ones.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// One byte.
    Byte(u8),
    /// Two byte integer.
    U16(u16),
    /// Four byte integer.
    U32(u32),
    /// Variable byte integer.
    Var(u32),
    /// String or binary data.
    Bytes(Vec<u8>),
    /// String pair.
    Pair(Vec<u8>, Vec<u8>),
}

/// Properties in the order they stand on the wire.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Properties(pub Vec<(u8, Value)>);

impl Properties {
    /// No properties.
    pub fn none() -> Self {
        Self::default()
    }

    /// Adds a property.
    #[must_use]
    pub fn with(mut self, id: u8, value: Value) -> Self {
        self.0.push((id, value));
        self
    }

    /// Adds a byte.
    #[must_use]
    pub fn byte(self, id: u8, value: u8) -> Self {
        self.with(id, Value::Byte(value))
    }

    /// Adds a two byte integer.
    #[must_use]
    pub fn u16(self, id: u8, value: u16) -> Self {
        self.with(id, Value::U16(value))
    }

    /// Adds a four byte integer.
    #[must_use]
    pub fn u32(self, id: u8, value: u32) -> Self {
        self.with(id, Value::U32(value))
    }

    /// Adds a string or binary data.
    #[must_use]
    pub fn bytes(self, id: u8, value: impl Into<Vec<u8>>) -> Self {
        self.with(id, Value::Bytes(value.into()))
    }

    /// Adds a user property.
    #[must_use]
    pub fn user(self, name: &str, value: &str) -> Self {
        self.with(USER_PROPERTY, Value::Pair(name.into(), value.into()))
    }

    /// The first value with this id.
    pub fn get(&self, id: u8) -> Option<&Value> {
        self.all(id).next()
    }

    /// All values with this id, in order.
    pub fn all(&self, id: u8) -> impl Iterator<Item = &Value> {
        self.0.iter().filter(move |(i, _)| *i == id).map(|(_, v)| v)
    }

    /// The first value with this id as a number, whatever its width.
    pub fn number(&self, id: u8) -> Option<u32> {
        match self.get(id)? {
            Value::Byte(n) => Some(u32::from(*n)),
            Value::U16(n) => Some(u32::from(*n)),
            Value::U32(n) | Value::Var(n) => Some(*n),
            Value::Bytes(_) | Value::Pair(..) => None,
        }
    }

    /// The first value with this id as bytes.
    pub fn data(&self, id: u8) -> Option<&[u8]> {
        match self.get(id)? {
            Value::Bytes(b) => Some(b),
            _ => None,
        }
    }

    /// The user properties as pairs, in order.
    pub fn users(&self) -> Vec<(String, String)> {
        self.all(USER_PROPERTY)
            .filter_map(|v| match v {
                Value::Pair(a, b) => {
                    Some((String::from_utf8_lossy(a).into_owned(), String::from_utf8_lossy(b).into_owned()))
                }
                _ => None,
            })
            .collect()
    }

    /// Appends length and properties.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let mut body = Vec::new();
        for (id, value) in &self.0 {
            body.push(*id);
            match value {
                Value::Byte(n) => body.push(*n),
                Value::U16(n) => body.extend(n.to_be_bytes()),
                Value::U32(n) => body.extend(n.to_be_bytes()),
                Value::Var(n) => crate::packet::variable(&mut body, *n as usize),
                Value::Bytes(b) => crate::packet::string(&mut body, b),
                Value::Pair(a, b) => {
                    crate::packet::string(&mut body, a);
                    crate::packet::string(&mut body, b);
                }
            }
        }
        crate::packet::variable(out, body.len());
        out.extend(body);
    }

    /// Reads length and properties; strict, because whatever comes was made by the server.
    ///
    /// # Errors
    /// When an id is unknown or the bytes do not fit.
    pub fn decode(reader: &mut Reader<'_>) -> Result<Self, WireError> {
        let length = reader.variable()?;
        let mut inner = Reader::new(reader.take(length)?);
        let mut found = Vec::new();
        while !inner.is_empty() {
            let id = inner.u8()?;
            let value = match id {
                0x01 | 0x17 | 0x19 | 0x24 | 0x25 | 0x28 | 0x29 | 0x2A => Value::Byte(inner.u8()?),
                0x13 | 0x21 | 0x22 | 0x23 => Value::U16(inner.u16()?),
                0x02 | 0x11 | 0x18 | 0x27 => {
                    Value::U32((u32::from(inner.u16()?) << 16) | u32::from(inner.u16()?))
                }
                0x0B => Value::Var(u32::try_from(inner.variable()?).unwrap_or(u32::MAX)),
                0x03 | 0x08 | 0x12 | 0x15 | 0x1A | 0x1C | 0x1F => Value::Bytes(inner.text()?),
                0x09 | 0x16 => Value::Bytes(inner.data()?),
                USER_PROPERTY => Value::Pair(inner.text()?, inner.text()?),
                other => return Err(WireError(format!("unknown property {other:#04x}"))),
            };
            found.push((id, value));
        }
        Ok(Self(found))
    }
}
