//! What a durable store must give back, as plain maps, and random changes to try it with.

use darter_codec::record::{
    Change, Kept, KeptSession, KeptSubscription, KeptWill, Left, Origin, QueueRow, RowState, SessionNumber,
    Unacknowledged,
};
use darter_codec::{Message, PacketId, QoS, SubscriptionOptions};
use std::collections::BTreeMap;
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
    expiry: u32,
    left: Option<Left>,
    subscriptions: BTreeMap<String, KeptSubscription>,
    incoming: Vec<PacketId>,
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
            Change::Session { session, client, expiry, .. } => {
                self.last_session = self.last_session.max(*session);
                let one = self.sessions.entry(*session).or_insert_with(|| Session::new(client));
                (one.expiry, one.left) = (*expiry, None);
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
            Change::Incoming { session, packet_id, .. } => self.with(*session, |one| {
                if !one.incoming.contains(packet_id) {
                    one.incoming.push(*packet_id);
                    one.incoming.sort_unstable();
                }
            }),
            Change::IncomingReleased { session, packet_id } => {
                self.with(*session, |one| one.incoming.retain(|id| id != packet_id));
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
        for (number, expected) in &self.sessions {
            expected.assert_is(found[number], self.wills.get(number));
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

    /// How much a store did not give back. What came back although it was removed is not set against it.
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
            missing.other += expected.incoming.iter().filter(|id| !has(id)).count() as u64;
            let queue = queues.get(number).filter(|_| one.is_some());
            let has = |sequence: &u64| queue.is_some_and(|queue| queue.contains_key(sequence));
            missing.queued += expected.queue.keys().filter(|sequence| !has(sequence)).count() as u64;
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
            expiry: 0,
            left: None,
            subscriptions: BTreeMap::new(),
            incoming: Vec::new(),
            queue: BTreeMap::new(),
            next: 0,
            has_shared_rows: false,
        }
    }

    fn assert_is(&self, found: &KeptSession, will: Option<&KeptWill>) {
        assert_eq!((&found.client, found.expiry, found.left), (&self.client, self.expiry, self.left));
        assert!(found.subscriptions.iter().eq(self.subscriptions.values()), "{found:?} {self:?}");
        assert_eq!(found.incoming, self.incoming);
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

/// Makes changes such as a server makes, chosen by numbers from anywhere.
#[derive(Debug, Default)]
pub struct Changes {
    model: StoreModel,
    last_session: SessionNumber,
    stamp: u64,
    /// Sequences are never used again in one run.
    next: BTreeMap<SessionNumber, u64>,
}

impl Changes {
    /// What all changes so far should have made.
    #[must_use]
    pub fn model(&self) -> &StoreModel {
        &self.model
    }

    /// The next changes; `choose(n)` gives a number below `n`.
    pub fn next(&mut self, choose: &mut dyn FnMut(u32) -> u32) -> Vec<Change> {
        let changes = self.make(choose);
        changes.iter().for_each(|change| self.model.apply(change));
        changes
    }

    fn make(&mut self, choose: &mut dyn FnMut(u32) -> u32) -> Vec<Change> {
        let numbers: Vec<SessionNumber> = self.model.sessions().collect();
        let what = choose(20);
        let pick = |choose: &mut dyn FnMut(u32) -> u32| {
            numbers.get(choose(u32::try_from(numbers.len()).unwrap_or(1).max(1)) as usize).copied()
        };
        let session = match (what, pick(choose)) {
            (0, _) | (_, None) => return self.begin(choose),
            (_, Some(session)) => session,
        };
        let client: Arc<str> = format!("client-{session}").into();
        let packet_id = PacketId::new(u16::try_from(choose(50) + 1).unwrap_or(1)).expect("not 0");
        match what {
            1 if choose(4) == 0 => vec![Change::SessionEnded { session, client }],
            1 | 2 => vec![Change::Left {
                session,
                left: Left { ends_at: Some(choose(1000).into()), will_at: None },
            }],
            3 => {
                let filter = format!("f/{}", choose(8));
                let options = SubscriptionOptions::new(QoS::AtLeastOnce);
                vec![Change::Subscribed { session, filter, options, identifier: choose(3) }]
            }
            4 => vec![Change::Unsubscribed { session, filter: format!("f/{}", choose(8)) }],
            5 => vec![Change::Incoming {
                session,
                packet_id,
                spread: (choose(2) == 0).then(|| choose(100).into()),
            }],
            6 => vec![Change::IncomingReleased { session, packet_id }],
            7 | 8 => vec![self.retained(choose)],
            9 => vec![Change::RetainedCleared {
                topic: format!("r/{}", choose(10)).into(),
                stamp: self.stamp(),
            }],
            10 => vec![Change::Will { session, will: will(&client, choose) }],
            11 => vec![Change::WillCleared { session }],
            12 => self.fan_out(&numbers, choose),
            13..=15 => self.move_or_remove(session, packet_id, choose),
            16 => self.model.sessions[&session]
                .queue
                .keys()
                .take(20)
                .map(|sequence| Change::Removed { session, sequence: *sequence })
                .collect(),
            _ => {
                let count = choose(5) + 1;
                (0..count)
                    .map(|_| {
                        let message = message(choose);
                        self.queued(session, message, choose)
                    })
                    .collect()
            }
        }
    }

    fn begin(&mut self, choose: &mut dyn FnMut(u32) -> u32) -> Vec<Change> {
        self.last_session += 1;
        let session = self.last_session;
        let client: Arc<str> = format!("client-{session}").into();
        if choose(5) == 0 {
            return vec![Change::Will { session, will: will(&client, choose) }];
        }
        vec![Change::Session { session, client, user: None, expiry: choose(100) + 1 }]
    }

    fn stamp(&mut self) -> u64 {
        self.stamp += 64;
        self.stamp
    }

    fn retained(&mut self, choose: &mut dyn FnMut(u32) -> u32) -> Change {
        let topic = format!("r/{}", choose(10));
        let payload = vec![b'r'; choose(200) as usize];
        let message = Message::new(QoS::AtLeastOnce, true, &topic, [], &payload, None);
        Change::Retained { message, stamp: self.stamp() }
    }

    /// One message for several sessions, which share its memory.
    fn fan_out(&mut self, numbers: &[SessionNumber], choose: &mut dyn FnMut(u32) -> u32) -> Vec<Change> {
        let message = message(choose);
        numbers.iter().map(|session| self.queued(*session, message.clone(), choose)).collect()
    }

    fn queued(
        &mut self,
        session: SessionNumber,
        message: Message,
        choose: &mut dyn FnMut(u32) -> u32,
    ) -> Change {
        let next = self.next.entry(session).or_default();
        let sequence = *next;
        *next += 1;
        let qos = if choose(2) == 0 { QoS::AtLeastOnce } else { QoS::ExactlyOnce };
        let group = (choose(8) == 0).then(|| "$share/g/t".into());
        let origin = (choose(4) == 0 || group.is_some())
            .then(|| Box::new(Origin { identifiers: vec![choose(9) + 1], group, publication: None }));
        let state =
            if choose(4) == 0 { RowState::Sent(PacketId::new(7).expect("not 0")) } else { RowState::Waiting };
        let row = QueueRow { message, qos, retain: choose(2) == 0, origin, state };
        Change::Queued { session, sequence, row, durable: true }
    }

    fn move_or_remove(
        &self,
        session: SessionNumber,
        id: PacketId,
        choose: &mut dyn FnMut(u32) -> u32,
    ) -> Vec<Change> {
        let queue = &self.model.sessions[&session].queue;
        let place = choose(u32::try_from(queue.len()).unwrap_or(1).max(1)) as usize;
        let Some((sequence, row)) = queue.iter().nth(place) else { return Vec::new() };
        let sequence = *sequence;
        match row.state {
            RowState::Waiting => vec![Change::Moved { session, sequence, state: RowState::Sent(id) }],
            RowState::Sent(id) if row.qos == QoS::ExactlyOnce => {
                vec![Change::Moved { session, sequence, state: RowState::Released(id) }]
            }
            _ => vec![Change::Removed { session, sequence }],
        }
    }
}

fn message(choose: &mut dyn FnMut(u32) -> u32) -> Message {
    let payload: Vec<u8> = (0..choose(300)).map(|n| u8::try_from(n % 251).unwrap_or(0)).collect();
    Message::new(QoS::ExactlyOnce, false, "some/topic", [], &payload, Some(choose(5).into()))
}

fn will(client: &Arc<str>, choose: &mut dyn FnMut(u32) -> u32) -> KeptWill {
    let message = Message::new(QoS::AtLeastOnce, false, "gone", [], b"will", None);
    KeptWill { client: client.clone(), message, delay: choose(60), expiry: (choose(2) == 0).then_some(9) }
}
