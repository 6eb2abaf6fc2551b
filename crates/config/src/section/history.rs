//! `[history]`: what the server remembers of the values of topics.

use crate::key::{Key, Kind, Number, Section};
use crate::quantity::Unit;
use darter_broker::store::history::HistoryOptions;
use std::path::Path;
use std::time::Duration;

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;
/// In seconds.
const DAY: u64 = 86_400;

/// What is remembered of the values of topics. Payload and rate are among the [`Limits`](crate::Limits).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct History {
    /// Whether there is a history at all.
    pub record: bool,
    /// At most one point of a topic in this time.
    pub interval: Duration,
    /// Most bytes on the disk.
    pub disk: u64,
    /// How long points are kept at most.
    pub retention: Duration,
}

impl Default for History {
    fn default() -> Self {
        Self {
            record: true,
            interval: Duration::from_secs(1),
            disk: GIB,
            retention: Duration::from_secs(30 * DAY),
        }
    }
}

impl History {
    /// What the history needs to know: beside the rest of the state, or in memory without a folder for it.
    pub(crate) fn options(&self, folder: Option<&Path>) -> Option<HistoryOptions> {
        let millis = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        let options = match folder {
            Some(folder) => HistoryOptions::in_folder(folder.join("history")),
            None => HistoryOptions::in_memory(),
        };
        self.record.then(|| HistoryOptions {
            interval_ms: millis(self.interval),
            disk_cap: self.disk,
            keep_points_ms: millis(self.retention),
            ..options
        })
    }
}

pub(crate) const SECTION: Section = Section {
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
            meaning: "At most one point of each topic in this time.",
            kind: Kind::Number(Number {
                unit: Unit::Milliseconds,
                range: 10..=3_600_000,
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
                range: 1..=KIB * KIB,
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
            meaning: "Most room on the disk; the oldest points make room for new ones.",
            kind: Kind::Number(Number {
                unit: Unit::Bytes,
                range: MIB..=1024 * GIB,
                word: None,
                get: |c| Some(c.history.disk),
                set: |c, value| c.history.disk = value.unwrap_or(c.history.disk),
            }),
        },
        Key {
            name: "retention",
            meaning: "How long points are kept at most.",
            kind: Kind::Number(Number {
                unit: Unit::Seconds,
                range: 60..=36_500 * DAY,
                word: None,
                get: |c| Some(c.history.retention.as_secs()),
                set: |c, value| c.history.retention = value.map_or(c.history.retention, Duration::from_secs),
            }),
        },
    ],
};
