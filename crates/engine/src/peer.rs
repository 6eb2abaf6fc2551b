//! What shards of one server tell each other.

use crate::effect::Effect;
use crate::forward::{Frames, Note};
use crate::groups::Member;
use crate::held::Wait;
use crate::link::NONE;
use crate::outbox::Routed;
use crate::shard::{Place, Shard};
use alloc::collections::VecDeque;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use darter_codec::record::SessionNumber;
use darter_codec::{Message, QoS};

/// An item on its way from one shard to another. Items between two shards keep their order.
#[derive(Debug, Clone)]
pub enum PeerItem {
    /// Publications to route to everybody who subscribes on the receiving shard.
    Routed {
        /// The publications, in order.
        batch: Frames,
    },
    /// A publication for one session, chosen by the owner of a shared subscription.
    Direct {
        /// The receiver.
        to: DirectTo,
        /// The message.
        message: Message,
        /// To be answered with [`PeerItem::Stored`].
        number: u64,
    },
    /// Whether the sending shard has subscribers to a filter: any, and any with QoS 1 or 2.
    Interest {
        /// The topic filter.
        filter: String,
        /// Somebody subscribes.
        any: bool,
        /// Somebody subscribes with QoS 1 or 2, so that acknowledgements wait for the shard.
        persistent: bool,
        /// To be answered with [`PeerItem::Stored`].
        number: u64,
    },
    /// A session joins a shared subscription that the receiving shard owns.
    Join {
        /// `$share/group/filter`.
        key: Arc<str>,
        /// The session.
        member: Member,
        /// To be answered with [`PeerItem::Stored`].
        number: u64,
    },
    /// A session leaves a shared subscription that the receiving shard owns.
    Leave {
        /// `$share/group/filter`.
        key: Arc<str>,
        /// The session.
        member: SessionNumber,
        /// To be answered with [`PeerItem::Stored`].
        number: u64,
    },
    /// A member's client came or went.
    Presence {
        /// `$share/group/filter`.
        key: Arc<str>,
        /// The session.
        member: SessionNumber,
        /// Whether it is connected.
        online: bool,
    },
    /// A message that a member could not finish, for another member of the group.
    Reroute {
        /// `$share/group/filter`.
        key: Arc<str>,
        /// The message.
        message: Message,
    },
    /// Everything up to these numbers that the receiving shard sent is stored; 0 says nothing new.
    Stored {
        /// Of publications to route and changes of interest.
        routed: u64,
        /// Of publications for one session and changes of groups.
        direct: u64,
    },
}

/// The receiver of a publication that the owner of a shared subscription chose.
#[derive(Debug, Clone)]
pub struct DirectTo {
    pub(crate) member: Member,
    pub(crate) key: Arc<str>,
    pub(crate) qos: QoS,
    pub(crate) retain: bool,
}

/// What a publication sent to other shards must wait for.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Forwarded {
    pub(crate) any: bool,
    pub(crate) number: u64,
    pub(crate) waits_for: u64,
}

/// The other shards as one shard sees them.
#[derive(Debug)]
pub(crate) struct Peers {
    place: Place,
    /// Bit mask of all other shards.
    others: u64,
    outgoing: Vec<Outgoing>,
    /// Number of the last thing sent that wants an answer.
    number: u64,
    /// Largest stamp of a retained message seen.
    stamp: u64,
    answers: VecDeque<Answer>,
    unsent: bool,
}

#[derive(Debug, Default)]
struct Outgoing {
    batch: Frames,
    items: Vec<PeerItem>,
    /// What that shard has stored.
    stored_routed: u64,
    stored_direct: u64,
}

/// An answer to another shard that waits for this shard's batch, and on the routed lane for direct deliveries.
#[derive(Debug)]
struct Answer {
    shard: u8,
    wait: Wait,
    routed: u64,
    direct: u64,
}

impl Peers {
    pub(crate) fn new(place: Place) -> Self {
        let all = if place.shards >= 64 { u64::MAX } else { (1 << place.shards) - 1 };
        Self {
            place,
            others: all & !(1 << place.index),
            outgoing: (0..place.shards).map(|_| Outgoing::default()).collect(),
            number: 0,
            stamp: 0,
            answers: VecDeque::new(),
            unsent: false,
        }
    }

    /// A stamp for a retained message, newer than every one seen here; the shard's index makes it unique.
    pub(crate) fn next_stamp(&mut self) -> u64 {
        self.stamp = ((self.stamp >> 6) + 1) << 6 | u64::from(self.place.index & 63);
        self.stamp
    }

    /// Hands a publication to every shard with a matching subscriber, and to all of them when it is retained.
    pub(crate) fn forward(
        &mut self,
        routed: &mut Routed<'_>,
        any: u64,
        persistent: u64,
        stamp: Option<u64>,
    ) -> Forwarded {
        let everybody = if stamp.is_some() { self.others } else { 0 };
        let targets = (any | everybody) & self.others;
        if targets == 0 {
            return Forwarded::default();
        }
        let awaited = routed.qos != QoS::AtMostOnce || routed.wait.is_some();
        let waits_for = if awaited { (persistent | everybody) & self.others } else { 0 };
        if waits_for != 0 {
            self.number += 1;
        }
        for shard in bits(targets) {
            let number = if waits_for & (1 << shard) == 0 { 0 } else { self.number };
            let note = Note { number, stamp: stamp.unwrap_or(0) };
            self.outgoing[usize::from(shard)].batch.push(routed, note);
        }
        self.unsent = true;
        Forwarded { any: any & self.others != 0, number: self.number, waits_for }
    }

    /// Sends an item after everything sent before it.
    pub(crate) fn send(&mut self, shard: u8, item: PeerItem) {
        let outgoing = &mut self.outgoing[usize::from(shard)];
        if !outgoing.batch.is_empty() {
            let batch = core::mem::take(&mut outgoing.batch);
            outgoing.items.push(PeerItem::Routed { batch });
        }
        outgoing.items.push(item);
        self.unsent = true;
    }

    /// Sends an item on the direct lane whose effect `wait` then waits for.
    pub(crate) fn send_awaited(&mut self, shard: u8, wait: &mut Wait, item: impl FnOnce(u64) -> PeerItem) {
        self.number += 1;
        let number = self.number;
        wait.add_direct(number, shard);
        self.send(shard, item(number));
    }

    pub(crate) fn send_direct(&mut self, to: DirectTo, message: Message, wait: &mut Wait) {
        let shard = to.member.shard;
        if to.qos == QoS::AtMostOnce {
            self.send(shard, PeerItem::Direct { to, message, number: 0 });
        } else {
            self.send_awaited(shard, wait, |number| PeerItem::Direct { to, message, number });
        }
    }

    /// Tells the other shards what they must send here; `wait` then waits until they know.
    fn announce(&mut self, filter: &str, (any, persistent): (bool, bool), wait: &mut Wait) {
        self.number += 1;
        let number = self.number;
        wait.add_routed(number, self.others);
        for shard in bits(self.others) {
            self.send(shard, PeerItem::Interest { filter: filter.into(), any, persistent, number });
        }
    }

    /// Whether the other shards have stored everything that `wait` waits for.
    pub(crate) fn reached(&self, wait: &Wait) -> bool {
        let (routed, direct) = (wait.routed, wait.direct);
        bits(routed.shards).all(|shard| self.outgoing[usize::from(shard)].stored_routed >= routed.number)
            && bits(direct.shards)
                .all(|shard| self.outgoing[usize::from(shard)].stored_direct >= direct.number)
    }

    fn answer(&mut self, shard: u8, wait: Wait, routed: u64, direct: u64) {
        if let Some(last) = self.answers.back_mut()
            && last.shard == shard
            && last.wait == wait
        {
            last.routed = last.routed.max(routed);
            last.direct = last.direct.max(direct);
            return;
        }
        self.answers.push_back(Answer { shard, wait, routed, direct });
    }

    /// Sends the answers whose wait is over. Each shard's answers on one lane keep their order.
    pub(crate) fn send_answers(&mut self, committed: u64) {
        let mut blocked = 0u64;
        let mut waiting = VecDeque::new();
        while let Some(answer) = self.answers.pop_front() {
            let bit = 1u64 << answer.shard;
            let stored = answer.wait.batch <= committed;
            let ready = stored && self.reached(&answer.wait) && (answer.routed == 0 || blocked & bit == 0);
            if ready {
                self.send(answer.shard, PeerItem::Stored { routed: answer.routed, direct: answer.direct });
                continue;
            }
            if stored && answer.direct > 0 {
                // The direct lane never waits for other shards.
                self.send(answer.shard, PeerItem::Stored { routed: 0, direct: answer.direct });
            }
            if answer.routed > 0 {
                blocked |= bit;
            }
            let direct = if stored { 0 } else { answer.direct };
            waiting.push_back(Answer { direct, ..answer });
        }
        self.answers = waiting;
    }

    pub(crate) fn has_answers(&self) -> bool {
        !self.answers.is_empty()
    }

    /// Moves what was collected into effects.
    pub(crate) fn flush(&mut self, effects: &mut VecDeque<Effect>) {
        if !core::mem::take(&mut self.unsent) {
            return;
        }
        for (shard, outgoing) in self.outgoing.iter_mut().enumerate() {
            let Ok(shard) = u8::try_from(shard) else { continue };
            effects.extend(outgoing.items.drain(..).map(|item| Effect::Peer { shard, item }));
            if !outgoing.batch.is_empty() {
                let batch = core::mem::take(&mut outgoing.batch);
                effects.push_back(Effect::Peer { shard, item: PeerItem::Routed { batch } });
            }
        }
    }
}

impl Shard {
    /// Something that another shard sent.
    pub fn handle_peer(&mut self, now: u64, from: u8, item: PeerItem) {
        let mut wait = self.out.this_batch();
        match item {
            PeerItem::Routed { batch } => self.handle_routed(now, from, &batch),
            PeerItem::Direct { to, message, number } => {
                self.handle_direct(now, &to, &message);
                if number > 0 {
                    self.peers.answer(from, wait, 0, number);
                }
            }
            PeerItem::Interest { filter, any, persistent, number } => {
                self.tree.set_remote(&filter, from, any, persistent);
                self.peers.answer(from, wait, number, 0);
            }
            PeerItem::Join { key, member, number } => {
                self.add_member(&key, member, &mut wait);
                self.peers.answer(from, Wait::batch(wait.batch), 0, number);
            }
            PeerItem::Leave { key, member, number } => {
                self.remove_member(&key, member, &mut wait);
                self.peers.answer(from, Wait::batch(wait.batch), 0, number);
            }
            PeerItem::Presence { key, member, online } => self.set_presence(&key, member, online),
            PeerItem::Reroute { key, message } => {
                self.reroute(now, &key, &mut Routed::from_message(&message));
            }
            PeerItem::Stored { routed, direct } => {
                let outgoing = &mut self.peers.outgoing[usize::from(from)];
                outgoing.stored_routed = outgoing.stored_routed.max(routed);
                outgoing.stored_direct = outgoing.stored_direct.max(direct);
                self.release_held(now);
            }
        }
    }

    /// What this shard wants of a filter from the others; nothing when there are none.
    pub(crate) fn interest(&self, filter: &str) -> (bool, bool) {
        if self.peers.others == 0 {
            return (false, false);
        }
        self.tree.find(filter).map_or((false, false), |id| self.tree.interest(id))
    }

    /// Tells the others when what this shard wants of a filter is not what it was before a change.
    pub(crate) fn interest_changed(&mut self, filter: &str, before: (bool, bool), wait: &mut Wait) {
        let after = self.interest(filter);
        if after != before {
            self.peers.announce(filter, after, wait);
        }
    }

    fn handle_routed(&mut self, now: u64, from: u8, batch: &Frames) {
        for (mut routed, note) in batch.iter() {
            if note.stamp > 0 {
                self.peers.stamp = self.peers.stamp.max(note.stamp);
                self.set_retained(&mut routed, note.stamp);
            }
            let mut wait = self.route_local(now, &mut routed);
            if note.number > 0 {
                wait.join(self.out.this_batch());
                self.peers.answer(from, wait, note.number, 0);
            }
        }
    }

    fn handle_direct(&mut self, now: u64, to: &DirectTo, message: &Message) {
        let slot = to.member.session;
        let present =
            self.out.sessions.get(slot as usize).is_some_and(|session| session.number == to.member.number);
        let mut routed = Routed::from_message(message);
        routed.publisher = NONE;
        self.out.templates.clear();
        if present {
            self.deliver_to_member(now, &mut routed, &to.member, &to.key, to.qos, to.retain);
        } else if to.qos != QoS::AtMostOnce {
            let owner = self.place.choose(&to.key);
            self.peers.send(owner, PeerItem::Reroute { key: to.key.clone(), message: message.clone() });
        }
    }
}

/// The indices of the bits that are set.
fn bits(mask: u64) -> impl Iterator<Item = u8> {
    let mut rest = mask;
    core::iter::from_fn(move || {
        if rest == 0 {
            return None;
        }
        let bit = rest.trailing_zeros();
        rest &= rest - 1;
        u8::try_from(bit).ok()
    })
}
