//! What a store gives back when a server starts.

use super::{PublicationId, SessionNumber};
use crate::{Message, PacketId, SubscriptionOptions};
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

/// Everything that was kept, but for the messages in the queues, which are read as they are wanted.
#[derive(Debug, Default)]
pub struct Kept {
    /// The sessions.
    pub sessions: Vec<KeptSession>,
    /// Wills of clients that were connected without a session that outlives the connection, each with the number of the
    /// session that it was told for.
    pub wills: Vec<(SessionNumber, KeptWill)>,
    /// Retained messages with their stamps.
    pub retained: Vec<(Message, u64)>,
    /// The largest session number that was ever stored, sessions compared without their topmost 8 bits, which name the shard
    /// that made them.
    pub last_session: SessionNumber,
    /// The largest stamp of a retained message that was ever stored.
    pub last_stamp: u64,
    /// No smaller than any serial of a publication that is stored.
    pub last_serial: u64,
}

/// A session as it was kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptSession {
    /// Its number.
    pub session: SessionNumber,
    /// Its client identifier.
    pub client: Arc<str>,
    /// The user it belongs to.
    pub user: Option<Arc<str>>,
    /// Session expiry interval in seconds (section 3.1.2.11.2); not 0.
    pub expiry: u32,
    /// What it subscribes to.
    pub subscriptions: Vec<KeptSubscription>,
    /// QoS 2 packet identifiers received and not released.
    pub incoming: Vec<PacketId>,
    /// What those of them name whose messages went to several shards. A crash may have come before every copy was stored.
    pub spread: Vec<PublicationId>,
    /// Messages of the queue that are copies of such publications, for those that are still among their publishers' ones.
    pub copies: Vec<KeptCopy>,
    /// Messages sent and not acknowledged, in the order of their sequences.
    pub unacknowledged: Vec<Unacknowledged>,
    /// Sequence of the next message to join its queue.
    pub next: u64,
    /// Messages of the queue that were never sent.
    pub waiting: usize,
    /// Bytes of these: topic names, properties and payloads.
    pub waiting_bytes: usize,
    /// Whether any message of the queue came by a shared subscription.
    pub has_shared_rows: bool,
    /// Its will, if it has one that was not published.
    pub will: Option<KeptWill>,
    /// What happens when, if its client was gone; `None` if it was connected.
    pub left: Option<Left>,
}

/// A subscription as it was kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptSubscription {
    /// The topic filter, with `$share/group/` where it is shared.
    pub filter: String,
    /// Options.
    pub options: SubscriptionOptions,
    /// Subscription identifier; 0 is none.
    pub identifier: u32,
}

/// A message that was sent and not acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unacknowledged {
    /// Its packet identifier.
    pub packet_id: PacketId,
    /// Its place in the queue.
    pub sequence: u64,
    /// QoS 2.
    pub exactly_once: bool,
    /// PUBREC arrived (QoS 2 only).
    pub released: bool,
}

/// A message of a queue that is one of the copies of a QoS 2 publication which went to several shards.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptCopy {
    /// Its place in the queue.
    pub sequence: u64,
    /// The publication.
    pub publication: PublicationId,
    /// The shared subscription by which it came, as `$share/group/filter`.
    pub group: Option<Arc<str>>,
    /// It was delivered; the row stays only to show that.
    pub finished: bool,
}

/// A will as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptWill {
    /// The client identifier it belongs to.
    pub client: Arc<str>,
    /// The will message; its own expiry counts from the publication.
    pub message: Message,
    /// Will delay interval in seconds (section 3.1.3.2.2).
    pub delay: u32,
    /// Message expiry interval in seconds, counted from the publication (section 3.1.3.2.4).
    pub expiry: Option<u32>,
}

/// What happens to a session whose client is gone, in milliseconds of the server's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Left {
    /// When the session ends; `None` is never.
    pub ends_at: Option<u64>,
    /// When its will is published; `None` when it has none, or none any more.
    pub will_at: Option<u64>,
}
