//! `[server]`: how the server runs.

use crate::key::{Key, Kind, Number, Section};
use crate::part::Fixed;
use crate::quantity::Unit;
use std::time::Duration;

/// How the server runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// Threads that serve clients, 1 to 64; `None` lets the server choose by the number of processors.
    pub shards: Option<u8>,
    /// How often the `$SYS` topics are published; zero turns them off.
    pub status_interval: Duration,
}

impl Default for Server {
    fn default() -> Self {
        let options = darter_broker::Options::default();
        Self { shards: options.shards, status_interval: options.status_interval }
    }
}

pub(crate) static PART: Fixed = Fixed { section: SECTION, below: &[] };

const SECTION: Section = Section {
    name: "server",
    meaning: "How the server runs.",
    keys: &[
        Key {
            name: "shards",
            meaning: "Threads that serve clients. \"auto\" is one thread on one or two processors, and one fewer than \
                      the processors on larger machines.",
            kind: Kind::Number(Number {
                unit: Unit::Count,
                range: 1..=64,
                word: Some("auto"),
                get: |c| c.server.shards.map(u64::from),
                set: |c, shards| c.server.shards = shards.and_then(|shards| shards.try_into().ok()),
            }),
        },
        Key {
            name: "status_interval",
            meaning: "How often the server publishes its own numbers below $SYS/broker.",
            kind: Kind::Number(Number {
                unit: Unit::Seconds,
                range: 1..=86_400,
                word: Some("off"),
                get: |c| Some(c.server.status_interval.as_secs()).filter(|seconds| *seconds > 0),
                set: |c, seconds| c.server.status_interval = Duration::from_secs(seconds.unwrap_or(0)),
            }),
        },
    ],
    check: |_| Ok(()),
};
