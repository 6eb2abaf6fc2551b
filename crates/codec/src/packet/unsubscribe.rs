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
