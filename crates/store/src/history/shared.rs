//! What the history's thread and those who ask it share.

use super::catalogue::Catalogue;
use super::options::HistoryOptions;
use super::report::Counters;
use super::ring::Ring;
use std::sync::atomic::AtomicUsize;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// Everything that more than one thread sees. Locks are held to look something up, never while the disk works.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) options: HistoryOptions,
    pub(super) counters: Counters,
    /// Bytes of the points that wait.
    pub(super) queued_bytes: AtomicUsize,
    catalogue: Mutex<Catalogue>,
    ring: Mutex<Ring>,
    ready: Mutex<bool>,
    is_ready: Condvar,
}

impl Shared {
    pub(super) fn new(options: HistoryOptions) -> Self {
        Self {
            counters: Counters::default(),
            queued_bytes: AtomicUsize::new(0),
            catalogue: Mutex::new(Catalogue::new(&options)),
            ring: Mutex::new(Ring::new(&options)),
            ready: Mutex::new(false),
            is_ready: Condvar::new(),
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
        *lock(&self.ready) = true;
        self.is_ready.notify_all();
    }

    /// Waits until questions can be answered.
    pub(super) fn wait_until_ready(&self) {
        let mut ready = lock(&self.ready);
        while !*ready {
            ready = self.is_ready.wait(ready).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// A thread that died while it held the lock leaves no half-done change that matters.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
