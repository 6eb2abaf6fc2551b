//! Packets as a server sends them, read strictly: what does not fit the standard's format is an error of the server.

use crate::packet::{Publish, Version};
use crate::property::Properties;

/// The server sent bytes that are no packet of the standard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WireError(pub String);

/// A packet that came from the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Packet {
    /// CONNACK.
    ConnAck(ConnAck),
    /// PUBLISH.
    Publish(Publish),
    /// PUBACK, PUBREC, PUBREL or PUBCOMP.
    Ack(Ack),
    /// SUBACK or UNSUBACK.
    Codes(Codes),
    /// PINGRESP.
    PingResp,
    /// DISCONNECT (version 5).
    Disconnect(Reason),
    /// AUTH (version 5).
    Auth(Reason),
}

/// CONNACK.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ConnAck {
    /// The whole flags byte.
    pub flags: u8,
    /// Return code, reason code.
    pub code: u8,
    /// Properties.
    pub properties: Properties,
}

/// PUBACK, PUBREC, PUBREL or PUBCOMP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ack {
    /// First byte of the packet.
    pub first: u8,
    /// Packet identifier.
    pub id: u16,
    /// Reason code, 0 when absent.
    pub reason: u8,
    /// Properties.
    pub properties: Properties,
}

/// SUBACK or UNSUBACK.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Codes {
    /// First byte of the packet: 0x90 or 0xB0.
    pub first: u8,
    /// Packet identifier.
    pub id: u16,
    /// One code per topic filter; empty in an UNSUBACK of 3.1.1.
    pub codes: Vec<u8>,
    /// Properties.
    pub properties: Properties,
}

/// What DISCONNECT and AUTH carry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    /// Reason code.
    pub code: u8,
    /// Properties.
    pub properties: Properties,
}

/// Takes one packet off the front of `buffer`: the packet and its size, or nothing when more bytes are needed.
///
/// # Errors
/// When the bytes are not a packet that a server may send.
pub fn take(version: Version, buffer: &mut Vec<u8>) -> Result<Option<(Packet, usize)>, WireError> {
    let Some((header, total)) = extent(buffer)? else { return Ok(None) };
    let bytes: Vec<u8> = buffer.drain(..total).collect();
    let packet = decode(version, bytes[0], &bytes[header..])?;
    Ok(Some((packet, total)))
}

/// Length of the fixed header and of the whole packet at the front of `buffer`, once it is all there.
///
/// # Errors
/// When the remaining length is longer than four bytes or not in its shortest form.
pub fn extent(buffer: &[u8]) -> Result<Option<(usize, usize)>, WireError> {
    let mut length = 0_usize;
    for index in 0..4 {
        let Some(byte) = buffer.get(1 + index) else { return Ok(None) };
        length |= usize::from(byte & 0x7F) << (7 * index);
        if byte & 0x80 == 0 {
            if index > 0 && *byte == 0 {
                return Err(WireError("remaining length not in its shortest form".into()));
            }
            let total = 2 + index + length;
            return Ok((buffer.len() >= total).then_some((2 + index, total)));
        }
    }
    Err(WireError("remaining length of more than four bytes".into()))
}

fn decode(version: Version, first: u8, body: &[u8]) -> Result<Packet, WireError> {
    let mut reader = Reader::new(body);
    let kind = first >> 4;
    let flags_wanted = if kind == 6 { 2 } else { 0 };
    if kind != 3 && first & 0x0F != flags_wanted {
        return Err(WireError(format!("reserved flags of the fixed header are wrong: {first:#04x}")));
    }
    let packet = match kind {
        2 => {
            let (flags, code) = (reader.u8()?, reader.u8()?);
            Packet::ConnAck(ConnAck { flags, code, properties: reader.properties(version)? })
        }
        3 => return publish(version, first, reader).map(Packet::Publish),
        4..=7 => {
            let id = reader.u16()?;
            let Reason { code, properties } = reader.reason(version)?;
            Packet::Ack(Ack { first, id, reason: code, properties })
        }
        9 | 11 => {
            let id = reader.u16()?;
            let properties = reader.properties(version)?;
            let rest = reader.rest();
            if kind == 11 && !version.is_v5() && !rest.is_empty() {
                return Err(WireError("UNSUBACK of 3.1.1 with a payload".into()));
            }
            Packet::Codes(Codes { first, id, codes: rest.to_vec(), properties })
        }
        13 => Packet::PingResp,
        14 if version.is_v5() => Packet::Disconnect(reader.reason(version)?),
        15 if version.is_v5() => Packet::Auth(reader.reason(version)?),
        _ => return Err(WireError(format!("a server never sends a packet with first byte {first:#04x}"))),
    };
    if reader.is_empty() { Ok(packet) } else { Err(WireError(format!("bytes left over after {packet:?}"))) }
}

fn publish(version: Version, first: u8, mut reader: Reader<'_>) -> Result<Publish, WireError> {
    let qos = (first >> 1) & 3;
    if qos == 3 {
        return Err(WireError("PUBLISH with QoS 3".into()));
    }
    let topic = reader.text()?;
    let id = if qos > 0 { reader.u16()? } else { 0 };
    let properties = reader.properties(version)?;
    let payload = reader.rest().to_vec();
    Ok(Publish { dup: first & 8 != 0, qos, retain: first & 1 != 0, topic, id, properties, payload })
}

/// Reads fields off the front of a packet.
#[derive(Debug)]
pub struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// A reader of these bytes.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn take(&mut self, count: usize) -> Result<&'a [u8], WireError> {
        let (head, tail) =
            self.0.split_at_checked(count).ok_or_else(|| WireError("packet too short".into()))?;
        self.0 = tail;
        Ok(head)
    }

    fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.0)
    }

    pub(crate) fn u8(&mut self) -> Result<u8, WireError> {
        Ok(self.take(1)?[0])
    }

    pub(crate) fn u16(&mut self) -> Result<u16, WireError> {
        let bytes = self.take(2)?;
        Ok(u16::from_be_bytes([bytes[0], bytes[1]]))
    }

    pub(crate) fn variable(&mut self) -> Result<usize, WireError> {
        let mut value = 0;
        for shift in 0..4 {
            let byte = self.u8()?;
            value |= usize::from(byte & 0x7F) << (7 * shift);
            if byte & 0x80 == 0 {
                let shortest = shift == 0 || byte != 0;
                return shortest
                    .then_some(value)
                    .ok_or_else(|| WireError("length not in its shortest form".into()));
            }
        }
        Err(WireError("variable byte integer of more than four bytes".into()))
    }

    pub(crate) fn data(&mut self) -> Result<Vec<u8>, WireError> {
        let length = self.u16()?;
        Ok(self.take(usize::from(length))?.to_vec())
    }

    pub(crate) fn text(&mut self) -> Result<Vec<u8>, WireError> {
        let bytes = self.data()?;
        match std::str::from_utf8(&bytes) {
            Ok(text) if !text.contains('\0') => Ok(bytes),
            _ => Err(WireError(format!("string that is not well-formed UTF-8 without U+0000: {bytes:02x?}"))),
        }
    }

    fn properties(&mut self, version: Version) -> Result<Properties, WireError> {
        if version.is_v5() { Properties::decode(self) } else { Ok(Properties::none()) }
    }

    /// A reason code and properties, both of which may be left out at the end of a packet.
    fn reason(&mut self, version: Version) -> Result<Reason, WireError> {
        if self.is_empty() || !version.is_v5() {
            return Ok(Reason { code: 0, properties: Properties::none() });
        }
        let code = self.u8()?;
        let properties = if self.is_empty() { Properties::none() } else { Properties::decode(self)? };
        Ok(Reason { code, properties })
    }
}
