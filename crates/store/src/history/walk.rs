//! Finds the records of one series in one file.

use super::index::{self, IndexPlace, Tally};
use super::reader::{NARROW, Reader, Record, WIDE};
use super::record::{Chain, Kind};
use super::scan::{self, Series};
use std::io;
use std::ops::Range;
use std::path::PathBuf;

/// A file as it was when the question came. It only grows, so that it can be read while it is written.
#[derive(Debug)]
pub(super) struct Candidate {
    pub(super) path: PathBuf,
    pub(super) end: u32,
    pub(super) tally: Tally,
    pub(super) place: SeriesPlace,
}

/// Where to look for a series.
#[derive(Debug, Clone, Copy)]
pub(super) enum SeriesPlace {
    /// Here.
    At(Series),
    /// In the index of a file that was closed.
    Index(IndexPlace),
}

/// Records of a series, ready to be read.
#[derive(Debug)]
pub(super) struct Hits {
    reader: Reader,
    kind: Kind,
    /// Time and place, in the order of the times, and of writing where these are equal.
    pub(super) places: Vec<(u64, u32)>,
    /// Damaged places that were met.
    pub(super) damaged: u64,
}

impl Hits {
    /// Looks for the records with times in `range`; where `newest` is given, these many of the newest are enough.
    pub(super) fn find(
        candidate: &Candidate,
        kind: Kind,
        name: &str,
        range: &Range<u64>,
        newest: Option<usize>,
    ) -> io::Result<Self> {
        let reader = Reader::open(&candidate.path, candidate.end, NARROW)?;
        let mut hits = Self { reader, kind, places: Vec::new(), damaged: 0 };
        let series = match candidate.place {
            SeriesPlace::At(series) => Some(series),
            SeriesPlace::Index(place) => index::find(&mut hits.reader, place, name, &mut hits.damaged)?,
        };
        let Some(series) = series else { return Ok(hits) };
        if !hits.follow(series.written_at, candidate.tally.ordered, range, newest)? {
            hits.search(candidate, series.name_at, name, range)?;
        }
        // Stable: where times are equal, the order of writing stays.
        hits.places.sort_by_key(|(time, _)| *time);
        if let Some(surplus) = newest.and_then(|newest| hits.places.len().checked_sub(newest)) {
            hits.places.drain(..surplus);
        }
        Ok(hits)
    }

    /// The body of the record at one of the places.
    pub(super) fn body(&mut self, at: u32) -> io::Result<Option<&[u8]>> {
        Ok(self.reader.record(at)?.map(|record| record.body))
    }

    /// Goes back from the last record. False if the chain is broken.
    fn follow(
        &mut self,
        last_at: u32,
        ordered: bool,
        range: &Range<u64>,
        newest: Option<usize>,
    ) -> io::Result<bool> {
        let mut at = last_at;
        while at != 0 {
            let record = self.reader.record(at)?.filter(|record| record.kind == self.kind);
            let Some(chain) = record.and_then(|record| Chain::read(record.body)) else { return Ok(false) };
            if range.contains(&chain.time) {
                self.places.push((chain.time, at));
            }
            let enough = newest.is_some_and(|newest| self.places.len() >= newest);
            if ordered && (enough || chain.time < range.start) {
                break;
            }
            if chain.before >= at {
                return Ok(false);
            }
            at = chain.before;
        }
        self.places.reverse();
        Ok(true)
    }

    /// Reads the whole file, over what is damaged.
    fn search(
        &mut self,
        candidate: &Candidate,
        name_at: u32,
        name: &str,
        range: &Range<u64>,
    ) -> io::Result<()> {
        self.places.clear();
        let (kind, mut names, mut places) = (self.kind, vec![name_at], Vec::new());
        let mut reader = Reader::open(&candidate.path, candidate.end, WIDE)?;
        let (_, gaps) = scan::each(&mut reader, candidate.end, &mut |at, record: &Record<'_>| {
            if record.kind == Kind::Name && record.body == name.as_bytes() {
                names.push(at);
            } else if let Some(chain) = Chain::read(record.body).filter(|_| record.kind == kind)
                && names.contains(&chain.name_at)
                && range.contains(&chain.time)
            {
                places.push((chain.time, at));
            }
        })?;
        self.places = places;
        self.damaged += gaps.max(1);
        Ok(())
    }
}
