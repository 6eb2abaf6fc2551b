use thiserror::Error;

use crate::ReasonCode;

/// Why bytes could not be read as a packet. Everything here is the sender's fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The bytes do not follow the packet's layout.
    #[error("malformed packet: {what}")]
    Malformed {
        /// What is wrong with it, in a few words.
        what: &'static str,
    },
    /// The layout is right, but what it says is forbidden.
    #[error("protocol error: {what}")]
    ProtocolViolation {
        /// What is forbidden, in a few words.
        what: &'static str,
    },
    /// The packet is larger than the receiver takes. Known as soon as its length is.
    #[error("packet of {size} bytes is larger than the limit of {limit}")]
    PacketTooLarge {
        /// The whole packet in bytes, fixed header included.
        size: usize,
        /// The largest size taken, in bytes.
        limit: usize,
    },
    /// CONNECT names a protocol level that is not 3, 4 or 5 ([MQTT-3.1.2-2]).
    #[error("unsupported protocol version: level {level}")]
    UnsupportedProtocolVersion {
        /// The level byte that was sent.
        level: u8,
    },
    /// A string is not valid UTF-8 or holds U+0000 ([MQTT-1.5.4-1], [MQTT-1.5.4-2]).
    #[error("a string is not valid UTF-8, or holds U+0000")]
    InvalidUtf8,
    /// A topic name is empty or holds a wildcard character ([MQTT-3.3.2-2], section 4.7).
    #[error("invalid topic name")]
    TopicNameInvalid,
    /// A topic filter is empty or has a wildcard in the wrong place (section 4.7.1, 4.8.2).
    #[error("invalid topic filter")]
    TopicFilterInvalid,
    /// A topic alias is 0 ([MQTT-3.3.2-8]).
    #[error("topic alias 0")]
    TopicAliasInvalid,
}

impl DecodeError {
    /// What a version 5 peer is told about it (sections 2.4 and 4.13).
    #[must_use]
    pub const fn reason_code(&self) -> ReasonCode {
        match self {
            Self::Malformed { .. } | Self::InvalidUtf8 => ReasonCode::MalformedPacket,
            Self::ProtocolViolation { .. } => ReasonCode::ProtocolError,
            Self::PacketTooLarge { .. } => ReasonCode::PacketTooLarge,
            Self::UnsupportedProtocolVersion { .. } => ReasonCode::UnsupportedProtocolVersion,
            Self::TopicNameInvalid => ReasonCode::TopicNameInvalid,
            Self::TopicFilterInvalid => ReasonCode::TopicFilterInvalid,
            Self::TopicAliasInvalid => ReasonCode::TopicAliasInvalid,
        }
    }
}

impl DecodeError {
    /// What is wrong, in a few words.
    #[must_use]
    pub const fn what(&self) -> &'static str {
        match self {
            Self::Malformed { what } | Self::ProtocolViolation { what } => what,
            Self::PacketTooLarge { .. } => "the packet is larger than the server takes",
            Self::UnsupportedProtocolVersion { .. } => "a protocol level that is not 3, 4 or 5",
            Self::InvalidUtf8 => "a string is not valid UTF-8, or holds U+0000",
            Self::TopicNameInvalid => "the topic name is empty or holds a wildcard",
            Self::TopicFilterInvalid => "the topic filter is empty or has a wildcard in the wrong place",
            Self::TopicAliasInvalid => "topic alias 0",
        }
    }
}

/// Why a packet could not be written. Everything here is the caller's fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum EncodeError {
    /// A string or binary value is longer than its two-byte length can say.
    #[error("a field of {len} bytes is longer than 65535")]
    FieldTooLong {
        /// Its length in bytes.
        len: usize,
    },
    /// The body is longer than a remaining length can say: 268,435,455 bytes.
    #[error("a body of {size} bytes is longer than 268435455")]
    PacketTooLarge {
        /// The length of the body in bytes.
        size: usize,
    },
    /// The packet, or a value in it, does not exist in that version of the protocol or may not be sent.
    #[error("cannot be sent: {what}")]
    NotAllowed {
        /// What cannot be sent, in a few words.
        what: &'static str,
    },
}
