//! A store that keeps everything in memory and answers at once.

use crate::{Answer, Store};
use darter_codec::record::{Change, QueueRow, RowState, SessionNumber};
use std::collections::{HashMap, VecDeque};

/// Queues in memory. Sessions, subscriptions and retained messages need no second copy of what the server knows already.
#[derive(Debug, Default)]
pub struct MemoryStore {
    queues: HashMap<SessionNumber, Queue>,
    answers: VecDeque<Answer>,
}

/// Rows with ascending sequences; a removed row leaves a gap until it is the first.
#[derive(Debug, Default)]
struct Queue {
    /// Sequence of the first row.
    first: u64,
    rows: VecDeque<Option<QueueRow>>,
}

impl Queue {
    fn push(&mut self, sequence: u64, row: QueueRow) {
        if self.rows.is_empty() {
            self.first = sequence;
        }
        if self.rows.len() == self.rows.capacity() {
            // A quarter more at a time: queues are long-lived and mostly memory.
            self.rows.reserve_exact((self.rows.len() / 4).max(4));
        }
        self.rows.push_back(Some(row));
    }

    fn slot(&mut self, sequence: u64) -> Option<&mut Option<QueueRow>> {
        let index = usize::try_from(sequence.checked_sub(self.first)?).ok()?;
        self.rows.get_mut(index)
    }

    fn remove(&mut self, sequence: u64) {
        if let Some(slot) = self.slot(sequence) {
            *slot = None;
        }
        while let Some(None) = self.rows.front() {
            self.rows.pop_front();
            self.first += 1;
        }
        if self.rows.capacity() > 64 && self.rows.len() < self.rows.capacity() / 4 {
            self.rows.shrink_to(self.rows.len() * 2);
        }
    }

    fn set_state(&mut self, sequence: u64, state: RowState) {
        if let Some(Some(row)) = self.slot(sequence) {
            row.state = state;
        }
    }

    fn page(&self, from: u64, limit: usize) -> (Vec<(u64, QueueRow)>, u64) {
        let start = usize::try_from(from.saturating_sub(self.first)).unwrap_or(usize::MAX);
        let mut rows = Vec::new();
        let mut through = from.max(self.first);
        for (sequence, row) in (through..).zip(self.rows.iter().skip(start)) {
            if rows.len() >= limit {
                break;
            }
            through = sequence + 1;
            if let Some(row) = row {
                rows.push((sequence, row.clone()));
            }
        }
        (rows, through)
    }
}

impl MemoryStore {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn apply(&mut self, change: Change) {
        match change {
            Change::Queued { session, sequence, row, .. } => {
                self.queues.entry(session).or_default().push(sequence, row);
            }
            Change::Moved { session, sequence, state } => {
                if let Some(queue) = self.queues.get_mut(&session) {
                    queue.set_state(sequence, state);
                }
            }
            Change::Removed { session, sequence } => {
                if let Some(queue) = self.queues.get_mut(&session) {
                    queue.remove(sequence);
                    if queue.rows.is_empty() {
                        self.queues.remove(&session);
                    }
                }
            }
            Change::SessionEnded { session, .. } => {
                self.queues.remove(&session);
            }
            Change::Session { .. }
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
    fn submit(&mut self, batch: u64, changes: &mut Vec<Change>) {
        for change in changes.drain(..) {
            self.apply(change);
        }
        self.answers.push_back(Answer::Committed(batch));
    }

    fn load(&mut self, session: SessionNumber, from: u64, limit: usize) {
        let page = self.queues.get(&session).map(|queue| queue.page(from, limit));
        let (rows, through) = page.unwrap_or((Vec::new(), u64::MAX));
        self.answers.push_back(Answer::Loaded { session, rows, through });
    }

    fn poll(&mut self) -> Option<Answer> {
        self.answers.pop_front()
    }
}
