use alloc::vec::Vec;

use bytes::Bytes;

use crate::packet::{check_flags, check_reason, read_reason};
use crate::property::Carrier;
use crate::read::Reader;
use crate::{
    ConnectReturnCode, DecodeError, EncodeError, PacketType, Properties, ReasonCode, Version, write,
};

/// CONNACK: the server's answer to CONNECT (section 3.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnAck {
    /// The server goes on with a session it had; never with a refusal. Not there in version 3.1.
    pub session_present: bool,
    /// How it went. Before version 5 the nearest return code stands on the wire.
    pub reason: ReasonCode,
    /// Properties (version 5).
    pub properties: Properties,
}

impl ConnAck {
    /// With no properties.
    #[must_use]
    pub const fn new(session_present: bool, reason: ReasonCode) -> Self {
        Self { session_present, reason, properties: Properties::new() }
    }

    /// Reads the body of the packet; `first` is its first byte.
    ///
    /// # Errors
    ///
    /// Reserved bits ([MQTT-3.2.2-1]), an unknown code, a refusal with a session ([MQTT-3.2.2-6]), properties that are
    /// not allowed, bytes too few or too many.
    pub fn decode(version: Version, first: u8, body: &Bytes) -> Result<Self, DecodeError> {
        check_flags(version, first, PacketType::ConnAck)?;
        let mut reader = Reader::new(body);
        let flags = reader.u8()?;
        if version != Version::V31 && flags > 1 {
            return Err(DecodeError::Malformed { what: "reserved bits in the CONNACK flags" });
        }
        let session_present = version != Version::V31 && flags == 1;
        let (reason, properties) = if version.has_properties() {
            let reason = read_reason(&mut reader, PacketType::ConnAck)?;
            (reason, Properties::read(&mut reader, Carrier::ConnAck, body)?)
        } else {
            let code = ConnectReturnCode::from_u8(reader.u8()?)
                .ok_or(DecodeError::Malformed { what: "unknown return code" })?;
            (code.to_reason_code(), Properties::new())
        };
        reader.finish()?;
        if session_present && reason.is_error() {
            return Err(DecodeError::ProtocolViolation { what: "a refusal that has a session" });
        }
        Ok(Self { session_present, reason, properties })
    }

    /// Appends the whole packet: exactly four bytes before version 5.
    ///
    /// # Errors
    ///
    /// A reason code or property that CONNACK does not have, a refusal with a session, or a field that is too long.
    pub fn encode(&self, version: Version, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        check_reason(self.reason, PacketType::ConnAck)?;
        if self.session_present && self.reason.is_error() {
            return Err(EncodeError::NotAllowed { what: "a refusal that has a session" });
        }
        let flags = u8::from(self.session_present && version != Version::V31);
        write::packet(out, PacketType::ConnAck.first_byte(), |out| {
            if version.has_properties() {
                out.extend_from_slice(&[flags, self.reason.to_u8()]);
                self.properties.encode(Carrier::ConnAck, out)
            } else {
                out.extend_from_slice(&[flags, self.reason.to_v3_return_code().to_u8()]);
                Ok(())
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packet::exact::{assert_not_written, assert_same, read};
    use crate::{Packet, Property};

    #[test]
    fn four_bytes_before_version_5() {
        assert_same(Version::V311, ConnAck::new(false, ReasonCode::Success), &[0x20, 2, 0, 0]);
        assert_same(Version::V311, ConnAck::new(true, ReasonCode::Success), &[0x20, 2, 1, 0]);
        assert_same(Version::V31, ConnAck::new(false, ReasonCode::Success), &[0x20, 2, 0, 0]);
    }

    #[test]
    fn refusals_are_return_codes_before_version_5() {
        let codes = [
            (ReasonCode::UnsupportedProtocolVersion, 1),
            (ReasonCode::ClientIdentifierNotValid, 2),
            (ReasonCode::ServerUnavailable, 3),
            (ReasonCode::BadUserNameOrPassword, 4),
            (ReasonCode::NotAuthorized, 5),
        ];
        for (reason, code) in codes {
            assert_same(Version::V311, ConnAck::new(false, reason), &[0x20, 2, 0, code]);
        }
        assert!(read(Version::V311, &[0x20, 2, 0, 6]).is_err());
    }

    #[test]
    fn version_3_1_has_no_session_present() {
        let mut out = Vec::new();
        ConnAck::new(true, ReasonCode::Success).encode(Version::V31, &mut out).unwrap();
        assert_eq!(out, [0x20, 2, 0, 0]);
        let expected = Packet::from(ConnAck::new(false, ReasonCode::Success));
        assert_eq!(read(Version::V31, &[0x20, 2, 0xFF, 0]), Ok(expected));
    }

    #[test]
    fn version_5_has_properties() {
        let properties = [
            Property::AssignedClientIdentifier("c1".into()),
            Property::ReceiveMaximum(10),
            Property::MaximumQoS(crate::QoS::AtLeastOnce),
            Property::RetainAvailable(false),
            Property::UserProperty(("k".into(), "v".into())),
        ];
        let packet = ConnAck {
            properties: properties.into_iter().collect(),
            ..ConnAck::new(true, ReasonCode::Success)
        };
        #[rustfmt::skip]
        let bytes = [
            0x20, 22, 1, 0, 19,
            0x12, 0, 2, b'c', b'1',
            0x21, 0, 10,
            0x24, 1,
            0x25, 0,
            0x26, 0, 1, b'k', 0, 1, b'v',
        ];
        assert_same(Version::V5, packet, &bytes);
        assert_same(Version::V5, ConnAck::new(false, ReasonCode::Banned), &[0x20, 3, 0, 0x8A, 0]);
    }

    #[test]
    fn a_refusal_never_has_a_session() {
        for version in Version::ALL {
            assert_not_written(version, ConnAck::new(true, ReasonCode::NotAuthorized));
        }
        assert!(read(Version::V311, &[0x20, 2, 1, 5]).is_err());
        assert!(read(Version::V5, &[0x20, 3, 1, 0x87, 0]).is_err());
    }

    #[test]
    fn reserved_bits_and_foreign_codes_are_malformed() {
        assert!(read(Version::V311, &[0x20, 2, 2, 0]).is_err());
        assert!(read(Version::V5, &[0x20, 3, 0x80, 0, 0]).is_err());
        assert!(read(Version::V5, &[0x20, 3, 0, 0x8D, 0]).is_err(), "keep alive timeout is for DISCONNECT");
        assert!(read(Version::V5, &[0x20, 2, 0, 0]).is_err(), "the length of the properties is missing");
        assert!(read(Version::V311, &[0x20, 3, 0, 0, 0]).is_err(), "a byte too many");
    }
}
