use alloc::vec::Vec;

use bytes::Bytes;

use crate::packet::{check_flags, check_reason, read_reason, write_reason_and_properties};
use crate::property::Carrier;
use crate::read::Reader;
use crate::{DecodeError, EncodeError, PacketType, Properties, ReasonCode, Version};

/// AUTH: a step of enhanced authentication (section 3.15). Only in version 5.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Auth {
    /// Success, another step, or the start of re-authentication.
    pub reason: ReasonCode,
    /// Properties. The standard asks for an authentication method, but also lets the packet end before it; so its
    /// presence is left to the receiver.
    pub properties: Properties,
}

impl Auth {
    /// With no properties.
    #[must_use]
    pub const fn new(reason: ReasonCode) -> Self {
        Self { reason, properties: Properties::new() }
    }

    /// Reads the body of the packet; `first` is its first byte. An empty body is success (section 3.15.2.1).
    ///
    /// # Errors
    ///
    /// A protocol error before version 5; reserved flags ([MQTT-3.15.1-1]), a reason code that AUTH does not have,
    /// properties that are not allowed, bytes too few or too many.
    pub fn decode(version: Version, first: u8, body: &Bytes) -> Result<Self, DecodeError> {
        if !version.has_properties() {
            return Err(DecodeError::ProtocolViolation { what: "AUTH before version 5" });
        }
        check_flags(version, first, PacketType::Auth)?;
        let mut reader = Reader::new(body);
        let mut packet = Self::new(ReasonCode::Success);
        if !reader.is_empty() {
            packet.reason = read_reason(&mut reader, PacketType::Auth)?;
            packet.properties = Properties::read(&mut reader, Carrier::Auth, body)?;
        }
        reader.finish()?;
        Ok(packet)
    }

    /// Appends the whole packet.
    ///
    /// # Errors
    ///
    /// Any version but 5, a reason code or property that AUTH does not have, or a field that is too long.
    pub fn encode(&self, version: Version, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        if !version.has_properties() {
            return Err(EncodeError::NotAllowed { what: "AUTH before version 5" });
        }
        check_reason(self.reason, PacketType::Auth)?;
        write_reason_and_properties(PacketType::Auth, Carrier::Auth, self.reason, &self.properties, out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Property;
    use crate::packet::exact::{assert_not_written, assert_same, read};

    #[test]
    fn a_step_has_a_method_and_data() {
        let properties = [
            Property::AuthenticationMethod("m".into()),
            Property::AuthenticationData(Bytes::from_static(b"\0\x01")),
        ];
        let packet =
            Auth { reason: ReasonCode::ContinueAuthentication, properties: properties.into_iter().collect() };
        let bytes = [0xF0, 11, 0x18, 9, 0x15, 0, 1, b'm', 0x16, 0, 2, 0, 1];
        assert_same(Version::V5, packet, &bytes);
    }

    #[test]
    fn success_without_properties_is_two_bytes() {
        assert_same(Version::V5, Auth::new(ReasonCode::Success), &[0xF0, 0]);
        assert_same(Version::V5, Auth::new(ReasonCode::ReAuthenticate), &[0xF0, 2, 0x19, 0]);
    }

    #[test]
    fn older_versions_have_no_auth() {
        for version in [Version::V31, Version::V311] {
            assert_not_written(version, Auth::new(ReasonCode::Success));
            let error = read(version, &[0xF0, 0]).unwrap_err();
            assert_eq!(error.reason_code(), ReasonCode::ProtocolError);
        }
    }

    #[test]
    fn a_foreign_reason_is_refused() {
        assert_not_written(Version::V5, Auth::new(ReasonCode::NotAuthorized));
        assert!(read(Version::V5, &[0xF0, 2, 0x87, 0]).is_err());
    }

    #[test]
    fn a_reason_needs_a_length_of_properties() {
        assert!(read(Version::V5, &[0xF0, 1, 0x18]).is_err());
    }
}
