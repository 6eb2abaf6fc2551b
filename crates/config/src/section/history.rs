//! `[history]`: what the server remembers of the values of topics.

use crate::key::{Key, Kind, Number, Section};
use crate::part::Fixed;
use crate::quantity::Unit;
use darter_broker::Limits;
use darter_broker::store::history::HistoryOptions;
use std::path::Path;
use std::time::Duration;

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;
/// In seconds.
const HOUR: u64 = 3_600;
const DAY: u64 = 24 * HOUR;

/// What is remembered of the values of topics. Payload and rate are among the [`Limits`](crate::Limits).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct History {
    /// Whether there is a history at all.
    pub record: bool,
    /// At most one point of a topic in this time.
    pub interval: Duration,
    /// Most bytes on the disk.
    pub disk: u64,
    /// Most bytes in memory, for a server without a data folder.
    pub memory: u64,
    /// How long points are kept, and up to an hour longer.
    pub retention: Duration,
    /// How long roll-ups of minutes are kept, and up to a day longer.
    pub rollup_retention: Duration,
}

impl Default for History {
    fn default() -> Self {
        Self {
            record: true,
            interval: Duration::from_secs(1),
            disk: GIB,
            memory: 16 * MIB,
            retention: Duration::from_secs(30 * DAY),
            rollup_retention: Duration::from_secs(365 * DAY),
        }
    }
}

impl History {
    /// What the history of a server with this data folder needs to know; `None` when there is none.
    pub(crate) fn options(&self, data: Option<&Path>, limits: &Limits) -> Option<HistoryOptions> {
        let milliseconds = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let options = match data {
            Some(folder) => HistoryOptions::in_folder(folder.join(FOLDER)),
            None => HistoryOptions::in_memory(),
        };
        self.record.then(|| HistoryOptions {
            interval_ms: milliseconds(self.interval),
            disk_cap: self.disk,
            memory_cap: usize::try_from(self.memory).unwrap_or(usize::MAX),
            keep_points_ms: milliseconds(self.retention),
            keep_rollups_ms: milliseconds(self.rollup_retention),
            max_payload: limits.history_payload,
            ..options
        })
    }
}

/// The history's folder in the data folder.
pub const FOLDER: &str = "history";

pub(crate) static PART: Fixed = Fixed { section: SECTION, below: &[] };

const SECTION: Section = Section {
    name: "history",
    meaning: "What the server remembers of the messages on every topic, for `darter history`. Points that are not kept \
              are counted. The history is written now and then: a crash or a power cut may take the last of it, and \
              never anything of sessions and messages.",
    keys: &[
        Key {
            name: "record",
            meaning: "Whether there is a history.",
            kind: Kind::Choice {
                words: &["on", "off"],
                get: |c| if c.history.record { "on" } else { "off" },
                set: |c, word| c.history.record = word == "on",
            },
        },
        Key {
            name: "interval",
            meaning: "At most one point of each topic in this time: the first message that comes in it.",
            kind: Kind::Number(Number {
                unit: Unit::Milliseconds,
                range: 1_000..=3_600_000,
                word: None,
                get: |c| u64::try_from(c.history.interval.as_millis()).ok(),
                set: |c, value| {
                    c.history.interval = value.map_or(c.history.interval, Duration::from_millis);
                },
            }),
        },
        Key {
            name: "points",
            meaning: "Most points in one second, over all topics.",
            kind: Kind::Number(Number {
                unit: Unit::Count,
                range: 1..=10_000_000,
                word: None,
                get: |c| Some(c.limits.history_points.into()),
                set: |c, value| {
                    c.limits.history_points =
                        value.and_then(|value| value.try_into().ok()).unwrap_or(c.limits.history_points);
                },
            }),
        },
        Key {
            name: "payload",
            meaning: "Largest payload that is kept.",
            kind: Kind::Number(Number {
                unit: Unit::Bytes,
                range: 1..=256 * KIB,
                word: None,
                get: |c| u64::try_from(c.limits.history_payload).ok(),
                set: |c, value| {
                    c.limits.history_payload =
                        value.and_then(|value| value.try_into().ok()).unwrap_or(c.limits.history_payload);
                },
            }),
        },
        Key {
            name: "disk",
            meaning: "Most room on the disk, and never more than is left free there; the oldest points make room for new ones.",
            kind: Kind::Number(Number {
                unit: Unit::Bytes,
                range: MIB..=1024 * GIB,
                word: None,
                get: |c| Some(c.history.disk),
                set: |c, value| c.history.disk = value.unwrap_or(c.history.disk),
            }),
        },
        Key {
            name: "memory",
            meaning: "Most room in memory, for a server that keeps everything in memory.",
            kind: Kind::Number(Number {
                unit: Unit::Bytes,
                range: 64 * KIB..=64 * GIB,
                word: None,
                get: |c| Some(c.history.memory),
                set: |c, value| c.history.memory = value.unwrap_or(c.history.memory),
            }),
        },
        Key {
            name: "retention",
            meaning: "How long points are kept. They go by the hour, so that one may stay up to an hour longer.",
            kind: Kind::Number(Number {
                unit: Unit::Seconds,
                range: HOUR..=36_500 * DAY,
                word: None,
                get: |c| Some(c.history.retention.as_secs()),
                set: |c, value| c.history.retention = value.map_or(c.history.retention, Duration::from_secs),
            }),
        },
        Key {
            name: "rollup_retention",
            meaning: "How long the roll-ups of minutes (count, least, mean and most of numbers) are kept. They go by the \
                      day, so that one may stay up to a day longer, and take much less room than points.",
            kind: Kind::Number(Number {
                unit: Unit::Seconds,
                range: DAY..=36_500 * DAY,
                word: None,
                get: |c| Some(c.history.rollup_retention.as_secs()),
                set: |c, value| {
                    c.history.rollup_retention =
                        value.map_or(c.history.rollup_retention, Duration::from_secs);
                },
            }),
        },
    ],
    check: |_| Ok(()),
};
