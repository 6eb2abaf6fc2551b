use alloc::vec::Vec;
use core::fmt;
use core::ops::Range;

use bytes::Bytes;

use crate::packet::is_forwarded;
use crate::property::{Carrier, walk};
use crate::topic::check_name;
use crate::{DecodeError, PublishView, QoS};

const FORMAT: u8 = 1;
const HEADER: usize = 16;
const QOS_MASK: u8 = 0b0000_0011;
const RETAIN: u8 = 0b0000_0100;
const NEVER: u64 = u64::MAX;

/// An application message as a server keeps and stores it: immutable, one block of memory, cheap to clone.
///
/// The block is also the stored form ([`Self::as_bytes`], [`Self::from_bytes`]), numbers big-endian:
///
/// | bytes | |
/// |---|---|
/// | 0 | format, 1 |
/// | 1 | flags: bits 0 and 1 QoS, bit 2 RETAIN, the others 0 |
/// | 2, 3 | length of the topic name |
/// | 4 to 7 | length of the properties |
/// | 8 to 15 | when it expires, in milliseconds of the server's clock; all bits set: never |
/// | 16 and on | topic name, properties, payload |
#[derive(Clone, PartialEq, Eq)]
pub struct Message(Bytes);

impl Message {
    /// A message of these parts. `properties` are raw ones as [`PublishView::forwarded_properties`] gives them;
    /// `expires_at` is in milliseconds of the server's clock.
    ///
    /// The parts are taken as they are: a topic name that was checked is at most 65,535 bytes long, and longer ones are
    /// cut, as are properties beyond 4 GiB.
    #[must_use]
    pub fn new<'p>(
        qos: QoS,
        retain: bool,
        topic: &str,
        properties: impl IntoIterator<Item = &'p [u8], IntoIter: Clone>,
        payload: &[u8],
        expires_at: Option<u64>,
    ) -> Self {
        let properties = properties.into_iter();
        let properties_len = properties.clone().map(<[u8]>::len).sum::<usize>();
        let topic = &topic.as_bytes()[..topic.len().min(usize::from(u16::MAX))];
        let topic_len = u16::try_from(topic.len()).unwrap_or(u16::MAX);
        let mut block = Vec::with_capacity(HEADER + topic.len() + properties_len + payload.len());
        block.extend_from_slice(&[FORMAT, flags(qos, retain)]);
        block.extend_from_slice(&topic_len.to_be_bytes());
        block.extend_from_slice(&u32::try_from(properties_len).unwrap_or(u32::MAX).to_be_bytes());
        block.extend_from_slice(&expires_at.unwrap_or(NEVER).to_be_bytes());
        block.extend_from_slice(topic);
        for property in properties {
            block.extend_from_slice(property);
        }
        block.extend_from_slice(payload);
        Self(block.into())
    }

    /// The message of a PUBLISH whose topic name is there (an alias has been resolved).
    #[must_use]
    pub fn from_view(view: &PublishView<'_>, expires_at: Option<u64>) -> Self {
        let PublishView { qos, retain, topic, payload, .. } = *view;
        Self::new(qos, retain, topic, view.forwarded_properties(), payload, expires_at)
    }

    /// The message behind stored bytes.
    ///
    /// # Errors
    ///
    /// Malformed if the bytes are not what [`Self::as_bytes`] gives: format, flags, lengths, topic name and properties
    /// are checked.
    pub fn from_bytes(block: Bytes) -> Result<Self, DecodeError> {
        if block.len() < HEADER || block[0] != FORMAT {
            return Err(DecodeError::Malformed { what: "not a stored message" });
        }
        if block[1] & !(QOS_MASK | RETAIN) != 0 || QoS::from_u8(block[1] & QOS_MASK).is_none() {
            return Err(DecodeError::Malformed { what: "unknown flags of a stored message" });
        }
        let message = Self(block);
        let (topic, properties) = message
            .part(message.topic_range())
            .zip(message.part(message.properties_range()))
            .ok_or(DecodeError::Malformed { what: "a stored message ends early" })?;
        let topic = core::str::from_utf8(topic).map_err(|_| DecodeError::InvalidUtf8)?;
        check_name(topic).map_err(|_| DecodeError::TopicNameInvalid)?;
        for property in walk(properties, Carrier::Publish) {
            if !is_forwarded(property?.id) {
                return Err(DecodeError::Malformed { what: "a property that is not stored with a message" });
            }
        }
        Ok(message)
    }

    /// The topic name.
    #[must_use]
    #[inline]
    pub fn topic(&self) -> &str {
        // Valid since the message was made; checking again is the price of forbidding unsafe code.
        self.part(self.topic_range()).and_then(|topic| core::str::from_utf8(topic).ok()).unwrap_or_default()
    }

    /// The topic name's bytes, which are UTF-8; cheaper than [`Self::topic`].
    #[must_use]
    #[inline]
    pub fn topic_bytes(&self) -> &[u8] {
        self.part(self.topic_range()).unwrap_or_default()
    }

    /// The application message.
    #[must_use]
    #[inline]
    pub fn payload(&self) -> &[u8] {
        self.0.get(self.properties_range().end..).unwrap_or_default()
    }

    /// The application message, sharing this message's memory.
    #[must_use]
    #[inline]
    pub fn payload_bytes(&self) -> Bytes {
        self.0.slice(self.properties_range().end.min(self.0.len())..)
    }

    /// The raw properties that subscribers get, ready for [`crate::PublishHead::properties`].
    #[must_use]
    #[inline]
    pub fn properties(&self) -> &[u8] {
        self.part(self.properties_range()).unwrap_or_default()
    }

    /// The QoS it was published with.
    #[must_use]
    #[inline]
    pub fn qos(&self) -> QoS {
        QoS::from_u8(self.0[1] & QOS_MASK).unwrap_or_default()
    }

    /// Whether it was published with RETAIN.
    #[must_use]
    #[inline]
    pub fn retain(&self) -> bool {
        self.0[1] & RETAIN != 0
    }

    /// When it expires, in milliseconds of the server's clock; `None` is never.
    #[must_use]
    #[inline]
    pub fn expires_at(&self) -> Option<u64> {
        let at = self.0[8..HEADER].iter().fold(0, |at, byte| at << 8 | u64::from(*byte));
        if at == NEVER { None } else { Some(at) }
    }

    /// The stored form.
    #[must_use]
    pub const fn as_bytes(&self) -> &Bytes {
        &self.0
    }

    /// The size of the stored form in bytes: 16 and the length of topic name, properties and payload.
    #[must_use]
    pub const fn size(&self) -> usize {
        self.0.len()
    }

    /// The same message with RETAIN set or not. Copies only if that changes it.
    #[must_use]
    pub fn with_retain(&self, retain: bool) -> Self {
        if self.retain() == retain {
            return self.clone();
        }
        let mut block = Vec::from(&*self.0);
        block[1] = flags(self.qos(), retain);
        Self(block.into())
    }

    #[inline]
    fn part(&self, range: Range<usize>) -> Option<&[u8]> {
        self.0.get(range)
    }

    #[inline]
    fn topic_range(&self) -> Range<usize> {
        HEADER..HEADER + usize::from(u16::from_be_bytes([self.0[2], self.0[3]]))
    }

    #[inline]
    fn properties_range(&self) -> Range<usize> {
        let start = self.topic_range().end;
        let len = u32::from_be_bytes([self.0[4], self.0[5], self.0[6], self.0[7]]);
        start..start.saturating_add(usize::try_from(len).unwrap_or(usize::MAX))
    }
}

impl fmt::Debug for Message {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Message")
            .field("topic", &self.topic())
            .field("qos", &self.qos())
            .field("retain", &self.retain())
            .field("expires_at", &self.expires_at())
            .field("properties", &self.properties())
            .field("payload_len", &self.payload().len())
            .finish()
    }
}

const fn flags(qos: QoS, retain: bool) -> u8 {
    qos.to_u8() | if retain { RETAIN } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Version;

    const PROPERTY: &[u8] = &[0x01, 1];

    fn message() -> Message {
        Message::new(QoS::AtLeastOnce, true, "a/b", [PROPERTY], b"hi", Some(0x0102))
    }

    #[test]
    fn the_stored_form_is_fixed() {
        #[rustfmt::skip]
        let expected = [
            1, 0b101, 0, 3, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 1, 2,
            b'a', b'/', b'b', 0x01, 1, b'h', b'i',
        ];
        assert_eq!(message().as_bytes()[..], expected);
        assert_eq!(message().size(), expected.len());
        assert_eq!(Message::from_bytes(Bytes::copy_from_slice(&expected)), Ok(message()));
    }

    #[test]
    fn every_part_comes_back() {
        let message = message();
        assert_eq!(message.topic(), "a/b");
        assert_eq!(message.topic_bytes(), b"a/b");
        assert_eq!(message.properties(), PROPERTY);
        assert_eq!(message.payload(), b"hi");
        assert_eq!(message.qos(), QoS::AtLeastOnce);
        assert!(message.retain());
        assert_eq!(message.expires_at(), Some(0x0102));
        let empty = Message::new(QoS::AtMostOnce, false, "t", [], b"", None);
        assert_eq!((empty.payload(), empty.properties(), empty.expires_at()), (&b""[..], &b""[..], None));
        assert!(empty.payload_bytes().is_empty());
    }

    #[test]
    fn clones_and_payloads_share_the_memory() {
        let message = message();
        assert_eq!(message.clone().as_bytes().as_ptr(), message.as_bytes().as_ptr());
        assert_eq!(message.payload_bytes().as_ptr(), message.payload().as_ptr());
        assert_eq!(message.with_retain(true).as_bytes().as_ptr(), message.as_bytes().as_ptr());
    }

    #[test]
    fn the_retain_flag_can_be_changed() {
        let changed = message().with_retain(false);
        assert!(!changed.retain());
        assert_eq!(changed.with_retain(true), message());
    }

    #[test]
    fn a_publish_becomes_a_message_without_alias_and_expiry() {
        let body = b"\0\x01t\0\x01\x0C\x23\0\x05\x01\x01\x02\0\0\0\x09\x01\x01payload";
        assert!(PublishView::decode(Version::V5, 0x33, body).is_err(), "a property stands twice");
        let body = b"\0\x01t\0\x01\x0A\x23\0\x05\x01\x01\x02\0\0\0\x09payload";
        let view = PublishView::decode(Version::V5, 0x33, body).unwrap();
        let message = Message::from_view(&view, Some(9000));
        assert_eq!(message, Message::new(QoS::AtLeastOnce, true, "t", [PROPERTY], b"payload", Some(9000)));
    }

    #[test]
    fn damaged_bytes_are_refused() {
        let whole = message().as_bytes().clone();
        for len in 0..21 {
            assert!(Message::from_bytes(whole.slice(..len)).is_err(), "{len} bytes");
        }
        let damaged = |at: usize, byte: u8| {
            let mut block = whole.to_vec();
            block[at] = byte;
            Message::from_bytes(block.into())
        };
        for (at, byte) in [
            (0, 2),
            (1, 3),
            (1, 8),
            (2, 0xFF),
            (3, 0),
            (4, 0xFF),
            (7, 1),
            (7, 4),
            (16, b'#'),
            (17, 0xFF),
            (19, 0x23),
            (20, 2),
        ] {
            assert!(damaged(at, byte).is_err(), "{byte} at {at}");
        }
    }
}
