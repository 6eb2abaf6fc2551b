//! The laboratory's messages: everything about one follows from its name, so that a delivery can be judged by itself.

use std::fmt;

use bytes::Bytes;
use darter_codec::{Publish, QoS};

/// One publisher's use of one topic. What it publishes there is numbered from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Stream {
    /// Number of the publisher.
    pub(crate) publisher: u16,
    /// Which of its topics.
    pub(crate) lane: Lane,
}

/// Each publisher has one topic of every kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Lane {
    /// QoS 1.
    Once,
    /// QoS 2.
    Exactly,
    /// QoS 1, each message retained.
    OnceRetained,
    /// QoS 2, each message retained.
    ExactlyRetained,
    /// QoS 1, retained, now and then cleared; no persistent session subscribes, because an empty payload has no name.
    OnceCleared,
    /// QoS 2, retained, now and then cleared.
    ExactlyCleared,
    /// QoS 1, to every persistent subscriber when a queue should be empty.
    Mark,
    /// QoS 1, the will of a client; those of one topic are of different clients, and have no order.
    Will,
}

impl Lane {
    /// Every lane.
    pub(crate) const ALL: [Self; 8] = [
        Self::Once,
        Self::Exactly,
        Self::OnceRetained,
        Self::ExactlyRetained,
        Self::OnceCleared,
        Self::ExactlyCleared,
        Self::Mark,
        Self::Will,
    ];

    /// The topic's levels before the publisher's number.
    fn prefix(self) -> &'static str {
        match self {
            Self::Once => "load/once",
            Self::Exactly => "load/exactly",
            Self::OnceRetained => "load/once-retained",
            Self::ExactlyRetained => "load/exactly-retained",
            Self::OnceCleared => "cleared/once",
            Self::ExactlyCleared => "cleared/exactly",
            Self::Mark => "mark/once",
            Self::Will => "load/will",
        }
    }

    /// What it is published with.
    pub(crate) fn qos(self) -> QoS {
        match self {
            Self::Once | Self::OnceRetained | Self::OnceCleared | Self::Mark | Self::Will => QoS::AtLeastOnce,
            Self::Exactly | Self::ExactlyRetained | Self::ExactlyCleared => QoS::ExactlyOnce,
        }
    }

    /// Whether the server keeps the newest message.
    pub(crate) fn is_retained(self) -> bool {
        !matches!(self, Self::Once | Self::Exactly | Self::Mark | Self::Will)
    }

    /// Whether some of its messages clear the topic.
    pub(crate) fn is_cleared(self) -> bool {
        matches!(self, Self::OnceCleared | Self::ExactlyCleared)
    }
}

impl Stream {
    /// The topic name.
    pub(crate) fn topic(self) -> String {
        format!("{}/{}", self.lane.prefix(), self.publisher)
    }

    /// The stream of a topic name; none for a topic of somebody else.
    pub(crate) fn of_topic(topic: &str) -> Option<Self> {
        let (prefix, publisher) = topic.rsplit_once('/')?;
        let lane = Lane::ALL.into_iter().find(|lane| lane.prefix() == prefix)?;
        Some(Self { publisher: publisher.parse().ok()?, lane })
    }
}

/// Names one message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct MessageId {
    /// Whose, and on which topic.
    pub(crate) stream: Stream,
    /// Its number there, from 1.
    pub(crate) sequence: u64,
}

/// Of so many messages on a lane that is cleared one has no payload.
const CLEARS_ONE_IN: u64 = 5;
/// Payloads without their padding are never longer.
const HEAD: usize = 32;
/// Most messages are no longer than this.
const USUAL: u64 = 2_000;
/// One of so many is longer.
const LONG_ONE_IN: u64 = 40;
/// And has about this many bytes.
const LONG: u64 = 24_000;

impl MessageId {
    /// Whether this message clears its topic.
    pub(crate) fn clears(self) -> bool {
        self.stream.lane.is_cleared() && self.sequence.is_multiple_of(CLEARS_ONE_IN)
    }

    /// The payload, which follows from the name alone.
    pub(crate) fn payload(self) -> Bytes {
        if self.clears() {
            return Bytes::new();
        }
        let noise =
            mix(u64::from(self.stream.publisher) << 48 ^ (self.stream.lane as u64) << 40 ^ self.sequence);
        let most = if noise.is_multiple_of(LONG_ONE_IN) { LONG } else { USUAL };
        let size = HEAD + usize::try_from((noise >> 16) % most).unwrap_or(0);
        let mut bytes = format!("{}#{}#", self.stream.publisher, self.sequence).into_bytes();
        let mut state = noise;
        while bytes.len() < size {
            state = mix(state);
            bytes.extend_from_slice(&state.to_le_bytes());
        }
        bytes.truncate(size);
        bytes.into()
    }

    /// The message that a payload on this stream is, when it is one byte by byte.
    pub(crate) fn of_payload(stream: Stream, payload: &[u8]) -> Option<Self> {
        let mut parts = payload.splitn(3, |byte| *byte == b'#');
        let publisher: u16 = std::str::from_utf8(parts.next()?).ok()?.parse().ok()?;
        let sequence = std::str::from_utf8(parts.next()?).ok()?.parse().ok()?;
        let id = Self { stream, sequence };
        (publisher == stream.publisher && id.payload() == payload).then_some(id)
    }

    /// The packet, without an identifier.
    pub(crate) fn publish(self) -> Publish {
        Publish {
            qos: self.stream.lane.qos(),
            retain: self.stream.lane.is_retained(),
            topic: self.stream.topic().into(),
            payload: self.payload(),
            ..Publish::default()
        }
    }
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} number {}", self.stream.topic(), self.sequence)
    }
}

/// Numbers that look random and follow from the number before.
pub(crate) fn mix(number: u64) -> u64 {
    let mut z = number.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_known_by_its_payload_and_topic() {
        for lane in Lane::ALL {
            let stream = Stream { publisher: 3, lane };
            assert_eq!(Stream::of_topic(&stream.topic()), Some(stream));
            let id = MessageId { stream, sequence: 41 };
            assert_eq!(MessageId::of_payload(stream, &id.payload()), Some(id));
        }
        assert_eq!(Stream::of_topic("load/else/3"), None);
    }

    #[test]
    fn one_wrong_byte_or_another_topic_makes_it_unknown() {
        let stream = Stream { publisher: 3, lane: Lane::Once };
        let mut payload = MessageId { stream, sequence: 41 }.payload().to_vec();
        let other = Stream { publisher: 4, lane: Lane::Once };
        assert_eq!(MessageId::of_payload(other, &payload), None);
        assert_eq!(MessageId::of_payload(stream, &payload[..payload.len() - 1]), None);
        if let Some(last) = payload.last_mut() {
            *last ^= 1;
        }
        assert_eq!(MessageId::of_payload(stream, &payload), None);
    }
}
