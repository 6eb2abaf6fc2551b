//! Questions to a history in files. They read the files themselves and never stop the one who writes.

use super::fields;
use super::file_name::{FileName, What};
use super::record::{self, Kind};
use super::report::count;
use super::sample::{Aggregate, Point, Sample, Stretches};
use super::shared::Shared;
use super::walk::{Candidate, Hits};
use std::io::ErrorKind;
use std::ops::Range;
use std::path::Path;

/// One who asks.
#[derive(Debug)]
pub(super) struct Questions<'s> {
    pub(super) shared: &'s Shared,
    pub(super) folder: &'s Path,
}

impl Questions<'_> {
    /// The newest points, in the order of their times.
    pub(super) fn last(&self, topic: &str, most: usize) -> Vec<Point> {
        let all = 0..u64::MAX;
        let mut files = self.candidates(What::Points, topic, &all);
        files.sort_unstable_by_key(|(name, file)| std::cmp::Reverse((file.tally.last, *name)));
        let mut found: Vec<Point> = Vec::new();
        for (name, file) in files {
            let missing = most.saturating_sub(found.len());
            // Files may overlap: enough is enough only when no other file can have something newer.
            if missing == 0 && found.first().is_none_or(|oldest| oldest.time_ms > file.tally.last) {
                break;
            }
            found.splice(..0, self.points(name, &file, topic, &all, Some(most), most));
            found.sort_by_key(|point| point.time_ms);
            found.drain(..found.len().saturating_sub(most));
        }
        found
    }

    /// The first points with times in `range`, in the order of their times.
    pub(super) fn range(&self, topic: &str, range: &Range<u64>, most: usize) -> Vec<Point> {
        let mut files = self.candidates(What::Points, topic, range);
        files.sort_unstable_by_key(|(name, file)| (file.tally.first, *name));
        let mut found: Vec<Point> = Vec::new();
        for (name, file) in files {
            if found.len() >= most && found.last().is_none_or(|newest| newest.time_ms < file.tally.first) {
                break;
            }
            found.extend(self.points(name, &file, topic, range, None, most));
            found.sort_by_key(|point| point.time_ms);
            found.truncate(most);
        }
        found
    }

    /// What the numbers come to in each stretch.
    pub(super) fn sampled(&self, topic: &str, field: Option<&str>, mut stretches: Stretches) -> Vec<Sample> {
        let (from, to) = stretches.range();
        let range = from..to;
        if stretches.are_whole_minutes() {
            self.add_rollups(&fields::series(topic, field), &range, &mut stretches);
        } else {
            for (name, file) in self.candidates(What::Points, topic, &range) {
                self.read(name, &file, Kind::Point, topic, &range, None, usize::MAX, &mut |time, body| {
                    let payload = record::point(body).map(|(_, _, payload)| payload);
                    if let Some(number) = payload.and_then(|payload| fields::value(&payload, field)) {
                        stretches.add(time, &Aggregate::of(number));
                    }
                });
            }
        }
        stretches.finish()
    }

    fn add_rollups(&self, series: &str, range: &Range<u64>, stretches: &mut Stretches) {
        let files = {
            // Under one lock: what is no longer in the open minute is in a file.
            let catalogue = self.shared.catalogue();
            if let Some(numbers) = catalogue.minute.series.get(series) {
                stretches.add(catalogue.minute.start, numbers);
            }
            catalogue.candidates(self.folder, What::Rollups, series, range)
        };
        for (name, file) in files {
            self.read(name, &file, Kind::Rollup, series, range, None, usize::MAX, &mut |time, body| {
                if let Some(numbers) = record::read_rollup(body) {
                    stretches.add(time, &numbers);
                }
            });
        }
    }

    fn candidates(&self, what: What, series: &str, range: &Range<u64>) -> Vec<(FileName, Candidate)> {
        self.shared.catalogue().candidates(self.folder, what, series, range)
    }

    fn points(
        &self,
        name: FileName,
        file: &Candidate,
        topic: &str,
        range: &Range<u64>,
        newest: Option<usize>,
        most: usize,
    ) -> Vec<Point> {
        let mut points = Vec::new();
        self.read(name, file, Kind::Point, topic, range, newest, most, &mut |time_ms, body| {
            let parts = record::point(body);
            points.extend(parts.map(|(qos, retain, payload)| Point { time_ms, payload, qos, retain }));
        });
        points
    }

    /// Calls `visit` with at most `most` records of a series in one file, in the order of their times.
    #[allow(clippy::too_many_arguments, reason = "all of it is the question")]
    fn read(
        &self,
        name: FileName,
        file: &Candidate,
        kind: Kind,
        series: &str,
        range: &Range<u64>,
        newest: Option<usize>,
        most: usize,
        visit: &mut dyn FnMut(u64, &[u8]),
    ) {
        let mut damaged = 0;
        let read = Hits::find(file, kind, series, range, newest).and_then(|mut hits| {
            damaged = hits.damaged;
            let places = std::mem::take(&mut hits.places);
            for (time, at) in places.into_iter().take(most) {
                if let Some(body) = hits.body(at)? {
                    visit(time, body);
                }
            }
            Ok(())
        });
        match read {
            Err(error) if error.kind() == ErrorKind::NotFound => self.is_gone(name),
            Err(_) => count(&self.shared.counters.unread, 1),
            Ok(()) if damaged > 0 => self.is_damaged(name, damaged),
            Ok(()) => {}
        }
    }

    /// A file that was dropped in the meantime is no damage; one that somebody removed is.
    fn is_gone(&self, name: FileName) {
        let mut catalogue = self.shared.catalogue();
        let closed = catalogue.files.get(&name).is_some_and(|state| !state.is_written());
        if closed {
            catalogue.files.remove(&name);
            count(&self.shared.counters.damaged, 1);
        }
    }

    /// The damage of a file is counted once.
    fn is_damaged(&self, name: FileName, damaged: u64) {
        if let Some(state) = self.shared.catalogue().files.get_mut(&name)
            && !state.damaged
        {
            state.damaged = true;
            count(&self.shared.counters.damaged, damaged);
        }
    }
}
