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

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;
    use crate::ReasonCode;

    /// Topic `t`, properties of every kind that PUBLISH has, payload `p`.
    #[rustfmt::skip]
    const EVERYTHING: &[u8] = &[
        0, 1, b't', 0, 7, 41,
        0x01, 1,
        0x26, 0, 1, b'a', 0, 1, b'1',
        0x23, 0, 9,
        0x02, 0, 0, 1, 0,
        0x03, 0, 1, b'c',
        0x26, 0, 1, b'a', 0, 1, b'2',
        0x08, 0, 3, b'r', b'/', b't',
        0x09, 0, 2, 0xFF, 0x00,
        0x0B, 5,
        b'p',
    ];

    fn refused(version: Version, first: u8, body: &[u8]) -> ReasonCode {
        PublishView::decode(version, first, body).unwrap_err().reason_code()
    }

    #[test]
    fn every_part_is_borrowed_from_the_body() {
        let view = PublishView::decode_from_server(Version::V5, 0x3B, EVERYTHING).unwrap();
        let expected = PublishView {
            dup: true,
            qos: QoS::AtLeastOnce,
            retain: true,
            topic: "t",
            packet_id: PacketId::new(7),
            topic_alias: Some(9),
            message_expiry: Some(256),
            properties: &EVERYTHING[6..47],
            payload: b"p",
        };
        assert_eq!(view, expected);
    }

    #[test]
    fn subscribers_get_all_properties_but_three_unchanged_and_in_order() {
        let view = PublishView::decode_from_server(Version::V5, 0x3B, EVERYTHING).unwrap();
        let forwarded: Vec<_> = view.forwarded_properties().collect();
        let expected: [&[u8]; 6] = [
            &[0x01, 1],
            &[0x26, 0, 1, b'a', 0, 1, b'1'],
            &[0x03, 0, 1, b'c'],
            &[0x26, 0, 1, b'a', 0, 1, b'2'],
            &[0x08, 0, 3, b'r', b'/', b't'],
            &[0x09, 0, 2, 0xFF, 0x00],
        ];
        assert_eq!(forwarded, expected);
    }

    #[test]
    fn a_client_may_not_send_a_subscription_identifier() {
        assert_eq!(refused(Version::V5, 0x3B, EVERYTHING), ReasonCode::ProtocolError);
    }

    #[test]
    fn before_version_5_the_payload_follows_at_once() {
        for version in [Version::V31, Version::V311] {
            let view = PublishView::decode(version, 0x34, b"\0\x01t\0\x07\x02ab").unwrap();
            assert_eq!((view.properties, view.payload), (&b""[..], &b"\x02ab"[..]));
        }
    }

    #[test]
    fn the_flags_of_the_first_byte_are_checked() {
        for version in Version::ALL {
            assert_eq!(refused(version, 0x36, b"\0\x01t\0\x01\0"), ReasonCode::MalformedPacket, "QoS 3");
            assert_eq!(refused(version, 0x38, b"\0\x01t\0"), ReasonCode::MalformedPacket, "DUP with QoS 0");
            assert_eq!(refused(version, 0x32, b"\0\x01t\0\0\0"), ReasonCode::ProtocolError, "identifier 0");
            assert_eq!(
                refused(version, 0x32, b"\0\x01t\0"),
                ReasonCode::MalformedPacket,
                "half an identifier"
            );
        }
    }

    #[test]
    fn the_topic_name_is_checked() {
        for version in Version::ALL {
            for topic in [&b"\0\x03a/#\0"[..], b"\0\x01+\0", b"\0\x14a/long/topic/name/+/x\0"] {
                assert_eq!(refused(version, 0x30, topic), ReasonCode::TopicNameInvalid);
            }
            for text in [&b"\0\x03a\0b\0"[..], b"\0\x02a\xFF\0", b"\0\x03\xED\xA0\x80\0", b"\0\x05ab"] {
                assert_eq!(refused(version, 0x30, text), ReasonCode::MalformedPacket);
            }
        }
        assert_eq!(refused(Version::V311, 0x30, b"\0\0"), ReasonCode::TopicNameInvalid);
    }

    #[test]
    fn an_empty_topic_name_needs_an_alias() {
        assert_eq!(refused(Version::V5, 0x30, b"\0\0\0"), ReasonCode::ProtocolError);
        let view = PublishView::decode(Version::V5, 0x30, b"\0\0\x03\x23\0\x05x").unwrap();
        assert_eq!((view.topic, view.topic_alias, view.payload), ("", Some(5), &b"x"[..]));
    }

    #[test]
    fn properties_are_checked() {
        let cases: [(&[u8], ReasonCode); 8] = [
            (b"\0\x01t\x03\x23\0\0", ReasonCode::TopicAliasInvalid),
            (b"\0\x01t\x04\x01\x01\x01\x01", ReasonCode::ProtocolError), // twice
            (b"\0\x01t\x02\x01\x02", ReasonCode::ProtocolError),         // a flag of 2
            (b"\0\x01t\x02\x0B\0", ReasonCode::ProtocolError),           // subscription identifier 0
            (b"\0\x01t\x04\x08\0\x01#", ReasonCode::ProtocolError),      // wildcard in the response topic
            (b"\0\x01t\x02\x17\x01", ReasonCode::MalformedPacket),       // of CONNECT
            (b"\0\x01t\x02\x7F\x01", ReasonCode::MalformedPacket),       // of nothing
            (b"\0\x01t\x02\x23\0", ReasonCode::MalformedPacket),         // half a value
        ];
        for (body, reason) in cases {
            assert_eq!(refused(Version::V5, 0x30, body), reason, "{body:?}");
        }
        assert_eq!(refused(Version::V5, 0x30, b"\0\x01t\x05\x23\0\x01"), ReasonCode::MalformedPacket);
        assert_eq!(refused(Version::V5, 0x30, b"\0\x01t"), ReasonCode::MalformedPacket, "no length");
        assert_eq!(
            refused(Version::V5, 0x30, b"\0\x01t\x80\0"),
            ReasonCode::MalformedPacket,
            "padded length"
        );
    }
}
