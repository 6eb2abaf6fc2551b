//! A coarse wheel of deadlines for keep alive: reading stamps a connection, and only the wheel looks at the stamp.

use crate::effect::LinkId;
use alloc::vec;
use alloc::vec::Vec;

/// Milliseconds between two looks; a silent connection is found at most this much late.
const TICK: u64 = 500;
/// Buckets; a deadline further ahead is looked at once a round.
const BUCKETS: u16 = 256;

#[derive(Debug)]
pub(crate) struct Wheel {
    buckets: Vec<Vec<LinkId>>,
    /// Every tick before this one was looked at.
    tick: u64,
    entries: usize,
}

impl Wheel {
    pub(crate) fn new(now: u64) -> Self {
        Self { buckets: vec![Vec::new(); usize::from(BUCKETS)], tick: now / TICK, entries: 0 }
    }

    /// Looks at `link` again shortly after `at`, or earlier when that is more than a round away; gives the moment.
    pub(crate) fn schedule(&mut self, at: u64, link: LinkId) -> u64 {
        let tick = (at.div_ceil(TICK)).clamp(self.tick + 1, self.tick + u64::from(BUCKETS) - 1);
        self.buckets[bucket(tick)].push(link);
        self.entries += 1;
        tick * TICK
    }

    /// Moves to `now` and takes out every link whose time has come.
    pub(crate) fn advance(&mut self, now: u64, due: &mut Vec<LinkId>) {
        let to = now / TICK;
        let from = self.tick.max(to.saturating_sub(u64::from(BUCKETS) - 1));
        for tick in from..=to {
            let entries = core::mem::take(&mut self.buckets[bucket(tick)]);
            self.entries -= entries.len();
            due.extend(entries);
        }
        self.tick = self.tick.max(to);
    }

    /// When it should be advanced next; none while it is empty.
    pub(crate) fn next(&self) -> Option<u64> {
        (self.entries > 0).then_some((self.tick + 1) * TICK)
    }
}

fn bucket(tick: u64) -> usize {
    usize::try_from(tick % u64::from(BUCKETS)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_due_at_its_deadline_and_at_most_one_tick_later() {
        let link = LinkId { slot: 1, serial: 9 };
        for ahead in [1, 499, 500, 501, 90_000] {
            let mut wheel = Wheel::new(10_300);
            wheel.schedule(10_300 + ahead, link);
            let mut due = Vec::new();
            wheel.advance(10_300 + ahead - 1, &mut due);
            assert!(due.is_empty(), "{ahead}");
            wheel.advance(10_300 + ahead + TICK, &mut due);
            assert_eq!(due, [link], "{ahead}");
            assert_eq!(wheel.next(), None);
        }
    }

    #[test]
    fn a_deadline_beyond_one_round_is_looked_at_once_a_round() {
        let link = LinkId { slot: 1, serial: 9 };
        let mut wheel = Wheel::new(0);
        wheel.schedule(TICK * u64::from(BUCKETS) * 3, link);
        let mut due = Vec::new();
        wheel.advance(TICK * u64::from(BUCKETS), &mut due);
        assert_eq!(due, [link]);
    }
}
