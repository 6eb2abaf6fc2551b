//! What is kept of the past, where, and for how long.

use std::path::PathBuf;
use std::time::Duration;

/// Milliseconds of a minute: what one roll-up covers.
pub(super) const MINUTE: u64 = 60_000;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// The largest payload that can be kept whatever the options say, in bytes.
pub(super) const LARGEST_PAYLOAD: usize = 256 << 10;
/// A longer topic name gets no points, in bytes.
pub(super) const LONGEST_TOPIC: usize = 1 << 10;
/// The longest bucket: one that is longer would hardly ever be dropped.
const LONGEST_BUCKET: u64 = 366 * DAY;
/// Offsets in a file are 32 bits wide; an index must fit behind the points.
const LARGEST_PART: u64 = 1 << 30;

/// Where a history stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// In a folder of its own, which is made if it is not there.
    Folder(PathBuf),
    /// In memory: nothing is kept from one run to the next.
    Memory,
}

/// What a history keeps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryOptions {
    /// Where.
    pub place: Place,
    /// A topic gets at most one point in so many milliseconds; 0 keeps all. Default 1,000.
    pub interval_ms: u64,
    /// Milliseconds that one file of points covers, a multiple of a minute. Default one hour.
    pub bucket_ms: u64,
    /// Milliseconds that one file of roll-ups covers, a multiple of a minute. Default one day.
    pub rollup_bucket_ms: u64,
    /// A file that has grown to so many bytes is followed by another one of the same bucket. Default 64 MiB, never more than
    /// an eighth of the disk cap.
    pub part_bytes: u64,
    /// Bytes of all files together, and never more than are left free on the disk; the oldest files go first. Roll-ups may
    /// take a quarter. Default 1 GiB.
    pub disk_cap: u64,
    /// Bytes of all points in memory ([`Place::Memory`]); the oldest points go first. Default 16 MiB.
    pub memory_cap: usize,
    /// Points that are older, in milliseconds, are dropped. Default 30 days.
    pub keep_points_ms: u64,
    /// Roll-ups that are older, in milliseconds, are dropped. Default 365 days.
    pub keep_rollups_ms: u64,
    /// A longer payload, in bytes, is not kept. Default 64 KiB, at most 256 KiB.
    pub max_payload: usize,
    /// Topics with points in one file, and topics that are listed. Default 100,000.
    pub max_topics: usize,
    /// Topics and fields with roll-ups in one file. Default 200,000.
    pub max_series: usize,
    /// Bytes of the names of topics and fields, for each of: those that are listed, those in one file, those of the minute whose
    /// roll-ups are not written yet. Default 16 MiB.
    pub max_name_bytes: usize,
    /// Points that wait for the history's thread. Default 16,384.
    pub queue_points: usize,
    /// Bytes of the points that wait for the history's thread. Default 16 MiB.
    pub queue_bytes: usize,
    /// How often the disk is asked to keep what was written: as much is lost when the power fails. Default 5 s.
    pub sync_every: Duration,
    /// After an error of the disk nothing is kept for so long. Default 10 s.
    pub retry_after: Duration,
}

impl HistoryOptions {
    /// The defaults, in a folder.
    #[must_use]
    pub fn in_folder(folder: impl Into<PathBuf>) -> Self {
        Self::at(Place::Folder(folder.into()))
    }

    /// The defaults, in memory.
    #[must_use]
    pub fn in_memory() -> Self {
        Self::at(Place::Memory)
    }

    fn at(place: Place) -> Self {
        Self {
            place,
            interval_ms: 1_000,
            bucket_ms: HOUR,
            rollup_bucket_ms: DAY,
            part_bytes: 64 << 20,
            disk_cap: 1 << 30,
            memory_cap: 16 << 20,
            keep_points_ms: 30 * DAY,
            keep_rollups_ms: 365 * DAY,
            max_payload: 64 << 10,
            max_topics: 100_000,
            max_series: 200_000,
            max_name_bytes: 16 << 20,
            queue_points: 16_384,
            queue_bytes: 16 << 20,
            sync_every: Duration::from_secs(5),
            retry_after: Duration::from_secs(10),
        }
    }

    /// The nearest options that can be worked with.
    pub(super) fn sound(mut self) -> Self {
        for bucket in [&mut self.bucket_ms, &mut self.rollup_bucket_ms] {
            *bucket = (*bucket).clamp(MINUTE, LONGEST_BUCKET).next_multiple_of(MINUTE);
        }
        self.part_bytes = self.part_bytes.min(self.disk_cap / 8).min(LARGEST_PART);
        self.max_payload = self.max_payload.min(LARGEST_PAYLOAD);
        self
    }
}
