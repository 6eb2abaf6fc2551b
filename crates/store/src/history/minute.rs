//! The minute whose roll-ups are not written yet.

use super::fields;
use super::options::MINUTE;
use super::sample::Aggregate;
use super::topics::Topics;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

/// What a series takes at most in a file: its name's record without the name, and its roll-up.
const RECORDS: u64 = 64;

/// What the numbers of one minute come to so far.
#[derive(Debug, Default)]
pub(super) struct OpenMinute {
    /// Its start, in milliseconds since 1970.
    pub(super) start: u64,
    /// By series.
    pub(super) series: HashMap<Arc<str>, Aggregate>,
    /// Bytes of the names of the series, and of all that will be written.
    names: usize,
    bytes: u64,
}

/// How much one minute may have.
#[derive(Debug, Clone, Copy)]
pub(super) struct Most {
    /// Series.
    pub(super) series: usize,
    /// Bytes of their names.
    pub(super) names: usize,
    /// Bytes in the file.
    pub(super) bytes: u64,
}

impl OpenMinute {
    /// Whether a point at this time must wait until this minute is written.
    pub(super) fn must_close_before(&self, time: u64) -> bool {
        !self.series.is_empty() && self.start != minute_of(time)
    }

    /// Takes the numbers of a kept point in. Gives how many had to be left out.
    pub(super) fn add(
        &mut self,
        topics: &mut Topics,
        topic: &Arc<str>,
        time: u64,
        payload: &[u8],
        most: Most,
    ) -> u64 {
        self.start = minute_of(time);
        if let Some(number) = fields::number(payload) {
            return u64::from(!self.put(topic.clone(), number, most));
        }
        let mut left_out = 0;
        fields::each(payload, &mut |path, number| {
            if let Some(series) = topics.field(topic, path) {
                left_out += u64::from(!self.put(series, number, most));
            }
        });
        left_out
    }

    /// Its roll-ups are written. A busy minute's memory is not for ever.
    pub(super) fn clear(&mut self) {
        *self = Self { start: self.start, ..Self::default() };
    }

    fn put(&mut self, series: Arc<str>, number: f64, most: Most) -> bool {
        let names = self.names.saturating_add(series.len());
        let bytes = self.bytes.saturating_add(RECORDS + series.len() as u64);
        let room = self.series.len() < most.series && names <= most.names && bytes <= most.bytes;
        let number = Aggregate::of(number);
        match self.series.entry(series) {
            Entry::Occupied(mut entry) => entry.get_mut().merge(&number),
            Entry::Vacant(entry) if room => {
                (self.names, self.bytes) = (names, bytes);
                entry.insert(number);
            }
            Entry::Vacant(_) => return false,
        }
        true
    }
}

/// Start of the minute.
fn minute_of(time: u64) -> u64 {
    time - time % MINUTE
}
