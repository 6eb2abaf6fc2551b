//! The rows of one session's queue by their sequences.

use std::collections::{BTreeMap, VecDeque};

/// Rows with ascending sequences; a removed row leaves a gap until it is the first, or until gaps outnumber the rows.
#[derive(Debug)]
pub(crate) struct Queue<T> {
    /// Rows that stay while those behind them go, such as one that its client never acknowledges.
    set_aside: BTreeMap<u64, T>,
    /// Sequence of the first of `rows`.
    first: u64,
    rows: VecDeque<Option<T>>,
    gaps: usize,
}

/// Gaps that are left alone.
const GAPS: usize = 256;

impl<T> Default for Queue<T> {
    fn default() -> Self {
        Self { set_aside: BTreeMap::new(), first: 0, rows: VecDeque::new(), gaps: 0 }
    }
}

impl<T> Queue<T> {
    /// Puts a row into its place, mostly behind all others. The row that stood there before comes back.
    pub(crate) fn put(&mut self, sequence: u64, row: T) -> Option<T> {
        if self.rows.is_empty() {
            // Behind everything that was set aside, so that the order stays.
            let behind = self.set_aside.last_key_value().map_or(0, |(last, _)| last + 1);
            self.first = sequence.max(behind);
        }
        let Some(index) = sequence.checked_sub(self.first) else {
            return self.set_aside.insert(sequence, row);
        };
        let missing = index.saturating_sub(self.rows.len() as u64);
        if missing > GAPS as u64 {
            // Nothing will ever stand in between: what is far behind is set aside.
            let behind = (self.first..).zip(self.rows.drain(..));
            self.set_aside.extend(behind.filter_map(|(sequence, row)| Some((sequence, row?))));
            (self.first, self.gaps) = (sequence, 0);
        }
        for _ in self.rows.len() as u64..sequence - self.first {
            self.rows.push_back(None);
            self.gaps += 1;
        }
        let index = usize::try_from(sequence - self.first).unwrap_or(usize::MAX);
        match self.rows.get_mut(index) {
            Some(slot) => {
                let before = slot.replace(row);
                self.gaps -= usize::from(before.is_none());
                before
            }
            None => {
                if self.rows.len() == self.rows.capacity() {
                    // A quarter more at a time: queues are long-lived and mostly memory.
                    self.rows.reserve_exact((self.rows.len() / 4).max(4));
                }
                self.rows.push_back(Some(row));
                None
            }
        }
    }

    /// Brings rows that were set aside back to the others where they join them.
    pub(crate) fn join(&mut self) {
        while let Some(last) = self.set_aside.last_entry()
            && last.key() + 1 == self.first
        {
            self.first -= 1;
            let row = last.remove();
            self.rows.push_front(Some(row));
        }
    }

    pub(crate) fn row(&self, sequence: u64) -> Option<&T> {
        let Some(index) = sequence.checked_sub(self.first) else { return self.set_aside.get(&sequence) };
        self.rows.get(usize::try_from(index).ok()?)?.as_ref()
    }

    pub(crate) fn row_mut(&mut self, sequence: u64) -> Option<&mut T> {
        let Some(index) = sequence.checked_sub(self.first) else { return self.set_aside.get_mut(&sequence) };
        self.rows.get_mut(usize::try_from(index).ok()?)?.as_mut()
    }

    /// Takes a row out.
    pub(crate) fn remove(&mut self, sequence: u64) -> Option<T> {
        let Some(index) = sequence.checked_sub(self.first) else {
            return self.set_aside.remove(&sequence);
        };
        let slot = usize::try_from(index).ok().and_then(|index| self.rows.get_mut(index));
        let taken = slot.and_then(Option::take);
        if taken.is_some() {
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
        taken
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty() && self.set_aside.is_empty()
    }

    /// The sequence after the last row.
    pub(crate) fn next(&self) -> u64 {
        if self.rows.is_empty() {
            return self.set_aside.last_key_value().map_or(0, |(sequence, _)| sequence + 1);
        }
        self.first + self.rows.len() as u64
    }

    /// Every row with its sequence, in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u64, &T)> {
        let aside = self.set_aside.iter().map(|(sequence, row)| (*sequence, row));
        let recent =
            (self.first..).zip(&self.rows).filter_map(|(sequence, row)| Some((sequence, row.as_ref()?)));
        aside.chain(recent)
    }

    /// Every row, to be changed.
    pub(crate) fn rows_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.set_aside.values_mut().chain(self.rows.iter_mut().flatten())
    }

    /// At most `limit` rows from `from` on, and the sequence after the last one looked at.
    pub(crate) fn page(&self, from: u64, limit: usize) -> (Vec<(u64, T)>, u64)
    where
        T: Clone,
    {
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

#[cfg(test)]
mod tests {
    use super::Queue;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    #[test]
    fn a_queue_that_has_shrunk_gives_its_memory_back() {
        let mut queue = Queue::default();
        for sequence in 0..10_000 {
            queue.put(sequence, ());
        }
        for sequence in 0..9_900 {
            queue.remove(sequence);
        }
        assert!(queue.rows.capacity() < 1_000, "{} for {} rows", queue.rows.capacity(), queue.rows.len());
        for sequence in 9_900..10_000 {
            queue.remove(sequence);
        }
        assert!(queue.is_empty());
    }

    #[test]
    fn rows_that_stay_do_not_keep_the_memory_of_those_that_went() {
        let mut queue = Queue::default();
        for start in (0..100_000).step_by(1_000) {
            for sequence in start..start + 1_000 {
                queue.put(sequence, ());
            }
            for sequence in start + 1..start + 1_000 {
                queue.remove(sequence);
            }
        }
        assert!(queue.rows.capacity() < 2_500, "{}", queue.rows.capacity());
        assert_eq!(queue.page(0, usize::MAX).0.len(), 100);
    }

    #[test]
    fn rows_set_aside_join_the_others_again() {
        let mut queue = Queue::default();
        for sequence in (1_000..1_100).chain(0..1_000) {
            queue.put(sequence, sequence);
        }
        assert_eq!(queue.set_aside.len(), 1_000);
        queue.join();
        assert!(queue.set_aside.is_empty());
        assert!(queue.iter().map(|(sequence, row)| (sequence, *row)).eq((0..1_100).map(|n| (n, n))));
    }

    proptest! {
        #[test]
        fn a_queue_holds_what_a_map_holds(steps in prop::collection::vec((any::<bool>(), 0_u64..2_000), 1..400)) {
            let mut queue = Queue::default();
            let mut map = BTreeMap::new();
            for (index, (puts, sequence)) in steps.into_iter().enumerate() {
                if puts {
                    prop_assert_eq!(queue.put(sequence, index), map.insert(sequence, index));
                } else {
                    prop_assert_eq!(queue.remove(sequence), map.remove(&sequence));
                }
                if index % 50 == 49 {
                    queue.join();
                }
                prop_assert_eq!(queue.row(sequence), map.get(&sequence));
            }
            prop_assert!(queue.iter().eq(map.iter().map(|(sequence, row)| (*sequence, row))));
            prop_assert_eq!(queue.is_empty(), map.is_empty());
            if let Some((last, _)) = map.last_key_value() {
                prop_assert!(queue.next() > *last);
            }
        }
    }
}
