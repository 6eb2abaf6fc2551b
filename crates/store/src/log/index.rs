//! What is kept, as places in the log: enough to find it, to tell what may be deleted, and to write it again.

use super::entry::Body as RowBody;
use super::entry::{Entry, Row};
use super::totals::{Totals, What, mix};
use crate::queue::Queue;
use darter_codec::record::{Left, RowState, SessionNumber};
use darter_codec::{PacketId, QoS};
use std::collections::{BTreeMap, HashMap, VecDeque};
#[expect(deprecated, reason = "the keyed SipHash of core; the other one has no keys that could be kept")]
use std::hash::{Hasher, SipHasher};

/// Where a record is: segment, offset, and its length with its header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) segment: u32,
    pub(super) offset: u32,
    pub(super) size: u32,
}

/// A topic name or a filter, told by a secret hash that is long enough never to be met twice.
pub(super) type Key = [u64; 2];

/// The secret of the hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Secret(pub(super) [u64; 2]);

impl Secret {
    #[expect(deprecated, reason = "as above")]
    pub(super) fn key(self, name: &str) -> Key {
        let Self([a, b]) = self;
        [(a, b), (b, !a)].map(|(a, b)| {
            let mut hasher = SipHasher::new_with_keys(a, b);
            hasher.write(name.as_bytes());
            hasher.finish()
        })
    }
}

/// A row of a queue.
#[derive(Debug, Clone, Copy)]
pub(super) struct RowPlace {
    pub(super) place: Place,
    /// Bytes of its topic name, properties and payload, and its QoS in the highest bit: there may be millions of rows.
    weight: u32,
    /// Number of the body that it shares; 0 when its message is in it.
    pub(super) body: u64,
}

const EXACTLY_ONCE: u32 = 1 << 31;

impl RowPlace {
    fn new(row: &Row<'_>, place: Place, body: u64) -> Self {
        let qos = if row.qos == QoS::ExactlyOnce { EXACTLY_ONCE } else { 0 };
        Self { place, weight: row.body.weight().min(EXACTLY_ONCE - 1) | qos, body }
    }

    /// Bytes of its topic name, properties and payload.
    pub(super) fn weight(&self) -> usize {
        (self.weight & !EXACTLY_ONCE) as usize
    }

    pub(super) fn is_exactly_once(&self) -> bool {
        self.weight & EXACTLY_ONCE != 0
    }
}

/// A subscription, a retained message or a will.
#[derive(Debug, Clone, Copy)]
pub(super) struct Named {
    pub(super) place: Place,
    /// Tells this version of it from others, in the totals.
    version: u32,
}

/// What stands for the key of a will.
const WILL: Key = [u64::MAX; 2];

impl Named {
    fn name(&self, key: Key) -> u64 {
        mix(key[0], self.version.into())
    }
}

/// What is kept of one session.
#[derive(Debug, Default)]
pub(super) struct SessionPlaces {
    pub(super) record: Option<Place>,
    pub(super) left: Option<Left>,
    pub(super) will: Option<Named>,
    pub(super) subscriptions: HashMap<Key, Named>,
    pub(super) incoming: BTreeMap<PacketId, Place>,
    pub(super) queue: Queue<RowPlace>,
    /// Rows that were sent.
    pub(super) sent: BTreeMap<u64, RowState>,
    /// Some row came by a shared subscription.
    pub(super) has_shared_rows: bool,
}

/// A message that rows share.
#[derive(Debug, Default)]
pub(super) struct BodyPlace {
    pub(super) place: Option<Place>,
    rows: u32,
}

/// Bytes of a segment that are still wanted.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Usage {
    pub(super) live: u64,
    pub(super) bytes: u64,
}

#[derive(Debug)]
pub(super) struct Index {
    secret: Secret,
    pub(super) sessions: HashMap<SessionNumber, SessionPlaces>,
    pub(super) retained: HashMap<Key, Named>,
    pub(super) bodies: HashMap<u64, BodyPlace>,
    pub(super) totals: Totals,
    /// By segment, from `first` on.
    usage: VecDeque<Usage>,
    first: u32,
    /// The log is still being read: another row may yet come for a body that has none.
    pub(super) is_being_read: bool,
}

impl Index {
    pub(super) fn new(secret: Secret) -> Self {
        Self {
            secret,
            sessions: HashMap::new(),
            retained: HashMap::new(),
            bodies: HashMap::new(),
            totals: Totals::default(),
            usage: VecDeque::new(),
            first: 0,
            is_being_read: false,
        }
    }

    pub(super) fn key(&self, name: &str) -> Key {
        self.secret.key(name)
    }

    /// Takes note of a record that was written.
    pub(super) fn apply(&mut self, entry: &Entry<'_>, at: Place) {
        match *entry {
            Entry::Session { session, .. } => {
                let places = self.sessions.entry(session).or_default();
                let before = places.record.replace(at);
                places.left = None;
                if before.is_none() {
                    self.totals.add(What::Sessions, session);
                }
                self.replace(before, at);
            }
            Entry::SessionEnded { session } => self.end(session),
            Entry::Left { session, left } => {
                if let Some(places) = self.sessions.get_mut(&session) {
                    places.left = Some(left);
                }
            }
            Entry::Subscribed { session, filter, options, identifier } => {
                let key = self.key(filter);
                let version = identifier ^ u32::from(options.to_u8()) << 24;
                let named = Named { place: at, version };
                let before = self.sessions.entry(session).or_default().subscriptions.insert(key, named);
                if let Some(before) = before {
                    self.totals.take(What::Subscriptions, mix(session, before.name(key)));
                }
                self.totals.add(What::Subscriptions, mix(session, named.name(key)));
                self.replace(before.map(|named| named.place), at);
            }
            Entry::Unsubscribed { session, filter } => {
                let key = self.key(filter);
                let places = self.sessions.get_mut(&session);
                if let Some(named) = places.and_then(|places| places.subscriptions.remove(&key)) {
                    self.totals.take(What::Subscriptions, mix(session, named.name(key)));
                    self.dead(named.place);
                }
            }
            Entry::Body { number, .. } => {
                let before = self.bodies.entry(number).or_default().place.replace(at);
                self.replace(before, at);
            }
            Entry::Row(row) => self.put_row(&row, at),
            Entry::Moved { session, sequence, state } => {
                if let Some(places) = self.sessions.get_mut(&session)
                    && places.queue.row(sequence).is_some()
                {
                    places.sent.insert(sequence, state);
                }
            }
            Entry::Removed { session, sequence, count } => {
                for sequence in sequence..sequence.saturating_add(count.into()) {
                    self.remove_row(session, sequence);
                }
                self.forget_if_empty(session);
            }
            Entry::Incoming { session, packet_id, .. } => {
                let places = self.sessions.entry(session).or_default();
                let before = places.incoming.insert(packet_id, at);
                if before.is_none() {
                    self.totals.add(What::Other, mix(session, packet_id.get().into()));
                }
                self.replace(before, at);
            }
            Entry::IncomingReleased { session, packet_id } => {
                let places = self.sessions.get_mut(&session);
                if let Some(place) = places.and_then(|places| places.incoming.remove(&packet_id)) {
                    self.totals.take(What::Other, mix(session, packet_id.get().into()));
                    self.dead(place);
                }
            }
            // The caller has compared the stamps and names the topic.
            Entry::Retained { .. } | Entry::RetainedCleared { .. } => {}
            Entry::Will { session, message, delay, expiry, .. } => {
                self.clear_will(session);
                let times = delay.rotate_left(16) ^ expiry.map_or(0, |seconds| !seconds);
                let named = Named { place: at, version: crc32fast::hash(message) ^ times };
                self.sessions.entry(session).or_default().will = Some(named);
                self.totals.add(What::Other, mix(session, named.name(WILL)));
                self.live(at);
            }
            Entry::WillCleared { session } => {
                self.clear_will(session);
                self.forget_if_empty(session);
            }
        }
    }

    /// A topic has a retained message with that stamp there, or none any more.
    pub(super) fn retain(&mut self, key: Key, at: Option<(Place, u64)>) {
        if let Some(before) = self.retained.remove(&key) {
            self.totals.take(What::Retained, before.name(key));
            self.dead(before.place);
        }
        if let Some((place, stamp)) = at {
            let version = u32::try_from(mix(stamp, stamp) >> 32).unwrap_or_default();
            let named = Named { place, version };
            self.retained.insert(key, named);
            self.totals.add(What::Retained, named.name(key));
            self.live(place);
        }
    }

    fn put_row(&mut self, row: &Row<'_>, at: Place) {
        let body = match row.body {
            RowBody::Here(_) => 0,
            RowBody::Shared { number, .. } => {
                self.bodies.entry(number).or_default().rows += 1;
                number
            }
        };
        let places = self.sessions.entry(row.session).or_default();
        places.has_shared_rows |= row.group.is_some();
        if row.state == RowState::Waiting {
            places.sent.remove(&row.sequence);
        } else {
            places.sent.insert(row.sequence, row.state);
        }
        let before = places.queue.put(row.sequence, RowPlace::new(row, at, body));
        match before {
            None => self.totals.add(What::Queued, mix(row.session, row.sequence)),
            Some(before) => self.drop_row(before),
        }
        self.live(at);
    }

    fn remove_row(&mut self, session: SessionNumber, sequence: u64) {
        let Some(places) = self.sessions.get_mut(&session) else { return };
        places.sent.remove(&sequence);
        let Some(row) = places.queue.remove(sequence) else { return };
        self.totals.take(What::Queued, mix(session, sequence));
        self.drop_row(row);
    }

    fn drop_row(&mut self, row: RowPlace) {
        self.dead(row.place);
        if row.body == 0 {
            return;
        }
        let Some(body) = self.bodies.get_mut(&row.body) else { return };
        body.rows = body.rows.saturating_sub(1);
        if body.rows == 0
            && !self.is_being_read
            && let Some(BodyPlace { place: Some(place), .. }) = self.bodies.remove(&row.body)
        {
            self.dead(place);
        }
    }

    fn clear_will(&mut self, session: SessionNumber) {
        let Some(places) = self.sessions.get_mut(&session) else { return };
        if let Some(named) = places.will.take() {
            self.totals.take(What::Other, mix(session, named.name(WILL)));
            self.dead(named.place);
        }
    }

    fn end(&mut self, session: SessionNumber) {
        self.clear_will(session);
        let Some(places) = self.sessions.remove(&session) else { return };
        if let Some(place) = places.record {
            self.totals.take(What::Sessions, session);
            self.dead(place);
        }
        for (key, named) in places.subscriptions {
            self.totals.take(What::Subscriptions, mix(session, named.name(key)));
            self.dead(named.place);
        }
        for (packet_id, place) in places.incoming {
            self.totals.take(What::Other, mix(session, packet_id.get().into()));
            self.dead(place);
        }
        for (sequence, row) in places.queue.iter() {
            self.totals.take(What::Queued, mix(session, sequence));
            self.drop_row(*row);
        }
    }

    /// A session without a record of its own, such as one that had nothing but a will, leaves nothing behind.
    fn forget_if_empty(&mut self, session: SessionNumber) {
        let Some(places) = self.sessions.get(&session) else { return };
        let SessionPlaces { record, will, subscriptions, incoming, queue, .. } = places;
        if record.is_none()
            && will.is_none()
            && subscriptions.is_empty()
            && incoming.is_empty()
            && queue.is_empty()
        {
            self.sessions.remove(&session);
        }
    }

    /// A segment has been begun or found.
    pub(super) fn add_segment(&mut self, segment: u32, bytes: u64) {
        if self.usage.is_empty() {
            self.first = segment;
        }
        let index = (segment.saturating_sub(self.first)) as usize;
        if self.usage.len() <= index {
            self.usage.resize(index + 1, Usage::default());
        }
        self.usage[index].bytes = bytes;
    }

    pub(super) fn remove_segment(&mut self, segment: u32) {
        if let Some(usage) = self.usage_mut(segment) {
            *usage = Usage::default();
        }
        // The newest one may not have been begun, and counts all the same.
        while self.usage.len() > 1 && self.usage.front().is_some_and(|usage| usage.bytes == 0) {
            self.usage.pop_front();
            self.first += 1;
        }
    }

    pub(super) fn usage(&self, segment: u32) -> Usage {
        self.usage.get(segment.wrapping_sub(self.first) as usize).copied().unwrap_or_default()
    }

    /// Over all segments.
    pub(super) fn whole_usage(&self) -> Usage {
        self.usage.iter().fold(Usage::default(), |sum, one| Usage {
            live: sum.live + one.live,
            bytes: sum.bytes + one.bytes,
        })
    }

    fn usage_mut(&mut self, segment: u32) -> Option<&mut Usage> {
        self.usage.get_mut(segment.wrapping_sub(self.first) as usize)
    }

    pub(super) fn live(&mut self, at: Place) {
        if let Some(usage) = self.usage_mut(at.segment) {
            usage.live += u64::from(at.size);
        }
    }

    fn dead(&mut self, at: Place) {
        if let Some(usage) = self.usage_mut(at.segment) {
            usage.live = usage.live.saturating_sub(at.size.into());
        }
    }

    fn replace(&mut self, before: Option<Place>, at: Place) {
        if let Some(before) = before {
            self.dead(before);
        }
        self.live(at);
    }

    /// Forgets what stands in a segment that cannot be read; how much that is, in the order of [`What::ALL`].
    pub(super) fn forget_segment(&mut self, segment: u32) -> [u64; What::ALL.len()] {
        let before = What::ALL.map(|what| self.totals.of(what).count);
        let there = |place: &Place| place.segment == segment;
        let numbers: Vec<SessionNumber> = self.sessions.keys().copied().collect();
        for session in numbers {
            let Some(places) = self.sessions.get_mut(&session) else { continue };
            if places.record.take_if(|place| there(place)).is_some() {
                self.totals.take(What::Sessions, session);
            }
            if let Some(named) = places.will.take_if(|named| there(&named.place)) {
                self.totals.take(What::Other, mix(session, named.name(WILL)));
            }
            for (key, named) in places.subscriptions.extract_if(|_, named| there(&named.place)) {
                self.totals.take(What::Subscriptions, mix(session, named.name(key)));
            }
            let ids: Vec<PacketId> =
                places.incoming.iter().filter(|(_, place)| there(place)).map(|(id, _)| *id).collect();
            for packet_id in ids {
                places.incoming.remove(&packet_id);
                self.totals.take(What::Other, mix(session, packet_id.get().into()));
            }
            let rows: Vec<u64> = places
                .queue
                .iter()
                .filter(|(_, row)| there(&row.place))
                .map(|(sequence, _)| sequence)
                .collect();
            for sequence in rows {
                self.remove_row(session, sequence);
            }
            self.forget_if_empty(session);
        }
        for (key, named) in self.retained.extract_if(|_, named| there(&named.place)) {
            self.totals.take(What::Retained, named.name(key));
        }
        let bodies = self.bodies.extract_if(|_, body| body.place.is_some_and(|place| there(&place)));
        let bodies: Vec<u64> = bodies.map(|(number, _)| number).collect();
        if !bodies.is_empty() {
            self.forget_rows_without_body();
        }
        let after = What::ALL.map(|what| self.totals.of(what).count);
        std::array::from_fn(|what| before[what].saturating_sub(after[what]))
    }

    /// Takes out rows whose message is gone; how many there were.
    pub(super) fn forget_rows_without_body(&mut self) -> u64 {
        let mut lost = Vec::new();
        for (session, places) in &self.sessions {
            let has_none = |row: &RowPlace| {
                row.body != 0 && self.bodies.get(&row.body).is_none_or(|body| body.place.is_none())
            };
            lost.extend(places.queue.iter().filter(|(_, row)| has_none(row)).map(|(at, _)| (*session, at)));
        }
        for (session, sequence) in &lost {
            self.remove_row(*session, *sequence);
        }
        lost.len() as u64
    }

    /// Forgets messages that no row shares any more.
    pub(super) fn forget_bodies_without_rows(&mut self) {
        let unused: Vec<_> = self.bodies.extract_if(|_, body| body.rows == 0).collect();
        for place in unused.into_iter().filter_map(|(_, body)| body.place) {
            self.dead(place);
        }
    }

    /// Everything from `offset` on in a segment stands in another one now, `shift` further on.
    pub(super) fn transplant(&mut self, from: (u32, u32), to: u32, shift: i64) {
        let (segment, offset) = from;
        let mut moved = 0;
        let mut one = |place: &mut Place| {
            if place.segment == segment && place.offset >= offset {
                place.segment = to;
                place.offset = u32::try_from(i64::from(place.offset) + shift).unwrap_or(u32::MAX);
                moved += u64::from(place.size);
            }
        };
        for places in self.sessions.values_mut() {
            let SessionPlaces { record, will, subscriptions, incoming, queue, .. } = places;
            record.iter_mut().for_each(&mut one);
            will.iter_mut().for_each(|named| one(&mut named.place));
            subscriptions.values_mut().for_each(|named| one(&mut named.place));
            incoming.values_mut().for_each(&mut one);
            queue.rows_mut().for_each(|row| one(&mut row.place));
        }
        self.retained.values_mut().for_each(|named| one(&mut named.place));
        self.bodies.values_mut().filter_map(|body| body.place.as_mut()).for_each(&mut one);
        if let Some(usage) = self.usage_mut(segment) {
            usage.live = usage.live.saturating_sub(moved);
        }
        if let Some(usage) = self.usage_mut(to) {
            usage.live += moved;
        }
    }
}
