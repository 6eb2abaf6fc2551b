//! What a server had when it stopped or crashed: sessions, retained messages and wills that its stores give back.

use crate::held::Wait;
use crate::link::NONE;
use crate::session::{Session, Will};
use crate::shard::Shard;
use crate::spread::Unreleased;
use crate::timers::Timer;
use alloc::boxed::Box;
use darter_codec::Message;
use darter_codec::record::{
    Change, Durability, KeptSession, KeptSubscription, KeptWill, Left, PublicationId, SessionNumber,
};
use darter_codec::topic::SharedFilter;
use darter_session::Phase;

/// The part of a session number that counts; the byte above names the shard that gave it.
const COUNTER: u64 = (1 << 56) - 1;

impl Shard {
    /// Numbers given from now on are larger than those of earlier runs: of sessions, compared without their topmost 8
    /// bits, of changes to retained messages, and of QoS 2 publications. Every shard gets all of them.
    pub fn restore_numbers(&mut self, last_session: SessionNumber, last_stamp: u64, last_serial: u64) {
        self.restore_session_number(last_session);
        self.peers.restore_stamp(last_stamp);
        self.out.spread.restore_serial(last_serial);
    }

    fn restore_session_number(&mut self, last_session: SessionNumber) {
        let counter = (last_session & COUNTER).max((self.next_session & COUNTER) - 1);
        self.next_session = (u64::from(self.place.index) << 56) + counter + 1;
    }

    /// A retained message that was kept. Every shard gets all of them.
    pub fn restore_retained(&mut self, message: Message, stamp: u64) {
        self.peers.restore_stamp(stamp);
        if self.out.limits.durability_of(message.topic()) == Durability::Memory {
            self.outdated.insert(message.topic().into());
        }
        self.retained.set(message, stamp);
    }

    /// The will of a client that was connected without a session that outlives the connection, known to the store under
    /// the number of that session. It is published after its delay, 30 seconds at least, unless a client with this
    /// identifier has connected by then. For the shard that owns the client identifier.
    pub fn restore_will(&mut self, now: u64, session: SessionNumber, will: KeptWill) {
        self.restore_session_number(session);
        self.await_return(now, session, will);
    }

    /// A session that was kept, for the shard that owns its client identifier.
    ///
    /// One whose client was gone ends and publishes its will when it was to do so, at the next
    /// [`handle_timeout`](Self::handle_timeout) if that is over. One whose client was connected at a crash has its whole
    /// expiry interval before it, which is told to the store as [`Change::Left`]; nothing else of what is restored is told again. Its will
    /// waits as for [`restore_will`](Self::restore_will).
    pub fn restore_session(&mut self, now: u64, kept: KeptSession) {
        self.restore_session_number(kept.session);
        if kept.expiry == 0 || !self.is_newest(now, &kept) {
            if kept.has_shared_rows {
                self.depart(kept.session, kept.client, kept.next);
            } else {
                self.out.persist.push(Change::SessionEnded { session: kept.session, client: kept.client });
            }
            self.close_all_when_stored(kept.spread);
            if let Some(will) = kept.will.filter(|_| kept.left.is_none()) {
                let number = self.next_session;
                self.next_session += 1;
                self.out.persist.push(Change::Will { session: number, will: will.clone() });
                self.await_return(now, number, will);
            }
            return;
        }
        let mut session = Session::new(kept.session, kept.client.clone(), kept.expiry);
        session.kept = true;
        session.user = kept.user;
        session.queue.next = kept.next;
        session.queue.waiting = kept.waiting;
        session.queue.waiting_bytes = kept.waiting_bytes;
        self.out.queued.join(kept.waiting, kept.waiting_bytes);
        session.has_shared_rows = kept.has_shared_rows;
        for packet_id in kept.incoming {
            session.incoming.insert(packet_id);
        }
        for sent in kept.unacknowledged {
            let phase = match (sent.exactly_once, sent.released) {
                (false, _) => Phase::Puback,
                (true, false) => Phase::Pubrec,
                (true, true) => Phase::Pubcomp,
            };
            session.window.restore(sent.packet_id, phase, sent.sequence);
        }
        let unsure =
            |publication: PublicationId| (publication.packet_id, Unreleased { publication, unsure: true });
        session.spread = kept.spread.into_iter().map(unsure).collect();
        let slot = self.add_session(session);
        self.restore_copies(slot, kept.copies);
        self.give_unknown_permit(slot);
        for subscription in &kept.subscriptions {
            self.restore_subscription(slot, subscription);
        }
        match kept.left {
            Some(left) => self.restore_deadlines(slot, left, kept.will),
            None => self.begin_absence(now, slot, kept.will),
        }
    }

    /// False when another session of the same client began later, which a damaged store may bring back with it; an earlier
    /// one gives way.
    fn is_newest(&mut self, now: u64, kept: &KeptSession) -> bool {
        let Some(slot) = self.by_client.get(&kept.client).copied() else { return true };
        if self.out.sessions[slot as usize].number & COUNTER > kept.session & COUNTER {
            return false;
        }
        self.end_session(now, slot, false);
        true
    }

    fn restore_subscription(&mut self, slot: u32, subscription: &KeptSubscription) {
        let KeptSubscription { filter, options, identifier } = subscription;
        let mut nobody_waits = Wait::order();
        match SharedFilter::parse(filter) {
            Ok(Some(_)) => self.join_group(slot, filter, *options, *identifier, &mut nobody_waits),
            _ => self.subscribe_filter(slot, filter, *options, *identifier, &mut nobody_waits),
        };
    }

    /// The client was gone already: its will and its session have the deadlines they had.
    fn restore_deadlines(&mut self, slot: u32, left: Left, will: Option<KeptWill>) {
        let session = &mut self.out.sessions[slot as usize];
        if let Some(ends_at) = left.ends_at {
            session.ends_at = ends_at;
            self.timers.start(ends_at, Timer::Expiry, slot, session.number);
        }
        if let (Some(will_at), Some(KeptWill { message, delay, expiry, .. })) = (left.will_at, will) {
            session.will = Some(Box::new(Will { message, delay, expiry }));
            session.will_at = will_at;
            self.timers.start(will_at, Timer::Will, slot, session.number);
        }
    }

    /// The client was connected when the server crashed: it is away from now on.
    fn begin_absence(&mut self, now: u64, slot: u32, will: Option<KeptWill>) {
        let Session { number, expiry, .. } = self.out.sessions[slot as usize];
        let will_at = will.map(|will| self.await_return(now, number, will));
        let ends_at = self.start_expiry(now, slot, expiry);
        let left = Left { ends_at, will_at };
        self.out.persist.push(Change::Left { session: number, left });
    }

    /// The session ends `expiry` seconds from now, unless that is never (section 3.1.2.11.2). Gives the moment.
    pub(crate) fn start_expiry(&mut self, now: u64, slot: u32, expiry: u32) -> Option<u64> {
        if expiry == u32::MAX {
            return None;
        }
        let ends_at = now + u64::from(expiry) * 1000;
        let session = self.out.sessions.get_mut(slot as usize)?;
        session.ends_at = ends_at;
        self.timers.start(ends_at, Timer::Expiry, slot, session.number);
        Some(ends_at)
    }

    /// A session that nobody uses yet; gives its slot.
    pub(crate) fn add_session(&mut self, session: Session) -> u32 {
        let client = session.client.clone();
        let slot = u32::try_from(self.out.sessions.insert(session)).unwrap_or(NONE);
        self.by_client.insert(client, slot);
        let counters = &mut self.out.counters;
        counters.sessions_most = counters.sessions_most.max(self.out.sessions.len() as u64);
        slot
    }
}
