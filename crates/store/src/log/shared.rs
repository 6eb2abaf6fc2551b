//! What the writer's thread shows to others.

use super::compaction::Compaction;
use super::journal::Journal;
use super::totals::What;
use crate::{Lost, Report};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Bytes of messages that may wait for the writer before shards stop reading from their clients.
const BACKLOG_MOST: usize = 64 * 1024 * 1024;

#[derive(Debug)]
pub(super) struct Shared {
    report: Mutex<Report>,
    clock: AtomicU64,
    opened: Instant,
    /// When the clock was last told, in milliseconds since `opened`.
    ticked: AtomicU64,
    /// When the disk was asked for what it does now, in milliseconds since `opened` and one; 0 when it does nothing.
    asked: AtomicU64,
    /// Bytes of messages that shards have submitted and the writer has not taken.
    backlog: AtomicUsize,
}

impl Shared {
    pub(super) fn new(report: Report, clock: u64) -> Self {
        let (clock, asked) = (AtomicU64::new(clock), AtomicU64::new(0));
        Self {
            report: Mutex::new(report),
            clock,
            opened: Instant::now(),
            ticked: AtomicU64::new(0),
            asked,
            backlog: AtomicUsize::new(0),
        }
    }

    pub(super) fn report(&self) -> Report {
        self.lock().clone()
    }

    /// The disk is asked for something.
    pub(super) fn ask_disk(&self) {
        self.asked.store(self.uptime() + 1, Ordering::Relaxed);
    }

    /// The disk has answered.
    pub(super) fn disk_answered(&self) {
        self.asked.store(0, Ordering::Relaxed);
    }

    /// A shard submits messages of so many bytes.
    pub(super) fn submitted(&self, bytes: usize) {
        self.backlog.fetch_add(bytes, Ordering::Relaxed);
    }

    /// The writer has taken them.
    pub(super) fn taken(&self, bytes: usize) {
        self.backlog.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// More waits for the writer than should.
    pub(super) fn is_behind(&self) -> bool {
        self.backlog.load(Ordering::Relaxed) > BACKLOG_MOST
    }

    /// How long the disk has owed an answer.
    pub(super) fn waiting(&self) -> Duration {
        match self.asked.load(Ordering::Relaxed) {
            0 => Duration::ZERO,
            asked => Duration::from_millis((self.uptime() + 1).saturating_sub(asked)),
        }
    }

    fn uptime(&self) -> u64 {
        u64::try_from(self.opened.elapsed().as_millis()).unwrap_or(u64::MAX - 1)
    }

    /// The server's clock: as it was last told, and the time since.
    pub(super) fn clock(&self) -> u64 {
        let since = self.uptime().saturating_sub(self.ticked.load(Ordering::Relaxed));
        self.clock.load(Ordering::Relaxed) + since
    }

    pub(super) fn set_clock(&self, now: u64) {
        self.clock.fetch_max(now, Ordering::Relaxed);
        self.ticked.store(self.uptime(), Ordering::Relaxed);
    }

    pub(super) fn set_full(&self, full: bool) {
        self.lock().full = full;
    }

    pub(super) fn set_trouble(&self, trouble: String) {
        self.lock().trouble = Some(trouble);
    }

    /// Damage was found while the server runs.
    pub(super) fn lose(&self, count: impl FnOnce(&mut Lost)) {
        count(&mut self.lock().lost_since);
    }

    pub(super) fn set_numbers(&self, journal: &Journal, compaction: &Compaction) {
        let usage = journal.index.whole_usage();
        let mut report = self.lock();
        report.bytes = usage.bytes;
        report.live_bytes = usage.live;
        let count = |what| journal.index.totals.of(what).count;
        report.sessions = count(What::Sessions);
        report.subscriptions = count(What::Subscriptions);
        report.retained = count(What::Retained);
        report.queued = count(What::Queued);
        report.syncs = journal.syncs;
        report.mending = compaction.is_mending(journal);
    }

    fn lock(&self) -> MutexGuard<'_, Report> {
        self.report.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
