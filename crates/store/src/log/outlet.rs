//! Answers on their way from the writer's thread to a shard.

use crate::Answer;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::task::Waker;

/// One shard's answers.
#[derive(Debug, Default)]
pub(super) struct Outlet {
    answers: Mutex<VecDeque<Answer>>,
    /// Something may be in it; looked at first, because it nearly always is empty.
    filled: AtomicBool,
    waker: OnceLock<Waker>,
}

impl Outlet {
    pub(super) fn set_waker(&self, waker: Waker) {
        // A store is started once.
        let _ = self.waker.set(waker);
    }

    /// Hands over an answer and wakes the shard.
    pub(super) fn push(&self, answer: Answer) {
        let was_empty = {
            let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
            answers.push_back(answer);
            answers.len() == 1
        };
        self.filled.store(true, Ordering::Release);
        if was_empty && let Some(waker) = self.waker.get() {
            waker.wake_by_ref();
        }
    }

    /// Takes everything that is there.
    pub(super) fn take(&self, into: &mut VecDeque<Answer>) {
        if self.filled.load(Ordering::Relaxed) && self.filled.swap(false, Ordering::AcqRel) {
            let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
            into.extend(answers.drain(..));
        }
    }
}
