//! What a server keeps of its sessions and messages: the vocabulary between its brain, which says what changed, and its
//! store, which keeps it.

mod kept;

pub use kept::{Kept, KeptCopy, KeptSession, KeptSubscription, KeptWill, Left, Unacknowledged};

use crate::{Message, PacketId, QoS, SubscriptionOptions};
use alloc::boxed::Box;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

/// Number of a session, never used again: a new session of the same client gets a new one.
pub type SessionNumber = u64;

/// Where a queued message stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowState {
    /// Not sent yet.
    Waiting,
    /// Sent with this packet identifier, not acknowledged.
    Sent(PacketId),
    /// PUBREC arrived; the body is no longer needed.
    Released(PacketId),
    /// PUBCOMP arrived, and the packet identifier is free. The row stays only to show that this copy was delivered, in case its
    /// publisher sends the message again after a crash.
    Finished,
}

/// A message in a session's queue.
#[derive(Debug, Clone)]
pub struct QueueRow {
    /// The message.
    pub message: Message,
    /// QoS of this delivery.
    pub qos: QoS,
    /// RETAIN flag of this delivery.
    pub retain: bool,
    /// Which subscriptions it is for, where that matters later.
    pub origin: Option<Box<Origin>>,
    /// Where it stands.
    pub state: RowState,
}

/// How safe a message is when its publisher gets the acknowledgement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Durability {
    /// On the disk: neither a crash nor a power cut loses it.
    #[default]
    Always,
    /// On its way to the disk, where it is at most one sync interval later: a crash or a power cut may lose that much.
    Interval,
    /// In memory, and never on the disk: gone when the server stops.
    Memory,
}

/// A QoS 2 publication as its publisher names it until PUBREL, and what tells it from earlier ones of that name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublicationId {
    /// The publisher's session.
    pub session: SessionNumber,
    /// The packet identifier.
    pub packet_id: PacketId,
    /// Another one each time. The packet identifier may come again right after PUBCOMP, while copies of what it named before
    /// are still stored in queues.
    pub serial: u64,
}

/// The subscriptions that a queued message is for, and where it came from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Origin {
    /// Subscription identifiers to be sent with it (section 3.3.2.3.8).
    pub identifiers: Vec<u32>,
    /// The shared subscription, as `$share/group/filter`; another member may get the message instead (section 4.8.2).
    pub group: Option<Arc<str>>,
    /// The publication, where copies of it went to several shards: they are not stored at one moment, so that its publisher may
    /// have to send it again after a crash, and this copy is known by it. It is removed only after the packet identifier was released.
    pub publication: Option<PublicationId>,
}

impl QueueRow {
    /// Subscription identifiers to be sent with it.
    #[must_use]
    pub fn identifiers(&self) -> &[u32] {
        self.origin.as_ref().map_or(&[], |origin| &origin.identifiers)
    }
}

/// The changes of one turn of a shard, as a store takes them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Batch {
    /// Its number; the numbers of one shard ascend.
    pub number: u64,
    /// Something waits until the batch is kept. Otherwise the store may take its time, and need not answer before it
    /// answers a later batch.
    pub awaited: bool,
}

/// A change that must be stored. The changes of one turn are one batch: all of it or nothing.
#[derive(Debug, Clone)]
pub enum Change {
    /// A session begins or goes on with a new connection, or its expiry interval changes: its client is there.
    Session {
        /// The session.
        session: SessionNumber,
        /// Its client identifier.
        client: Arc<str>,
        /// The user it belongs to.
        user: Option<Arc<str>>,
        /// Session expiry interval in seconds (section 3.1.2.11.2).
        expiry: u32,
    },
    /// The client of a kept session is gone.
    Left {
        /// The session.
        session: SessionNumber,
        /// What happens when.
        left: Left,
    },
    /// A session ended; everything under its number may be swept.
    SessionEnded {
        /// The session.
        session: SessionNumber,
        /// Its client identifier.
        client: Arc<str>,
    },
    /// A subscription was made or changed.
    Subscribed {
        /// The session.
        session: SessionNumber,
        /// The topic filter, with `$share/group/` where it is shared.
        filter: String,
        /// Options.
        options: SubscriptionOptions,
        /// Subscription identifier; 0 is none.
        identifier: u32,
    },
    /// A subscription was removed.
    Unsubscribed {
        /// The session.
        session: SessionNumber,
        /// The topic filter.
        filter: String,
    },
    /// A message joined a queue. Sequences of one session ascend without gaps.
    Queued {
        /// The session.
        session: SessionNumber,
        /// Place in the queue.
        sequence: u64,
        /// The message and where it stands.
        row: QueueRow,
        /// False for a session that ends with its connection: memory is enough.
        durable: bool,
    },
    /// A queued message moved on.
    Moved {
        /// The session.
        session: SessionNumber,
        /// Place in the queue.
        sequence: u64,
        /// Where it stands now.
        state: RowState,
    },
    /// A queued message is done with.
    Removed {
        /// The session.
        session: SessionNumber,
        /// Place in the queue.
        sequence: u64,
    },
    /// A QoS 2 packet identifier was received.
    Incoming {
        /// The session.
        session: SessionNumber,
        /// The identifier.
        packet_id: PacketId,
        /// Copies of its message went to several shards, and name it by this [serial](PublicationId::serial).
        spread: Option<u64>,
    },
    /// A QoS 2 packet identifier was released.
    IncomingReleased {
        /// The session.
        session: SessionNumber,
        /// The identifier.
        packet_id: PacketId,
    },
    /// The retained message of a topic. Told once, by the shard that it was published on.
    Retained {
        /// The message; its topic says where.
        message: Message,
        /// Decides which of two changes to one topic is newer, in whatever order they come.
        stamp: u64,
    },
    /// The topic has no retained message any more.
    RetainedCleared {
        /// The topic name.
        topic: Box<str>,
        /// As for a retained message; an expired one is cleared with the stamp it had.
        stamp: u64,
    },
    /// A connected client's will, also of a session that ends with its connection.
    Will {
        /// The session.
        session: SessionNumber,
        /// The will.
        will: KeptWill,
    },
    /// The session has no will any more.
    WillCleared {
        /// The session.
        session: SessionNumber,
    },
}
