//! `[storage]`: where the server keeps its state, and how safely.

use crate::folder::DataDir;
use crate::key::{Key, Kind, Number, Section};
use crate::part::Fixed;
use crate::quantity::Unit;
use darter_broker::Durability;
use darter_broker::store::log::LogOptions;
use std::path::PathBuf;
use std::time::Duration;

const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

/// Where the server keeps its state. How safe messages are is among the [`Limits`](crate::Limits).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Storage {
    /// The folder.
    pub data_dir: DataDir,
    /// How long a message of durability "interval" may be on its way to the disk.
    pub sync_interval: Duration,
    /// Size of one file of the store, in bytes.
    pub segment_size: u64,
    /// Size of the file that makes room when the disk is full, in bytes.
    pub ballast: u64,
}

impl Default for Storage {
    fn default() -> Self {
        Self {
            data_dir: DataDir::Auto,
            sync_interval: Duration::from_secs(1),
            segment_size: 32 * MIB,
            ballast: 64 * MIB,
        }
    }
}

impl Storage {
    /// What the store in `folder` needs to know.
    pub(crate) fn log_options(&self, folder: PathBuf) -> LogOptions {
        LogOptions {
            folder,
            sync_interval: self.sync_interval,
            segment_bytes: self.segment_size,
            ballast_bytes: self.ballast,
        }
    }
}

/// The names of all durabilities, the safest first.
const WORDS: &[&str] = &["always", "interval", "memory"];

fn word(durability: Durability) -> &'static str {
    match durability {
        Durability::Always => "always",
        Durability::Interval => "interval",
        Durability::Memory => "memory",
    }
}

fn durability(word: &str) -> Durability {
    match word {
        "interval" => Durability::Interval,
        "memory" => Durability::Memory,
        _ => Durability::Always,
    }
}

pub(crate) static PART: Fixed = Fixed { section: SECTION, below: &[] };

const SECTION: Section = Section {
    name: "storage",
    meaning: "Where the server keeps sessions, subscriptions, queued messages, retained messages and wills, and how safe \
              a message is when its publisher gets the acknowledgement.",
    keys: &[
        Key {
            name: "data_dir",
            meaning: "The folder, which is made if it is not there; one server uses it at a time. \"auto\" is the \
                      platform's own place: $STATE_DIRECTORY for a service of systemd, else $XDG_DATA_HOME/darter or \
                      ~/.local/share/darter, and /var/lib/darter for root without a home; on macOS \
                      ~/Library/Application Support/darter, on Windows %LOCALAPPDATA%\\darter. With \"memory\" \
                      nothing is written, and everything is gone when the server stops. The options --data-dir and \
                      --memory go before it.",
            kind: Kind::Folder { get: |c| &c.storage.data_dir, set: |c, folder| c.storage.data_dir = folder },
        },
        Key {
            name: "durability",
            meaning: "What an acknowledgement of a QoS 1 or 2 message promises. \"always\": the message is on the \
                      disk; neither a crash of the server nor a power cut loses it. \"interval\": the message is on \
                      its way to the disk and there at most sync_interval later; a crash or a power cut loses what \
                      was acknowledged within that time. \"memory\": the message is in memory only; it is gone when \
                      the server stops, however it stops.",
            kind: Kind::Choice {
                words: WORDS,
                get: |c| word(c.limits.durability),
                set: |c, word| c.limits.durability = durability(word),
            },
        },
        Key {
            name: "durability_for",
            meaning: "The same for the messages of some topics, such as { \"sensors/#\" = \"interval\" }. Of several \
                      filters that match a topic the first one decides; where none does, durability decides.",
            kind: Kind::Filters {
                words: WORDS,
                get: |c| {
                    let pairs = c.limits.durability_for.iter();
                    pairs.map(|(filter, durability)| (filter.as_str(), word(*durability))).collect()
                },
                set: |c, pairs| {
                    c.limits.durability_for =
                        pairs.into_iter().map(|(filter, word)| (filter, durability(&word))).collect();
                },
            },
        },
        Key {
            name: "sync_interval",
            meaning: "The most that a crash or a power cut takes of messages with durability \"interval\". Those with \
                      \"always\" never wait for it.",
            kind: Kind::Number(Number {
                unit: Unit::Milliseconds,
                range: 10..=60_000,
                word: None,
                get: |c| u64::try_from(c.storage.sync_interval.as_millis()).ok(),
                set: |c, value| {
                    c.storage.sync_interval = value.map_or(c.storage.sync_interval, Duration::from_millis);
                },
            }),
        },
        Key {
            name: "segment_size",
            meaning: "Size of one file of the store. The store gives room back file by file.",
            kind: Kind::Number(Number {
                unit: Unit::Bytes,
                range: MIB..=GIB,
                word: None,
                get: |c| Some(c.storage.segment_size),
                set: |c, value| c.storage.segment_size = value.unwrap_or(c.storage.segment_size),
            }),
        },
        Key {
            name: "ballast",
            meaning: "Size of a file that only takes up room and is deleted when the disk is full, so that the server \
                      can still remove what is done with. With 0 there is none.",
            kind: Kind::Number(Number {
                unit: Unit::Bytes,
                range: 0..=16 * GIB,
                word: None,
                get: |c| Some(c.storage.ballast),
                set: |c, value| c.storage.ballast = value.unwrap_or(c.storage.ballast),
            }),
        },
    ],
    check: |_| Ok(()),
};
