//! The server's clock: milliseconds that go on from one run to the next and never jump.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// A clock that all shards share. It is not the time of day: a Raspberry Pi starts in 1970 and jumps when it finds the
/// network.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    started: Instant,
    base: u64,
}

impl Clock {
    /// Goes on from `base` milliseconds.
    pub(crate) fn new(base: u64) -> Self {
        Self { started: Instant::now(), base }
    }

    /// Now. Never 0, which stays "never".
    pub(crate) fn now(&self) -> u64 {
        self.base + self.uptime() + 1
    }

    /// Milliseconds since this run began.
    pub(crate) fn uptime(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX / 2)
    }
}

/// The time of day in milliseconds since 1970, for what people look at. It jumps.
pub(crate) fn since_1970() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
