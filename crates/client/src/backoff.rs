use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

/// How long to wait before the network connection is opened again.
///
/// The wait doubles with every failure, and a random part of up to a half is taken off, so that the clients of a
/// server that was restarted do not come back all at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// The first wait.
    pub first: Duration,
    /// No wait is longer.
    pub longest: Duration,
}

impl Default for Backoff {
    /// Half a second to a minute.
    fn default() -> Self {
        Self { first: Duration::from_millis(500), longest: Duration::from_secs(60) }
    }
}

impl Backoff {
    /// The wait after `failures` failures in a row, counted from 0. `random` is any number.
    pub(crate) fn delay(&self, failures: u32, random: u64) -> Duration {
        let factor = 1u32.checked_shl(failures).unwrap_or(u32::MAX);
        let full = self.first.saturating_mul(factor).min(self.longest);
        let half = u64::try_from(full.as_nanos() / 2).unwrap_or(u64::MAX);
        full - Duration::from_nanos(if half == 0 { 0 } else { random % half })
    }
}

/// A random number, good enough to spread clients.
pub(crate) fn random() -> u64 {
    RandomState::new().hash_one(0u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_doubles_up_to_the_longest_and_jitter_never_takes_more_than_half() {
        let backoff = Backoff { first: Duration::from_millis(100), longest: Duration::from_secs(2) };
        for (failures, full) in [(0, 100), (1, 200), (4, 1600), (5, 2000), (40, 2000)] {
            let full = Duration::from_millis(full);
            assert_eq!(backoff.delay(failures, 0), full);
            for random in [1, 99, u64::MAX] {
                let delay = backoff.delay(failures, random);
                assert!(delay <= full && delay >= full / 2, "{delay:?} of {full:?}");
            }
        }
        assert_eq!(Backoff { first: Duration::ZERO, longest: Duration::ZERO }.delay(3, 7), Duration::ZERO);
    }
}
