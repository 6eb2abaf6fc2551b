//! A histogram of durations with buckets of about one part in 64.

/// Buckets per power of two.
const FINE: u64 = 64;

/// Counts durations in nanoseconds.
pub(crate) struct Histogram {
    buckets: Vec<u64>,
    count: u64,
}

impl Histogram {
    /// An empty histogram.
    pub(crate) fn new() -> Self {
        Self { buckets: vec![0; 64 * 64], count: 0 }
    }

    /// Counts one duration.
    #[inline]
    pub(crate) fn record(&mut self, nanoseconds: u64) {
        self.buckets[bucket(nanoseconds)] += 1;
        self.count += 1;
    }

    /// Forgets everything counted so far.
    pub(crate) fn clear(&mut self) {
        self.buckets.fill(0);
        self.count = 0;
    }

    /// The duration in microseconds that `share` (0 to 1) of all durations do not exceed.
    pub(crate) fn percentile(&self, share: f64) -> f64 {
        let wanted = share * self.count as f64;
        let mut seen = 0;
        for (index, count) in self.buckets.iter().enumerate() {
            seen += count;
            if seen > 0 && seen as f64 >= wanted {
                return upper_edge(index as u64) as f64 / 1000.0;
            }
        }
        0.0
    }
}

fn bucket(value: u64) -> usize {
    let index = if value < FINE {
        value
    } else {
        let power = u64::from(value.ilog2()) - 5;
        // `value >> power` lies in 32..64: the lower half of each row of 64 stays empty.
        power * FINE + (value >> power)
    };
    usize::try_from(index).unwrap_or(0)
}

fn upper_edge(index: u64) -> u64 {
    let (power, rest) = (index / FINE, index % FINE);
    ((rest + 1) << power) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_close_to_the_truth() {
        let mut histogram = Histogram::new();
        for value in 1..=100_000 {
            histogram.record(value);
        }
        for share in [0.01, 0.5, 0.99, 1.0] {
            let truth = share * 100.0;
            let told = histogram.percentile(share);
            assert!((told - truth).abs() <= truth * 0.04 + 0.002, "{told} for {truth}");
        }
    }

    #[test]
    fn an_empty_histogram_says_zero() {
        assert!(Histogram::new().percentile(0.99).abs() < f64::EPSILON);
    }
}
