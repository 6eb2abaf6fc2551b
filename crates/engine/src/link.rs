//! One network connection as the engine sees it.

use crate::effect::LinkId;
use crate::login::Login;
use crate::output::Output;
use crate::pace::Pace;
use alloc::boxed::Box;
use alloc::collections::VecDeque;
use darter_codec::{Message, Version};
use darter_session::{IncomingAliases, OutgoingAliases};

/// Stands for "no session" or "no link" in a slot number.
pub(crate) const NONE: u32 = u32::MAX;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LinkState {
    /// Nothing but a CONNECT is accepted [MQTT-3.1.0-1].
    Connecting,
    /// CONNECT was read; the verdict of the authenticator is awaited, or its next step.
    Authenticating,
    /// The login is decided, and the client has to wait before it learns how.
    Delayed,
    /// Nothing but AUTH is accepted, and DISCONNECT [MQTT-3.1.2-30].
    Challenged,
    /// The session is there; its CONNACK waits for a commit.
    Opening,
    /// CONNACK was sent.
    Open,
    /// The socket belongs to another shard, which gets every byte that was not consumed.
    Moving,
    /// Nothing more is read or written; the slot is freed at the end of the turn.
    Closed,
}

#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) serial: u32,
    pub(crate) session: u32,
    pub(crate) state: LinkState,
    pub(crate) version: Version,
    /// What its session may do is restricted.
    pub(crate) restricted: bool,
    /// In the shard's list of outputs to write.
    pub(crate) dirty: bool,
    /// Frames of this connection that wait for a commit.
    pub(crate) held: u32,
    /// Unacknowledged QoS 1 and 2 publications sent on this connection, and the most allowed.
    pub(crate) sent: u16,
    pub(crate) sent_most: u16,
    /// QoS 1 publications received whose acknowledgement waits.
    pub(crate) unanswered: u16,
    /// QoS 2 identifiers that came on earlier connections: they do not count for the Receive Maximum of this one.
    pub(crate) carried: usize,
    /// Milliseconds without a packet after which the connection is closed; 0 is never.
    pub(crate) silence: u32,
    pub(crate) last_seen: u64,
    /// Bytes of output when the wheel last found that nothing can be heard from the client.
    pub(crate) stuck: usize,
    /// When the wheel looks at the connection; older entries of it mean nothing.
    pub(crate) look_at: u64,
    /// Largest packet the client accepts, in bytes.
    pub(crate) packet_most: u32,
    /// A login that is not decided, or that may end or begin anew while the connection is open.
    pub(crate) login: Option<Box<Login>>,
    /// What it has published lately, if that is limited.
    pub(crate) pace: Option<Box<Pace>>,
    /// It was too fast, and nothing is read from it until then; 0 is never.
    pub(crate) waits_until: u64,
    pub(crate) output: Output,
    /// Bytes of it and of the ring that count against the shard's budget: those of a client that does not keep up.
    pub(crate) waiting: usize,
    /// QoS 0 messages for which the output has no room; the oldest goes first.
    pub(crate) overflow: Option<Box<Overflow>>,
    pub(crate) incoming_aliases: Option<Box<IncomingAliases>>,
    pub(crate) outgoing_aliases: Option<Box<OutgoingAliases>>,
}

/// A bounded ring of QoS 0 messages.
#[derive(Debug, Default)]
pub(crate) struct Overflow {
    pub(crate) messages: VecDeque<Waiting>,
    pub(crate) bytes: usize,
}

/// A QoS 0 message that waits; every slow reader that waits for it shares its bytes.
#[derive(Debug)]
pub(crate) struct Waiting {
    pub(crate) message: Message,
    pub(crate) retain: bool,
    pub(crate) identifiers: Box<[u32]>,
}

impl Waiting {
    /// Bytes of memory, as if nobody else waited for the message.
    pub(crate) fn size(&self) -> usize {
        size_of::<Self>() + self.message.size() + size_of_val(&*self.identifiers)
    }
}

impl Link {
    pub(crate) fn new(serial: u32, now: u64, connect_timeout: u64) -> Self {
        Self {
            serial,
            session: NONE,
            state: LinkState::Connecting,
            version: Version::V311,
            restricted: false,
            dirty: false,
            held: 0,
            sent: 0,
            sent_most: 0,
            unanswered: 0,
            carried: 0,
            silence: u32::try_from(connect_timeout).unwrap_or(u32::MAX),
            last_seen: now,
            stuck: 0,
            look_at: 0,
            waiting: 0,
            packet_most: u32::MAX,
            login: None,
            pace: None,
            waits_until: 0,
            output: Output::default(),
            overflow: None,
            incoming_aliases: None,
            outgoing_aliases: None,
        }
    }

    pub(crate) fn id(&self, slot: u32) -> LinkId {
        LinkId { slot, serial: self.serial }
    }

    pub(crate) fn is_v5(&self) -> bool {
        self.version == Version::V5
    }
}
