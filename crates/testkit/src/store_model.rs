//! What a durable store must give back, as plain maps, and random changes to try it with.

mod changes;

pub use changes::Changes;

use darter_codec::record::{
    Change, Kept, KeptCopy, KeptSession, KeptSubscription, KeptWill, Left, PublicationId, QueueRow, RowState,
    SessionNumber, Unacknowledged,
};
use darter_codec::{Message, PacketId, QoS};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A store as plain maps.
#[derive(Debug, Clone, Default)]
pub struct StoreModel {
    sessions: BTreeMap<SessionNumber, Session>,
    wills: BTreeMap<SessionNumber, KeptWill>,
    retained: BTreeMap<String, (Message, u64)>,
    last_session: SessionNumber,
    last_stamp: u64,
}

#[derive(Debug, Clone)]
struct Session {
    client: Arc<str>,
    user: Option<Arc<str>>,
    expiry: u32,
    left: Option<Left>,
    subscriptions: BTreeMap<String, KeptSubscription>,
    /// Each with its serial, if it went to several shards.
    incoming: BTreeMap<PacketId, Option<u64>>,
    queue: BTreeMap<u64, QueueRow>,
    next: u64,
    has_shared_rows: bool,
}

/// How much of each kind is there, or missing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Amounts {
    /// Sessions.
    pub sessions: u64,
    /// Subscriptions.
    pub subscriptions: u64,
    /// Retained messages.
    pub retained: u64,
    /// Queued messages.
    pub queued: u64,
    /// Wills and QoS 2 packet identifiers.
    pub other: u64,
}

/// Every queue of a store, as it was read.
pub type Queues = BTreeMap<SessionNumber, BTreeMap<u64, QueueRow>>;

impl StoreModel {
    /// The numbers of the sessions that there are.
    pub fn sessions(&self) -> impl Iterator<Item = SessionNumber> {
        self.sessions.keys().copied()
    }

    /// Applies a change as a store should.
    pub fn apply(&mut self, change: &Change) {
        match change {
            Change::Session { session, client, user, expiry } => {
                self.last_session = self.last_session.max(*session);
                let one = self.sessions.entry(*session).or_insert_with(|| Session::new(client));
                (one.user, one.expiry, one.left) = (user.clone(), *expiry, None);
            }
            Change::Left { session, left } => self.with(*session, |one| one.left = Some(*left)),
            Change::SessionEnded { session, .. } => {
                self.sessions.remove(session);
                self.wills.remove(session);
            }
            Change::Subscribed { session, filter, options, identifier } => self.with(*session, |one| {
                let subscription =
                    KeptSubscription { filter: filter.clone(), options: *options, identifier: *identifier };
                one.subscriptions.insert(filter.clone(), subscription);
            }),
            Change::Unsubscribed { session, filter } => self.with(*session, |one| {
                one.subscriptions.remove(filter);
            }),
            Change::Queued { session, sequence, row, durable: true } => self.with(*session, |one| {
                one.next = one.next.max(sequence + 1);
                one.has_shared_rows |= row.origin.as_ref().is_some_and(|origin| origin.group.is_some());
                one.queue.insert(*sequence, row.clone());
            }),
            Change::Queued { durable: false, .. } => {}
            Change::Moved { session, sequence, state } => self.with(*session, |one| {
                if let Some(row) = one.queue.get_mut(sequence) {
                    row.state = *state;
                }
            }),
            Change::Removed { session, sequence } => self.with(*session, |one| {
                one.queue.remove(sequence);
            }),
            Change::Incoming { session, packet_id, spread } => self.with(*session, |one| {
                one.incoming.insert(*packet_id, *spread);
            }),
            Change::IncomingReleased { session, packet_id } => {
                self.with(*session, |one| {
                    one.incoming.remove(packet_id);
                });
            }
            Change::Retained { message, stamp } => {
                self.last_stamp = self.last_stamp.max(*stamp);
                self.retained.insert(message.topic().to_owned(), (message.clone(), *stamp));
            }
            Change::RetainedCleared { topic, .. } => drop(self.retained.remove(&**topic)),
            Change::Will { session, will } => {
                self.last_session = self.last_session.max(*session);
                self.wills.insert(*session, will.clone());
            }
            Change::WillCleared { session } => drop(self.wills.remove(session)),
        }
    }

    /// The store is opened again: of copies that were delivered only those are there whose publisher may send them again.
    pub fn reopen(&mut self) {
        let open = self.open();
        for one in self.sessions.values_mut() {
            one.queue.retain(|_, row| row.state != RowState::Finished || copied(row, &open).is_some());
        }
    }

    /// Publications that went to several shards and were not released.
    fn open(&self) -> BTreeSet<PublicationId> {
        self.sessions.iter().flat_map(|(number, one)| one.spread(*number)).collect()
    }

    fn with(&mut self, session: SessionNumber, change: impl FnOnce(&mut Session)) {
        if let Some(one) = self.sessions.get_mut(&session) {
            change(one);
        }
    }

    /// Checks that a store gave back exactly this.
    ///
    /// # Panics
    /// When it did not.
    pub fn assert_is(&self, kept: &Kept, queues: &Queues) {
        let found: BTreeMap<_, _> = kept.sessions.iter().map(|one| (one.session, one)).collect();
        assert!(found.keys().eq(self.sessions.keys()), "{:?} {:?}", found.keys(), self.sessions.keys());
        let open = self.open();
        for (number, expected) in &self.sessions {
            expected.assert_is(found[number], self.wills.get(number));
            assert!(expected.spread(*number).eq(found[number].spread.iter().copied()));
            assert!(expected.copies(&open).eq(found[number].copies.iter().cloned()));
            let queue = queues.get(number).cloned().unwrap_or_default();
            assert!(queue.keys().eq(expected.queue.keys()), "{:?} {:?}", queue.keys(), expected.queue.keys());
            for (row, wanted) in queue.values().zip(expected.queue.values()) {
                assert_eq!(row.message, wanted.message);
                assert_eq!((row.qos, row.retain, row.state), (wanted.qos, wanted.retain, wanted.state));
                assert_eq!(row.origin, wanted.origin);
            }
        }
        let wills: BTreeMap<_, _> = kept.wills.iter().map(|(number, will)| (number, will)).collect();
        assert!(wills.into_iter().eq(self.wills.iter().filter(|(one, _)| !self.sessions.contains_key(one))));
        let retained: BTreeMap<_, _> =
            kept.retained.iter().map(|one| (one.0.topic().to_owned(), one.clone())).collect();
        assert_eq!(retained, self.retained);
        assert!(kept.last_session >= self.sessions.keys().next_back().copied().unwrap_or(0));
        let named = self.sessions.values().flat_map(|one| one.queue.values()).filter_map(publication);
        assert!(kept.last_serial >= named.chain(open).map(|one| one.serial).max().unwrap_or(0));
        assert!(kept.last_stamp >= self.retained.values().map(|(_, stamp)| *stamp).max().unwrap_or(0));
    }

    /// How much there is.
    #[must_use]
    pub fn amounts(&self) -> Amounts {
        let count = |of: fn(&Session) -> usize| self.sessions.values().map(of).sum::<usize>() as u64;
        Amounts {
            sessions: self.sessions.len() as u64,
            subscriptions: count(|one| one.subscriptions.len()),
            retained: self.retained.len() as u64,
            queued: count(|one| one.queue.len()),
            other: count(|one| one.incoming.len()) + self.wills.len() as u64,
        }
    }

    /// How much a store did not give back. What came back although it was removed is not set against it, and a copy that was
    /// delivered is no loss.
    #[must_use]
    pub fn missing(&self, kept: &Kept, queues: &Queues) -> Amounts {
        let found: BTreeMap<_, _> = kept.sessions.iter().map(|one| (one.session, one)).collect();
        let mut missing = Amounts::default();
        for (number, expected) in &self.sessions {
            let one = found.get(number);
            missing.sessions += u64::from(one.is_none());
            let has = |wanted: &KeptSubscription| one.is_some_and(|one| one.subscriptions.contains(wanted));
            missing.subscriptions += expected.subscriptions.values().filter(|one| !has(one)).count() as u64;
            let has = |id: &PacketId| one.is_some_and(|one| one.incoming.contains(id));
            missing.other += expected.incoming.keys().filter(|id| !has(id)).count() as u64;
            let queue = queues.get(number).filter(|_| one.is_some());
            let has = |sequence: &u64| queue.is_some_and(|queue| queue.contains_key(sequence));
            let wanted = expected.queue.iter().filter(|(_, row)| row.state != RowState::Finished);
            missing.queued += wanted.filter(|(sequence, _)| !has(sequence)).count() as u64;
        }
        for (number, will) in &self.wills {
            let of_session = found.get(number).and_then(|one| one.will.as_ref());
            let lone = kept.wills.iter().find(|(one, _)| one == number).map(|(_, will)| will);
            missing.other += u64::from(of_session.or(lone) != Some(will));
        }
        for expected in self.retained.values() {
            missing.retained += u64::from(!kept.retained.contains(expected));
        }
        missing
    }
}

impl Session {
    fn new(client: &Arc<str>) -> Self {
        Self {
            client: client.clone(),
            user: None,
            expiry: 0,
            left: None,
            subscriptions: BTreeMap::new(),
            incoming: BTreeMap::new(),
            queue: BTreeMap::new(),
            next: 0,
            has_shared_rows: false,
        }
    }

    /// Its publications that went to several shards and were not released.
    fn spread(&self, session: SessionNumber) -> impl Iterator<Item = PublicationId> {
        self.incoming.iter().filter_map(move |(packet_id, serial)| {
            Some(PublicationId { session, packet_id: *packet_id, serial: (*serial)? })
        })
    }

    /// The messages of its queue that are copies of such publications.
    fn copies(&self, open: &BTreeSet<PublicationId>) -> impl Iterator<Item = KeptCopy> {
        self.queue.iter().filter_map(|(sequence, row)| {
            let (publication, sequence) = (copied(row, open)?, *sequence);
            let group = row.origin.as_ref().and_then(|origin| origin.group.clone());
            Some(KeptCopy { sequence, publication, group, finished: row.state == RowState::Finished })
        })
    }

    fn assert_is(&self, found: &KeptSession, will: Option<&KeptWill>) {
        assert_eq!((&found.client, &found.user), (&self.client, &self.user));
        assert_eq!((found.expiry, found.left), (self.expiry, self.left));
        assert!(found.subscriptions.iter().eq(self.subscriptions.values()), "{found:?} {self:?}");
        assert!(found.incoming.iter().eq(self.incoming.keys()), "{found:?} {self:?}");
        assert_eq!(found.will.as_ref(), will);
        assert!(found.next <= self.next && self.queue.keys().all(|sequence| *sequence < found.next));
        let rows = || self.queue.iter();
        let unacknowledged = rows().filter_map(|(sequence, row)| {
            let (packet_id, released) = match row.state {
                RowState::Waiting | RowState::Finished => return None,
                RowState::Sent(id) => (id, false),
                RowState::Released(id) => (id, true),
            };
            let exactly_once = row.qos == QoS::ExactlyOnce;
            Some(Unacknowledged { packet_id, sequence: *sequence, exactly_once, released })
        });
        assert!(unacknowledged.eq(found.unacknowledged.iter().copied()));
        let waiting = || rows().filter(|(_, row)| row.state == RowState::Waiting);
        assert_eq!(waiting().count(), found.waiting);
        let bytes = |row: &QueueRow| {
            row.message.topic().len() + row.message.payload().len() + row.message.properties().len()
        };
        assert_eq!(waiting().map(|(_, row)| bytes(row)).sum::<usize>(), found.waiting_bytes);
        assert!(
            found.has_shared_rows
                || !rows().any(|(_, row)| row.origin.as_ref().is_some_and(|one| one.group.is_some()))
        );
    }
}

fn publication(row: &QueueRow) -> Option<PublicationId> {
    row.origin.as_ref()?.publication
}

/// The publication that a row is a copy of, if that is one of those.
fn copied(row: &QueueRow, open: &BTreeSet<PublicationId>) -> Option<PublicationId> {
    publication(row).filter(|publication| open.contains(publication))
}
