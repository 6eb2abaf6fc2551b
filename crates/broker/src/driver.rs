//! One shard's thread: a hand-written loop around the poller. Every system call for clients is made here.

mod accepting;
mod following;
mod lingering;
mod logins;
mod reading;
mod storing;
mod telling;

use crate::auth::LoginPool;
use crate::clock::Clock;
use crate::conn::Conn;
use crate::inbox::{Inbox, Item, Seen};
use crate::large::Pool;
use crate::recorder::Recorder;
use crate::refusals::{Moderation, Refusals};
use crate::status::{ShardStatus, Status, StatusTopics};
use crate::trace::Trace;
pub(crate) use accepting::Door;
use darter_codec::ReasonCode;
use darter_codec::record::Change;
use darter_engine::{Effect, LinkId, SessionsSeen, Shard};
use darter_net::Peer;
use darter_store::{Answer, Keeper, Store};
use lingering::Lingering;
use mio::{Events, Poll, Token};
use reading::BUFFER;
pub(crate) use reading::READ_SIZE;
use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::time::Duration;

/// Tokens: the slots of connections from 0 on, then connections on their way out, then the listeners, then the waker.
const LINGERING: usize = 1 << (usize::BITS - 3);
const LISTENERS: usize = 1 << (usize::BITS - 2);
pub(crate) const WAKER: Token = Token(1 << (usize::BITS - 1));

/// Connections accepted in one turn of each listener.
const ACCEPTS: usize = 256;
/// How long nothing is accepted when the system has no more files for it, in milliseconds.
const ACCEPT_PAUSE: u64 = 100;
/// How often the log says so, in milliseconds.
const COMPLAINT_PAUSE: u64 = 10_000;
/// How old the numbers that other threads see may be, in milliseconds.
const REPORT_PAUSE: u64 = 100;
/// How long buffers for large packets are kept unused, in milliseconds; twice as long at most.
const BUFFER_REST: u64 = 10_000;
/// Bytes of messages from other shards that are worked off in one turn, so that this shard's clients get theirs.
const BACKLOG_SHARE: usize = 256 * 1024;
/// How long a shard waits for another one that is behind, in milliseconds.
const CONGESTION_PAUSE: u64 = 1;
/// Places for sessions that are looked at for one question.
const SESSIONS_LOOKED_AT: usize = 1024;
/// Room for this many items stays in the shard's end of its inbox.
const ITEMS_KEPT: usize = 1024;

/// What a shard's thread starts with.
pub(crate) struct Driver {
    pub(crate) index: u8,
    pub(crate) poll: Poll,
    pub(crate) shard: Shard,
    pub(crate) store: Box<dyn Store>,
    pub(crate) keeper: Arc<dyn Keeper>,
    pub(crate) doors: Vec<Door>,
    pub(crate) inboxes: Vec<Inbox>,
    pub(crate) pool: Arc<LoginPool>,
    pub(crate) status: Arc<ShardStatus>,
    pub(crate) topics: Option<StatusTopics>,
    pub(crate) recorder: Recorder,
    pub(crate) refusals: Refusals,
    pub(crate) clock: Clock,
}

/// The thread's own state while it runs.
struct Running {
    driver: Driver,
    now: u64,
    conns: Vec<Option<Conn>>,
    buffer: Vec<u8>,
    large: Pool,
    /// Connections to read from again although nothing new was reported.
    ready: VecDeque<LinkId>,
    lingering: slab::Slab<Lingering>,
    /// Those of them from which more can be read at once.
    flooding: Vec<usize>,
    /// Empty between two turns; the inbox gets its memory back.
    items: Vec<Item>,
    /// Taken out of the inbox and not yet worked off.
    backlog: VecDeque<Item>,
    /// Bytes read since other shards were last sent what is for them.
    unsent_for: usize,
    outgoing: Vec<Vec<Item>>,
    changes: Vec<Change>,
    accept_after: Option<u64>,
    complain_after: u64,
    /// How many refusals are told.
    moderation: Moderation,
    /// Clients that somebody follows.
    traces: Vec<Trace>,
    stopping: bool,
    /// The disk has not answered for long, and that was said.
    stalled: bool,
    /// When buffers for large packets are looked at; none when there are none.
    buffers_due: Option<u64>,
    /// When numbers may be reported next, and whether there are any that were not.
    report_due: u64,
    unreported: bool,
    status: Status,
}

impl Driver {
    /// Serves until it is told to stop.
    pub(crate) fn run(self) -> io::Result<()> {
        let shards = self.inboxes.len();
        let mut running = Running {
            now: 0,
            conns: Vec::new(),
            buffer: vec![0; BUFFER],
            large: Pool::default(),
            ready: VecDeque::new(),
            lingering: slab::Slab::new(),
            flooding: Vec::new(),
            items: Vec::new(),
            backlog: VecDeque::new(),
            unsent_for: 0,
            outgoing: (0..shards).map(|_| Vec::new()).collect(),
            changes: Vec::new(),
            accept_after: None,
            complain_after: 0,
            moderation: Moderation::default(),
            traces: Vec::new(),
            stopping: false,
            stalled: false,
            buffers_due: None,
            report_due: 0,
            unreported: true,
            status: Status::default(),
            driver: self,
        };
        for (index, door) in running.driver.doors.iter_mut().enumerate() {
            door.listener.register(running.driver.poll.registry(), Token(LISTENERS + index))?;
        }
        running.serve()
    }
}

impl Running {
    fn serve(&mut self) -> io::Result<()> {
        let mut events = Events::with_capacity(1024);
        loop {
            match self.driver.poll.poll(&mut events, self.timeout()) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            }
            self.read_clock();
            for _ in 0..self.ready.len() {
                if let Some(id) = self.ready.pop_front() {
                    self.read_listed(id);
                }
            }
            self.work_off();
            self.linger_on();
            for event in &events {
                match event.token() {
                    WAKER => self.read_inbox(),
                    Token(token) if token >= LISTENERS => self.accept(token - LISTENERS),
                    Token(token) if token >= LINGERING => self.linger(token - LINGERING),
                    Token(slot) => self.conn_event(slot, event),
                }
                self.write_pressing();
            }
            self.work_off();
            self.on_time();
            self.finish_turn();
            if self.stopping {
                self.settle();
                return Ok(());
            }
        }
    }

    fn timeout(&self) -> Option<Duration> {
        if !self.backlog.is_empty() || !self.flooding.is_empty() {
            return Some(Duration::ZERO);
        }
        if !self.ready.is_empty() {
            return Some(Duration::from_millis(if self.is_congested() { CONGESTION_PAUSE } else { 0 }));
        }
        let deadlines = [
            self.driver.shard.next_timeout(),
            self.lingering_timeout(),
            self.accept_after,
            self.driver.topics.as_ref().map(StatusTopics::next),
            self.buffers_due,
            self.unreported.then_some(self.report_due),
        ];
        let next = deadlines.into_iter().flatten().min()?;
        Some(Duration::from_millis((next + 1).saturating_sub(self.driver.clock.now())))
    }

    fn read_clock(&mut self) {
        self.now = self.driver.clock.now();
    }

    fn conn_event(&mut self, slot: usize, event: &mio::event::Event) {
        let Some(Some(conn)) = self.conns.get_mut(slot) else { return };
        let link = conn.link;
        conn.ending |= event.is_read_closed() || event.is_error();
        if event.is_writable() && conn.blocked {
            conn.blocked = false;
            self.write(link);
        }
        if event.is_readable() || event.is_read_closed() || event.is_error() {
            self.read_unlisted(link);
        }
    }

    fn conn(&mut self, id: LinkId) -> Option<&mut Conn> {
        self.conns.get_mut(id.slot as usize)?.as_mut().filter(|conn| conn.link == id)
    }

    /// Where the client of a connection is.
    fn peer(&self, slot: u32) -> Option<Peer> {
        self.conns.get(slot as usize)?.as_ref().map(|conn| conn.stream.peer())
    }

    fn write(&mut self, id: LinkId) {
        let Some(Some(conn)) = self.conns.get_mut(id.slot as usize) else { return };
        if conn.blocked || conn.link != id {
            return;
        }
        let Some(output) = self.driver.shard.output(id) else { return };
        match conn.write(output) {
            Ok(count) => {
                self.status.bytes_sent += count as u64;
                self.driver.shard.written(self.now, id);
                if conn.paused && !self.driver.shard.is_paused(id) {
                    conn.paused = false;
                    self.read_again(id);
                }
            }
            Err(_) => self.driver.shard.lost(self.now, id),
        }
    }

    fn write_pressing(&mut self) {
        while let Some(id) = self.driver.shard.poll_pressing() {
            self.write(id);
        }
    }

    fn on_time(&mut self) {
        if self.driver.shard.next_timeout().is_some_and(|at| at <= self.now) {
            self.driver.shard.handle_timeout(self.now);
        }
        if self.accept_after.is_some_and(|at| at <= self.now) {
            self.accept_after = None;
            for door in 0..self.driver.doors.len() {
                self.accept(door);
            }
        }
        self.end_lingering();
        if self.buffers_due.is_some_and(|at| at <= self.now) {
            self.buffers_due = self.large.rest().then_some(self.now + BUFFER_REST);
        }
        if self.driver.topics.as_ref().is_some_and(|topics| topics.next() <= self.now) {
            self.report();
        }
        if let Some(topics) = &mut self.driver.topics {
            let shard = &mut self.driver.shard;
            let uptime = self.driver.clock.uptime();
            topics.publish_due(self.now, uptime, |now, message| shard.publish_message(now, message));
        }
    }

    /// Stores, releases, sends and writes until nothing is left to do.
    fn finish_turn(&mut self) {
        loop {
            self.settle();
            let mut any = false;
            while let Some(id) = self.driver.shard.poll_dirty() {
                any = true;
                self.write(id);
            }
            if !any {
                break;
            }
        }
        self.send_outgoing();
        self.driver.recorder.take(&mut self.driver.shard);
        self.driver.shard.finish_turn();
        self.unreported = true;
        if self.report_due <= self.now {
            self.report();
        }
    }

    fn send_outgoing(&mut self) {
        self.unsent_for = 0;
        for (shard, items) in self.outgoing.iter_mut().enumerate() {
            self.driver.inboxes[shard].send(items);
        }
    }

    /// Shows the numbers to other threads.
    fn report(&mut self) {
        self.report_due = self.now + REPORT_PAUSE;
        self.unreported = false;
        self.driver.keeper.tick(self.now);
        if self.driver.index == 0 {
            self.watch_disk();
        }
        self.status.counters = self.driver.shard.counters();
        self.driver.status.report(self.status);
    }

    fn settle(&mut self) {
        loop {
            let mut any = false;
            self.submit();
            while let Some(answer) = self.driver.store.poll() {
                any = true;
                match answer {
                    Answer::Committed(batch) => self.driver.shard.handle_committed(self.now, batch),
                    Answer::Full(full) => self.handle_full(full),
                    Answer::Loaded { session, rows, through } => {
                        self.driver.shard.handle_loaded(self.now, session, rows, through);
                    }
                }
            }
            while let Some(effect) = self.driver.shard.poll_effect() {
                any = true;
                self.perform(effect);
            }
            if !any {
                return;
            }
        }
    }

    fn perform(&mut self, effect: Effect) {
        match effect {
            Effect::Authenticate { link, connect } => {
                self.follow_new(link, &connect);
                self.authenticate(link, &connect);
            }
            Effect::Continue { link, data } => self.go_on(link, &data),
            Effect::AuthenticateAnew { link, connect, data } => self.authenticate_anew(link, &connect, &data),
            Effect::Move { link, shard } => self.move_socket(link, shard),
            Effect::Resume { link } => {
                self.resume(link);
                if let Some(conn) = self.conn(link)
                    && std::mem::take(&mut conn.paused)
                {
                    self.read_again(link);
                }
            }
            Effect::Close { link, last } => self.close(link, last),
            Effect::Load { session, from, limit } => {
                // The store shall also read what was queued since this turn's batch.
                self.submit();
                self.driver.store.load(session, from, limit);
            }
            Effect::Peer { shard, item } => {
                self.outgoing[usize::from(shard)].push(Item::Peer { from: self.driver.index, item });
            }
            Effect::Event(event) => self.tell(&event),
        }
    }

    fn move_socket(&mut self, link: LinkId, shard: u8) {
        let Some(mut conn) = self.take_conn(link) else { return };
        if conn.stream.deregister(self.driver.poll.registry()).is_ok() {
            let item = Item::Socket { stream: conn.stream, entry: conn.entry, input: conn.input };
            self.outgoing[usize::from(shard)].push(item);
        }
    }

    fn take_conn(&mut self, link: LinkId) -> Option<Conn> {
        self.conns.get_mut(link.slot as usize)?.take_if(|conn| conn.link == link)
    }

    fn read_inbox(&mut self) {
        let mut items = std::mem::take(&mut self.items);
        self.driver.inboxes[usize::from(self.driver.index)].take(&mut items);
        self.backlog.extend(items.drain(..));
        items.shrink_to(ITEMS_KEPT);
        self.items = items;
    }

    /// Works off what other threads handed over, within its share of a turn.
    fn work_off(&mut self) {
        let mut size = 0;
        while size < BACKLOG_SHARE
            && let Some(item) = self.backlog.pop_front()
        {
            size += self.driver.inboxes[usize::from(self.driver.index)].begin(&item);
            match item {
                Item::Peer { from, item } => self.driver.shard.handle_peer(self.now, from, item),
                Item::Socket { stream, entry, input } => self.add(stream, entry, input),
                Item::Verdict { link, verdict } => self.decide(link, verdict),
                Item::Publish(message) => self.driver.shard.publish_message(self.now, &message),
                Item::Drops { answer } => {
                    // Nobody waits any more: then nobody wants to know.
                    let _ = answer.send(self.driver.shard.drops().iter().collect());
                }
                Item::Sessions { prefix, from, answer } => {
                    let _ = answer.send(self.sessions_seen(&prefix, from));
                }
                Item::Policy(policy) => self.driver.shard.set_policy(policy),
                Item::Trace(trace) => self.follow(trace),
                Item::Shutdown { reason } => self.shut_down(reason),
            }
            self.write_pressing();
        }
        if self.backlog.is_empty() {
            self.backlog.shrink_to(ITEMS_KEPT);
        }
    }

    /// A few at a time, so that clients do not wait for somebody's curiosity.
    fn sessions_seen(&self, prefix: &str, from: usize) -> Seen {
        let SessionsSeen { sessions, next } = self.driver.shard.sessions(prefix, from, SESSIONS_LOOKED_AT);
        let located = sessions.into_iter().map(|session| {
            let peer = session.link.and_then(|slot| self.peer(slot));
            (session, peer)
        });
        (located.collect(), next)
    }

    /// Too much is under way to the disk or to another shard. That drains without this one's clients, so they may wait for it.
    fn is_congested(&self) -> bool {
        self.driver.store.is_behind()
            || (self.driver.inboxes.len() > 1 && self.driver.inboxes.iter().any(Inbox::is_full))
    }

    fn shut_down(&mut self, reason: ReasonCode) {
        self.driver.shard.close_all(self.now, reason, "the server is shutting down");
        self.stopping = true;
    }
}
