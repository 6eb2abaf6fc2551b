//! A store that keeps everything in memory and answers at once.

use crate::{Answer, Store};
use darter_codec::record::{Change, QueueRow, RowState, SessionNumber};
use std::collections::{BTreeMap, HashMap, VecDeque};

/// Queues in memory. Sessions, subscriptions and retained messages need no second copy of what the server knows already.
#[derive(Debug, Default)]
pub struct MemoryStore {
    queues: HashMap<SessionNumber, Queue>,
    answers: VecDeque<Answer>,
}

/// Rows with ascending sequences; a removed row leaves a gap until it is the first, or until gaps outnumber the rows.
#[derive(Debug, Default)]
struct Queue {
    /// Rows that stay while those behind them go, such as one that its client never acknowledges.
    set_aside: BTreeMap<u64, QueueRow>,
    /// Sequence of the first of `rows`.
    first: u64,
    rows: VecDeque<Option<QueueRow>>,
    gaps: usize,
}

/// Gaps that are left alone.
const GAPS: usize = 256;

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

    fn row_mut(&mut self, sequence: u64) -> Option<&mut QueueRow> {
        let Some(index) = sequence.checked_sub(self.first) else { return self.set_aside.get_mut(&sequence) };
        self.rows.get_mut(usize::try_from(index).ok()?)?.as_mut()
    }

    fn remove(&mut self, sequence: u64) {
        let Some(index) = sequence.checked_sub(self.first) else {
            self.set_aside.remove(&sequence);
            return;
        };
        let slot = usize::try_from(index).ok().and_then(|index| self.rows.get_mut(index));
        if slot.and_then(Option::take).is_some() {
            self.gaps += 1;
        }
        let many_gaps = self.gaps > GAPS && self.gaps > self.rows.len() / 2;
        while let Some(front) = self.rows.front_mut() {
            match front.take() {
                None => self.gaps -= 1,
                Some(row) if many_gaps && self.gaps > 0 => {
                    self.set_aside.insert(self.first, row);
                }
                row => {
                    *front = row;
                    break;
                }
            }
            self.rows.pop_front();
            self.first += 1;
        }
        if self.rows.capacity() > 64 && self.rows.len() < self.rows.capacity() / 4 {
            self.rows.shrink_to(self.rows.len() * 2);
        }
    }

    fn is_empty(&self) -> bool {
        self.rows.is_empty() && self.set_aside.is_empty()
    }

    fn set_state(&mut self, sequence: u64, state: RowState) {
        if let Some(row) = self.row_mut(sequence) {
            row.state = state;
        }
    }

    /// At most `limit` rows from `from` on, and the sequence after the last one looked at.
    fn page(&self, from: u64, limit: usize) -> (Vec<(u64, QueueRow)>, u64) {
        let aside = self.set_aside.range(from..).map(|(sequence, row)| (*sequence, Some(row)));
        let start = usize::try_from(from.saturating_sub(self.first)).unwrap_or(usize::MAX);
        let recent = (from.max(self.first)..).zip(self.rows.iter().skip(start).map(Option::as_ref));
        let mut rows = Vec::new();
        let mut through = from;
        for (sequence, row) in aside.chain(recent) {
            if rows.len() >= limit {
                return (rows, through);
            }
            through = sequence + 1;
            rows.extend(row.map(|row| (sequence, row.clone())));
        }
        let through = through.max(self.first + self.rows.len() as u64);
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

#[cfg(test)]
mod tests {
    use super::*;
    use darter_codec::{Message, QoS};

    const SESSION: SessionNumber = 1;

    fn change(store: &mut MemoryStore, change: Change) {
        store.submit(1, &mut vec![change]);
        assert!(matches!(store.poll(), Some(Answer::Committed(1))));
    }

    fn fill(store: &mut MemoryStore, sequences: std::ops::Range<u64>) {
        for sequence in sequences {
            let message = Message::new(QoS::AtLeastOnce, false, "t", [], b"", None);
            let (qos, state) = (QoS::AtLeastOnce, RowState::Waiting);
            let row = QueueRow { message, qos, retain: false, origin: None, state };
            change(store, Change::Queued { session: SESSION, sequence, row, durable: true });
        }
    }

    fn remove(store: &mut MemoryStore, sequences: impl IntoIterator<Item = u64>) {
        for sequence in sequences {
            change(store, Change::Removed { session: SESSION, sequence });
        }
    }

    #[test]
    fn a_queue_that_has_shrunk_gives_its_memory_back() {
        let mut store = MemoryStore::new();
        fill(&mut store, 0..10_000);
        remove(&mut store, 0..9_900);
        let rows = &store.queues[&SESSION].rows;
        assert!(rows.capacity() < 1_000, "{} for {} rows", rows.capacity(), rows.len());
        remove(&mut store, 9_900..10_000);
        assert!(store.queues.is_empty(), "an empty queue takes nothing");
    }

    #[test]
    fn rows_that_stay_do_not_keep_the_memory_of_those_that_went() {
        let mut store = MemoryStore::new();
        for start in (0..100_000).step_by(1_000) {
            fill(&mut store, start..start + 1_000);
            remove(&mut store, start + 1..start + 1_000);
        }
        let queue = &store.queues[&SESSION];
        assert!(queue.rows.capacity() < 2_500, "{}", queue.rows.capacity());
        assert_eq!(queue.page(0, usize::MAX).0.len(), 100);
    }
}
