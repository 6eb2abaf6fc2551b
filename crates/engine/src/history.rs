//! Which publications go into the history: about one for each topic and second, and not more than the server can bear.

use crate::limits::Limits;
use crate::outbox::Routed;
use crate::shard::Shard;
use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;
use darter_codec::Message;

/// Places of the table; a power of two.
const PLACES: usize = 4096;

/// Admits publications. Two topics that share a place of the table push each other out of it: they are then admitted more
/// often than once in a second, as far as the budget allows.
#[derive(Debug)]
pub(crate) struct History {
    /// By topic, the second in which it was last admitted; empty when there is no history.
    places: Box<[Place]>,
    /// This second, and how many more may be admitted in it.
    second: u64,
    left: u32,
    /// The budget of a second.
    points: u32,
    payload_most: usize,
    records: Vec<Message>,
}

#[derive(Debug, Clone, Copy)]
struct Place {
    topic: u32,
    second: u32,
}

impl History {
    pub(crate) fn new(limits: &Limits, shards: u8) -> Self {
        let points = limits.history_points.div_ceil(u32::from(shards.max(1)));
        let empty = Place { topic: 0, second: u32::MAX };
        let places = if points == 0 { Vec::new() } else { vec![empty; PLACES] };
        Self {
            places: places.into(),
            second: 0,
            left: points,
            points,
            payload_most: limits.history_payload,
            records: Vec::new(),
        }
    }

    #[inline]
    pub(crate) fn is_on(&self) -> bool {
        self.points > 0
    }

    /// Whether the publication on the topic with this hash goes in.
    #[inline]
    fn admits(&mut self, now: u64, hash: u64, payload: usize) -> bool {
        let second = now / 1000;
        if second != self.second {
            self.second = second;
            self.left = self.points;
        }
        if self.left == 0 {
            return false;
        }
        let topic = high_half(hash);
        let this = Place { topic, second: high_half(second << 32) };
        let Some(place) = self.places.get_mut(low_bits(hash)) else { return false };
        if (place.topic, place.second) == (this.topic, this.second) || payload > self.payload_most {
            return false;
        }
        // What nobody takes must not pile up.
        if self.records.len() >= self.points as usize {
            return false;
        }
        *place = this;
        self.left -= 1;
        true
    }
}

#[inline]
fn high_half(word: u64) -> u32 {
    (word >> 32) as u32
}

#[expect(clippy::cast_possible_truncation, reason = "few bits are wanted")]
#[inline]
fn low_bits(hash: u64) -> usize {
    hash as usize & (PLACES - 1)
}

impl Shard {
    /// Puts a publication of this shard into the history, if it belongs there.
    #[inline]
    pub(crate) fn record(&mut self, now: u64, hash: u64, routed: &mut Routed<'_>) {
        if routed.topic.starts_with('$') {
            return;
        }
        if self.history.admits(now, hash, routed.payload.len()) {
            self.history.records.push(routed.stored());
        } else {
            self.out.counters.history_skipped += 1;
        }
    }

    /// Appends the publications that go into the history since the last call, in the order they were routed. As many as one
    /// second may have are kept until then, and further ones are skipped.
    pub fn take_records(&mut self, records: &mut Vec<Message>) {
        records.append(&mut self.history.records);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn history(points: u32) -> History {
        History::new(&Limits { history_points: points, ..Limits::default() }, 1)
    }

    #[test]
    fn a_topic_is_admitted_once_in_a_second() {
        let mut history = history(100);
        let (one, other) = (1 << 40 | 7, 1 << 41 | 8);
        assert!(history.admits(5_000, one, 1));
        assert!(!history.admits(5_999, one, 1));
        assert!(history.admits(5_999, other, 1));
        assert!(history.admits(6_000, one, 1));
        assert!(history.admits(3_000, one, 1), "whatever the clock does");
    }

    #[test]
    fn a_second_has_its_budget() {
        let mut history = history(3);
        let admitted = |history: &mut History, now: u64| {
            (0..100_u64).filter(|topic| history.admits(now, topic << 32 | topic, 1)).count()
        };
        assert_eq!(admitted(&mut history, 1_000), 3);
        assert_eq!(admitted(&mut history, 1_500), 0);
        assert_eq!(admitted(&mut history, 2_000), 3);
    }

    #[test]
    fn shards_share_the_budget() {
        let limits = Limits { history_points: 10, ..Limits::default() };
        assert_eq!(History::new(&limits, 4).points, 3);
        assert!(!History::new(&Limits { history_points: 0, ..limits }, 4).is_on());
    }
}
