//! What happened inside the engine that somebody may want to read or count.

use crate::access::{Action, Why};
use crate::counters::Drop;
use alloc::boxed::Box;
use alloc::sync::Arc;
use darter_codec::{ReasonCode, Version};

/// Why a message was not delivered to one client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DropReason {
    /// The session's queue held its most messages or bytes.
    QueueFull,
    /// QoS 0 for a client that reads more slowly than messages arrive; the oldest went.
    SlowReader,
    /// The packet would exceed the Maximum Packet Size that the client announced [MQTT-3.1.2-24].
    PacketTooLarge,
    /// The message expired before it could be sent [MQTT-3.3.2-5].
    Expired,
    /// QoS 0 for a session whose client is away.
    Offline,
    /// No member of the shared subscription could take it.
    NoMember,
    /// The session ended before its queue was sent.
    SessionEnded,
    /// Clients may not publish to this topic.
    Refused,
    /// It would have to be stored, and the store has no room.
    StoreFull,
    /// A rule denies it, or none allows it.
    Denied,
}

impl DropReason {
    /// Every reason, in the order of the enumeration.
    pub const ALL: [Self; 10] = [
        Self::QueueFull,
        Self::SlowReader,
        Self::PacketTooLarge,
        Self::Expired,
        Self::Offline,
        Self::NoMember,
        Self::SessionEnded,
        Self::Refused,
        Self::StoreFull,
        Self::Denied,
    ];

    /// The reason as one word for topics and logs.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::QueueFull => "queue-full",
            Self::SlowReader => "slow-reader",
            Self::PacketTooLarge => "packet-too-large",
            Self::Expired => "expired",
            Self::Offline => "offline",
            Self::NoMember => "no-member",
            Self::SessionEnded => "session-ended",
            Self::Refused => "refused",
            Self::StoreFull => "store-full",
            Self::Denied => "denied",
        }
    }
}

/// Why a connection ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// The client sent DISCONNECT with this reason.
    Client(ReasonCode),
    /// The network connection closed without a DISCONNECT.
    Lost,
    /// The server ended it and gave this reason; `what` says it in words.
    Server {
        /// Reason code sent to version 5 clients.
        reason: ReasonCode,
        /// The rule that was broken or the cause, in plain words.
        what: &'static str,
    },
}

/// One thing that happened; the server turns it into a log line and moves a counter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A client is connected.
    Connected {
        /// The connection.
        link: u32,
        /// Its client identifier.
        client: Arc<str>,
        /// Protocol version.
        version: Version,
        /// Clean Session (3.x) or Clean Start (5).
        clean_start: bool,
        /// Whether an earlier session goes on.
        session_present: bool,
        /// Keep alive in seconds; 0 is none.
        keep_alive: u16,
    },
    /// A connection was refused at CONNECT.
    Refused {
        /// The connection.
        link: u32,
        /// Its client identifier, as far as it is known.
        client: Option<Box<str>>,
        /// Reason sent.
        reason: ReasonCode,
        /// The cause in plain words.
        what: &'static str,
    },
    /// Several clients use one client identifier: again and again one takes the session over from the other. Told once until
    /// they have stopped.
    Fight {
        /// The client identifier.
        client: Arc<str>,
        /// The connection that loses the session now.
        old: u32,
        /// The connection that gets it.
        new: u32,
        /// Take-overs so far.
        takeovers: u32,
    },
    /// A connection ended.
    Disconnected {
        /// The connection.
        link: u32,
        /// Client identifier; `None` before CONNECT.
        client: Option<Arc<str>>,
        /// Why.
        ending: Ending,
    },
    /// The first message that was not delivered to this client on this topic for this reason; more are only counted.
    Dropped(Drop),
    /// A client may not do something that it tried. Told for the first time for each client, action and topic; more are only
    /// counted.
    Denied {
        /// Its connection; `None` while it is away.
        link: Option<u32>,
        /// Its client identifier.
        client: Arc<str>,
        /// Its user, if it has one.
        user: Option<Arc<str>>,
        /// What it tried.
        action: Action,
        /// The topic name, or the filter.
        topic: Box<str>,
        /// What decided.
        why: Why,
    },
    /// A session ended and everything in it is gone.
    SessionEnded {
        /// Its client identifier.
        client: Arc<str>,
        /// True when its expiry interval passed; false for a clean start or a clean end.
        expired: bool,
    },
}
