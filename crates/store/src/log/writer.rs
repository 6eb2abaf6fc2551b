//! The writer's thread: takes batches from all shards, writes what has gathered while the disk was busy, and answers.

use super::LogOptions;
use super::ballast::Ballast;
use super::clock;
use super::compaction::Compaction;
use super::folder::Lock;
use super::frame::Checksum;
use super::group::Group;
use super::index::Secret;
use super::journal::Journal;
use super::outlet::Outlet;
use super::segment::FORMAT;
use super::shared::Shared;
use super::side::{Mark, Side};
use super::totals::What;
use crate::Answer;
use darter_codec::record::{Batch, Change, SessionNumber};
use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError};
use std::time::{Duration, Instant};

/// What a shard wants.
#[derive(Debug)]
pub(super) enum Job {
    Submit { shard: usize, batch: Batch, changes: Vec<Change>, bytes: usize },
    Load { shard: usize, session: SessionNumber, from: u64, limit: usize },
}

/// A question for rows, and how often the disk could not read them.
#[derive(Debug)]
struct Load {
    shard: usize,
    session: SessionNumber,
    from: u64,
    limit: usize,
    tries: u32,
}

/// A disk that failed is tried again after this time.
const RETRY: Duration = Duration::from_secs(1);
/// How often the ballast is tried to be written again.
const BALLAST_RETRY: Duration = Duration::from_secs(2);
/// How often the clock is noted while nothing else happens.
const CLOCK_INTERVAL: Duration = Duration::from_secs(60);
/// Changes that are written together at most.
const GROUP: usize = 100_000;
/// Bytes of messages that are written together at most, but for one batch.
const GROUP_BYTES: usize = 32 * 1024 * 1024;
/// Bytes that may wait for a disk that fails before nothing more is taken from the shards.
const WAITING_MOST: usize = 512 * 1024 * 1024;
/// How often rows that the disk cannot read are tried again before they are given up.
const READ_TRIES: u32 = 10;
/// Bytes that may wait for the next sync.
const UNSYNCED: usize = 8 * 1024 * 1024;
/// How often a disk that fails is tried at the end before the server stops without it.
const LAST_TRIES: u32 = 5;

#[derive(Debug)]
pub(super) struct Writer {
    pub(super) journal: Journal,
    pub(super) compaction: Compaction,
    pub(super) side: Side,
    pub(super) secret: Secret,
    pub(super) checksum: Checksum,
    pub(super) ballast: Ballast,
    pub(super) jobs: Receiver<Job>,
    pub(super) outlets: Vec<Arc<Outlet>>,
    pub(super) shared: Arc<Shared>,
    pub(super) options: LogOptions,
    pub(super) state: State,
    /// Given back when the thread ends.
    #[expect(dead_code, reason = "held, not read")]
    pub(super) lock: Lock,
}

/// What the writer has to do.
#[derive(Debug)]
pub(super) struct State {
    group: Group,
    /// Questions that wait for the disk to read again, and until when.
    loads: VecDeque<Load>,
    loads_due: Option<Instant>,
    /// The last batch of each shard, not yet answered.
    batches: Vec<Option<u64>>,
    /// Something waits for the disk.
    awaited: bool,
    last_sync: Instant,
    last_mark: Instant,
    failed: Option<Instant>,
    /// What the shards were told.
    full: bool,
    ballast_due: Instant,
    closed: bool,
}

impl State {
    pub(super) fn new(shards: usize) -> Self {
        let now = Instant::now();
        Self {
            group: Group::default(),
            loads: VecDeque::new(),
            loads_due: None,
            batches: vec![None; shards],
            awaited: false,
            last_sync: now,
            last_mark: now,
            failed: None,
            full: false,
            ballast_due: now,
            closed: false,
        }
    }
}

impl Writer {
    /// Writes until every shard's store is gone, and everything is on the disk.
    pub(super) fn run(mut self) {
        let alarm = Alarm { shared: self.shared.clone(), outlets: self.outlets.clone() };
        self.work();
        self.end();
        drop(alarm);
    }

    fn work(&mut self) {
        let mut tries = 0;
        loop {
            self.gather();
            self.state.group.write(&mut self.journal);
            self.shared.ask_disk();
            self.compact();
            self.journal.finish_frame();
            self.flush();
            self.shared.disk_answered();
            self.load_again();
            self.care_for_ballast();
            self.note();
            if self.state.closed {
                let done = self.journal.unsynced() == 0 && self.state.group.is_empty();
                tries += 1;
                if done || tries > LAST_TRIES {
                    break;
                }
                self.state.awaited = true;
            }
        }
    }

    /// Takes what shards want, waiting for it when there is nothing else to do.
    fn gather(&mut self) {
        let wait = self.patience();
        if self.journal.unsynced() > WAITING_MOST {
            std::thread::park_timeout(wait.unwrap_or(RETRY));
            return;
        }
        let first = match wait {
            Some(Duration::ZERO) => self.jobs.try_recv().map_err(|error| error == TryRecvError::Disconnected),
            Some(wait) => {
                self.jobs.recv_timeout(wait).map_err(|error| error == RecvTimeoutError::Disconnected)
            }
            None => self.jobs.recv().map_err(|_| true),
        };
        let mut job = match first {
            Ok(job) => Some(job),
            Err(closed) => {
                self.state.closed |= closed;
                if closed && self.state.failed.is_some() {
                    // Nobody is left who could bring work; the disk gets its time all the same.
                    std::thread::park_timeout(RETRY);
                }
                None
            }
        };
        while let Some(one) = job {
            self.take(one);
            let room = self.state.group.len() < GROUP && self.state.group.bytes() < GROUP_BYTES;
            job = if room { self.jobs.try_recv().ok() } else { None };
        }
    }

    fn take(&mut self, job: Job) {
        match job {
            Job::Submit { shard, batch, changes, bytes } => {
                self.shared.taken(bytes);
                changes.into_iter().for_each(|change| self.state.group.add(change));
                self.state.batches[shard] = Some(batch.number);
                self.state.awaited |= batch.awaited;
            }
            Job::Load { shard, session, from, limit } => {
                // It sees what was submitted before it and no more.
                self.state.group.write(&mut self.journal);
                self.load(Load { shard, session, from, limit, tries: 0 });
            }
        }
    }

    /// How long the thread may sleep if nobody wants anything. None: until somebody does.
    fn patience(&self) -> Option<Duration> {
        let state = &self.state;
        if let Some(failed) = state.failed {
            return Some(RETRY.saturating_sub(failed.elapsed()).max(Duration::from_millis(1)));
        }
        if self.is_compaction_due() || self.compaction.emptied.is_some() {
            return Some(Duration::ZERO);
        }
        let sync = (self.journal.unsynced() > 0)
            .then(|| self.options.sync_interval.saturating_sub(state.last_sync.elapsed()));
        let ballast =
            (!self.ballast.is_present()).then(|| state.ballast_due.saturating_duration_since(Instant::now()));
        let clock = CLOCK_INTERVAL.saturating_sub(state.last_mark.elapsed());
        let loads = state.loads_due.map(|due| due.saturating_duration_since(Instant::now()));
        [sync, ballast, loads, Some(clock)]
            .into_iter()
            .flatten()
            .min()
            .map(|wait| wait.max(Duration::from_millis(1)))
    }

    fn is_compaction_due(&self) -> bool {
        self.compaction.is_due(&self.journal, self.options.segment_bytes, self.state.full)
    }

    fn compact(&mut self) {
        if self.state.failed.is_some() || !self.is_compaction_due() {
            return;
        }
        if let Err(error) = self.compaction.go_on(&mut self.journal, self.checksum) {
            self.fail(&error);
        }
    }

    /// Brings what was appended to the disk, if somebody waits for it or it has waited long enough.
    fn flush(&mut self) {
        if self.state.failed.is_some_and(|at| at.elapsed() < RETRY) {
            return;
        }
        let due = self.state.awaited
            || self.state.closed
            || self.state.failed.is_some()
            || self.compaction.emptied.is_some()
            || self.journal.unsynced() > UNSYNCED
            || self.state.last_sync.elapsed() >= self.options.sync_interval;
        let mut outcome = if due { self.journal.sync() } else { self.journal.write() };
        if let Err(error) = &outcome
            && is_no_room(error)
            && self.ballast.give_up()
        {
            self.shared.set_trouble(error.to_string());
            self.tell_full(true);
            outcome = if due { self.journal.sync() } else { self.journal.write() };
        }
        match outcome {
            Ok(()) if due => self.after_sync(),
            Ok(()) => {}
            Err(error) => {
                if !is_no_room(&error) {
                    self.journal.leave_segment();
                }
                self.fail(&error);
            }
        }
    }

    fn after_sync(&mut self) {
        self.state.failed = None;
        self.state.last_sync = Instant::now();
        self.state.awaited = false;
        self.mark();
        for (outlet, batch) in self.outlets.iter().zip(&mut self.state.batches) {
            if let Some(batch) = batch.take() {
                outlet.push(Answer::Committed(batch));
            }
        }
        if self.ballast.is_present() {
            self.tell_full(false);
        }
        match self.compaction.delete_emptied(&mut self.journal) {
            Ok(lost) => self.shared.lose(|sum| {
                sum.sessions += lost[What::Sessions as usize];
                sum.subscriptions += lost[What::Subscriptions as usize];
                sum.retained += lost[What::Retained as usize];
                sum.queued += lost[What::Queued as usize];
                sum.other += lost[What::Other as usize];
            }),
            Err(error) => self.fail(&error),
        }
    }

    fn fail(&mut self, error: &io::Error) {
        self.state.failed = Some(Instant::now());
        self.shared.set_trouble(error.to_string());
        self.tell_full(true);
    }

    fn tell_full(&mut self, full: bool) {
        if std::mem::replace(&mut self.state.full, full) == full {
            return;
        }
        self.shared.set_full(full);
        for outlet in &self.outlets {
            outlet.push(Answer::Full(full));
        }
    }

    /// Writes the ballast again when there may be room for it.
    fn care_for_ballast(&mut self) {
        if self.ballast.is_present() || self.state.failed.is_some() || self.state.ballast_due > Instant::now()
        {
            return;
        }
        self.state.ballast_due = Instant::now() + BALLAST_RETRY;
        if !self.ballast.may_fit() {
            return self.tell_full(true);
        }
        match self.ballast.restore() {
            Ok(()) => self.tell_full(false),
            Err(error) => {
                self.shared.set_trouble(error.to_string());
                self.tell_full(true);
            }
        }
    }

    /// Answers a question, or puts it behind those that wait for the disk to read again.
    fn load(&mut self, load: Load) {
        if !self.state.loads.is_empty() || !self.try_load(&load) {
            self.state.loads_due.get_or_insert_with(|| Instant::now() + RETRY);
            self.state.loads.push_back(load);
        }
    }

    /// Tries again what the disk could not read.
    fn load_again(&mut self) {
        if self.state.loads_due.is_none_or(|due| Instant::now() < due) {
            return;
        }
        self.state.loads_due = None;
        while let Some(mut load) = self.state.loads.pop_front() {
            load.tries += 1;
            if !self.try_load(&load) {
                self.state.loads.push_front(load);
                self.state.loads_due = Some(Instant::now() + RETRY);
                return;
            }
        }
    }

    /// False when the disk could not read, and may the next time.
    fn try_load(&mut self, load: &Load) -> bool {
        let Load { shard, session, from, limit, tries } = *load;
        let page = self.journal.page(self.checksum, session, from, limit);
        if let Some(error) = &page.error {
            self.shared.set_trouble(error.to_string());
            if tries < READ_TRIES {
                return false;
            }
        }
        for sequence in &page.unreadable {
            self.state.group.add(Change::Removed { session, sequence: *sequence });
        }
        if !page.unreadable.is_empty() {
            self.shared.lose(|lost| lost.queued += page.unreadable.len() as u64);
        }
        self.outlets[shard].push(Answer::Loaded { session, rows: page.rows, through: page.through });
        true
    }

    /// Notes the clock when nothing else made it be noted.
    fn note(&mut self) {
        self.shared.set_numbers(&self.journal, &self.compaction);
        if self.state.last_mark.elapsed() >= CLOCK_INTERVAL && self.journal.unsynced() == 0 {
            self.mark();
        }
    }

    fn mark(&mut self) {
        self.state.last_mark = Instant::now();
        let mark = Mark {
            format: FORMAT,
            secret: self.secret,
            serial: 0,
            next_record: self.journal.next_record,
            totals: self.journal.index.totals,
            clock: self.shared.clock(),
            wall: clock::wall(),
        };
        // It helps to find out what damage has cost; nothing that was acknowledged hangs on it. The next one tries again.
        let _ = self.side.write(mark);
    }

    fn end(&mut self) {
        if self.journal.unsynced() == 0 {
            self.mark();
        }
        let _ = self.side.sync();
        self.shared.set_numbers(&self.journal, &self.compaction);
        if self.journal.unsynced() > 0 {
            self.shared.set_trouble("the disk could not be written at the end".to_owned());
        }
    }
}

/// Tells everybody when the thread ends by a panic: nothing is acknowledged any more.
struct Alarm {
    shared: Arc<Shared>,
    outlets: Vec<Arc<Outlet>>,
}

impl Drop for Alarm {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.shared
                .set_trouble("the store has failed, which is a defect of darter: start it again".to_owned());
            self.shared.set_full(true);
            self.outlets.iter().for_each(|outlet| outlet.push(Answer::Full(true)));
        }
    }
}

fn is_no_room(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}
