use alloc::vec::Vec;

use crate::frame::{encode_remaining_length, remaining_length_size};
use crate::property::PropertyId;
use crate::{PacketId, PacketType, QoS, Version};

/// Everything of a PUBLISH before its payload, to be written for a receiver (section 3.3).
///
/// The payload is written, or sent, by the caller; only its length is needed here. The fields are taken as they are:
/// the topic name is at most 65,535 bytes, and the whole packet at most [`crate::frame::MAX_PACKET_SIZE`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PublishHead<'a> {
    /// Sent before.
    pub dup: bool,
    /// The QoS it is sent with.
    pub qos: QoS,
    /// Comes from the retained messages, or keeps the publisher's flag (retain as published).
    pub retain: bool,
    /// The topic name; may be empty if the receiver knows the alias.
    pub topic: &'a str,
    /// The topic alias, 1 to 65535; left out before version 5.
    pub topic_alias: Option<u16>,
    /// The packet identifier with QoS 1 and 2, left out with QoS 0. If it is missing, 1 stands in its place until the
    /// caller writes another over it.
    pub packet_id: Option<PacketId>,
    /// What is left of the message expiry interval, in seconds; left out before version 5.
    pub message_expiry: Option<u32>,
    /// The identifiers of the receiver's matching subscriptions, 1 to 268,435,455; left out before version 5.
    pub subscription_ids: &'a [u32],
    /// Further property bytes as [`crate::PublishView::forwarded_properties`] gives them, one after the other; left
    /// out before version 5.
    pub properties: &'a [u8],
    /// The length of the payload in bytes.
    pub payload_len: usize,
}

impl PublishHead<'_> {
    /// Appends everything before the payload. Returns where the packet identifier stands, counted from the first
    /// byte of this packet; 0 with QoS 0.
    #[inline]
    pub fn encode(&self, version: Version, out: &mut Vec<u8>) -> usize {
        let properties_len = self.properties_len(version);
        let remaining = self.remaining_length(version, properties_len);
        let (length, length_size) = length_bytes(remaining);
        out.reserve(1 + length_size + remaining - self.payload_len);

        // Two appends instead of many: each one checks the capacity.
        let flags = u8::from(self.dup) << 3 | self.qos.to_u8() << 1 | u8::from(self.retain);
        let [topic_high, topic_low] = topic_len(self.topic).to_be_bytes();
        let mut start = [0; 7];
        start[0] = PacketType::Publish.first_byte() | flags;
        start[1..5].copy_from_slice(&length);
        start[1 + length_size] = topic_high;
        start[2 + length_size] = topic_low;
        out.extend_from_slice(&start[..3 + length_size]);
        out.extend_from_slice(self.topic.as_bytes());

        let mut packet_id_at = 0;
        if self.qos != QoS::AtMostOnce {
            packet_id_at = 3 + length_size + self.topic.len();
            let id = self.packet_id.unwrap_or(PacketId::MIN).get();
            out.extend_from_slice(&id.to_be_bytes());
        }
        if version.has_properties() {
            self.encode_properties(properties_len, out);
        }
        packet_id_at
    }

    /// The size of the whole packet in bytes: fixed header, this head and the payload.
    #[must_use]
    #[inline]
    pub fn packet_len(&self, version: Version) -> usize {
        let remaining = self.remaining_length(version, self.properties_len(version));
        1 + remaining_length_size(remaining) + remaining
    }

    #[inline]
    fn remaining_length(&self, version: Version, properties_len: usize) -> usize {
        let packet_id = if self.qos == QoS::AtMostOnce { 0 } else { 2 };
        let properties =
            if version.has_properties() { remaining_length_size(properties_len) + properties_len } else { 0 };
        2 + self.topic.len() + packet_id + properties + self.payload_len
    }

    #[inline]
    fn properties_len(&self, version: Version) -> usize {
        if !version.has_properties() {
            return 0;
        }
        let alias = if self.topic_alias.is_some() { 3 } else { 0 };
        let expiry = if self.message_expiry.is_some() { 5 } else { 0 };
        let ids: usize = self.subscription_ids.iter().map(|id| 1 + length_bytes(*id as usize).1).sum();
        alias + expiry + ids + self.properties.len()
    }

    #[inline]
    fn encode_properties(&self, len: usize, out: &mut Vec<u8>) {
        let (bytes, size) = length_bytes(len);
        out.extend_from_slice(&bytes[..size]);
        if let Some(alias) = self.topic_alias {
            out.push(PropertyId::TopicAlias as u8);
            out.extend_from_slice(&alias.to_be_bytes());
        }
        if let Some(seconds) = self.message_expiry {
            out.push(PropertyId::MessageExpiryInterval as u8);
            out.extend_from_slice(&seconds.to_be_bytes());
        }
        for id in self.subscription_ids {
            let (bytes, size) = encode_remaining_length(*id);
            out.push(PropertyId::SubscriptionIdentifier as u8);
            out.extend_from_slice(&bytes[..size]);
        }
        out.extend_from_slice(self.properties);
    }
}

#[inline]
fn length_bytes(length: usize) -> ([u8; 4], usize) {
    encode_remaining_length(u32::try_from(length).unwrap_or(u32::MAX))
}

#[inline]
fn topic_len(topic: &str) -> u16 {
    u16::try_from(topic.len()).unwrap_or(u16::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: PublishHead<'static> = PublishHead {
        dup: true,
        qos: QoS::ExactlyOnce,
        retain: true,
        topic: "a/b",
        topic_alias: Some(0x0102),
        packet_id: PacketId::new(0x0A0B),
        message_expiry: Some(3),
        subscription_ids: &[1, 300],
        properties: &[0x01, 1],
        payload_len: 4,
    };

    fn written(head: &PublishHead<'_>, version: Version) -> (Vec<u8>, usize) {
        let mut out = Vec::from(*b"before");
        let packet_id_at = head.encode(version, &mut out);
        assert_eq!(head.packet_len(version), out.len() - 6 + head.payload_len);
        (out.split_off(6), packet_id_at)
    }

    #[test]
    fn everything_of_version_5() {
        #[rustfmt::skip]
        let expected = [
            0x3D, 27, 0, 3, b'a', b'/', b'b', 0x0A, 0x0B,
            15,
            0x23, 1, 2,
            0x02, 0, 0, 0, 3,
            0x0B, 1,
            0x0B, 0xAC, 0x02,
            0x01, 1,
        ];
        assert_eq!(written(&HEAD, Version::V5), (expected.to_vec(), 7));
    }

    #[test]
    fn older_versions_leave_the_properties_out() {
        for version in [Version::V31, Version::V311] {
            let expected = [0x3D, 11, 0, 3, b'a', b'/', b'b', 0x0A, 0x0B];
            assert_eq!(written(&HEAD, version), (expected.to_vec(), 7));
        }
    }

    #[test]
    fn qos_0_has_no_packet_identifier() {
        let head = PublishHead { dup: false, qos: QoS::AtMostOnce, retain: false, ..HEAD };
        let expected = [0x30, 9, 0, 3, b'a', b'/', b'b'];
        assert_eq!(written(&head, Version::V311), (expected.to_vec(), 0));
    }

    #[test]
    fn the_place_of_the_packet_identifier_moves_with_the_length() {
        for (payload_len, place) in [(0, 7), (127 - 7, 7), (128 - 7, 8), (20_000, 9), (3_000_000, 10)] {
            let head = PublishHead { payload_len, ..HEAD };
            let (bytes, at) = written(&head, Version::V311);
            assert_eq!((at, &bytes[at..]), (place, &[0x0A, 0x0B][..]));
        }
    }
}
