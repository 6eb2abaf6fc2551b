//! Whether the wall clock can be believed when nobody publishes.

use super::options::MINUTE;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// The wall clock beside one that never jumps.
#[derive(Debug)]
pub(super) struct Wall {
    since: Instant,
    then: u64,
}

impl Wall {
    /// Looks at it for the first time.
    pub(super) fn new(now: Instant, time: u64) -> Self {
        Self { since: now, then: time }
    }

    /// The time, if the clock has not jumped for `quiet` milliseconds: as long as points must have been kept around a time.
    pub(super) fn believed(&mut self, now: Instant, time: u64, quiet: u64) -> Option<u64> {
        let gone = u64::try_from(now.saturating_duration_since(self.since).as_millis()).unwrap_or(u64::MAX);
        if time.abs_diff(self.then.saturating_add(gone)) > MINUTE {
            *self = Self::new(now, time);
            return None;
        }
        (gone >= quiet).then_some(time)
    }
}

/// Milliseconds since 1970, 0 before.
pub(super) fn since_1970() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_clock_is_believed_when_it_has_not_jumped_for_long_enough() {
        let start = Instant::now();
        let after = |minutes: u64| start + Duration::from_secs(minutes * 60);
        let mut wall = Wall::new(start, 5);
        assert_eq!(wall.believed(after(59), 5 + 59 * MINUTE, 60 * MINUTE), None);
        let hour = 60 * MINUTE;
        assert_eq!(wall.believed(after(60), 5 + hour, hour), Some(5 + hour));
        // It finds the network.
        let found = 1_000_000 * hour;
        assert_eq!(wall.believed(after(61), found, hour), None);
        assert_eq!(wall.believed(after(120), found + 59 * MINUTE, hour), None);
        assert_eq!(wall.believed(after(121), found + hour, hour), Some(found + hour));
        // And is set back.
        assert_eq!(wall.believed(after(122), 0, hour), None);
    }
}
