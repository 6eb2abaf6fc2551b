use alloc::vec::Vec;

use bytes::Bytes;

use crate::packet::{check_flags, check_reason, read_reason};
use crate::property::Carrier;
use crate::read::Reader;
use crate::{DecodeError, EncodeError, PacketId, PacketType, Properties, ReasonCode, Version, write};

/// UNSUBACK: the server's answer to UNSUBSCRIBE (section 3.11).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnsubAck {
    /// The packet identifier of the UNSUBSCRIBE.
    pub packet_id: PacketId,
    /// One for each topic filter, in their order ([MQTT-3.11.3-1]). Before version 5 there are none on the wire.
    pub reasons: Vec<ReasonCode>,
    /// Properties (version 5).
    pub properties: Properties,
}

impl UnsubAck {
    /// With no properties.
    #[must_use]
    pub const fn new(packet_id: PacketId, reasons: Vec<ReasonCode>) -> Self {
        Self { packet_id, reasons, properties: Properties::new() }
    }

    /// Reads the body of the packet; `first` is its first byte. Before version 5 `reasons` is empty.
    ///
    /// # Errors
    ///
    /// Reserved flags, packet identifier 0, no reason code or an unknown one in version 5, properties that are not
    /// allowed, bytes too few or too many.
    pub fn decode(version: Version, first: u8, body: &Bytes) -> Result<Self, DecodeError> {
        check_flags(version, first, PacketType::UnsubAck)?;
        let mut reader = Reader::new(body);
        let packet_id = reader.packet_id()?;
        if !version.has_properties() {
            reader.finish()?;
            return Ok(Self::new(packet_id, Vec::new()));
        }
        let properties = Properties::read(&mut reader, Carrier::UnsubAck, body)?;
        let mut reasons = Vec::with_capacity(reader.rest().len());
        while !reader.is_empty() {
            reasons.push(read_reason(&mut reader, PacketType::UnsubAck)?);
        }
        if reasons.is_empty() {
            return Err(DecodeError::Malformed { what: "UNSUBACK without a reason code" });
        }
        Ok(Self { packet_id, reasons, properties })
    }

    /// Appends the whole packet. Before version 5, reasons and properties are left out.
    ///
    /// # Errors
    ///
    /// In version 5: no reason code, one that UNSUBACK does not have, a property that it does not have, or a field that
    /// is too long.
    pub fn encode(&self, version: Version, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        if version.has_properties() && self.reasons.is_empty() {
            return Err(EncodeError::NotAllowed { what: "UNSUBACK without a reason code" });
        }
        for reason in &self.reasons {
            check_reason(*reason, PacketType::UnsubAck)?;
        }
        write::packet(out, PacketType::UnsubAck.first_byte(), |out| {
            out.extend_from_slice(&self.packet_id.get().to_be_bytes());
            if version.has_properties() {
                self.properties.encode(Carrier::UnsubAck, out)?;
                out.extend(self.reasons.iter().map(|reason| reason.to_u8()));
            }
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packet::exact::{assert_not_written, assert_same, read};

    #[test]
    fn before_version_5_it_is_an_identifier() {
        for version in [Version::V31, Version::V311] {
            assert_same(version, UnsubAck::new(PacketId::MIN, Vec::new()), &[0xB0, 2, 0, 1]);
            let mut out = Vec::new();
            let packet = UnsubAck::new(PacketId::MIN, Vec::from([ReasonCode::NoSubscriptionExisted]));
            packet.encode(version, &mut out).unwrap();
            assert_eq!(out, [0xB0, 2, 0, 1]);
            assert!(read(version, &[0xB0, 3, 0, 1, 0]).is_err());
        }
    }

    #[test]
    fn version_5_has_a_reason_for_each_filter() {
        let reasons = Vec::from([ReasonCode::Success, ReasonCode::NoSubscriptionExisted]);
        assert_same(Version::V5, UnsubAck::new(PacketId::MIN, reasons), &[0xB0, 5, 0, 1, 0, 0, 0x11]);
    }

    #[test]
    fn no_reason_or_a_foreign_one_is_refused_in_version_5() {
        assert_not_written(Version::V5, UnsubAck::new(PacketId::MIN, Vec::new()));
        assert_not_written(Version::V5, UnsubAck::new(PacketId::MIN, Vec::from([ReasonCode::GrantedQos1])));
        assert!(read(Version::V5, &[0xB0, 3, 0, 1, 0]).is_err());
        assert!(read(Version::V5, &[0xB0, 4, 0, 1, 0, 0x01]).is_err());
    }
}
