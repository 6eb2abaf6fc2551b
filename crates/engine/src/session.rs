//! Session state (section 4.1): what the server knows of a client, connected or not.

use crate::link::NONE;
use crate::permit::Permit;
use crate::spread::Unreleased;
use crate::topics::{FilterId, ScanCursor};
use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::sync::Arc;
use darter_codec::record::{Change, QueueRow, SessionNumber};
use darter_codec::{Message, PacketId, SubscriptionOptions};
use darter_session::{IncomingIds, Window};

/// The sequence of a sent message that has no row in the store.
pub(crate) const UNSTORED: u64 = u64::MAX;

#[derive(Debug)]
pub(crate) struct Session {
    /// Slot of the connection, or [`NONE`].
    pub(crate) link: u32,
    /// True once CONNACK is on its way: messages may be sent.
    pub(crate) attached: bool,
    pub(crate) number: SessionNumber,
    pub(crate) client: Arc<str>,
    pub(crate) user: Option<Arc<str>>,
    /// What it may do; none where nothing restricts it.
    pub(crate) permit: Option<Box<Permit>>,
    /// Session expiry interval in seconds (section 3.1.2.11.2); 0 ends the session with its connection.
    pub(crate) expiry: u32,
    /// The store knows of it, even if its expiry has become 0 since.
    pub(crate) kept: bool,
    /// The last batch with something of the session that was acknowledged to its client, or will be.
    pub(crate) told_in: u64,
    /// Unacknowledged publications to the client, each with its sequence in the queue or [`UNSTORED`].
    pub(crate) window: Window<u64>,
    pub(crate) incoming: IncomingIds,
    /// What those of them name whose messages went to several shards.
    pub(crate) spread: BTreeMap<PacketId, Unreleased>,
    /// Messages of its queue, by sequence, that stay in the store until their publishers have released them; true for those that
    /// its client has acknowledged already.
    pub(crate) copies: BTreeMap<u64, bool>,
    pub(crate) queue: Queue,
    /// Topic filters subscribed to; options and identifiers are in the tree.
    pub(crate) filters: BTreeSet<FilterId>,
    /// Shared subscriptions, each as `$share/group/filter`.
    pub(crate) shared: BTreeSet<Arc<str>>,
    pub(crate) will: Option<Box<Will>>,
    /// When the will is published and when the session ends, while its client is away.
    pub(crate) will_at: u64,
    pub(crate) ends_at: u64,
    /// True once a message of a shared subscription joined its queue.
    pub(crate) has_shared_rows: bool,
    /// Retained messages still to be sent for new subscriptions.
    pub(crate) scans: Scans,
}

/// A will message (section 3.1.2.5) and how long it waits after the connection is gone.
#[derive(Debug)]
pub(crate) struct Will {
    pub(crate) message: Message,
    /// Will delay interval in seconds (section 3.1.3.2.2).
    pub(crate) delay: u32,
    /// Message expiry interval in seconds, counted from the publication (section 3.1.3.2.4).
    pub(crate) expiry: Option<u32>,
}

/// Retained messages still to be sent, subscription by subscription in the order in which they were made.
#[derive(Debug, Default)]
pub(crate) struct Scans {
    waiting: BTreeMap<u64, Scan>,
    places: BTreeMap<FilterId, u64>,
    next: u64,
}

impl Scans {
    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Adds the scan of a filter; one that still waits for the same filter gives way.
    pub(crate) fn insert(&mut self, scan: Scan) {
        self.remove(scan.filter);
        self.places.insert(scan.filter, self.next);
        self.waiting.insert(self.next, scan);
        self.next += 1;
    }

    pub(crate) fn remove(&mut self, filter: FilterId) {
        if let Some(place) = self.places.remove(&filter) {
            self.waiting.remove(&place);
        }
    }

    pub(crate) fn first(&self) -> Option<&Scan> {
        self.waiting.values().next()
    }

    /// Takes the first scan and its place.
    pub(crate) fn pop_first(&mut self) -> Option<(u64, Scan)> {
        let (place, scan) = self.waiting.pop_first()?;
        self.places.remove(&scan.filter);
        Some((place, scan))
    }

    /// Puts a scan that is not finished back to its place.
    pub(crate) fn put_back(&mut self, place: u64, scan: Scan) {
        self.places.insert(scan.filter, place);
        self.waiting.insert(place, scan);
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Scan> {
        self.waiting.values_mut()
    }

    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }
}

/// Retained messages to be sent for one new subscription.
#[derive(Debug)]
pub(crate) struct Scan {
    pub(crate) filter: FilterId,
    pub(crate) cursor: ScanCursor,
    pub(crate) options: SubscriptionOptions,
    pub(crate) identifier: u32,
    /// How much must have been released of what was ever held back, so that SUBACK comes first.
    pub(crate) after: u64,
}

/// A session's messages in the store, and the few of them read ahead.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    /// Sequence of the next message to join.
    pub(crate) next: u64,
    /// First sequence that was not read ahead. Equal to `next` with nothing read ahead: the session is live.
    pub(crate) unread: u64,
    /// Messages and bytes that wait and were never sent.
    pub(crate) waiting: usize,
    pub(crate) waiting_bytes: usize,
    /// Nothing before this sequence waits to be sent for the first time.
    pub(crate) oldest: u64,
    /// Messages that joined although all queues together had no room; as many of the oldest go.
    pub(crate) owed: usize,
    /// True while the store reads what this session is sent next.
    pub(crate) loading: bool,
    /// True while the store reads what is dropped so that newer messages have room.
    pub(crate) trimming: bool,
    #[expect(clippy::box_collection, reason = "mostly absent, and there are many sessions")]
    pub(crate) ahead: Option<Box<VecDeque<(u64, QueueRow)>>>,
}

impl Queue {
    /// Live: a new message goes straight to the client. Otherwise it joins the queue, so that order is kept.
    pub(crate) fn is_live(&self) -> bool {
        self.unread == self.next && self.ahead.is_none() && !self.loading
    }

    /// Starts again at the first message that is still there.
    pub(crate) fn rewind(&mut self) {
        self.unread = 0;
        self.ahead = None;
        self.loading = false;
    }
}

impl Session {
    pub(crate) fn new(number: SessionNumber, client: Arc<str>, expiry: u32) -> Self {
        Self {
            link: NONE,
            attached: false,
            number,
            client,
            user: None,
            permit: None,
            expiry,
            kept: false,
            told_in: 0,
            window: Window::default(),
            incoming: IncomingIds::default(),
            spread: BTreeMap::new(),
            copies: BTreeMap::new(),
            queue: Queue::default(),
            filters: BTreeSet::new(),
            shared: BTreeSet::new(),
            will: None,
            will_at: 0,
            ends_at: 0,
            has_shared_rows: false,
            scans: Scans::default(),
        }
    }

    pub(crate) fn subscription_count(&self) -> usize {
        self.filters.len() + self.shared.len()
    }

    /// What the store is told of it while its client is there.
    pub(crate) fn told(&self) -> Change {
        Change::Session {
            session: self.number,
            client: self.client.clone(),
            user: self.user.clone(),
            expiry: self.expiry,
        }
    }

    /// True when the session outlives its connection, so that what it holds must be stored.
    pub(crate) fn is_durable(&self) -> bool {
        self.expiry > 0
    }
}
