use alloc::vec::Vec;

use bytes::Bytes;

use crate::packet::{check_flags, check_reason, read_reason, write_reason_and_properties};
use crate::property::Carrier;
use crate::read::Reader;
use crate::{DecodeError, EncodeError, PacketType, Properties, ReasonCode, Version};

/// DISCONNECT: the sender closes the connection (section 3.14).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disconnect {
    /// Why. Before version 5 always success, and only a client sends it.
    pub reason: ReasonCode,
    /// Properties (version 5).
    pub properties: Properties,
}

impl Disconnect {
    /// With no properties.
    #[must_use]
    pub const fn new(reason: ReasonCode) -> Self {
        Self { reason, properties: Properties::new() }
    }

    /// Reads the body of the packet; `first` is its first byte. Reason and properties may be missing
    /// (section 3.14.2.1).
    ///
    /// # Errors
    ///
    /// Reserved flags ([MQTT-3.14.1-1]), a reason code that DISCONNECT does not have, properties that are not allowed,
    /// bytes too few or too many.
    pub fn decode(version: Version, first: u8, body: &Bytes) -> Result<Self, DecodeError> {
        check_flags(version, first, PacketType::Disconnect)?;
        let mut reader = Reader::new(body);
        let mut packet = Self::new(ReasonCode::Success);
        if version.has_properties() {
            if !reader.is_empty() {
                packet.reason = read_reason(&mut reader, PacketType::Disconnect)?;
            }
            if !reader.is_empty() {
                packet.properties = Properties::read(&mut reader, Carrier::Disconnect, body)?;
            }
        }
        reader.finish()?;
        Ok(packet)
    }

    /// Appends the whole packet: exactly two bytes before version 5.
    ///
    /// # Errors
    ///
    /// A reason code or property that DISCONNECT does not have, or a field that is too long.
    pub fn encode(&self, version: Version, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        if !version.has_properties() {
            out.extend_from_slice(&[PacketType::Disconnect.first_byte(), 0]);
            return Ok(());
        }
        check_reason(self.reason, PacketType::Disconnect)?;
        let (kind, carrier) = (PacketType::Disconnect, Carrier::Disconnect);
        write_reason_and_properties(kind, carrier, self.reason, &self.properties, out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packet::exact::{assert_not_written, assert_same, read};
    use crate::{Packet, Property};

    #[test]
    fn a_normal_one_is_two_bytes_in_every_version() {
        for version in Version::ALL {
            assert_same(version, Disconnect::new(ReasonCode::Success), &[0xE0, 0]);
        }
    }

    #[test]
    fn version_5_tells_why() {
        assert_same(Version::V5, Disconnect::new(ReasonCode::SessionTakenOver), &[0xE0, 1, 0x8E]);
        let properties = [Property::SessionExpiryInterval(1)].into_iter().collect();
        let packet = Disconnect { reason: ReasonCode::DisconnectWithWillMessage, properties };
        assert_same(Version::V5, packet, &[0xE0, 7, 0x04, 5, 0x11, 0, 0, 0, 1]);
    }

    #[test]
    fn a_normal_one_may_be_spelled_out() {
        let expected = Packet::from(Disconnect::new(ReasonCode::Success));
        assert_eq!(read(Version::V5, &[0xE0, 1, 0]), Ok(expected.clone()));
        assert_eq!(read(Version::V5, &[0xE0, 2, 0, 0]), Ok(expected));
    }

    #[test]
    fn what_it_cannot_carry_is_refused() {
        assert_not_written(Version::V5, Disconnect::new(ReasonCode::Banned));
        assert!(read(Version::V5, &[0xE0, 1, 0x8A]).is_err());
        assert!(read(Version::V5, &[0xE0, 3, 0, 0, 0]).is_err(), "a byte too many");
        assert!(read(Version::V5, &[0xE0, 5, 0, 3, 0x21, 0, 1]).is_err(), "receive maximum");
        assert!(read(Version::V311, &[0xE0, 1, 0]).is_err(), "no body before version 5");
    }
}
