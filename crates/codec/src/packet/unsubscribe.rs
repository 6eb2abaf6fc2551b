use alloc::vec::Vec;

use bytes::Bytes;

use crate::packet::check_flags;
use crate::property::Carrier;
use crate::read::{Reader, shared_string};
use crate::topic::check_filter;
use crate::{ByteString, DecodeError, EncodeError, PacketId, PacketType, Properties, Version, write};

/// UNSUBSCRIBE: the client ends subscriptions (section 3.10).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unsubscribe {
    /// The packet identifier, repeated in UNSUBACK.
    pub packet_id: PacketId,
    /// Properties (version 5).
    pub properties: Properties,
    /// The topic filters of the subscriptions to end; never empty ([MQTT-3.10.3-2]).
    pub filters: Vec<ByteString>,
}

impl Unsubscribe {
    /// Reads the body of the packet; `first` is its first byte.
    ///
    /// # Errors
    ///
    /// No topic filter ([MQTT-3.10.3-2]), an invalid one, reserved flags, packet identifier 0, properties that are not
    /// allowed, bytes too few.
    pub fn decode(version: Version, first: u8, body: &Bytes) -> Result<Self, DecodeError> {
        check_flags(version, first, PacketType::Unsubscribe)?;
        let mut reader = Reader::new(body);
        let packet_id = reader.packet_id()?;
        let properties = if version.has_properties() {
            Properties::read(&mut reader, Carrier::Unsubscribe, body)?
        } else {
            Properties::new()
        };
        let mut filters = Vec::new();
        while !reader.is_empty() {
            let filter = reader.string()?;
            check_filter(filter).map_err(|_| DecodeError::TopicFilterInvalid)?;
            filters.push(shared_string(body, filter));
        }
        if filters.is_empty() {
            return Err(DecodeError::ProtocolViolation { what: "UNSUBSCRIBE without a topic filter" });
        }
        Ok(Self { packet_id, properties, filters })
    }

    /// Appends the whole packet. Before version 5 the properties are left out.
    ///
    /// # Errors
    ///
    /// No topic filter, one that is not valid, a property that UNSUBSCRIBE does not have, or a field that is too long.
    pub fn encode(&self, version: Version, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        if self.filters.is_empty() {
            return Err(EncodeError::NotAllowed { what: "UNSUBSCRIBE without a topic filter" });
        }
        write::packet(out, PacketType::Unsubscribe.first_byte(), |out| {
            out.extend_from_slice(&self.packet_id.get().to_be_bytes());
            if version.has_properties() {
                self.properties.encode(Carrier::Unsubscribe, out)?;
            }
            self.filters.iter().try_for_each(|filter| write::topic_filter(out, filter))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packet::exact::{assert_not_written, assert_same, read};
    use crate::{Property, ReasonCode};

    fn unsubscribe(filters: &[&'static str]) -> Unsubscribe {
        let filters = filters.iter().map(|filter| ByteString::from_static(filter)).collect();
        Unsubscribe { packet_id: PacketId::MIN, properties: Properties::new(), filters }
    }

    #[test]
    fn filters_follow_each_other() {
        let packet = unsubscribe(&["a/b", "+"]);
        let bytes = [0xA2, 10, 0, 1, 0, 3, b'a', b'/', b'b', 0, 1, b'+'];
        assert_same(Version::V31, packet.clone(), &bytes);
        assert_same(Version::V311, packet, &bytes);
    }

    #[test]
    fn version_5_has_user_properties() {
        let properties = [Property::UserProperty(("k".into(), "".into()))].into_iter().collect();
        let packet = Unsubscribe { properties, ..unsubscribe(&["a"]) };
        assert_same(Version::V5, packet, &[0xA2, 12, 0, 1, 6, 0x26, 0, 1, b'k', 0, 0, 0, 1, b'a']);
    }

    #[test]
    fn a_valid_filter_is_needed() {
        for version in Version::ALL {
            assert_not_written(version, unsubscribe(&[]));
            assert_not_written(version, unsubscribe(&["a/#/b"]));
        }
        let refused = |bytes| read(Version::V311, bytes).unwrap_err().reason_code();
        assert_eq!(refused(&[0xA2, 2, 0, 1]), ReasonCode::ProtocolError);
        assert_eq!(refused(&[0xA2, 4, 0, 1, 0, 0]), ReasonCode::TopicFilterInvalid);
        assert_eq!(refused(&[0xA2, 5, 0, 0, 0, 1, b'a']), ReasonCode::ProtocolError);
    }
}
