//! Where the server's clock goes on after a start.

use std::time::{SystemTime, UNIX_EPOCH};

/// A time of day before this (the beginning of 2025) says only that the computer does not know it yet, in milliseconds.
const PLAUSIBLE: u64 = 1_735_689_600_000;

/// The time of day in milliseconds since 1970, as far as this computer knows it.
pub(super) fn wall() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// The clock at a start: where it stood, and the time that the server was away as far as the time of day can be believed. A
/// Raspberry Pi without a network starts in 1970; then nobody knows how long it was away, and no deadline comes nearer.
pub(super) fn resume(clock: u64, wall_then: u64, wall_now: u64) -> u64 {
    let away = if wall_then >= PLAUSIBLE { wall_now.saturating_sub(wall_then) } else { 0 };
    clock.saturating_add(away)
}

#[cfg(test)]
mod tests {
    use super::*;

    const THEN: u64 = PLAUSIBLE + 1_000_000;

    #[test]
    fn the_time_away_counts() {
        assert_eq!(resume(500, THEN, THEN + 60_000), 60_500);
    }

    #[test]
    fn a_computer_that_wakes_in_1970_lost_no_time() {
        assert_eq!(resume(500, THEN, 42), 500);
    }

    #[test]
    fn a_clock_that_was_wrong_before_is_not_believed() {
        assert_eq!(resume(500, 42, THEN), 500, "not half a century");
    }
}
