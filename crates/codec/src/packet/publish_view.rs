use crate::property::{Carrier, PropertyId, RawProperty, RawValue, Walk, read_raw, walk};
use crate::read::Reader;
use crate::topic::{TopicError, check_name};
use crate::{DecodeError, PacketId, QoS, Version};

/// PUBLISH (section 3.3), borrowed from the bytes it came in: nothing is allocated, everything is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PublishView<'a> {
    /// Sent before (section 3.3.1.1).
    pub dup: bool,
    /// The QoS it is sent with (section 3.3.1.2).
    pub qos: QoS,
    /// To be kept, or was kept, as the retained message of its topic (section 3.3.1.3).
    pub retain: bool,
    /// The topic name; empty only if a topic alias stands for it.
    pub topic: &'a str,
    /// The packet identifier; there with QoS 1 and 2 only.
    pub packet_id: Option<PacketId>,
    /// The topic alias, 1 to 65535 (version 5).
    pub topic_alias: Option<u16>,
    /// The message expiry interval in seconds (version 5).
    pub message_expiry: Option<u32>,
    /// The property bytes without their length, already checked; empty before version 5.
    pub properties: &'a [u8],
    /// The application message.
    pub payload: &'a [u8],
}

impl<'a> PublishView<'a> {
    /// Reads a PUBLISH that a client sent to a server.
    ///
    /// # Errors
    ///
    /// Malformed for both QoS bits set ([MQTT-3.3.1-4]), DUP with QoS 0 ([MQTT-3.3.1-2]) and broken layout; an
    /// invalid topic name ([MQTT-3.3.2-2]); a protocol error for packet identifier 0 ([MQTT-2.2.1-3]), a missing
    /// topic name and a subscription identifier ([MQTT-3.3.4-6]).
    #[inline]
    pub fn decode(version: Version, first: u8, body: &'a [u8]) -> Result<Self, DecodeError> {
        Self::read(version, first, body, false)
    }

    /// Reads a PUBLISH that a server sent to a client: there, subscription identifiers may stand.
    ///
    /// # Errors
    ///
    /// As [`Self::decode`].
    #[inline]
    pub fn decode_from_server(version: Version, first: u8, body: &'a [u8]) -> Result<Self, DecodeError> {
        Self::read(version, first, body, true)
    }

    /// The properties that subscribers get unchanged and in this order ([MQTT-3.3.2-17], [MQTT-3.3.2-18] and others):
    /// all but topic alias, message expiry interval and subscription identifiers. One slice for each.
    pub fn forwarded_properties(&self) -> ForwardedProperties<'a> {
        ForwardedProperties { walk: walk(self.properties, Carrier::Publish) }
    }

    #[inline]
    fn read(version: Version, first: u8, body: &'a [u8], from_server: bool) -> Result<Self, DecodeError> {
        let qos = QoS::try_from(first >> 1 & 0b11)?;
        let dup = first & 0b1000 != 0;
        if dup && qos == QoS::AtMostOnce {
            return Err(DecodeError::Malformed { what: "DUP with QoS 0" });
        }
        let mut reader = Reader::new(body);
        let topic = core::str::from_utf8(reader.binary()?).map_err(|_| DecodeError::InvalidUtf8)?;
        if !topic.is_empty() {
            check_name(topic).map_err(|error| match error {
                TopicError::Nul => DecodeError::InvalidUtf8,
                _ => DecodeError::TopicNameInvalid,
            })?;
        }
        let packet_id = if qos == QoS::AtMostOnce { None } else { Some(reader.packet_id()?) };
        let properties = if version.has_properties() { read_raw(&mut reader)? } else { &[] };
        let mut view = Self {
            dup,
            qos,
            retain: first & 1 != 0,
            topic,
            packet_id,
            topic_alias: None,
            message_expiry: None,
            properties,
            payload: reader.rest(),
        };
        if !properties.is_empty() {
            view.read_properties(from_server)?;
        }
        if topic.is_empty() && view.topic_alias.is_none() {
            return Err(match version {
                Version::V5 => DecodeError::ProtocolViolation { what: "neither topic name nor topic alias" },
                _ => DecodeError::TopicNameInvalid,
            });
        }
        Ok(view)
    }

    fn read_properties(&mut self, from_server: bool) -> Result<(), DecodeError> {
        for property in walk(self.properties, Carrier::Publish) {
            match property? {
                RawProperty { id: PropertyId::TopicAlias, value: RawValue::Number(alias), .. } => {
                    self.topic_alias = u16::try_from(alias).ok();
                }
                RawProperty {
                    id: PropertyId::MessageExpiryInterval,
                    value: RawValue::Number(seconds),
                    ..
                } => {
                    self.message_expiry = Some(seconds);
                }
                RawProperty { id: PropertyId::SubscriptionIdentifier, .. } if !from_server => {
                    return Err(DecodeError::ProtocolViolation {
                        what: "subscription identifier from a client",
                    });
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// The properties of a [`PublishView`] that subscribers get, one raw slice each.
#[derive(Clone)]
pub struct ForwardedProperties<'a> {
    walk: Walk<'a>,
}

impl<'a> Iterator for ForwardedProperties<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        self.walk.by_ref().flatten().find(|property| is_forwarded(property.id)).map(|property| property.bytes)
    }
}

/// Whether a property of a PUBLISH goes on to subscribers as it is, and may so stand in a stored message.
pub(crate) const fn is_forwarded(id: PropertyId) -> bool {
    !matches!(
        id,
        PropertyId::TopicAlias | PropertyId::MessageExpiryInterval | PropertyId::SubscriptionIdentifier
    )
}
