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
    // Version 3.1 gives the reserved bit and the flags of a missing will no meaning, and does not forbid them.
    let lenient = version == Version::V31;
    let what = if !version.has_properties() && flags & (USERNAME | PASSWORD) == PASSWORD {
        "a password without a user name"
    } else if !lenient && flags & RESERVED != 0 {
        "reserved bit in the CONNECT flags"
    } else if !lenient && flags & WILL == 0 && flags & (WILL_RETAIN | 0b11 << WILL_QOS_SHIFT) != 0 {
        "flags of a will that is not there"
    } else {
        return Ok(());
    };
    Err(DecodeError::Malformed { what })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packet::exact::{assert_not_written, assert_same, read};
    use crate::{Packet, Property, ReasonCode};

    fn will() -> Will {
        Will {
            qos: QoS::AtLeastOnce,
            retain: true,
            topic: "w".into(),
            payload: "bye".into(),
            ..Will::default()
        }
    }

    #[test]
    fn the_shortest_connects() {
        let v31 = Connect { keep_alive: 60, ..Connect::new(Version::V31, "c") };
        let bytes = [0x10, 15, 0, 6, b'M', b'Q', b'I', b's', b'd', b'p', 3, 0x02, 0, 60, 0, 1, b'c'];
        assert_same(Version::V31, v31, &bytes);
        let v311 = Connect { clean_start: false, ..Connect::new(Version::V311, "c") };
        assert_same(Version::V311, v311, &[0x10, 13, 0, 4, b'M', b'Q', b'T', b'T', 4, 0, 0, 0, 0, 1, b'c']);
        let v5 = Connect::new(Version::V5, "");
        assert_same(Version::V5, v5, &[0x10, 13, 0, 4, b'M', b'Q', b'T', b'T', 5, 2, 0, 0, 0, 0, 0]);
    }

    #[test]
    fn every_field_of_3_1_1() {
        let packet = Connect {
            keep_alive: 0x0102,
            will: Some(will()),
            username: Some("me".into()),
            password: Some(Bytes::from_static(b"\xFF\x00")),
            ..Connect::new(Version::V311, "id")
        };
        #[rustfmt::skip]
        let bytes = [
            0x10, 30, 0, 4, b'M', b'Q', b'T', b'T', 4, 0b1110_1110, 1, 2,
            0, 2, b'i', b'd',
            0, 1, b'w', 0, 3, b'b', b'y', b'e',
            0, 2, b'm', b'e', 0, 2, 0xFF, 0x00,
        ];
        assert_same(Version::V311, packet, &bytes);
    }

    #[test]
    fn properties_of_the_connection_and_of_the_will() {
        let will = Will { properties: [Property::WillDelayInterval(5)].into_iter().collect(), ..will() };
        let packet = Connect {
            will: Some(will),
            properties: [Property::SessionExpiryInterval(120)].into_iter().collect(),
            ..Connect::new(Version::V5, "id")
        };
        #[rustfmt::skip]
        let bytes = [
            0x10, 34, 0, 4, b'M', b'Q', b'T', b'T', 5, 0b0010_1110, 0, 0,
            5, 0x11, 0, 0, 0, 120,
            0, 2, b'i', b'd',
            5, 0x18, 0, 0, 0, 5,
            0, 1, b'w', 0, 3, b'b', b'y', b'e',
        ];
        assert_same(Version::V5, packet, &bytes);
    }

    #[test]
    fn the_bridge_bit_is_kept_before_version_5() {
        let bridge = Connect { bridge: true, ..Connect::new(Version::V311, "c") };
        let bytes = [0x10, 13, 0, 4, b'M', b'Q', b'T', b'T', 0x84, 2, 0, 0, 0, 1, b'c'];
        assert_same(Version::V311, bridge, &bytes);
        assert_not_written(Version::V5, Connect { bridge: true, ..Connect::new(Version::V5, "c") });
    }

    #[test]
    fn an_unknown_level_is_told_apart_from_an_unknown_name() {
        let level_6 = [0x10, 13, 0, 4, b'M', b'Q', b'T', b'T', 6, 2, 0, 0, 0, 0, 0];
        assert_eq!(read(Version::V5, &level_6), Err(DecodeError::UnsupportedProtocolVersion { level: 6 }));
        assert_eq!(Connect::peek_version(&level_6[2..]), None);
        let other_name = [0x10, 13, 0, 4, b'M', b'Q', b'X', b'X', 4, 2, 0, 0, 0, 1, b'c'];
        let error = read(Version::V5, &other_name).unwrap_err();
        assert_eq!(error.reason_code(), ReasonCode::ProtocolError);
        assert_eq!(Connect::peek_version(b"\0\x06MQIsdp\x03 and then nonsense"), Some(Version::V31));
    }

    fn read_flags(version: Version, flags: u8, payload: &[u8]) -> Result<Packet, DecodeError> {
        let name = version.protocol_name().as_bytes();
        let mut body = Vec::from([0, u8::try_from(name.len()).unwrap()]);
        body.extend_from_slice(name);
        body.extend_from_slice(&[version.level(), flags, 0, 0]);
        if version == Version::V5 {
            body.push(0);
        }
        body.extend_from_slice(payload);
        Packet::decode(version, 0x10, &body.into())
    }

    #[test]
    fn flags_that_contradict_each_other_are_malformed() {
        let id = b"\0\x01c";
        for version in [Version::V311, Version::V5] {
            assert!(read_flags(version, 0x02, id).is_ok());
            assert!(read_flags(version, 0x03, id).is_err(), "reserved bit");
            assert!(read_flags(version, 0x22, id).is_err(), "will retain without a will");
            assert!(read_flags(version, 0x0A, id).is_err(), "will QoS without a will");
            assert!(read_flags(version, 0x1E, b"\0\x01c\0\x01w\0\0").is_err(), "will QoS 3");
        }
        assert!(read_flags(Version::V31, 0x03, id).is_ok(), "3.1 gives the bit no meaning");
    }

    #[test]
    fn only_version_5_has_a_password_without_a_user_name() {
        let payload = b"\0\x01c\0\x01p";
        assert!(read_flags(Version::V31, 0x42, payload).is_err());
        assert!(read_flags(Version::V311, 0x42, payload).is_err());
        let password = Some(Bytes::from_static(b"p"));
        let packet = Connect { password: password.clone(), ..Connect::new(Version::V5, "c") };
        assert_eq!(read_flags(Version::V5, 0x42, payload), Ok(packet.into()));
        assert_not_written(Version::V311, Connect { password, ..Connect::new(Version::V311, "c") });
    }

    #[test]
    fn version_3_1_may_promise_a_user_name_and_leave_it_out() {
        let expected = Connect::new(Version::V31, "c");
        assert_eq!(read_flags(Version::V31, 0xC2, b"\0\x01c"), Ok(expected.into()));
        assert!(read_flags(Version::V311, 0xC2, b"\0\x01c").is_err());
    }

    #[test]
    fn a_will_needs_a_topic_name() {
        for payload in [&b"\0\x01c\0\0\0\0"[..], b"\0\x01c\0\x01#\0\0"] {
            assert_eq!(read_flags(Version::V311, 0x06, payload), Err(DecodeError::TopicNameInvalid));
        }
        let packet = Connect { will: Some(Will::default()), ..Connect::new(Version::V5, "c") };
        assert_not_written(Version::V5, packet);
    }

    #[test]
    fn strings_must_be_utf_8_without_nul() {
        for payload in [&b"\0\x01\xFF"[..], b"\0\x01\0", b"\0\x03\xED\xA0\x80"] {
            assert_eq!(read_flags(Version::V311, 0x02, payload), Err(DecodeError::InvalidUtf8));
        }
        assert_not_written(Version::V311, Connect::new(Version::V311, "a\0b"));
    }

    #[test]
    fn nothing_may_be_missing_or_left_over() {
        assert!(read_flags(Version::V311, 0x02, b"\0\x02c").is_err());
        assert!(read_flags(Version::V311, 0x02, b"\0\x01cx").is_err());
        assert!(read_flags(Version::V5, 0x82, b"\0\x01c").is_err());
    }

    #[test]
    fn authentication_data_needs_a_method() {
        let body = [0, 4, b'M', b'Q', b'T', b'T', 5, 2, 0, 0, 4, 0x16, 0, 1, b'd', 0, 1, b'c'];
        let error = Connect::decode(0x10, &Bytes::copy_from_slice(&body)).unwrap_err();
        assert_eq!(error.reason_code(), ReasonCode::ProtocolError);
    }
}
