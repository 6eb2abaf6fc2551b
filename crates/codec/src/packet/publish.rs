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
