use alloc::vec::Vec;

use bytes::Bytes;

use crate::property::Carrier;
use crate::read::shared_string;
use crate::{
    ByteString, DecodeError, EncodeError, PacketId, PacketType, Properties, PublishView, QoS, Version, write,
};

/// PUBLISH: an application message on its way (section 3.3).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Publish {
    /// Sent before (section 3.3.1.1).
    pub dup: bool,
    /// The QoS it is sent with (section 3.3.1.2).
    pub qos: QoS,
    /// To be kept, or was kept, as the retained message of its topic (section 3.3.1.3).
    pub retain: bool,
    /// The topic name; empty only if a topic alias stands for it.
    pub topic: ByteString,
    /// The packet identifier: with QoS 1 and 2, and only then.
    pub packet_id: Option<PacketId>,
    /// Properties (version 5).
    pub properties: Properties,
    /// The application message.
    pub payload: Bytes,
}

impl Publish {
    /// Reads a PUBLISH of either direction: subscription identifiers are let through. A server that reads what a
    /// client sent uses [`PublishView::decode`], which refuses them.
    ///
    /// # Errors
    ///
    /// As [`PublishView::decode`].
    pub fn decode(version: Version, first: u8, body: &Bytes) -> Result<Self, DecodeError> {
        let view = PublishView::decode_from_server(version, first, body)?;
        Ok(Self {
            dup: view.dup,
            qos: view.qos,
            retain: view.retain,
            topic: shared_string(body, view.topic),
            packet_id: view.packet_id,
            properties: Properties::decode(view.properties, Carrier::Publish, body)?,
            payload: body.slice_ref(view.payload),
        })
    }

    /// Appends the whole packet. Before version 5 the properties are left out.
    ///
    /// # Errors
    ///
    /// A packet identifier that is missing or too much, DUP with QoS 0, a topic name that is not valid, or a field
    /// that is too long.
    pub fn encode(&self, version: Version, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        if self.packet_id.is_some() != (self.qos != QoS::AtMostOnce) {
            return Err(EncodeError::NotAllowed { what: "a packet identifier goes with QoS 1 and 2 alone" });
        }
        if self.dup && self.qos == QoS::AtMostOnce {
            return Err(EncodeError::NotAllowed { what: "DUP with QoS 0" });
        }
        let has_alias = version.has_properties() && self.properties.topic_alias().is_some();
        let flags = u8::from(self.dup) << 3 | self.qos.to_u8() << 1 | u8::from(self.retain);
        write::packet(out, PacketType::Publish.first_byte() | flags, |out| {
            if self.topic.is_empty() && has_alias {
                write::string(out, "")?;
            } else {
                write::topic_name(out, &self.topic)?;
            }
            if let Some(id) = self.packet_id {
                out.extend_from_slice(&id.get().to_be_bytes());
            }
            if version.has_properties() {
                self.properties.encode(Carrier::Publish, out)?;
            }
            out.extend_from_slice(&self.payload);
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Property;
    use crate::packet::exact::{assert_not_written, assert_same};

    fn publish(qos: QoS) -> Publish {
        let packet_id = if qos == QoS::AtMostOnce { None } else { PacketId::new(0x0102) };
        Publish { qos, packet_id, topic: "a/b".into(), payload: "hi".into(), ..Publish::default() }
    }

    #[test]
    fn before_version_5() {
        for version in [Version::V31, Version::V311] {
            assert_same(version, publish(QoS::AtMostOnce), &[0x30, 7, 0, 3, b'a', b'/', b'b', b'h', b'i']);
            let again = Publish { dup: true, retain: true, ..publish(QoS::AtLeastOnce) };
            assert_same(version, again, &[0x3B, 9, 0, 3, b'a', b'/', b'b', 1, 2, b'h', b'i']);
            let bytes = [0x34, 9, 0, 3, b'a', b'/', b'b', 1, 2, b'h', b'i'];
            assert_same(version, publish(QoS::ExactlyOnce), &bytes);
        }
    }

    #[test]
    fn version_5_always_has_a_length_of_properties() {
        let bytes = [0x32, 10, 0, 3, b'a', b'/', b'b', 1, 2, 0, b'h', b'i'];
        assert_same(Version::V5, publish(QoS::AtLeastOnce), &bytes);
        let properties = [
            Property::PayloadFormatIndicator(true),
            Property::TopicAlias(0x0A0B),
            Property::SubscriptionIdentifier(128),
            Property::SubscriptionIdentifier(1),
        ];
        let packet = Publish {
            topic: "".into(),
            properties: properties.into_iter().collect(),
            payload: Bytes::new(),
            ..publish(QoS::AtMostOnce)
        };
        let bytes = [0x30, 13, 0, 0, 10, 0x01, 1, 0x23, 0x0A, 0x0B, 0x0B, 0x80, 0x01, 0x0B, 1];
        assert_same(Version::V5, packet, &bytes);
    }

    #[test]
    fn a_long_payload_has_a_long_length() {
        let packet = Publish { payload: [b'x'; 200].to_vec().into(), ..publish(QoS::AtMostOnce) };
        let mut bytes = Vec::from([0x30, 0xCD, 0x01, 0, 3, b'a', b'/', b'b']);
        bytes.extend_from_slice(&[b'x'; 200]);
        assert_same(Version::V311, packet, &bytes);
    }

    #[test]
    fn what_may_not_be_sent_is_not_written() {
        let no_topic = Publish { topic: "".into(), ..publish(QoS::AtMostOnce) };
        let wildcard = Publish { topic: "a/#".into(), ..publish(QoS::AtMostOnce) };
        let no_id = Publish { packet_id: None, ..publish(QoS::AtLeastOnce) };
        let id_too_much = Publish { packet_id: PacketId::new(1), ..publish(QoS::AtMostOnce) };
        let dup = Publish { dup: true, ..publish(QoS::AtMostOnce) };
        for version in Version::ALL {
            for packet in [&no_topic, &wildcard, &no_id, &id_too_much, &dup] {
                assert_not_written(version, packet.clone());
            }
            let long = Publish { topic: "x".repeat(65_536).into(), ..publish(QoS::AtMostOnce) };
            assert_eq!(assert_not_written(version, long), EncodeError::FieldTooLong { len: 65_536 });
        }
    }
}
