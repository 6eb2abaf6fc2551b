//! What the writer's thread shows to others.

use super::compaction::Compaction;
use super::journal::Journal;
use super::totals::What;
use crate::{Lost, Report};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

#[derive(Debug, Default)]
pub(super) struct Shared {
    report: Mutex<Report>,
    clock: AtomicU64,
}

impl Shared {
    pub(super) fn new(report: Report, clock: u64) -> Self {
        Self { report: Mutex::new(report), clock: AtomicU64::new(clock) }
    }

    pub(super) fn report(&self) -> Report {
        self.lock().clone()
    }

    /// The server's clock as it was last told.
    pub(super) fn clock(&self) -> u64 {
        self.clock.load(Ordering::Relaxed)
    }

    pub(super) fn set_clock(&self, now: u64) {
        self.clock.fetch_max(now, Ordering::Relaxed);
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
        report.queued = journal.index.totals.of(What::Queued).count;
        report.syncs = journal.syncs;
        report.mending = compaction.is_mending(journal);
    }

    fn lock(&self) -> MutexGuard<'_, Report> {
        self.report.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
