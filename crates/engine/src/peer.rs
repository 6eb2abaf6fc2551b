//! What shards of one server tell each other.

mod item;

pub use item::{DirectTo, Numbers, PeerItem};

use crate::effect::Effect;
use crate::forward::{Frames, Note};
use crate::held::{Lane, Wait};
use crate::interest::{Interest, Interests};
use crate::link::NONE;
use crate::outbox::Routed;
use crate::place::Place;
use crate::shard::Shard;
use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec::Vec;
use darter_codec::record::PublicationId;
use darter_codec::{Message, QoS};

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
    /// Number of the last thing sent that wants an answer, and of the last change of interest.
    number: u64,
    announced: u64,
    /// Largest stamp of a retained message seen.
    stamp: u64,
    /// Changes of interest that are numbered and not yet on their way.
    changes: Interests,
    answers: VecDeque<Answer>,
    /// There are answers that wait for no batch.
    unasked: bool,
    unsent: bool,
}

#[derive(Debug, Default)]
struct Outgoing {
    batch: Frames,
    items: Vec<PeerItem>,
    /// The last numbers sent to that shard. It never answers with larger ones, so nothing waits for more.
    sent: Numbers,
    /// What that shard has stored.
    stored: Numbers,
}

/// An answer to another shard that waits for this shard's batch, and for what its lane may wait for.
#[derive(Debug)]
struct Answer {
    shard: u8,
    wait: Wait,
    numbers: Numbers,
}

impl Peers {
    pub(crate) fn new(place: Place) -> Self {
        let all = if place.shards >= 64 { u64::MAX } else { (1 << place.shards) - 1 };
        Self {
            place,
            others: all & !(1 << place.index),
            outgoing: (0..place.shards).map(|_| Outgoing::default()).collect(),
            number: 0,
            announced: 0,
            stamp: 0,
            changes: Interests::default(),
            answers: VecDeque::new(),
            unasked: false,
            unsent: false,
        }
    }

    /// A stamp for a retained message, newer than every one seen here; the shard's index makes it unique.
    pub(crate) fn next_stamp(&mut self) -> u64 {
        self.stamp = ((self.stamp >> 6) + 1) << 6 | u64::from(self.place.index & 63);
        self.stamp
    }

    /// Stamps given from now on are newer than this one.
    pub(crate) fn restore_stamp(&mut self, stamp: u64) {
        self.stamp = self.stamp.max(stamp);
    }

    /// Whether any other shard is to get a publication.
    pub(crate) fn wants(&self, any: u64, stamp: Option<u64>) -> bool {
        (any | if stamp.is_some() { u64::MAX } else { 0 }) & self.others != 0
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
            self.next_number();
        }
        for shard in bits(targets) {
            let number = if waits_for & (1 << shard) == 0 { 0 } else { self.number };
            let note = Note { number, stamp: stamp.unwrap_or(0) };
            let outgoing = &mut self.outgoing[usize::from(shard)];
            outgoing.sent.routed = outgoing.sent.routed.max(number);
            outgoing.batch.push(routed, note);
        }
        self.unsent = true;
        Forwarded { any: any & self.others != 0, number: self.number, waits_for }
    }

    /// Makes `wait` wait until every shard has stored all that was ever sent to it.
    pub(crate) fn barrier(&mut self, wait: &mut Wait) {
        if self.others == 0 {
            return;
        }
        let number = self.next_number();
        wait.add_routed(number, self.others);
        let nothing = Arc::new(Interests::default());
        for shard in bits(self.others) {
            self.outgoing[usize::from(shard)].sent.routed = number;
            self.send(shard, PeerItem::Interest { changes: nothing.clone(), number });
        }
    }

    /// Makes `wait` wait until what was ever sent to single sessions is stored.
    fn wait_for_direct(&self, wait: &mut Wait) {
        for shard in bits(self.others) {
            wait.add_direct(self.number, shard);
        }
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

    /// Sends a change of a group to the group's owner; `wait` then waits until it is known everywhere.
    pub(crate) fn send_grouped(&mut self, owner: u8, wait: &mut Wait, item: impl FnOnce(u64) -> PeerItem) {
        let number = self.next_number();
        wait.add_grouped(number, owner);
        self.outgoing[usize::from(owner)].sent.grouped = number;
        self.send(owner, item(number));
    }

    pub(crate) fn send_direct(&mut self, to: DirectTo, message: Message, wait: &mut Wait) {
        let shard = to.member.shard;
        let mut number = 0;
        if to.qos != QoS::AtMostOnce {
            number = self.next_number();
            wait.add_direct(number, shard);
            self.outgoing[usize::from(shard)].sent.direct = number;
        }
        self.send(shard, PeerItem::Direct { to, message, number });
    }

    /// Tells every other shard that a publication is released.
    pub(crate) fn send_closed(&mut self, publication: PublicationId) {
        for shard in bits(self.others) {
            self.send(shard, PeerItem::Closed { publication });
        }
    }

    /// Tells the other shards what they must send here; `wait` then waits until they know.
    fn announce(&mut self, filter: &str, interest: Interest, wait: &mut Wait) {
        self.number += 1;
        self.announced = self.number;
        wait.add_routed(self.number, self.others);
        for shard in bits(self.others) {
            self.outgoing[usize::from(shard)].sent.routed = self.number;
        }
        self.changes.push(filter, interest);
        self.unsent = true;
    }

    /// Puts changes of interest on their way.
    fn send_changes(&mut self) {
        if self.changes.is_empty() {
            return;
        }
        let changes = Arc::new(core::mem::take(&mut self.changes));
        for shard in bits(self.others) {
            self.send(shard, PeerItem::Interest { changes: changes.clone(), number: self.number });
        }
    }

    /// The number of the next thing to be sent. Changes of interest have smaller ones and leave first.
    fn next_number(&mut self) -> u64 {
        self.send_changes();
        self.number += 1;
        self.number
    }

    /// An earlier subscription has announced what a new one needs as well: `wait` waits for the same answers, if they
    /// are not all there.
    fn wait_for_announced(&self, wait: &mut Wait) {
        let late = |shard: &u8| self.outgoing[usize::from(*shard)].stored.routed < self.announced;
        let shards = bits(self.others).filter(late).fold(0, |mask, shard| mask | 1 << shard);
        wait.add_routed(self.announced, shards);
    }

    /// Whether the other shards have stored everything that `wait` waits for.
    pub(crate) fn reached(&self, wait: &Wait) -> bool {
        let all = |lane: Lane, of: fn(&Numbers) -> u64| {
            bits(lane.shards).all(|shard| {
                let Outgoing { sent, stored, .. } = &self.outgoing[usize::from(shard)];
                of(stored) >= lane.number.min(of(sent))
            })
        };
        all(wait.routed, |stored| stored.routed)
            && all(wait.direct, |stored| stored.direct)
            && all(wait.grouped, |stored| stored.grouped)
    }

    fn answer(&mut self, shard: u8, wait: Wait, numbers: Numbers) {
        if let Some(last) = self.answers.back_mut()
            && last.shard == shard
            && last.wait == wait
        {
            last.numbers.raise(numbers);
            return;
        }
        self.unasked |= wait.batch == 0;
        self.answers.push_back(Answer { shard, wait, numbers });
    }

    /// Sends the answers whose wait is over. Each shard's answers on one lane keep their order.
    pub(crate) fn send_answers(&mut self, committed: u64) {
        let (mut routed_blocked, mut grouped_blocked) = (0u64, 0u64);
        let mut waiting = VecDeque::new();
        while let Some(Answer { shard, wait, mut numbers }) = self.answers.pop_front() {
            let bit = 1u64 << shard;
            let stored = wait.batch <= committed;
            let reached = stored && self.reached(&wait);
            let mut ready = Numbers::default();
            if stored {
                ready.direct = core::mem::take(&mut numbers.direct);
            }
            if reached && routed_blocked & bit == 0 {
                ready.routed = core::mem::take(&mut numbers.routed);
            }
            if reached && grouped_blocked & bit == 0 {
                ready.grouped = core::mem::take(&mut numbers.grouped);
            }
            if ready != Numbers::default() {
                self.send(shard, PeerItem::Stored(ready));
            }
            if numbers.routed > 0 {
                routed_blocked |= bit;
            }
            if numbers.grouped > 0 {
                grouped_blocked |= bit;
            }
            if numbers != Numbers::default() {
                waiting.push_back(Answer { shard, wait, numbers });
            }
        }
        self.answers = waiting;
    }

    pub(crate) fn has_answers(&self) -> bool {
        !self.answers.is_empty()
    }

    /// Moves what was collected into effects.
    pub(crate) fn flush(&mut self, effects: &mut VecDeque<Effect>) {
        if !self.unsent {
            return;
        }
        self.send_changes();
        self.unsent = false;
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
        match item {
            PeerItem::Routed { batch } => self.handle_routed(now, from, &batch),
            PeerItem::Direct { to, message, number } => {
                let promised = self.out.promised;
                self.handle_direct(now, &to, &message);
                if number > 0 {
                    let wait = self.promised_since(promised);
                    self.peers.answer(from, wait, Numbers { direct: number, ..Numbers::default() });
                }
            }
            PeerItem::Interest { changes, number } => {
                for (filter, Interest { any, persistent, kept }) in changes.iter() {
                    self.tree.set_remote(filter, from, any, persistent);
                    self.tree.set_remote_kept(filter, from, kept);
                }
                // Nothing in it asks for everything that was sent before.
                let mut wait = Wait::order();
                if changes.is_empty() {
                    wait = self.out.this_batch();
                    self.peers.wait_for_direct(&mut wait);
                }
                self.peers.answer(from, wait, Numbers { routed: number, ..Numbers::default() });
            }
            PeerItem::Join { key, member, number } => {
                let mut wait = Wait::order();
                self.add_member(&key, member, &mut wait);
                self.peers.answer(from, wait, Numbers { grouped: number, ..Numbers::default() });
            }
            PeerItem::Leave { key, member, number } => {
                let mut wait = Wait::order();
                self.remove_member(&key, member, &mut wait);
                self.peers.answer(from, wait, Numbers { grouped: number, ..Numbers::default() });
            }
            PeerItem::Presence { key, member, online } => self.set_presence(&key, member, online),
            PeerItem::Granted { key, member, grant } => self.set_grant(&key, member, grant),
            PeerItem::Reroute { key, message, publication } => {
                self.reroute(now, &key, &mut Routed { publication, ..Routed::from_message(&message) });
            }
            PeerItem::Taken { key, publication } => self.out.spread.take(publication, key),
            PeerItem::Closed { publication } => self.close_publication(publication),
            PeerItem::Stored(numbers) => {
                self.peers.outgoing[usize::from(from)].stored.raise(numbers);
                self.release_held(now);
            }
        }
        if core::mem::take(&mut self.peers.unasked) {
            self.send_answers();
        }
    }

    /// For this turn's batch, if anything was put into it that acknowledgements wait for.
    fn promised_since(&mut self, before: u64) -> Wait {
        if self.out.promised > before { self.out.this_batch() } else { Wait::order() }
    }

    /// What this shard wants of a filter from the others; nothing when there are none.
    pub(crate) fn interest(&self, filter: &str) -> Interest {
        if self.peers.others == 0 {
            return Interest::default();
        }
        let Some(id) = self.tree.find(filter) else { return Interest::default() };
        let (any, persistent) = self.tree.interest(id);
        Interest { any, persistent, kept: persistent && self.is_kept_for_somebody(id) }
    }

    /// Tells the others when what this shard wants of a filter is not what it was before a change.
    pub(crate) fn interest_changed(&mut self, filter: &str, before: Interest, wait: &mut Wait) {
        let after = self.interest(filter);
        if after == before {
            self.peers.wait_for_announced(wait);
        } else {
            self.peers.announce(filter, after, wait);
        }
    }

    fn handle_routed(&mut self, now: u64, from: u8, batch: &Frames) {
        for (mut routed, note) in batch.iter() {
            if note.stamp > 0 {
                self.peers.stamp = self.peers.stamp.max(note.stamp);
                self.set_retained(&mut routed, note.stamp, false);
            }
            let promised = self.out.promised;
            let mut wait = self.route_local(now, &mut routed);
            if note.number > 0 {
                wait.join(self.promised_since(promised));
                self.peers.answer(from, wait, Numbers { routed: note.number, ..Numbers::default() });
            }
        }
    }

    fn handle_direct(&mut self, now: u64, to: &DirectTo, message: &Message) {
        let slot = to.member.session;
        let present =
            self.out.sessions.get(slot as usize).is_some_and(|session| session.number == to.member.number);
        let mut routed = Routed::from_message(message);
        routed.publisher = NONE;
        (routed.publication, routed.again) = (to.publication, to.again);
        self.out.templates.clear();
        if present {
            self.deliver_to_member(now, &mut routed, &to.member, &to.key, to.qos, to.retain);
        } else if to.qos != QoS::AtMostOnce {
            let owner = self.place.choose(&to.key);
            let (key, publication) = (to.key.clone(), to.publication);
            self.peers.send(owner, PeerItem::Reroute { key, message: message.clone(), publication });
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
