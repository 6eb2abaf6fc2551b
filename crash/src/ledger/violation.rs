//! What a server can be found guilty of.

use std::fmt;

use darter_codec::QoS;

use crate::message::MessageId;

/// A promise that was not kept, and when it was found out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Violation {
    /// The cycle, from 1.
    pub(crate) cycle: u32,
    /// The client that noticed.
    pub(crate) client: String,
    /// Which promise.
    pub(crate) fault: Fault,
}

/// The kinds of broken promises.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fault {
    /// An acknowledged message did not reach a session that was subscribed before it was published.
    Lost {
        /// The message.
        id: MessageId,
        /// The cycle in which it was acknowledged.
        acknowledged: u32,
    },
    /// A QoS 2 message was delivered again, or more often.
    Twice(MessageId),
    /// A QoS 1 message was delivered again although the server had long had its PUBACK, or on the same connection.
    Repeated(MessageId),
    /// The will of a client that had left with DISCONNECT came.
    Unwanted(MessageId),
    /// A message came after a later one of the same publisher and topic.
    Disordered {
        /// The message.
        id: MessageId,
        /// The later one that had come before.
        after: u64,
    },
    /// A message that nobody sent, or that was changed on its way.
    NeverSent {
        /// The topic it came with.
        topic: String,
        /// The start of its payload.
        payload: String,
    },
    /// A message came to a session that had not subscribed to its topic.
    NotSubscribed(MessageId),
    /// A message came with another QoS than the lower one of its own and the subscription's.
    WrongQos {
        /// The message.
        id: MessageId,
        /// The QoS it came with.
        qos: QoS,
    },
    /// A QoS 2 message came with the packet identifier of another one that is not complete: its client must take it for that.
    IdentifierReused {
        /// The identifier.
        packet_id: u16,
        /// The topic of the message that had it.
        before: String,
        /// The topic of the message that came.
        topic: String,
    },
    /// A retained message is older than the last acknowledged one of its topic, or there when it was cleared, or missing.
    Retained {
        /// The topic.
        topic: String,
        /// The number that the server has; none for no retained message.
        found: Option<u64>,
        /// The last acknowledged number.
        acknowledged: u64,
    },
    /// A session that had been acknowledged is gone.
    SessionLost {
        /// Acknowledged messages that it had not been given.
        owed: usize,
    },
    /// A session that had been ended is there again.
    SessionBack,
    /// The server did not know the identifier of a QoS 2 message that it had acknowledged and not been asked to release.
    Forgotten(MessageId),
    /// The server refused something without need.
    Refused {
        /// What it refused.
        what: String,
    },
    /// The server closed a connection without need.
    Closed {
        /// How.
        why: String,
    },
    /// Nothing moved for too long.
    Stalled {
        /// What was waited for.
        waiting_for: String,
    },
    /// The server did not end as it was asked to.
    NotStopped {
        /// What happened.
        why: String,
    },
    /// The server was not ready in time.
    NotReady {
        /// What happened.
        why: String,
    },
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cycle {}, {}: {}", self.cycle, self.client, self.fault)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lost { id, acknowledged } => {
                write!(f, "lost: {id} was acknowledged in cycle {acknowledged} and never delivered")
            }
            Self::Twice(id) => write!(f, "delivered twice: {id}, which has QoS 2"),
            Self::Repeated(id) => {
                write!(f, "delivered again without need: {id}, whose PUBACK the server had long had")
            }
            Self::Unwanted(id) => write!(f, "unwanted: {id} is the will of a client that had left"),
            Self::Disordered { id, after } => write!(f, "out of order: {id} came after number {after}"),
            Self::NeverSent { topic, payload } => {
                write!(f, "never sent: a message on {topic} that begins with {payload:?}")
            }
            Self::NotSubscribed(id) => write!(f, "delivered without a subscription: {id}"),
            Self::WrongQos { id, qos } => write!(f, "wrong QoS {}: {id}", qos.to_u8()),
            Self::IdentifierReused { packet_id, before, topic } => write!(
                f,
                "packet identifier {packet_id} of an unfinished message on {before} was used for another one on {topic}"
            ),
            Self::Retained { topic, found: Some(found), acknowledged } => write!(
                f,
                "retained: {topic} has number {found}, and number {acknowledged} was acknowledged last"
            ),
            Self::Retained { topic, found: None, acknowledged } => {
                write!(f, "retained: {topic} has nothing, and number {acknowledged} was acknowledged last")
            }
            Self::SessionLost { owed } => {
                write!(f, "the session is lost, with {owed} acknowledged messages that it had not been given")
            }
            Self::SessionBack => write!(f, "a session that was ended is there again"),
            Self::Forgotten(id) => {
                write!(f, "forgotten: the packet identifier of {id}, which was acknowledged and not released")
            }
            Self::Refused { what } => write!(f, "refused without need: {what}"),
            Self::Closed { why } => write!(f, "closed the connection without need: {why}"),
            Self::Stalled { waiting_for } => write!(f, "nothing moves: waiting for {waiting_for}"),
            Self::NotStopped { why } => write!(f, "the server does not stop: {why}"),
            Self::NotReady { why } => write!(f, "the server is not ready: {why}"),
        }
    }
}
