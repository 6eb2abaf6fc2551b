//! What a history answers: points, and what many points come to.

use super::options::MINUTE;
use bytes::Bytes;
use darter_codec::QoS;
use std::collections::BTreeMap;

/// One message of a topic, as it was at its time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Point {
    /// When, in milliseconds since 1970 of the server's wall clock.
    pub time_ms: u64,
    /// The application message.
    pub payload: Bytes,
    /// The QoS it was published with.
    pub qos: QoS,
    /// Whether it was published with RETAIN.
    pub retain: bool,
}

/// What the numbers of a stretch of time come to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sample {
    /// Start of the stretch, in milliseconds since 1970.
    pub time_ms: u64,
    /// How many numbers; at least one.
    pub count: u64,
    /// The smallest.
    pub min: f64,
    /// Their mean.
    pub mean: f64,
    /// The largest.
    pub max: f64,
}

/// Numbers put together; finite ones only.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Aggregate {
    pub(super) count: u64,
    pub(super) min: f64,
    pub(super) mean: f64,
    pub(super) max: f64,
}

impl Aggregate {
    pub(super) fn of(value: f64) -> Self {
        Self { count: 1, min: value, mean: value, max: value }
    }

    /// Takes more numbers in. A damaged count may be any, so that sums saturate.
    pub(super) fn merge(&mut self, more: &Self) {
        let total = self.count.saturating_add(more.count);
        let sum = self.sum() + more.sum();
        self.mean = match sum.is_finite() {
            true => sum / float(total),
            // Too large together: each share for itself.
            false => {
                let share = |part: &Self| part.mean * (float(part.count) / float(total));
                share(self) + share(more)
            }
        };
        self.count = total;
        self.min = self.min.min(more.min);
        self.max = self.max.max(more.max);
        // Rounding must not carry the mean out of its bounds.
        self.mean = self.mean.max(self.min).min(self.max);
    }

    fn sum(&self) -> f64 {
        self.mean * float(self.count)
    }
}

#[allow(clippy::cast_precision_loss, reason = "a count beyond 2^53 is none that was counted")]
fn float(count: u64) -> f64 {
    count as f64
}

/// Equal stretches of time, of which those with numbers are remembered.
#[derive(Debug)]
pub(super) struct Stretches {
    from: u64,
    to: u64,
    step: u64,
    found: BTreeMap<u64, Aggregate>,
}

impl Stretches {
    /// At most `points` stretches from `from` on, `to` excluded. Those of a minute and more begin with a minute.
    pub(super) fn new(from: u64, to: u64, points: usize) -> Self {
        let points = u64::try_from(points).unwrap_or(u64::MAX).max(1);
        let step = to.saturating_sub(from).div_ceil(points).max(1);
        if step < MINUTE {
            return Self { from, to, step, found: BTreeMap::new() };
        }
        // Beginning with a whole minute may take one more minute than the step has.
        let from = from - from % MINUTE;
        let step =
            to.saturating_sub(from).div_ceil(points).checked_next_multiple_of(MINUTE).unwrap_or(u64::MAX);
        Self { from, to, step, found: BTreeMap::new() }
    }

    /// Whether roll-ups are exact enough.
    pub(super) fn are_whole_minutes(&self) -> bool {
        self.step >= MINUTE
    }

    /// Start and end of all.
    pub(super) fn range(&self) -> (u64, u64) {
        (self.from, self.to)
    }

    pub(super) fn add(&mut self, time: u64, numbers: &Aggregate) {
        if time < self.from || time >= self.to {
            return;
        }
        let start = time - (time - self.from) % self.step;
        self.found.entry(start).and_modify(|found| found.merge(numbers)).or_insert(*numbers);
    }

    pub(super) fn finish(self) -> Vec<Sample> {
        let sample =
            |(time_ms, Aggregate { count, min, mean, max })| Sample { time_ms, count, min, mean, max };
        self.found.into_iter().map(sample).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mean_of_huge_numbers_stays_finite() {
        let mut sum = Aggregate::of(f64::MAX);
        sum.merge(&Aggregate::of(f64::MAX));
        assert_eq!((sum.count, sum.mean), (2, f64::MAX));
        let mut mixed = Aggregate::of(f64::MAX);
        mixed.merge(&Aggregate::of(-f64::MAX));
        assert_eq!(mixed.mean, 0.0);
    }

    #[test]
    fn there_are_never_more_stretches_than_asked_for() {
        for (from, to, points) in
            [(0, 10, 3), (59_999, 180_001, 2), (1, 3_600_000, 60), (0, u64::MAX, 7), (5, 5, 1)]
        {
            let mut stretches = Stretches::new(from, to, points);
            let every = (to - from) / 1_000 + 1;
            for time in (0..1_000).map(|at| from + at * every).filter(|time| *time < to) {
                stretches.add(time, &Aggregate::of(1.0));
            }
            assert!(stretches.finish().len() <= points, "{from} to {to}");
        }
    }

    #[test]
    fn what_lies_outside_is_left_out() {
        let mut stretches = Stretches::new(100, 200, 10);
        for time in [99, 200, 150, 159] {
            stretches.add(time, &Aggregate::of(1.0));
        }
        let found = stretches.finish();
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].time_ms, found[0].count), (150, 2));
    }
}
