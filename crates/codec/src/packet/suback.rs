use alloc::vec::Vec;

use bytes::Bytes;

use crate::packet::{check_flags, check_reason, read_reason};
use crate::property::Carrier;
use crate::read::Reader;
use crate::{DecodeError, EncodeError, PacketId, PacketType, Properties, ReasonCode, Version, write};

/// SUBACK: the server's answer to SUBSCRIBE (section 3.9).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubAck {
    /// The packet identifier of the SUBSCRIBE.
    pub packet_id: PacketId,
    /// One for each topic filter, in their order ([MQTT-3.8.4-6]). Before version 5 every failure is 0x80.
    pub reasons: Vec<ReasonCode>,
    /// Properties (version 5).
    pub properties: Properties,
}

impl SubAck {
    /// With no properties.
    #[must_use]
    pub const fn new(packet_id: PacketId, reasons: Vec<ReasonCode>) -> Self {
        Self { packet_id, reasons, properties: Properties::new() }
    }

    /// Reads the body of the packet; `first` is its first byte.
    ///
    /// # Errors
    ///
    /// Reserved flags or codes ([MQTT-3.9.3-2] of 3.1.1), packet identifier 0, no code at all, properties that are not
    /// allowed, bytes too few.
    pub fn decode(version: Version, first: u8, body: &Bytes) -> Result<Self, DecodeError> {
        check_flags(version, first, PacketType::SubAck)?;
        let mut reader = Reader::new(body);
        let packet_id = reader.packet_id()?;
        let properties = if version.has_properties() {
            Properties::read(&mut reader, Carrier::SubAck, body)?
        } else {
            Properties::new()
        };
        let mut reasons = Vec::with_capacity(reader.rest().len());
        while !reader.is_empty() {
            let reason = read_reason(&mut reader, PacketType::SubAck)?;
            if !version.has_properties() && reason > ReasonCode::UnspecifiedError {
                return Err(DecodeError::Malformed { what: "a return code above 0x80" });
            }
            reasons.push(reason);
        }
        if reasons.is_empty() {
            return Err(DecodeError::Malformed { what: "SUBACK without a reason code" });
        }
        Ok(Self { packet_id, reasons, properties })
    }

    /// Appends the whole packet.
    ///
    /// # Errors
    ///
    /// No reason code, one that SUBACK does not have, a property that it does not have, or a field that is too long.
    pub fn encode(&self, version: Version, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        if self.reasons.is_empty() {
            return Err(EncodeError::NotAllowed { what: "SUBACK without a reason code" });
        }
        for reason in &self.reasons {
            check_reason(*reason, PacketType::SubAck)?;
        }
        write::packet(out, PacketType::SubAck.first_byte(), |out| {
            out.extend_from_slice(&self.packet_id.get().to_be_bytes());
            if version.has_properties() {
                self.properties.encode(Carrier::SubAck, out)?;
                out.extend(self.reasons.iter().map(|reason| reason.to_u8()));
            } else {
                let failure = ReasonCode::UnspecifiedError.to_u8();
                out.extend(self.reasons.iter().map(|reason| reason.to_u8().min(failure)));
            }
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Property;
    use crate::packet::exact::{assert_not_written, assert_same, read};

    fn suback(reasons: &[ReasonCode]) -> SubAck {
        SubAck::new(PacketId::MIN, reasons.to_vec())
    }

    #[test]
    fn one_code_for_each_filter() {
        let reasons = [
            ReasonCode::Success,
            ReasonCode::GrantedQos1,
            ReasonCode::GrantedQos2,
            ReasonCode::UnspecifiedError,
        ];
        for version in [Version::V31, Version::V311] {
            assert_same(version, suback(&reasons), &[0x90, 6, 0, 1, 0, 1, 2, 0x80]);
        }
        assert_same(Version::V5, suback(&reasons), &[0x90, 7, 0, 1, 0, 0, 1, 2, 0x80]);
    }

    #[test]
    fn version_5_tells_why() {
        let properties = [Property::ReasonString("x".into())].into_iter().collect();
        let packet = SubAck { properties, ..suback(&[ReasonCode::NotAuthorized]) };
        assert_same(Version::V5, packet, &[0x90, 8, 0, 1, 4, 0x1F, 0, 1, b'x', 0x87]);
    }

    #[test]
    fn every_failure_is_0x80_before_version_5() {
        let mut out = Vec::new();
        suback(&[ReasonCode::TopicFilterInvalid, ReasonCode::GrantedQos2])
            .encode(Version::V311, &mut out)
            .unwrap();
        assert_eq!(out, [0x90, 4, 0, 1, 0x80, 2]);
        assert!(read(Version::V311, &[0x90, 3, 0, 1, 0x87]).is_err());
    }

    #[test]
    fn no_code_or_a_foreign_one_is_refused() {
        assert_not_written(Version::V311, suback(&[]));
        assert_not_written(Version::V5, suback(&[ReasonCode::Banned]));
        assert!(read(Version::V311, &[0x90, 2, 0, 1]).is_err());
        assert!(read(Version::V5, &[0x90, 4, 0, 1, 0, 0x8A]).is_err());
        assert!(read(Version::V5, &[0x90, 4, 0, 1, 0, 0x03]).is_err());
    }
}
