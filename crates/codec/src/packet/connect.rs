use alloc::vec::Vec;

use bytes::Bytes;

use crate::packet::check_flags;
use crate::property::Carrier;
use crate::read::{Reader, shared_string};
use crate::topic::check_name;
use crate::{ByteString, DecodeError, EncodeError, PacketType, Properties, QoS, Version, write};

const USERNAME: u8 = 0x80;
const PASSWORD: u8 = 0x40;
const WILL_RETAIN: u8 = 0x20;
const WILL_QOS_SHIFT: u8 = 3;
const WILL: u8 = 0x04;
const CLEAN_START: u8 = 0x02;
const RESERVED: u8 = 0x01;

/// The high bit of the protocol level, which mosquitto's bridges set so that the server treats them as one.
const BRIDGE: u8 = 0x80;

/// CONNECT: the client asks for a connection (section 3.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connect {
    /// The version the client speaks, and this packet is written in.
    pub version: Version,
    /// Start with a new session; "clean session" before version 5 (section 3.1.2.4).
    pub clean_start: bool,
    /// The longest silence of the client in seconds; 0 is no limit (section 3.1.2.10).
    pub keep_alive: u16,
    /// The client identifier; empty asks the server for one (section 3.1.3.1).
    pub client_id: ByteString,
    /// What the server publishes when the client is gone (section 3.1.2.5).
    pub will: Option<Will>,
    /// The user name (section 3.1.3.5).
    pub username: Option<ByteString>,
    /// The password (section 3.1.3.6). Before version 5 it needs a user name ([MQTT-3.1.2-22] of 3.1.1).
    pub password: Option<Bytes>,
    /// Properties (version 5).
    pub properties: Properties,
    /// The high bit of the protocol level: a bridge of mosquitto's kind connects. Only before version 5.
    pub bridge: bool,
}

/// The will in a CONNECT (section 3.1.2.5).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Will {
    /// The QoS it is published with.
    pub qos: QoS,
    /// Published as a retained message.
    pub retain: bool,
    /// The topic name.
    pub topic: ByteString,
    /// The application message, at most 65,535 bytes.
    pub payload: Bytes,
    /// Properties (version 5, section 3.1.3.2).
    pub properties: Properties,
}

impl Connect {
    /// A clean start with no keep alive, will, user name or properties.
    #[must_use]
    pub fn new(version: Version, client_id: impl Into<ByteString>) -> Self {
        Self {
            version,
            clean_start: true,
            keep_alive: 0,
            client_id: client_id.into(),
            will: None,
            username: None,
            password: None,
            properties: Properties::new(),
            bridge: false,
        }
    }

    /// Reads the body of the packet; `first` is its first byte.
    ///
    /// # Errors
    ///
    /// [`DecodeError::UnsupportedProtocolVersion`] for a protocol level that does not go with the protocol name; a
    /// protocol error for another name ([MQTT-3.1.2-1]); malformed for reserved bits ([MQTT-3.1.2-3]) and flags of
    /// a will that is not there ([MQTT-3.1.2-11] and after); an invalid will topic; bytes too few or too many.
    pub fn decode(first: u8, body: &Bytes) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(body);
        let (version, bridge) = read_version(&mut reader)?;
        check_flags(version, first, PacketType::Connect)?;
        let flags = reader.u8()?;
        check_connect_flags(version, flags)?;
        let keep_alive = reader.u16()?;
        let properties = if version.has_properties() {
            Properties::read(&mut reader, Carrier::Connect, body)?
        } else {
            Properties::new()
        };
        if properties.authentication_data().is_some() && properties.authentication_method().is_none() {
            return Err(DecodeError::ProtocolViolation { what: "authentication data without a method" });
        }
        let client_id = shared_string(body, reader.string()?);
        let will =
            if flags & WILL != 0 { Some(Will::read(version, flags, &mut reader, body)?) } else { None };
        // In version 3.1 the length of the packet decides: flags may promise fields that are not there.
        let is_there =
            |flag, reader: &Reader<'_>| flags & flag != 0 && !(version == Version::V31 && reader.is_empty());
        let username = match is_there(USERNAME, &reader) {
            true => Some(shared_string(body, reader.string()?)),
            false => None,
        };
        let password = match is_there(PASSWORD, &reader) {
            true => Some(body.slice_ref(reader.binary()?)),
            false => None,
        };
        reader.finish()?;
        let clean_start = flags & CLEAN_START != 0;
        Ok(Self { version, clean_start, keep_alive, client_id, will, username, password, properties, bridge })
    }

    /// The version that the body of a CONNECT names, for an answer to one that is otherwise broken; `None` if it names
    /// none of the three.
    #[must_use]
    pub fn peek_version(body: &[u8]) -> Option<Version> {
        read_version(&mut Reader::new(body)).ok().map(|(version, _)| version)
    }

    /// Appends the whole packet, in the version it names.
    ///
    /// # Errors
    ///
    /// A password without a user name before version 5, a bridge bit in version 5, a will topic that is not valid, a
    /// property that CONNECT does not have, or a field that is too long.
    pub fn encode(&self, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        let version = self.version;
        if !version.has_properties() && self.password.is_some() && self.username.is_none() {
            return Err(EncodeError::NotAllowed { what: "a password without a user name before version 5" });
        }
        if version.has_properties() && self.bridge {
            return Err(EncodeError::NotAllowed { what: "the bridge bit in version 5" });
        }
        write::packet(out, PacketType::Connect.first_byte(), |out| {
            write::string(out, version.protocol_name())?;
            let level = version.level() | if self.bridge { BRIDGE } else { 0 };
            let [high, low] = self.keep_alive.to_be_bytes();
            out.extend_from_slice(&[level, self.flags(), high, low]);
            if version.has_properties() {
                self.properties.encode(Carrier::Connect, out)?;
            }
            write::string(out, &self.client_id)?;
            if let Some(will) = &self.will {
                will.write(version, out)?;
            }
            if let Some(username) = &self.username {
                write::string(out, username)?;
            }
            if let Some(password) = &self.password {
                write::binary(out, password)?;
            }
            Ok(())
        })
    }

    fn flags(&self) -> u8 {
        let flag = |set: bool, bit: u8| if set { bit } else { 0 };
        let will = self
            .will
            .as_ref()
            .map_or(0, |will| WILL | flag(will.retain, WILL_RETAIN) | will.qos.to_u8() << WILL_QOS_SHIFT);
        will | flag(self.clean_start, CLEAN_START)
            | flag(self.username.is_some(), USERNAME)
            | flag(self.password.is_some(), PASSWORD)
    }
}

impl Will {
    fn read(version: Version, flags: u8, reader: &mut Reader<'_>, body: &Bytes) -> Result<Self, DecodeError> {
        let properties = if version.has_properties() {
            Properties::read(reader, Carrier::Will, body)?
        } else {
            Properties::new()
        };
        let topic = reader.string()?;
        check_name(topic).map_err(|_| DecodeError::TopicNameInvalid)?;
        let payload = body.slice_ref(reader.binary()?);
        Ok(Self {
            qos: QoS::try_from(flags >> WILL_QOS_SHIFT & 0b11)?,
            retain: flags & WILL_RETAIN != 0,
            topic: shared_string(body, topic),
            payload,
            properties,
        })
    }

    fn write(&self, version: Version, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        if version.has_properties() {
            self.properties.encode(Carrier::Will, out)?;
        }
        write::topic_name(out, &self.topic)?;
        write::binary(out, &self.payload)
    }
}

/// Protocol name and level (sections 3.1.2.1 and 3.1.2.2), and the bridge bit.
fn read_version(reader: &mut Reader<'_>) -> Result<(Version, bool), DecodeError> {
    let name = reader.binary()?;
    let level = reader.u8()?;
    let bridge = level & BRIDGE != 0;
    let version = match (name, level & !BRIDGE) {
        (b"MQIsdp", 3) => Version::V31,
        (b"MQTT", 4) => Version::V311,
        (b"MQTT", 5) if !bridge => Version::V5,
        (b"MQIsdp" | b"MQTT", _) => return Err(DecodeError::UnsupportedProtocolVersion { level }),
        _ => return Err(DecodeError::ProtocolViolation { what: "unknown protocol name" }),
    };
    Ok((version, bridge))
}

fn check_connect_flags(version: Version, flags: u8) -> Result<(), DecodeError> {
    // Version 3.1 gives the reserved bit and the flags of a missing will no meaning, and forbids nothing.
    if version == Version::V31 {
        return Ok(());
    }
    let what = if flags & RESERVED != 0 {
        "reserved bit in the CONNECT flags"
    } else if flags & WILL == 0 && flags & (WILL_RETAIN | 0b11 << WILL_QOS_SHIFT) != 0 {
        "flags of a will that is not there"
    } else if version == Version::V311 && flags & (USERNAME | PASSWORD) == PASSWORD {
        "a password without a user name"
    } else {
        return Ok(());
    };
    Err(DecodeError::Malformed { what })
}
