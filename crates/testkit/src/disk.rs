//! What a store has committed, in plain maps: what a server finds when it starts again.

use darter_codec::record::{
    Change, Kept, KeptCopy, KeptSession, KeptSubscription, KeptWill, Left, PublicationId, QueueRow, RowState,
    SessionNumber, Unacknowledged,
};
use darter_codec::{Message, PacketId, QoS};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Bits of a session number that count; those above name a shard.
const COUNTER: u64 = (1 << 56) - 1;

/// Everything that the stores of a server have committed.
#[derive(Debug, Clone, Default)]
pub(crate) struct Disk {
    sessions: BTreeMap<SessionNumber, Session>,
    wills: BTreeMap<SessionNumber, KeptWill>,
    retained: BTreeMap<String, (Option<Message>, u64)>,
    last_session: SessionNumber,
    last_stamp: u64,
    last_serial: u64,
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
    rows: BTreeMap<u64, QueueRow>,
    next: u64,
}

impl Disk {
    pub(crate) fn apply(&mut self, change: Change) {
        match change {
            Change::Session { session, client, user, expiry } => {
                self.saw(session);
                let fresh = || Session {
                    client: client.clone(),
                    user: None,
                    expiry,
                    left: None,
                    subscriptions: BTreeMap::new(),
                    incoming: BTreeMap::new(),
                    rows: BTreeMap::new(),
                    next: 0,
                };
                let one = self.sessions.entry(session).or_insert_with(fresh);
                (one.user, one.expiry, one.left) = (user, expiry, None);
            }
            Change::Left { session, left } => self.session(session, |one| one.left = Some(left)),
            Change::SessionEnded { session, .. } => {
                self.sessions.remove(&session);
                self.wills.remove(&session);
            }
            Change::Subscribed { session, filter, options, identifier } => self.session(session, |one| {
                let subscription = KeptSubscription { filter: filter.clone(), options, identifier };
                one.subscriptions.insert(filter, subscription);
            }),
            Change::Unsubscribed { session, filter } => {
                self.session(session, |one| one.subscriptions.remove(&filter));
            }
            Change::Queued { session, sequence, row, durable: true } => {
                let publication = row.origin.as_ref().and_then(|origin| origin.publication);
                self.saw_serial(publication.map(|publication| publication.serial));
                self.session(session, |one| {
                    one.next = sequence + 1;
                    one.rows.insert(sequence, row);
                });
            }
            Change::Queued { .. } => {}
            Change::Moved { session, sequence, state } => self.session(session, |one| {
                if let Some(row) = one.rows.get_mut(&sequence) {
                    row.state = state;
                }
            }),
            Change::Removed { session, sequence } => {
                self.session(session, |one| one.rows.remove(&sequence));
            }
            Change::Incoming { session, packet_id, spread } => {
                self.saw_serial(spread);
                self.session(session, |one| one.incoming.insert(packet_id, spread));
            }
            Change::IncomingReleased { session, packet_id } => {
                self.session(session, |one| one.incoming.remove(&packet_id));
            }
            Change::Retained { message, stamp } => {
                self.retain(message.topic().to_owned(), Some(message), stamp);
            }
            Change::RetainedCleared { topic, stamp } => self.retain(topic.into(), None, stamp),
            Change::Will { session, will } => {
                self.saw(session);
                self.wills.insert(session, will);
            }
            Change::WillCleared { session } => drop(self.wills.remove(&session)),
        }
    }

    /// Adds what another shard's store has committed.
    pub(crate) fn merge(&mut self, other: Self) {
        self.saw(other.last_session);
        self.saw_serial(Some(other.last_serial));
        self.sessions.extend(other.sessions);
        self.wills.extend(other.wills);
        for (topic, (message, stamp)) in other.retained {
            self.retain(topic, message, stamp);
        }
    }

    /// What the server is given when it starts.
    pub(crate) fn kept(&self) -> Kept {
        let lasting = |number: &SessionNumber| self.sessions.get(number).is_some_and(|one| one.expiry > 0);
        let sessions = self.sessions.iter().filter(|(number, _)| lasting(number));
        let wills = self.wills.iter().filter(|(number, _)| !lasting(number));
        let retained = self.retained.values();
        Kept {
            sessions: sessions.map(|(number, one)| self.kept_session(*number, one)).collect(),
            wills: wills.map(|(number, will)| (*number, will.clone())).collect(),
            retained: retained.filter_map(|(message, stamp)| Some((message.clone()?, *stamp))).collect(),
            last_session: self.last_session,
            last_stamp: self.last_stamp,
            last_serial: self.last_serial,
        }
    }

    fn kept_session(&self, number: SessionNumber, session: &Session) -> KeptSession {
        let is_open = |publication: &PublicationId| {
            let publisher = self.sessions.get(&publication.session);
            let known = publisher.and_then(|one| *one.incoming.get(&publication.packet_id)?);
            known == Some(publication.serial)
        };
        let copies = session.rows.iter().filter_map(|(sequence, row)| {
            let origin = row.origin.as_ref()?;
            let publication = origin.publication.filter(is_open)?;
            let finished = row.state == RowState::Finished;
            Some(KeptCopy { sequence: *sequence, publication, group: origin.group.clone(), finished })
        });
        KeptSession { copies: copies.collect(), ..session.kept(number, self.wills.get(&number)) }
    }

    /// The part of one session, for the store of the shard on which it goes on.
    pub(crate) fn split_off(&mut self, number: SessionNumber) -> Self {
        Self {
            sessions: self.sessions.remove_entry(&number).into_iter().collect(),
            wills: self.wills.remove_entry(&number).into_iter().collect(),
            ..Self::default()
        }
    }

    /// The changes that fill the queue of a session in a store that knows nothing.
    pub(crate) fn refill(&self, number: SessionNumber) -> Vec<Change> {
        let Some(session) = self.sessions.get(&number) else { return Vec::new() };
        let Some((first, filler)) = session.rows.first_key_value() else { return Vec::new() };
        let sequences = *first..session.next;
        let rows = sequences.clone().map(|sequence| {
            let row = session.rows.get(&sequence).unwrap_or(filler).clone();
            Change::Queued { session: number, sequence, row, durable: true }
        });
        let gaps = sequences.clone().filter(|sequence| !session.rows.contains_key(sequence));
        rows.chain(gaps.map(|sequence| Change::Removed { session: number, sequence })).collect()
    }

    fn session<R>(&mut self, number: SessionNumber, change: impl FnOnce(&mut Session) -> R) {
        if let Some(session) = self.sessions.get_mut(&number) {
            change(session);
        }
    }

    fn saw(&mut self, number: SessionNumber) {
        if number & COUNTER > self.last_session & COUNTER {
            self.last_session = number;
        }
    }

    fn saw_serial(&mut self, serial: Option<u64>) {
        self.last_serial = self.last_serial.max(serial.unwrap_or(0));
    }

    fn retain(&mut self, topic: String, message: Option<Message>, stamp: u64) {
        self.last_stamp = self.last_stamp.max(stamp);
        let known = self.retained.entry(topic).or_default();
        if known.1 <= stamp {
            *known = (message, stamp);
        }
    }
}

impl Session {
    fn kept(&self, number: SessionNumber, will: Option<&KeptWill>) -> KeptSession {
        let waiting = || self.rows.values().filter(|row| row.state == RowState::Waiting);
        let size = |row: &QueueRow| {
            row.message.topic().len() + row.message.properties().len() + row.message.payload().len()
        };
        let spread = self.incoming.iter().filter_map(|(packet_id, serial)| {
            Some(PublicationId { session: number, packet_id: *packet_id, serial: (*serial)? })
        });
        let is_shared = |row: &QueueRow| row.origin.as_ref().is_some_and(|origin| origin.group.is_some());
        let unacknowledged = self.rows.iter().filter_map(|(sequence, row)| {
            let (packet_id, released) = match row.state {
                RowState::Waiting | RowState::Finished => return None,
                RowState::Sent(packet_id) => (packet_id, false),
                RowState::Released(packet_id) => (packet_id, true),
            };
            let exactly_once = row.qos == QoS::ExactlyOnce;
            Some(Unacknowledged { packet_id, sequence: *sequence, exactly_once, released })
        });
        KeptSession {
            session: number,
            client: self.client.clone(),
            user: self.user.clone(),
            expiry: self.expiry,
            subscriptions: self.subscriptions.values().cloned().collect(),
            incoming: self.incoming.keys().copied().collect(),
            spread: spread.collect(),
            copies: Vec::new(),
            unacknowledged: unacknowledged.collect(),
            next: self.next,
            waiting: waiting().count(),
            waiting_bytes: waiting().map(size).sum(),
            has_shared_rows: self.rows.values().any(is_shared),
            will: will.cloned(),
            left: self.left,
        }
    }
}
