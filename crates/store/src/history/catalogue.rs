//! What is known in memory of the files of a history.

use super::file_name::{FileName, What};
use super::index::{IndexPlace, Tally};
use super::minute::OpenMinute;
use super::options::HistoryOptions;
use super::scan::SeriesMap;
use super::topics::Topics;
use super::walk::{Candidate, SeriesPlace};
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;

/// Files, topics and the open minute.
#[derive(Debug)]
pub(super) struct Catalogue {
    pub(super) files: BTreeMap<FileName, FileState>,
    pub(super) topics: Topics,
    pub(super) minute: OpenMinute,
    /// Of the next file.
    pub(super) next_number: u64,
    /// Why nothing is kept at the moment.
    pub(super) trouble: Option<String>,
}

/// One file.
#[derive(Debug)]
pub(super) struct FileState {
    /// Its length; what is behind it is not written for good.
    pub(super) bytes: u32,
    pub(super) tally: Tally,
    /// The newest checkpoint in a file of roll-ups, 0 if there is none.
    pub(super) checkpoint_at: u32,
    pub(super) known: Known,
    /// It could not be written once in this run: nothing more is put into it.
    pub(super) failed: bool,
    /// Its damage has been counted.
    pub(super) damaged: bool,
}

/// How the series of a file are found.
#[derive(Debug)]
pub(super) enum Known {
    /// It is written at the moment, or could not be closed.
    Series(SeriesMap),
    /// It was closed.
    Index(IndexPlace),
}

impl FileState {
    /// A file that has just been made.
    pub(super) fn empty(bytes: u32) -> Self {
        Self {
            bytes,
            tally: Tally::default(),
            checkpoint_at: 0,
            known: Known::Series(SeriesMap::new()),
            failed: false,
            damaged: false,
        }
    }

    /// Whether it has no index yet.
    pub(super) fn is_written(&self) -> bool {
        matches!(self.known, Known::Series(_))
    }

    /// The series, of a file that is written.
    pub(super) fn series(&mut self) -> Option<&mut SeriesMap> {
        match &mut self.known {
            Known::Series(series) => Some(series),
            Known::Index(_) => None,
        }
    }
}

impl Catalogue {
    pub(super) fn new(options: &HistoryOptions) -> Self {
        Self {
            files: BTreeMap::new(),
            topics: Topics::new(options.interval_ms, options.max_topics, options.max_name_bytes),
            minute: OpenMinute::default(),
            next_number: 1,
            trouble: None,
        }
    }

    /// The files that may have records of this series in this time.
    pub(super) fn candidates(
        &self,
        folder: &Path,
        what: What,
        series: &str,
        range: &Range<u64>,
    ) -> Vec<(FileName, Candidate)> {
        let wanted = |(name, state): &(&FileName, &FileState)| {
            let Tally { count, first, last, .. } = state.tally;
            name.what == what && count > 0 && first < range.end && last >= range.start
        };
        let candidate = |(name, state): (&FileName, &FileState)| {
            let place = match &state.known {
                Known::Series(known) => SeriesPlace::At(*known.get(series)?),
                Known::Index(place) => SeriesPlace::Index(*place),
            };
            let path = folder.join(name.to_string());
            Some((*name, Candidate { path, end: state.bytes, tally: state.tally, place }))
        };
        self.files.iter().filter(wanted).filter_map(candidate).collect()
    }

    /// The closed file of the bucket around `time` that has room, if there is one.
    pub(super) fn with_room(&self, what: What, time: u64, len: u64, part_bytes: u64) -> Option<FileName> {
        let start = time - time % len;
        let fits = |(name, state): &(&FileName, &FileState)| {
            let same = name.what == what && name.start == start && name.len == len;
            same && !state.is_written() && !state.failed && u64::from(state.bytes) < part_bytes
        };
        self.files.iter().filter(fits).map(|(name, _)| *name).max_by_key(|name| name.number)
    }

    /// Bytes of all files.
    pub(super) fn bytes(&self) -> u64 {
        self.files.values().map(|state| u64::from(state.bytes)).sum()
    }

    /// Forgets the topics that no file can have points of.
    pub(super) fn forget_topics(&mut self) {
        let firsts = self.files.values().filter(|state| state.tally.count > 0).map(|state| state.tally.first);
        if let Some(oldest) = firsts.min() {
            self.topics.forget_before(oldest);
        }
    }
}
