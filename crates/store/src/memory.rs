//! A store that keeps everything in memory and answers at once.

use crate::queue::Queue;
use crate::{Answer, Store};
use darter_codec::record::{Batch, Change, QueueRow, SessionNumber};
use std::collections::{HashMap, VecDeque};

/// Queues in memory. Sessions, subscriptions and retained messages need no second copy of what the server knows already.
#[derive(Debug, Default)]
pub struct MemoryStore {
    queues: HashMap<SessionNumber, Queue<QueueRow>>,
    answers: VecDeque<Answer>,
}

impl MemoryStore {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether a row stands here.
    pub(crate) fn holds(&self, session: SessionNumber, sequence: u64) -> bool {
        self.queues.get(&session).is_some_and(|queue| queue.row(sequence).is_some())
    }

    /// Forgets a session's rows.
    pub(crate) fn forget(&mut self, session: SessionNumber) {
        self.queues.remove(&session);
    }

    /// At most `limit` rows of a queue from `from` on, and the sequence after the last one looked at.
    pub(crate) fn page(
        &self,
        session: SessionNumber,
        from: u64,
        limit: usize,
    ) -> (Vec<(u64, QueueRow)>, u64) {
        let page = self.queues.get(&session).map(|queue| queue.page(from, limit));
        page.unwrap_or((Vec::new(), u64::MAX))
    }

    pub(crate) fn apply(&mut self, change: Change) {
        match change {
            Change::Queued { session, sequence, row, .. } => {
                self.queues.entry(session).or_default().put(sequence, row);
            }
            Change::Moved { session, sequence, state } => {
                if let Some(row) = self.queues.get_mut(&session).and_then(|queue| queue.row_mut(sequence)) {
                    row.state = state;
                }
            }
            Change::Removed { session, sequence } => {
                if let Some(queue) = self.queues.get_mut(&session) {
                    queue.remove(sequence);
                    if queue.is_empty() {
                        self.queues.remove(&session);
                    }
                }
            }
            Change::SessionEnded { session, .. } => {
                self.queues.remove(&session);
            }
            Change::Session { .. }
            | Change::Left { .. }
            | Change::Subscribed { .. }
            | Change::Unsubscribed { .. }
            | Change::Incoming { .. }
            | Change::IncomingReleased { .. }
            | Change::Retained { .. }
            | Change::RetainedCleared { .. }
            | Change::Will { .. }
            | Change::WillCleared { .. } => {}
        }
    }
}

impl Store for MemoryStore {
    fn submit(&mut self, batch: Batch, changes: &mut Vec<Change>) {
        for change in changes.drain(..) {
            self.apply(change);
        }
        self.answers.push_back(Answer::Committed(batch.number));
    }

    fn load(&mut self, session: SessionNumber, from: u64, limit: usize) {
        let (rows, through) = self.page(session, from, limit);
        self.answers.push_back(Answer::Loaded { session, rows, through });
    }

    fn poll(&mut self) -> Option<Answer> {
        self.answers.pop_front()
    }
}
