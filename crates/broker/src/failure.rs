//! Noticing that a shard's thread has ended by itself.

use crate::inbox::Inbox;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use thiserror::Error;

/// A shard's thread has ended although nobody stopped the server: its clients are served no more, and the server
/// should be stopped and started again.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("shard {shard} has ended by itself: {why}")]
pub struct ShardFailure {
    /// The shard, 0-based.
    pub shard: u8,
    /// The error, in words.
    pub why: String,
}

/// Tells whether a shard has failed; from [`Broker::watch`](crate::Broker::watch).
#[derive(Debug, Clone, Default)]
pub struct Watch {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    failure: Option<ShardFailure>,
    stopped: bool,
}

impl Watch {
    /// Waits until a shard fails. None when the server is stopped before one does.
    #[must_use]
    pub fn wait(&self) -> Option<ShardFailure> {
        let state = self.lock();
        let over = self.shared.changed.wait_while(state, |state| state.failure.is_none() && !state.stopped);
        over.unwrap_or_else(PoisonError::into_inner).failure.clone()
    }

    /// The first failure, if there was one.
    #[must_use]
    pub fn failure(&self) -> Option<ShardFailure> {
        self.lock().failure.clone()
    }

    pub(crate) fn stop(&self) {
        self.lock().stopped = true;
        self.shared.changed.notify_all();
    }

    fn fail(&self, failure: ShardFailure) {
        self.lock().failure.get_or_insert(failure);
        self.shared.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Goes with a shard's thread and is dropped with it, however it ends.
pub(crate) struct LastWords {
    shard: u8,
    inbox: Inbox,
    watch: Watch,
    why: Option<String>,
}

impl LastWords {
    /// Says "a panic" unless [`end`](Self::end) is called.
    pub(crate) fn new(shard: u8, inbox: Inbox, watch: Watch) -> Self {
        Self { shard, inbox, watch, why: Some("a panic".to_owned()) }
    }

    /// The thread came to its end: with an error, or because it was told to.
    pub(crate) fn end(mut self, why: Option<String>) {
        self.why = why;
    }
}

impl Drop for LastWords {
    fn drop(&mut self) {
        self.inbox.close();
        if let Some(why) = self.why.take() {
            let failure = ShardFailure { shard: self.shard, why };
            tracing::error!("{failure}");
            self.watch.fail(failure);
        }
    }
}
