//! What the history's thread and those who ask it share.

use super::catalogue::Catalogue;
use super::options::HistoryOptions;
use super::report::Counters;
use super::ring::Ring;
use std::sync::atomic::AtomicUsize;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How far the history's thread is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    /// It looks at the files of earlier runs.
    Opening,
    /// Questions can be answered.
    Ready,
    /// It writes no more.
    Ended,
}

/// Everything that more than one thread sees. Locks are held to look something up, never while the disk works.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) options: HistoryOptions,
    pub(super) counters: Counters,
    /// Bytes of the points that wait.
    pub(super) queued_bytes: AtomicUsize,
    catalogue: Mutex<Catalogue>,
    ring: Mutex<Ring>,
    stage: Mutex<Stage>,
    changed: Condvar,
}

impl Shared {
    pub(super) fn new(options: HistoryOptions) -> Self {
        Self {
            counters: Counters::default(),
            queued_bytes: AtomicUsize::new(0),
            catalogue: Mutex::new(Catalogue::new(&options)),
            ring: Mutex::new(Ring::new(&options)),
            stage: Mutex::new(Stage::Opening),
            changed: Condvar::new(),
            options,
        }
    }

    /// What is known of the files.
    pub(super) fn catalogue(&self) -> MutexGuard<'_, Catalogue> {
        lock(&self.catalogue)
    }

    /// The points in memory.
    pub(super) fn ring(&self) -> MutexGuard<'_, Ring> {
        lock(&self.ring)
    }

    /// Files of earlier runs have been looked at, or never will be.
    pub(super) fn set_ready(&self) {
        self.set(Stage::Ready);
    }

    /// The history's thread writes no more.
    pub(super) fn set_ended(&self) {
        self.set(Stage::Ended);
    }

    /// Waits until questions can be answered.
    pub(super) fn wait_until_ready(&self) {
        let stage = lock(&self.stage);
        let ready = self.changed.wait_while(stage, |stage| *stage < Stage::Ready);
        drop(ready.unwrap_or_else(PoisonError::into_inner));
    }

    /// Waits until the history's thread writes no more. False when the time is over before.
    pub(super) fn wait_until_ended(&self, patience: Duration) -> bool {
        let stage = lock(&self.stage);
        let ended = self.changed.wait_timeout_while(stage, patience, |stage| *stage < Stage::Ended);
        *ended.unwrap_or_else(PoisonError::into_inner).0 == Stage::Ended
    }

    fn set(&self, stage: Stage) {
        let mut now = lock(&self.stage);
        *now = stage.max(*now);
        self.changed.notify_all();
    }
}

/// A thread that died while it held the lock leaves no half-done change that matters.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
