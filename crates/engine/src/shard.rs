//! One shard of the server's brain.

use crate::access::Policy;
use crate::counters::{Counters, Drops};
use crate::effect::{Effect, LinkId};
use crate::enqueue::Queued;
use crate::event::{DropReason, Ending, Event};
use crate::fight::Fights;
use crate::groups::Groups;
use crate::held::{HELD_MOST, Release};
use crate::history::History;
use crate::limits::Limits;
use crate::link::{Link, LinkState, NONE};
use crate::outbox::{Outbox, Routed};
use crate::output::{Output, Spares};
use crate::peer::Peers;
use crate::permit::Denials;
use crate::place::Place;
use crate::queue::Load;
use crate::returning::Returning;
use crate::routing::Scratch;
use crate::spread::Spread;
use crate::template::Templates;
use crate::timers::Timers;
use crate::topics::{Matches, RetainedTree, SubscriptionTree};
use crate::wheel::Wheel;
use alloc::boxed::Box;
use alloc::collections::{BTreeSet, VecDeque};
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use bytes::Bytes;
use darter_codec::frame::{self, Scan};
use darter_codec::record::{Batch, Change, SessionNumber};
use darter_codec::{DecodeError, Disconnect, Packet, Properties, Property, ReasonCode};
use hashbrown::{HashMap, HashSet};
use slab::Slab;

/// Sessions, subscriptions and routing of the clients that one thread serves, without any IO.
///
/// The driver calls, in this order in each turn:
/// 1. [`accept`](Self::accept), [`receive`](Self::receive), [`lost`](Self::lost) for what its
///    sockets did, [`handle_peer`](Self::handle_peer) for what other shards sent, [`handle_timeout`](Self::handle_timeout)
///    when [`next_timeout`](Self::next_timeout) has passed;
/// 2. [`take_batch`](Self::take_batch): stores the changes and, once they are stored (at once or in a later turn), calls
///    [`handle_committed`](Self::handle_committed); [`poll_effect`](Self::poll_effect) until there is none; both again until nothing comes;
/// 3. [`poll_dirty`](Self::poll_dirty): writes each output once, then [`written`](Self::written);
/// 4. [`take_records`](Self::take_records) for the history, if there is one; [`finish_turn`](Self::finish_turn).
///
/// `now` is in milliseconds of any monotonic origin and never goes back.
///
/// # After a start
///
/// What the stores gave back goes in before anything else: [`restore_numbers`](Self::restore_numbers) and
/// [`restore_retained`](Self::restore_retained) into every shard, [`restore_session`](Self::restore_session) and
/// [`restore_will`](Self::restore_will) into the shard that [`owner`](Self::owner) names. With several shards the next
/// step of a turn follows on each of them, again and again, until no shard has an [`Effect::Peer`] or a batch any more: each then knows
/// what the others subscribe to. Then [`handle_timeout`](Self::handle_timeout) once on each, for deadlines that passed
/// meanwhile, and the first connection may come.
#[derive(Debug)]
pub struct Shard {
    pub(crate) place: Place,
    pub(crate) out: Outbox,
    pub(crate) by_client: HashMap<Arc<str>, u32>,
    pub(crate) tree: SubscriptionTree,
    /// Taken while it is used. In a box, so that only a pointer moves.
    pub(crate) matches: Option<Box<Matches>>,
    pub(crate) scratch: Scratch,
    pub(crate) history: History,
    pub(crate) policy: Arc<Policy>,
    pub(crate) denials: Denials,
    pub(crate) retained: RetainedTree,
    /// Topics that are kept in memory now and whose retained message the store has from an earlier run.
    pub(crate) outdated: HashSet<Box<str>>,
    pub(crate) groups: Groups,
    pub(crate) peers: Peers,
    pub(crate) wheel: Wheel,
    pub(crate) timers: Timers,
    pub(crate) returning: Returning,
    /// Connections that wait for a moment: for an answer to CONNECT, or to be read from again.
    pub(crate) waking: BTreeSet<(u64, LinkId)>,
    pub(crate) fights: Fights,
    /// When expired retained messages are looked for, and when old removals of them are forgotten.
    pub(crate) next_sweep: u64,
    pub(crate) next_forgetting: u64,
    pub(crate) closing: Vec<u32>,
    /// Slots of the sessions with retained messages still to be looked through.
    pub(crate) unfinished: Vec<u32>,
    /// The sessions for which the store reads.
    pub(crate) loads: HashMap<SessionNumber, Load>,
    pub(crate) serial: u32,
    pub(crate) next_session: SessionNumber,
    pub(crate) next_client: u64,
    pub(crate) committed: u64,
    /// The store has no room.
    pub(crate) full: bool,
    /// Connections of version 3 clients that were refused something while there was no room.
    pub(crate) refused: HashSet<LinkId>,
    pub(crate) topic_scratch: String,
    pub(crate) property_scratch: Vec<u8>,
}

impl Shard {
    /// A shard with nothing in it. `seed` keys its hash tables against topics chosen to collide.
    #[must_use]
    pub fn new(place: Place, limits: Limits, seed: u64, now: u64) -> Self {
        let history = History::new(&limits, place.shards);
        Self {
            place,
            out: Outbox {
                limits,
                links: Slab::new(),
                sessions: Slab::new(),
                dirty: Vec::new(),
                pressing: Vec::new(),
                spares: Spares::default(),
                waiting_bytes: 0,
                persist: Vec::new(),
                promised: 0,
                batch: 1,
                batch_wanted: false,
                held: VecDeque::new(),
                held_so_far: 0,
                released_so_far: 0,
                effects: VecDeque::new(),
                counters: Counters::default(),
                drops: Drops::default(),
                templates: Templates::default(),
                queued: Queued::new(place.shards),
                spread: Spread::default(),
            },
            by_client: HashMap::default(),
            tree: SubscriptionTree::new(seed),
            matches: None,
            scratch: Scratch::default(),
            history,
            policy: Arc::default(),
            denials: Denials::default(),
            retained: RetainedTree::new(seed),
            outdated: HashSet::default(),
            groups: Groups::default(),
            peers: Peers::new(place),
            wheel: Wheel::new(now),
            timers: Timers::default(),
            returning: Returning::default(),
            waking: BTreeSet::new(),
            fights: Fights::default(),
            next_sweep: 0,
            next_forgetting: 0,
            closing: Vec::new(),
            unfinished: Vec::new(),
            loads: HashMap::new(),
            serial: 0,
            next_session: (u64::from(place.index) << 56) + 1,
            next_client: 0,
            committed: 0,
            full: false,
            refused: HashSet::default(),
            topic_scratch: String::new(),
            property_scratch: Vec::new(),
        }
    }

    /// A new network connection.
    pub fn accept(&mut self, now: u64) -> LinkId {
        self.serial = self.serial.wrapping_add(1);
        let timeout = self.out.limits.connect_timeout;
        let slot = self.out.links.insert(Link::new(self.serial, now, timeout));
        let id = LinkId { slot: u32::try_from(slot).unwrap_or(NONE), serial: self.serial };
        self.out.links[slot].look_at = self.wheel.schedule(now + timeout, id);
        id
    }

    /// Bytes from a connection. Returns how many were consumed; the driver keeps the others and hands them in again
    /// with what follows them, or after [`Effect::Resume`].
    ///
    /// `owner` is the same bytes as shared memory, if they are; large payloads are then not copied.
    pub fn receive(&mut self, now: u64, id: LinkId, input: &[u8], owner: Option<&Bytes>) -> usize {
        let mut consumed = 0;
        self.heard(now, id);
        loop {
            let (connect_size, packet_size) = (self.out.limits.connect_size, self.out.limits.packet_size);
            let Some(link) = self.out.link_mut(id) else { return input.len() };
            let limit = match link.state {
                LinkState::Connecting | LinkState::Challenged => connect_size,
                LinkState::Open if link.waits_until == 0 => packet_size,
                LinkState::Open
                | LinkState::Authenticating
                | LinkState::Delayed
                | LinkState::Opening
                | LinkState::Moving => return consumed,
                LinkState::Closed => return input.len(),
            };
            let state = link.state;
            if state == LinkState::Connecting && self.is_stranger(now, id, input) {
                return input.len();
            }
            match frame::scan(&input[consumed..], limit) {
                Ok(Scan::Partial { .. }) => return consumed,
                Ok(Scan::Complete(frame)) => {
                    let len = frame.len;
                    if state == LinkState::Open {
                        self.out.counters.packets_received += 1;
                        let outcome = self.handle_packet(now, id.slot, frame.first, frame.body, owner);
                        if let Err(error) = outcome {
                            self.fail(now, id.slot, error);
                        }
                    } else if state == LinkState::Challenged {
                        self.handle_challenged(now, id, frame.first, frame.body);
                    } else if !self.handle_first_packet(now, id, frame.first, frame.body) {
                        return consumed;
                    }
                    consumed += len;
                }
                Err(error) => {
                    self.fail(now, id.slot, error);
                    return input.len();
                }
            }
        }
    }

    /// Bytes of an unfinished packet arrived, which the driver keeps: the client is alive.
    pub fn heard(&mut self, now: u64, id: LinkId) {
        if let Some(link) = self.out.link_mut(id).filter(|link| link.state == LinkState::Open) {
            link.last_seen = now;
        }
    }

    /// The network connection is gone, without a DISCONNECT.
    pub fn lost(&mut self, now: u64, id: LinkId) {
        if self.out.link_mut(id).is_some() {
            self.close(now, id.slot, Ending::Lost);
        }
    }

    /// Disconnects every client: version 5 clients with `reason` (section 3.14.2.1). Used at shutdown.
    pub fn close_all(&mut self, now: u64, reason: ReasonCode, what: &'static str) {
        self.close_some(now, usize::MAX, reason, what);
    }

    /// Disconnects at most so many clients; gives how many connections are left.
    pub fn close_some(&mut self, now: u64, most: usize, reason: ReasonCode, what: &'static str) -> usize {
        let open = self.out.links.iter().filter(|(_, link)| link.state != LinkState::Closed);
        let slots: Vec<u32> = open.filter_map(|(slot, _)| u32::try_from(slot).ok()).collect();
        for slot in slots.iter().take(most) {
            self.close(now, *slot, Ending::Server { reason, what });
        }
        slots.len().saturating_sub(most)
    }

    /// The changes of this turn, and the number to hand to [`handle_committed`](Self::handle_committed) when all of them
    /// are stored. None when nothing is to be stored and nothing waits for this turn's batch.
    pub fn take_batch(&mut self, changes: &mut Vec<Change>) -> Option<Batch> {
        core::mem::swap(changes, &mut self.out.persist);
        let awaited = core::mem::take(&mut self.out.batch_wanted);
        if changes.is_empty() && !awaited {
            return None;
        }
        let number = self.out.batch;
        self.out.batch += 1;
        Some(Batch { number, awaited })
    }

    /// Everything up to `batch` is stored: what waited for it leaves.
    pub fn handle_committed(&mut self, now: u64, batch: u64) {
        self.committed = self.committed.max(batch);
        self.release_held(now);
    }

    /// The store has no room for more, or has room again.
    ///
    /// With room again, clients of version 3 that were refused without a word are disconnected: they send again what they have
    /// no acknowledgement for when they connect.
    pub fn handle_full(&mut self, now: u64, full: bool) {
        self.full = full;
        if full {
            return;
        }
        for id in core::mem::take(&mut self.refused) {
            if self.out.link_mut(id).is_some() {
                let what = "the store has room again for what was refused";
                self.close(now, id.slot, Ending::Server { reason: ReasonCode::ServerBusy, what });
            }
        }
    }

    pub(crate) fn release_held(&mut self, now: u64) {
        self.send_answers();
        while let Some(held) = self.out.held.front() {
            if held.wait.batch > self.committed || !self.peers.reached(&held.wait) {
                break;
            }
            let Some(held) = self.out.held.pop_front() else { break };
            self.out.released_so_far += 1;
            match held.release {
                Release::Bytes { link, bytes } => {
                    self.out.release(link, bytes);
                    self.after_release(now, link);
                }
                Release::Open { link, connack } => self.finish_open(now, link, &connack),
                Release::Forward { message, publication, any, persistent, stamp } => {
                    let mut routed = Routed { publication, ..Routed::from_message(&message) };
                    self.forward_held(&mut routed, any, persistent, stamp);
                }
                Release::Ended { session, client } => {
                    self.out.persist.push(Change::SessionEnded { session, client });
                }
                Release::Direct { to, message } => self.direct_held(to, message),
                Release::Closed { publication } => self.close_everywhere(publication),
                Release::WillCleared { client, number } => self.clear_published_will(&client, number),
            }
        }
    }

    /// Sends other shards the answers that wait for nothing any more.
    pub(crate) fn send_answers(&mut self) {
        if self.peers.has_answers() {
            self.peers.send_answers(self.committed);
        }
    }

    fn after_release(&mut self, now: u64, id: LinkId) {
        let Some(link) = self.out.link_mut(id) else { return };
        let session = link.session;
        if self.out.sessions.get(session as usize).is_some_and(|session| !session.scans.is_empty()) {
            self.pump(now, session);
        }
    }

    /// The next thing the driver shall do.
    pub fn poll_effect(&mut self) -> Option<Effect> {
        if self.out.effects.is_empty() {
            self.enforce_queue_limits();
            self.peers.flush(&mut self.out.effects);
            while let Some(drop) = self.out.drops.poll_fresh() {
                self.out.effects.push_back(Effect::Event(Event::Dropped(drop)));
            }
        }
        self.out.effects.pop_front()
    }

    /// Slot of the next output to write in this turn.
    pub fn poll_dirty(&mut self) -> Option<LinkId> {
        while let Some(slot) = self.out.dirty.pop() {
            if let Some(link) = self.out.links.get_mut(slot as usize) {
                link.dirty = false;
                if link.state != LinkState::Closed {
                    return Some(link.id(slot));
                }
            }
        }
        None
    }

    /// An output that has grown so long that it should be written now.
    pub fn poll_pressing(&mut self) -> Option<LinkId> {
        while let Some(slot) = self.out.pressing.pop() {
            if let Some(link) = self.out.links.get(slot as usize)
                && link.state != LinkState::Closed
            {
                return Some(link.id(slot));
            }
        }
        None
    }

    /// The output of a connection.
    pub fn output(&mut self, id: LinkId) -> Option<&mut Output> {
        self.out.link_mut(id).map(|link| &mut link.output)
    }

    /// The driver wrote to a connection: an empty buffer goes back, and what waited for room goes on.
    pub fn written(&mut self, now: u64, id: LinkId) {
        let Outbox { links, spares, limits, .. } = &mut self.out;
        let Some(link) = links.get_mut(id.slot as usize).filter(|link| link.serial == id.serial) else {
            return;
        };
        spares.give_back(&mut link.output);
        let counts = !link.output.is_empty() || link.waiting > 0;
        let (long, overflows) = (link.output.len() >= limits.output_bytes / 2, link.overflow.is_some());
        let session = link.session;
        if counts {
            self.out.account(id.slot);
        }
        if long {
            return;
        }
        if overflows {
            self.out.drain_overflow(now, id.slot);
            self.out.account(id.slot);
        }
        if session != NONE {
            self.pump(now, session);
        }
    }

    /// True while the bytes of a connection are looked at; otherwise they wait for [`Effect::Resume`] or [`Effect::Move`].
    #[must_use]
    pub fn is_reading(&self, id: LinkId) -> bool {
        self.out.links.get(id.slot as usize).is_some_and(|link| match link.state {
            LinkState::Connecting | LinkState::Challenged => true,
            LinkState::Open => link.waits_until == 0,
            _ => false,
        })
    }

    /// True while reading from this client must wait: nothing is looked at, or it does not read what the server answers.
    #[must_use]
    pub fn is_paused(&self, id: LinkId) -> bool {
        let most = 2 * self.out.limits.output_bytes;
        !self.is_reading(id)
            || self
                .out
                .links
                .get(id.slot as usize)
                .is_some_and(|link| link.output.len() > most || link.held >= HELD_MOST)
    }

    /// Frees the slots of closed connections.
    pub fn finish_turn(&mut self) {
        for slot in self.closing.drain(..) {
            self.out.links.try_remove(slot as usize);
        }
    }

    /// What this shard counted.
    #[must_use]
    pub fn counters(&self) -> Counters {
        let mut counters = self.out.counters;
        counters.sessions = self.out.sessions.len() as u64;
        counters.retained = self.retained.len() as u64;
        counters.retained_bytes = self.retained.bytes() as u64;
        counters
    }

    /// Messages not delivered, by client, topic and reason.
    #[must_use]
    pub fn drops(&self) -> &Drops {
        &self.out.drops
    }

    /// The shard that owns a client identifier.
    #[must_use]
    pub fn owner(&self, client: &str) -> u8 {
        self.place.choose(client)
    }

    /// Ends a connection whose bytes broke the protocol (section 4.13).
    pub(crate) fn fail(&mut self, now: u64, slot: u32, error: impl Into<Fault>) {
        let Fault { reason, what } = error.into();
        self.out.counters.bad_packets += 1;
        self.close(now, slot, Ending::Server { reason, what });
    }

    /// Ends a connection from the server's side or after the client's end; the session goes on or ends as it should.
    pub(crate) fn close(&mut self, now: u64, slot: u32, ending: Ending) {
        let Some(link) = self.out.links.get_mut(slot as usize) else { return };
        if matches!(link.state, LinkState::Closed | LinkState::Moving) {
            return;
        }
        let was_open = matches!(link.state, LinkState::Open | LinkState::Opening);
        if let Ending::Server { reason, what } = &ending
            && link.state == LinkState::Open
            && link.is_v5()
        {
            let mut properties = Properties::default();
            properties.push(Property::ReasonString((*what).into()));
            let packet = Packet::from(Disconnect { reason: *reason, properties });
            let mut bytes = Vec::new();
            if packet.encode(link.version, &mut bytes).is_ok() && bytes.len() <= link.packet_most as usize {
                link.output.bytes().extend_from_slice(&bytes);
                self.out.counters.packets_sent += 1;
            }
        }
        link.state = LinkState::Closed;
        let login = link.login.take();
        let waits_until = core::mem::take(&mut link.waits_until);
        let session = core::mem::replace(&mut link.session, NONE);
        let id = link.id(slot);
        self.out.waiting_bytes -= core::mem::take(&mut link.waiting);
        let rest = core::mem::take(&mut link.output);
        let last = if ending == Ending::Lost { Output::default() } else { rest };
        let ring = link.overflow.take();
        let client: Option<Arc<str>> =
            self.out.sessions.get(session as usize).map(|session| session.client.clone());
        if let (Some(ring), Some(client)) = (ring, &client) {
            let Outbox { drops, counters, .. } = &mut self.out;
            for waiting in ring.messages {
                drops.count(client, waiting.message.topic(), DropReason::SlowReader, counters);
            }
        }
        self.closing.push(slot);
        self.forget_login(session, login);
        if waits_until > 0 {
            self.waking.remove(&(waits_until, id));
        }
        if was_open {
            self.out.counters.connected -= 1;
        }
        let with_will = !matches!(ending, Ending::Client(ReasonCode::Success));
        self.out.effects.push_back(Effect::Event(Event::Disconnected { link: slot, client, ending }));
        self.out.effects.push_back(Effect::Close { link: id, last });
        if session != NONE {
            self.detach(now, session, with_will);
        }
    }
}

/// A broken rule: the reason code for the wire, and plain words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) reason: ReasonCode,
    pub(crate) what: &'static str,
}

impl From<DecodeError> for Fault {
    fn from(error: DecodeError) -> Self {
        Self { reason: error.reason_code(), what: error.what() }
    }
}
