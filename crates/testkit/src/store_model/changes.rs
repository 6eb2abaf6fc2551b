//! Random changes such as a server makes.

use super::StoreModel;
use darter_codec::record::{
    Change, Kept, KeptWill, Left, Origin, PublicationId, QueueRow, RowState, SessionNumber,
};
use darter_codec::{Message, PacketId, QoS, SubscriptionOptions};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

/// Makes changes such as a server makes, chosen by numbers from anywhere.
#[derive(Debug, Default)]
pub struct Changes {
    model: StoreModel,
    last_session: SessionNumber,
    stamp: u64,
    serial: u64,
    /// The latest publications that went to several shards. Most were not released.
    spread: VecDeque<PublicationId>,
    /// Sequences are never used again in one run.
    next: BTreeMap<SessionNumber, u64>,
}

/// Publications of which copies may be queued.
const SPREAD: usize = 30;

impl Changes {
    /// What all changes so far should have made.
    #[must_use]
    pub fn model(&self) -> &StoreModel {
        &self.model
    }

    /// The store was opened again and gave back `kept`. As a server does, this goes on with the sequences that it gave, which
    /// may have been used before.
    pub fn reopened(&mut self, kept: &Kept) {
        self.model.reopen();
        self.next = kept.sessions.iter().map(|one| (one.session, one.next)).collect();
    }

    /// The next changes; `choose(n)` gives a number below `n`.
    pub fn next(&mut self, choose: &mut dyn FnMut(u32) -> u32) -> Vec<Change> {
        let changes = self.make(choose);
        changes.iter().for_each(|change| self.model.apply(change));
        changes
    }

    fn make(&mut self, choose: &mut dyn FnMut(u32) -> u32) -> Vec<Change> {
        let numbers: Vec<SessionNumber> = self.model.sessions().collect();
        let what = choose(21);
        let pick = |choose: &mut dyn FnMut(u32) -> u32| {
            numbers.get(choose(u32::try_from(numbers.len()).unwrap_or(1).max(1)) as usize).copied()
        };
        let session = match (what, pick(choose)) {
            (0, _) | (_, None) => return self.begin(choose),
            (_, Some(session)) => session,
        };
        let client: Arc<str> = format!("client-{session}").into();
        let packet_id = PacketId::new(u16::try_from(choose(10) + 1).unwrap_or(1)).expect("not 0");
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
            5 => vec![self.incoming(session, packet_id, choose)],
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
            17 => vec![Change::Session { session, client, user: user(choose), expiry: choose(100) + 1 }],
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
        vec![Change::Session { session, client, user: user(choose), expiry: choose(100) + 1 }]
    }

    fn incoming(
        &mut self,
        session: SessionNumber,
        packet_id: PacketId,
        choose: &mut dyn FnMut(u32) -> u32,
    ) -> Change {
        if choose(3) == 0 {
            return Change::Incoming { session, packet_id, spread: None };
        }
        self.serial += 1;
        let serial = self.serial;
        self.spread.push_back(PublicationId { session, packet_id, serial });
        if self.spread.len() > SPREAD {
            self.spread.pop_front();
        }
        Change::Incoming { session, packet_id, spread: Some(serial) }
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
        let place = choose(u32::try_from(3 * SPREAD).unwrap_or(u32::MAX)) as usize;
        let publication = self.spread.get(place).copied().filter(|_| qos == QoS::ExactlyOnce);
        let identifiers = if choose(4) == 0 { vec![choose(9) + 1] } else { Vec::new() };
        let origin = (!identifiers.is_empty() || group.is_some() || publication.is_some())
            .then(|| Box::new(Origin { identifiers, group, publication }));
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
            RowState::Released(_) if super::publication(row).is_some() => {
                vec![Change::Moved { session, sequence, state: RowState::Finished }]
            }
            _ => vec![Change::Removed { session, sequence }],
        }
    }
}

fn user(choose: &mut dyn FnMut(u32) -> u32) -> Option<Arc<str>> {
    Some(choose(3)).filter(|user| *user > 0).map(|user| format!("user-{user}").into())
}

fn message(choose: &mut dyn FnMut(u32) -> u32) -> Message {
    let payload: Vec<u8> = (0..choose(300)).map(|n| u8::try_from(n % 251).unwrap_or(0)).collect();
    Message::new(QoS::ExactlyOnce, false, "some/topic", [], &payload, Some(choose(5).into()))
}

fn will(client: &Arc<str>, choose: &mut dyn FnMut(u32) -> u32) -> KeptWill {
    let message = Message::new(QoS::AtLeastOnce, false, "gone", [], b"will", None);
    KeptWill { client: client.clone(), message, delay: choose(60), expiry: (choose(2) == 0).then_some(9) }
}
