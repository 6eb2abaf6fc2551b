//! A history in files: the side of its thread.

use super::catalogue::{FileState, Known};
use super::file_name::{FileName, What};
use super::index;
use super::minute::Most;
use super::options::{HistoryOptions, MINUTE};
use super::reader::{NARROW, Reader};
use super::record::{self, Chain, Checkpoint, Kind};
use super::report::count;
use super::retention;
use super::room;
use super::segment::Segment;
use super::shared::Shared;
use bytes::Bytes;
use darter_codec::Message;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

/// A point so far before the bucket that is written comes from a shard that was late; it goes into this bucket.
const LATE_MS: u64 = MINUTE;
/// So many bytes are written at once.
const WRITE_AT: usize = 64 << 10;

/// So many bytes of roll-ups a minute may have however small the parts are.
const LEAST_MINUTE: u64 = 64 << 10;

/// Writes points and roll-ups.
#[derive(Debug)]
pub(super) struct Folder {
    pub(super) shared: Arc<Shared>,
    pub(super) path: PathBuf,
    pub(super) points: Option<Segment>,
    rollups: Option<Segment>,
    /// Files that could not be closed yet.
    unfinished: Vec<Segment>,
    /// Points in the buffer, all of one minute; they are rolled up when they are written.
    pending: Vec<(Arc<str>, u64, Bytes)>,
    /// Up to here points are in roll-ups or in the open minute.
    pub(super) rolled: Checkpoint,
    /// Nothing is kept before.
    retry_at: Option<Instant>,
    /// Bytes that all files may have now.
    pub(super) cap: u64,
}

impl Folder {
    pub(super) fn new(shared: Arc<Shared>, path: PathBuf) -> Self {
        let (points, rollups, unfinished, pending) = (None, None, Vec::new(), Vec::new());
        let cap = shared.options.disk_cap;
        Self {
            shared,
            path,
            points,
            rollups,
            unfinished,
            pending,
            rolled: Checkpoint::default(),
            retry_at: None,
            cap,
        }
    }

    /// Keeps a point, or counts why not.
    pub(super) fn keep(&mut self, time: u64, message: &Message) {
        let counters = &self.shared.counters;
        if !self.shared.catalogue().topics.may_have(message.topic(), time) {
            return count(&counters.too_often, 1);
        }
        if self.retry_at.is_some_and(|at| Instant::now() < at) {
            return count(&counters.error, 1);
        }
        if let Err(error) = self.try_keep(time, message) {
            count(&self.shared.counters.error, 1);
            self.fail(&error);
        }
    }

    /// Writes what waits, so that it can be asked for.
    pub(super) fn flush(&mut self) {
        if let Err(error) = self.flush_points() {
            self.fail(&error);
        }
        self.measure();
        if self.shared.catalogue().bytes() > self.cap {
            self.drop_doomed();
        }
    }

    /// Whether [`sync`](Self::sync) has something to do.
    pub(super) fn is_dirty(&self) -> bool {
        self.points.iter().chain(&self.rollups).any(Segment::is_dirty)
    }

    /// Asks the disk to keep what was written.
    pub(super) fn sync(&mut self) {
        self.flush();
        for what in [What::Points, What::Rollups] {
            let slot = self.slot(what);
            let Some(segment) = slot else { continue };
            if matches!(fs::metadata(&segment.path), Err(error) if error.kind() == ErrorKind::NotFound) {
                // Somebody removed it: what is written now would be lost as well.
                let name = segment.name;
                *slot = None;
                self.shared.catalogue().files.remove(&name);
                count(&self.shared.counters.damaged, 1);
            } else if let Err(error) = segment.sync() {
                self.fail(&error);
            }
        }
    }

    /// Ends everything in order: the next start reads indexes only.
    pub(super) fn finish(&mut self) {
        self.flush();
        if let Err(error) = self.close_points() {
            self.fail(&error);
        }
        self.close(What::Rollups);
    }

    /// Drops what is too old at a time that is sure, whether anybody publishes or not.
    pub(super) fn sweep(&mut self, now: u64) {
        let HistoryOptions { keep_points_ms, keep_rollups_ms, .. } = self.shared.options;
        let ended = |segment: &Option<Segment>, keep: u64| {
            segment.as_ref().is_some_and(|segment| segment.name.end() <= now.saturating_sub(keep))
        };
        if ended(&self.points, keep_points_ms)
            && let Err(error) = self.close_points()
        {
            self.fail(&error);
        }
        if ended(&self.rollups, keep_rollups_ms) {
            self.close(What::Rollups);
        }
        self.measure();
        self.drop_old(Some(now));
    }

    fn try_keep(&mut self, time: u64, message: &Message) -> io::Result<()> {
        let other_minute = |(_, pending, _): &(Arc<str>, u64, Bytes)| pending / MINUTE != time / MINUTE;
        if self.pending.last().is_some_and(other_minute) {
            self.flush_points()?;
        }
        if self.shared.catalogue().minute.must_close_before(time) {
            self.flush_points()?;
            self.close_minute()?;
        }
        if !self.points.as_ref().is_some_and(|segment| self.takes(segment, time)) {
            self.close_points()?;
            self.measure();
            self.points = Some(self.open(What::Points, time)?);
            self.drop_doomed();
        }
        if self.repeats_the_last_run(time, message.topic()) {
            count(&self.shared.counters.too_often, 1);
            return Ok(());
        }
        self.append(time, message);
        if self.points.as_ref().is_some_and(|segment| segment.waiting() >= WRITE_AT) {
            return self.flush_points();
        }
        Ok(())
    }

    fn append(&mut self, time: u64, message: &Message) {
        let Some(segment) = &mut self.points else { return };
        let mut catalogue = self.shared.catalogue();
        let catalogue = &mut *catalogue;
        let Some(state) = catalogue.files.get_mut(&segment.name) else { return };
        let Some(series) = state.series() else { return };
        let HistoryOptions { max_topics, max_name_bytes, .. } = self.shared.options;
        if !segment.has_room_for(message.topic(), series, max_topics, max_name_bytes) {
            return count(&self.shared.counters.too_many_topics, 1);
        }
        let topic = catalogue.topics.note(message.topic(), time);
        let flags = record::flags(message.qos(), message.retain());
        segment.append(state, Kind::Point, &topic, time, &[&[flags], message.payload()]);
        self.pending.push((topic, time, message.payload_bytes()));
    }

    /// Whether the topic's last point is from an earlier run and of the same interval.
    fn repeats_the_last_run(&self, time: u64, topic: &str) -> bool {
        let Some(segment) = &self.points else { return false };
        let mut catalogue = self.shared.catalogue();
        if !catalogue.topics.is_new(topic) {
            return false;
        }
        let Some(state) = catalogue.files.get_mut(&segment.name) else { return false };
        let bytes = state.bytes;
        let Some(series) = state.series().and_then(|series| series.get(topic).copied()) else { return false };
        drop(catalogue);
        let last = Reader::open(&segment.path, bytes, NARROW).and_then(|mut reader| {
            let record = reader.record(series.written_at)?;
            Ok(record.and_then(|record| Chain::read(record.body)))
        });
        // Where it cannot be read, a point too many is better than none.
        let Ok(Some(last)) = last else { return false };
        self.shared.catalogue().topics.is_same_interval(last.time, time)
    }

    fn flush_points(&mut self) -> io::Result<()> {
        let most = self.most_of_a_minute();
        let Some(segment) = &mut self.points else { return Ok(()) };
        if segment.waiting() == 0 {
            return Ok(());
        }
        let written = segment.write();
        let mut catalogue = self.shared.catalogue();
        let catalogue = &mut *catalogue;
        let Some(state) = catalogue.files.get_mut(&segment.name) else { return written };
        if written.is_err() {
            segment.discard(state);
            return written;
        }
        segment.publish(state);
        for (topic, time, payload) in self.pending.drain(..) {
            let topics = &mut catalogue.topics;
            let left_out = catalogue.minute.add(topics, &topic, time, &payload, most);
            count(&self.shared.counters.too_many_series, left_out);
        }
        self.rolled = segment.checkpoint();
        catalogue.trouble = None;
        self.retry_at = None;
        Ok(())
    }

    /// Writes the roll-ups of the open minute, all of them or none.
    pub(super) fn close_minute(&mut self) -> io::Result<()> {
        let start = {
            let catalogue = self.shared.catalogue();
            if catalogue.minute.series.is_empty() {
                return Ok(());
            }
            catalogue.minute.start
        };
        if !self.rollups.as_ref().is_some_and(|segment| self.takes(segment, start)) {
            self.close(What::Rollups);
            self.rollups = Some(self.open(What::Rollups, start)?);
        }
        let Some(segment) = &mut self.rollups else { return Ok(()) };
        let unfinished = self.unfinished.iter().filter(|segment| segment.name.what == What::Points);
        let rolled = unfinished.map(Segment::checkpoint).chain([self.rolled]);
        let written = write_minute(&self.shared, segment, rolled);
        let mut catalogue = self.shared.catalogue();
        let catalogue = &mut *catalogue;
        let Some(state) = catalogue.files.get_mut(&segment.name) else { return written };
        match written {
            Ok(()) => {
                segment.publish(state);
                catalogue.minute.clear();
            }
            Err(_) => segment.discard(state),
        }
        written
    }

    /// How much of a minute there may be, so that a file of roll-ups is hardly longer than a part.
    pub(super) fn most_of_a_minute(&self) -> Most {
        let HistoryOptions { max_series, max_name_bytes, .. } = self.shared.options;
        Most { series: max_series, names: max_name_bytes, bytes: self.part_bytes().max(LEAST_MINUTE) }
    }

    /// Ends the file of points. Its index also says that all of its points are in roll-ups, so these come first.
    fn close_points(&mut self) -> io::Result<()> {
        if self.points.is_none() {
            return Ok(());
        }
        self.flush_points()?;
        self.close_minute()?;
        self.sync_rollups()?;
        self.close(What::Points);
        Ok(())
    }

    /// Asks the disk to keep the roll-ups that were written.
    pub(super) fn sync_rollups(&mut self) -> io::Result<()> {
        self.rollups.as_mut().map_or(Ok(()), Segment::sync)
    }

    /// Closes a file, or sets it aside until that can be done.
    fn close(&mut self, what: What) {
        if let Some(segment) = self.slot(what).take() {
            self.unfinished.push(segment);
        }
        self.finish_files();
    }

    /// Closes the files that were set aside.
    fn finish_files(&mut self) {
        for mut segment in std::mem::take(&mut self.unfinished) {
            let count = self.shared.catalogue().files.get(&segment.name).map(|state| state.tally.count);
            let ended = match count {
                Some(0) => self.remove_empty(&segment),
                Some(_) => self.end(&mut segment),
                None => Ok(()),
            };
            if ended.is_err() {
                self.unfinished.push(segment);
            }
        }
    }

    /// Nothing could be written into it.
    fn remove_empty(&self, segment: &Segment) -> io::Result<()> {
        fs::remove_file(&segment.path)?;
        self.shared.catalogue().files.remove(&segment.name);
        Ok(())
    }

    /// Writes the index of a file.
    pub(super) fn end(&self, segment: &mut Segment) -> io::Result<()> {
        let place =
            self.shared.catalogue().files.get(&segment.name).and_then(|state| segment.append_index(state));
        let Some(place) = place else { return Ok(()) };
        segment.write_index()?;
        if let Some(state) = self.shared.catalogue().files.get_mut(&segment.name) {
            state.bytes = segment.written();
            state.known = Known::Index(place);
        }
        Ok(())
    }

    /// The file for this time: one that has room, or a new one.
    fn open(&self, what: What, time: u64) -> io::Result<Segment> {
        let options = &self.shared.options;
        let len = match what {
            What::Points => options.bucket_ms,
            What::Rollups => options.rollup_bucket_ms,
        };
        let known = self.shared.catalogue().with_room(what, time, len, self.part_bytes());
        if let Some(segment) = known.and_then(|name| self.reopen(name).ok()) {
            return Ok(segment);
        }
        let number = {
            let mut catalogue = self.shared.catalogue();
            catalogue.next_number += 1;
            catalogue.next_number - 1
        };
        let name = FileName { what, start: time - time % len, len, number };
        let segment = Segment::create(&self.path, name)?;
        self.shared.catalogue().files.insert(name, FileState::empty(segment.written()));
        Ok(segment)
    }

    /// Goes on with a file that was closed.
    fn reopen(&self, name: FileName) -> io::Result<Segment> {
        let place = self
            .shared
            .catalogue()
            .files
            .get(&name)
            .map(|state| (state.bytes, matches!(state.known, Known::Index(_))));
        let (bytes, closed) = place.ok_or(ErrorKind::NotFound)?;
        let mut segment = Segment::reopen(&self.path, name, bytes)?;
        if closed {
            let mut reader = Reader::open(&segment.path, bytes, NARROW)?;
            let index = index::read_last(&mut reader)?.ok_or(ErrorKind::InvalidData)?;
            let (series, _) = index::load(&mut reader, &index)?;
            segment.count_names(&series);
            if let Some(state) = self.shared.catalogue().files.get_mut(&name) {
                state.known = Known::Series(series);
            }
        }
        Ok(segment)
    }

    fn takes(&self, segment: &Segment, time: u64) -> bool {
        let late = segment.name.start.saturating_sub(LATE_MS);
        let fits = (late..segment.name.end()).contains(&time);
        fits && !segment.has_failed() && u64::from(segment.end()) < self.part_bytes()
    }

    pub(super) fn drop_doomed(&mut self) {
        self.drop_old(None);
    }

    fn drop_old(&mut self, now: Option<u64>) {
        let open = [&self.points, &self.rollups].map(|slot| slot.as_ref().map(|segment| segment.name));
        let doomed =
            retention::doomed(&self.shared.catalogue().files, open, &self.shared.options, self.cap, now);
        for (name, why) in &doomed {
            match fs::remove_file(self.path.join(name.to_string())) {
                Err(error) if error.kind() != ErrorKind::NotFound => {
                    self.shared.catalogue().trouble = Some(format!("{name} cannot be removed: {error}"));
                }
                _ => self.forget(*name, *why),
            }
        }
        if !doomed.is_empty() {
            let mut catalogue = self.shared.catalogue();
            catalogue.forget_topics();
            // The system gives the room back when nobody has the file open.
            self.unfinished.retain(|segment| catalogue.files.contains_key(&segment.name));
        }
    }

    /// Nothing is kept for a while, unless room can be made.
    pub(super) fn fail(&mut self, error: &io::Error) {
        self.discard_waiting();
        if room::is_full(error) && self.make_room() {
            return;
        }
        self.shared.catalogue().trouble = Some(error.to_string());
        self.retry_at = Some(Instant::now() + self.shared.options.retry_after);
    }

    /// What waits is not kept.
    pub(super) fn discard_waiting(&mut self) {
        count(&self.shared.counters.error, self.pending.len() as u64);
        self.pending.clear();
        if let Some(segment) = &mut self.points
            && let Some(state) = self.shared.catalogue().files.get_mut(&segment.name)
            && segment.waiting() > 0
        {
            segment.discard(state);
        }
    }

    fn slot(&mut self, what: What) -> &mut Option<Segment> {
        match what {
            What::Points => &mut self.points,
            What::Rollups => &mut self.rollups,
        }
    }
}

/// Writes the roll-ups of the open minute, a piece at a time, and how far points are in roll-ups now. The files of an earlier
/// run count up to their last checkpoint: without it the pieces are none.
fn write_minute(
    shared: &Shared,
    segment: &mut Segment,
    rolled: impl Iterator<Item = Checkpoint>,
) -> io::Result<()> {
    let HistoryOptions { max_series, max_name_bytes, .. } = shared.options;
    let (start, all) = {
        let minute = &shared.catalogue().minute;
        (
            minute.start,
            minute.series.iter().map(|(name, numbers)| (name.clone(), *numbers)).collect::<Vec<_>>(),
        )
    };
    for (name, numbers) in &all {
        {
            let mut catalogue = shared.catalogue();
            let Some(state) = catalogue.files.get_mut(&segment.name) else { return Ok(()) };
            let Some(series) = state.series() else { break };
            if !segment.has_room_for(name, series, max_series, max_name_bytes) {
                count(&shared.counters.too_many_series, numbers.count);
                continue;
            }
            segment.append(state, Kind::Rollup, name, start, &[&record::rollup(numbers)]);
        }
        if segment.waiting() >= WRITE_AT {
            segment.write()?;
        }
    }
    if let Some(state) = shared.catalogue().files.get_mut(&segment.name) {
        segment.append_checkpoints(state, rolled);
    }
    segment.write()
}
