use super::deliveries::Delivery;
use crate::AliasError;
use alloc::boxed::Box;
use bytes::Bytes;
use darter_codec::{
    ByteString, ConnAck, DecodeError, Disconnect, EncodeError, Packet, PacketId, Properties, QoS, ReasonCode,
    SubAck, UnsubAck,
};
use thiserror::Error;

/// Names one publish, subscribe or unsubscribe until its outcome is reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Token(pub(super) u64);

/// Something the owner of a [`super::Connection`] learns.
#[derive(Debug)]
pub enum Event {
    /// The server accepted the connection. Everything unacknowledged is on its way again, if `session_present`.
    Connected(Box<ConnAck>),
    /// A message from the server.
    Message(Box<Message>),
    /// A publish is complete: with QoS 0 the packet went out, with QoS 1 and 2 it was acknowledged, or it failed.
    Published(Token, Result<Acknowledgement, PublishError>),
    /// SUBACK.
    Subscribed(Token, Box<SubAck>),
    /// UNSUBACK.
    Unsubscribed(Token, Box<UnsubAck>),
    /// A packet was sent or received; only with [`super::Options::trace`].
    Packet(Direction, Box<Packet>),
    /// The network connection is to be closed once everything is transmitted.
    ///
    /// Subscribes and unsubscribes without an answer get none any more.
    Ended(End),
}

/// Which way a packet went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// To the server.
    Sent,
    /// From the server.
    Received,
}

/// A message that the server sent.
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    /// Topic name, also where the server sent a topic alias.
    pub topic: ByteString,
    /// The content.
    pub payload: Bytes,
    /// Quality of service of this delivery.
    pub qos: QoS,
    /// The RETAIN flag as it was received (section 3.3.1.3).
    pub retain: bool,
    /// The DUP flag.
    pub dup: bool,
    /// Packet identifier; none with QoS 0.
    pub packet_id: Option<PacketId>,
    /// Properties, without those of the connection.
    pub properties: Properties,
    /// To be handed to [`super::Connection::acknowledge`] once the message is safe; none with QoS 0.
    pub delivery: Option<Delivery>,
}

/// The server's last word on a publish.
#[derive(Debug, Clone, PartialEq)]
pub struct Acknowledgement {
    /// Packet identifier of the publish; none with QoS 0.
    pub packet_id: Option<PacketId>,
    /// Reason code of PUBACK, PUBREC or PUBCOMP; success with QoS 0 and before version 5.
    pub reason: ReasonCode,
    /// Properties of that packet.
    pub properties: Properties,
}

/// Why a message was not published.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum PublishError {
    /// The server refused it.
    #[error("the server refused the message: {:?}", .0.reason)]
    Refused(Box<Acknowledgement>),
    /// The server's Maximum QoS is lower (section 3.2.2.3.4).
    #[error("the server takes messages up to QoS {} only", *.maximum as u8)]
    QosNotSupported {
        /// The server's Maximum QoS.
        maximum: QoS,
    },
    /// The server keeps no retained messages (section 3.2.2.3.5).
    #[error("the server keeps no retained messages")]
    RetainNotSupported,
    /// The packet is larger than the server's Maximum Packet Size (section 3.2.2.3.6).
    #[error("the packet has {size} bytes and the server takes at most {limit}")]
    PacketTooLarge {
        /// Size of the packet in bytes.
        size: usize,
        /// The server's Maximum Packet Size.
        limit: u32,
    },
    /// The packet cannot be written at all.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// The server lost the session while the QoS 2 message was on its way: it may or may not have been published.
    #[error("the server lost the session before it acknowledged the message")]
    SessionLost,
}

/// Why a network connection is at its end.
#[derive(Debug)]
pub enum End {
    /// [`super::Connection::disconnect`] was called.
    Requested,
    /// The server refused the connection.
    Refused(Box<ConnAck>),
    /// The server sent DISCONNECT.
    Disconnected(Box<Disconnect>),
    /// The server did something it must not, or nothing at all.
    Failed(Failure),
    /// CONNECT cannot be written with these options.
    Unsendable(EncodeError),
}

/// What was wrong with the server's side of the connection.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum Failure {
    /// Bytes that are no valid packet.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// A valid packet that a server must not send now.
    #[error("the server sent {0}")]
    Unexpected(&'static str),
    /// A topic alias that cannot be used.
    #[error(transparent)]
    Alias(#[from] AliasError),
    /// More unacknowledged messages than this client's Receive Maximum (section 3.3.4).
    #[error("the server sent more than {0} unacknowledged messages")]
    ReceiveMaximumExceeded(u16),
    /// No CONNACK, or no sign of life after PINGREQ.
    #[error("the server did not answer in time")]
    NoAnswer,
}

impl Failure {
    /// The reason code for the DISCONNECT that tells the server (section 4.13).
    #[must_use]
    pub fn reason_code(&self) -> ReasonCode {
        match self {
            Self::Decode(error) => error.reason_code(),
            Self::Unexpected(_) => ReasonCode::ProtocolError,
            Self::Alias(AliasError::OutOfRange { .. }) => ReasonCode::TopicAliasInvalid,
            Self::Alias(AliasError::Unknown(_)) => ReasonCode::ProtocolError,
            Self::ReceiveMaximumExceeded(_) => ReasonCode::ReceiveMaximumExceeded,
            Self::NoAnswer => ReasonCode::KeepAliveTimeout,
        }
    }
}
