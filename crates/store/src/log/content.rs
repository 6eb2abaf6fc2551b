//! What records say, gathered while a log is read, as far as the server wants it at its start.

use super::entry::{Entry, Row};
use super::index::{Index, Key, SessionPlaces};
use bytes::Bytes;
use darter_codec::Message;
use darter_codec::PacketId;
use darter_codec::record::{
    Kept, KeptCopy, KeptSession, KeptSubscription, KeptWill, PublicationId, RowState, SessionNumber,
    Unacknowledged,
};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

/// What is known so far.
#[derive(Debug, Default)]
pub(super) struct Content {
    sessions: HashMap<SessionNumber, Session>,
    retained: HashMap<Key, (Message, u64)>,
    last_session: SessionNumber,
    last_stamp: u64,
    last_serial: u64,
    pub(super) last_body: u64,
}

#[derive(Debug, Default)]
struct Session {
    client: Arc<str>,
    user: Option<Arc<str>>,
    expiry: u32,
    will: Option<KeptWill>,
    subscriptions: HashMap<Key, KeptSubscription>,
    /// Incoming packet identifiers whose messages went to several shards, with serials, and copies of such messages in the queue.
    spread: BTreeMap<PacketId, u64>,
    copies: BTreeMap<u64, KeptCopy>,
}

impl Content {
    /// Takes note of a record. False when the message in it is damaged although its checksum is right.
    pub(super) fn add(&mut self, entry: &Entry<'_>, index: &Index) -> bool {
        match *entry {
            Entry::Session { session, expiry, client, user } => {
                self.saw(session);
                let one = self.sessions.entry(session).or_default();
                (one.client, one.user, one.expiry) = (client.into(), user.map(Into::into), expiry);
            }
            Entry::SessionEnded { session } => {
                self.saw(session);
                self.sessions.remove(&session);
            }
            Entry::Subscribed { session, options, identifier, filter } => {
                let subscription = KeptSubscription { filter: filter.to_owned(), options, identifier };
                let one = self.sessions.entry(session).or_default();
                one.subscriptions.insert(index.key(filter), subscription);
            }
            Entry::Unsubscribed { session, filter } => {
                if let Some(one) = self.sessions.get_mut(&session) {
                    one.subscriptions.remove(&index.key(filter));
                }
            }
            Entry::Body { number, .. } => self.last_body = self.last_body.max(number),
            Entry::Retained { stamp, message } => {
                let Some(message) = message_of(message) else { return false };
                self.last_stamp = self.last_stamp.max(stamp);
                self.retained.insert(index.key(message.topic()), (message, stamp));
            }
            Entry::RetainedCleared { stamp, topic } => {
                self.last_stamp = self.last_stamp.max(stamp);
                self.retained.remove(&index.key(topic));
            }
            Entry::Will { session, delay, expiry, client, message } => {
                self.saw(session);
                let Some(message) = message_of(message) else { return false };
                let will = KeptWill { client: client.into(), message, delay, expiry };
                self.sessions.entry(session).or_default().will = Some(will);
            }
            Entry::WillCleared { session } => {
                if let Some(one) = self.sessions.get_mut(&session) {
                    one.will = None;
                }
            }
            Entry::Row(Row { session, sequence, group, publication: Some(publication), .. }) => {
                let group = group.map(Into::into);
                self.last_serial = self.last_serial.max(publication.serial);
                // Whether it is finished shows at the end.
                let copy = KeptCopy { sequence, publication, group, finished: false };
                self.sessions.entry(session).or_default().copies.insert(sequence, copy);
            }
            Entry::Incoming { session, packet_id, spread: Some(serial) } => {
                self.last_serial = self.last_serial.max(serial);
                self.sessions.entry(session).or_default().spread.insert(packet_id, serial);
            }
            Entry::Incoming { session, packet_id, spread: None }
            | Entry::IncomingReleased { session, packet_id } => {
                if let Some(one) = self.sessions.get_mut(&session) {
                    one.spread.remove(&packet_id);
                }
            }
            Entry::Row(Row { session, sequence, .. }) => {
                // A sequence may come again after a restart, once its row was removed.
                if let Some(one) = self.sessions.get_mut(&session) {
                    one.copies.remove(&sequence);
                }
            }
            Entry::Left { .. } | Entry::Moved { .. } | Entry::Removed { .. } => {}
        }
        true
    }

    fn saw(&mut self, session: SessionNumber) {
        // The topmost 8 bits name the shard.
        let counter = |session: SessionNumber| session & (u64::MAX >> 8);
        if counter(session) > counter(self.last_session) {
            self.last_session = session;
        }
    }

    /// Everything that was gathered, with what the index knows of queues; and rows that are of no use any more.
    pub(super) fn finish(mut self, index: &mut Index) -> (Kept, Vec<(SessionNumber, u64)>) {
        self.forget_finished_copies(index);
        let mut kept = Kept {
            retained: self.retained.into_values().collect(),
            last_session: self.last_session,
            last_stamp: self.last_stamp,
            last_serial: self.last_serial,
            ..Kept::default()
        };
        for (number, places) in &mut index.sessions {
            places.queue.join();
            let Some(one) = self.sessions.remove(number) else { continue };
            if places.record.is_some() {
                kept.sessions.push(session(*number, places, one));
            } else if let Some(will) = one.will {
                kept.wills.push((*number, will));
            }
        }
        kept.sessions.sort_unstable_by_key(|session| session.session);
        kept.wills.sort_unstable_by_key(|(number, _)| *number);
        let done = done(&kept.sessions, index);
        (kept, done)
    }
}

impl Content {
    /// Copies count only while they are queued and their publisher may send them again.
    fn forget_finished_copies(&mut self, index: &Index) {
        let open: HashSet<PublicationId> =
            self.sessions.iter().flat_map(|(number, one)| one.spread(*number)).collect();
        for (number, one) in &mut self.sessions {
            let Some(places) = index.sessions.get(number) else { continue };
            for copy in one.copies.values_mut() {
                copy.finished = places.sent.get(&copy.sequence) == Some(&RowState::Finished);
            }
            one.copies.retain(|_, copy| {
                places.queue.row(copy.sequence).is_some() && open.contains(&copy.publication)
            });
        }
    }
}

impl Session {
    /// Publications of this session that went to several shards and were not released.
    fn spread(&self, session: SessionNumber) -> impl Iterator<Item = PublicationId> {
        let named = move |(packet_id, serial)| PublicationId { session, packet_id, serial };
        self.spread.iter().map(|(packet_id, serial)| (*packet_id, *serial)).map(named)
    }
}

/// Rows that only show that a copy was delivered, although nobody can ask any more.
fn done(kept: &[KeptSession], index: &Index) -> Vec<(SessionNumber, u64)> {
    let mut done = Vec::new();
    for one in kept {
        let Some(places) = index.sessions.get(&one.session) else { continue };
        let finished = places.sent.iter().filter(|(_, state)| **state == RowState::Finished);
        let sequences = finished.map(|(sequence, _)| *sequence);
        let asked = |sequence: &u64| one.copies.iter().any(|copy| copy.sequence == *sequence);
        done.extend(sequences.filter(|sequence| !asked(sequence)).map(|sequence| (one.session, sequence)));
    }
    done
}

fn session(number: SessionNumber, places: &SessionPlaces, one: Session) -> KeptSession {
    let (mut waiting, mut waiting_bytes) = (0, 0);
    let mut unacknowledged = Vec::new();
    for (sequence, row) in places.queue.iter() {
        let exactly_once = row.is_exactly_once();
        match places.sent.get(&sequence) {
            Some(RowState::Sent(packet_id)) => {
                let packet_id = *packet_id;
                unacknowledged.push(Unacknowledged { packet_id, sequence, exactly_once, released: false });
            }
            Some(RowState::Released(packet_id)) => {
                let packet_id = *packet_id;
                unacknowledged.push(Unacknowledged { packet_id, sequence, exactly_once, released: true });
            }
            Some(RowState::Finished) => {}
            Some(RowState::Waiting) | None => {
                waiting += 1;
                waiting_bytes += row.weight();
            }
        }
    }
    let spread = one.spread(number).collect();
    let mut subscriptions: Vec<_> = one.subscriptions.into_values().collect();
    subscriptions.sort_unstable_by(|a, b| a.filter.cmp(&b.filter));
    KeptSession {
        session: number,
        client: one.client,
        user: one.user,
        expiry: one.expiry,
        subscriptions,
        incoming: places.incoming.keys().copied().collect(),
        spread,
        copies: one.copies.into_values().collect(),
        unacknowledged,
        next: places.queue.next(),
        waiting,
        waiting_bytes,
        has_shared_rows: places.has_shared_rows,
        will: one.will,
        left: places.left,
    }
}

pub(super) fn message_of(bytes: &[u8]) -> Option<Message> {
    Message::from_bytes(Bytes::copy_from_slice(bytes)).ok()
}
