//! How a history is, and what it did not keep.

use std::sync::atomic::{AtomicU64, Ordering};

/// How a history is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HistoryReport {
    /// Points that can be asked for.
    pub points: u64,
    /// Topics that are listed.
    pub topics: u64,
    /// Bytes of all files, or in memory.
    pub bytes: u64,
    /// Files of points and of roll-ups; 0 in memory.
    pub buckets: u64,
    /// Time of the oldest point.
    pub oldest: Option<u64>,
    /// Points that were not kept, or not for as long as was wished, since the start.
    pub not_kept: NotKept,
    /// Damaged places that were met since the start; each may have held more than one record.
    pub damaged: u64,
    /// Questions that the disk did not answer fully since the start.
    pub unread: u64,
    /// Why nothing is kept at the moment. It is tried again by itself.
    pub trouble: Option<String>,
}

/// Points that were not kept, by reason.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct NotKept {
    /// The topic had a point in the same interval.
    pub too_often: u64,
    /// The payload is longer than allowed.
    pub too_large: u64,
    /// The topic name is longer than 1 KiB.
    pub name_too_long: u64,
    /// Too much waited for the history's thread.
    pub queue_full: u64,
    /// Too many topics had points in the same bucket.
    pub too_many_topics: u64,
    /// The disk could not be written.
    pub error: u64,
    /// Kept, and dropped to stay below the cap on the disk or in memory.
    pub over_cap: u64,
    /// Kept, and dropped for their age.
    pub too_old: u64,
    /// Values, not points, without a roll-up: too many topics and fields had one in the same bucket.
    pub too_many_series: u64,
}

impl NotKept {
    /// Points that could not be kept, for want of room or for an error. Those that were too many by the rules are not among them.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.too_large + self.name_too_long + self.queue_full + self.too_many_topics + self.error
    }
}

/// Counts up from any thread.
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) too_often: AtomicU64,
    pub(super) too_large: AtomicU64,
    pub(super) name_too_long: AtomicU64,
    pub(super) queue_full: AtomicU64,
    pub(super) too_many_topics: AtomicU64,
    pub(super) error: AtomicU64,
    pub(super) over_cap: AtomicU64,
    pub(super) too_old: AtomicU64,
    pub(super) too_many_series: AtomicU64,
    pub(super) damaged: AtomicU64,
    pub(super) unread: AtomicU64,
}

impl Counters {
    pub(super) fn not_kept(&self) -> NotKept {
        NotKept {
            too_often: read(&self.too_often),
            too_large: read(&self.too_large),
            name_too_long: read(&self.name_too_long),
            queue_full: read(&self.queue_full),
            too_many_topics: read(&self.too_many_topics),
            error: read(&self.error),
            over_cap: read(&self.over_cap),
            too_old: read(&self.too_old),
            too_many_series: read(&self.too_many_series),
        }
    }
}

/// One more, or several.
pub(super) fn count(counter: &AtomicU64, more: u64) {
    counter.fetch_add(more, Ordering::Relaxed);
}

/// The number so far.
pub(super) fn read(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}
