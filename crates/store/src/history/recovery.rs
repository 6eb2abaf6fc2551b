//! What an earlier run left behind is looked at, and mended where it has to be.

use super::catalogue::{FileState, Known};
use super::fields;
use super::file_name::{FileName, What};
use super::folder::Folder;
use super::index;
use super::reader::{NARROW, Reader, Record, WIDE};
use super::record::{self, Chain, Checkpoint, FILE_HEADER, FORMAT, Head, Kind, RECORD_HEADER};
use super::report::count;
use super::retention;
use super::scan::{self, Found};
use super::segment::Segment;
use crate::private;
use std::collections::{HashMap, HashSet};
use std::fs;
use std::io;
use std::sync::Arc;

/// What is gathered while the files are read.
#[derive(Debug, Default)]
struct Survey {
    /// Up to where each file of points is in roll-ups.
    rolled: HashMap<u64, u32>,
    /// Hashes of the names that were listed.
    listed: HashSet<u64>,
}

/// Opens a folder. What cannot be read is counted and left alone.
pub(super) fn open(folder: &mut Folder) {
    if let Err(error) = private::make_folder(&folder.path) {
        return folder.fail(&error);
    }
    // One that is older than this rule.
    private::close_to_others(&folder.path);
    let entries = match fs::read_dir(&folder.path) {
        Ok(entries) => entries,
        Err(error) => return folder.fail(&error),
    };
    let file_names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let mut names: Vec<FileName> = file_names.filter_map(|name| FileName::parse(&name)).collect();
    // Roll-ups first: they say which points are in them.
    names.sort_unstable_by_key(|name| (name.what == What::Points, *name));
    let newest = names.iter().map(|name| name.number).max().unwrap_or(0);
    folder.shared.catalogue().next_number = newest.saturating_add(1);
    let mut survey = Survey::default();
    for name in names {
        match folder.take_in(name, &mut survey) {
            Ok(0) => {}
            Ok(damaged) => {
                count(&folder.shared.counters.damaged, damaged);
                if let Some(state) = folder.shared.catalogue().files.get_mut(&name) {
                    state.damaged = true;
                }
            }
            Err(_) => count(&folder.shared.counters.unread, 1),
        }
    }
    // Less may be wished for than before.
    let last = retention::last_believed(&folder.shared.catalogue().files);
    if let Some(last) = last {
        folder.sweep(last);
    }
}

impl Folder {
    /// Takes a file in; gives the number of damaged places.
    fn take_in(&mut self, name: FileName, survey: &mut Survey) -> io::Result<u64> {
        let path = self.path.join(name.to_string());
        let Ok(len) = u32::try_from(fs::metadata(&path)?.len()) else { return Ok(1) };
        if len <= FILE_HEADER {
            // The server ended while it was made: nothing is in it.
            fs::remove_file(&path)?;
            return Ok(0);
        }
        let mut reader = Reader::open(&path, len, NARROW)?;
        let damaged = match record::format_of(reader.bytes(0, FILE_HEADER as usize)?) {
            // A newer version of Darter will know what to do with it.
            Some(format) if format > FORMAT => return Ok(1),
            Some(_) => 0,
            None => 1,
        };
        if let Some(index) = index::read_last(&mut reader)? {
            return Ok(damaged + self.take_index(name, len, &mut reader, &index, survey)?);
        }
        Ok(damaged + self.take_unfinished(name, &mut Reader::open(&path, len, WIDE)?, survey)?)
    }

    fn take_index(
        &self,
        name: FileName,
        len: u32,
        reader: &mut Reader,
        index: &index::Index,
        survey: &mut Survey,
    ) -> io::Result<u64> {
        let mut damaged = 0;
        if index.checkpoint_at != 0 {
            match reader.record(index.checkpoint_at)?.filter(|record| record.kind == Kind::Checkpoint) {
                Some(record) => Checkpoint::read_all(record.body).for_each(|one| survey.note(one)),
                None => damaged += 1,
            }
        }
        for (hash, name_at, _) in &index.entries {
            if survey.listed.contains(hash) {
                continue;
            }
            match index::read_name(reader, *name_at)? {
                Some(series) => {
                    survey.listed.insert(*hash);
                    self.shared.catalogue().topics.list(fields::topic_of(&series), index.tally.last);
                }
                None => damaged += 1,
            }
        }
        let known = Known::Index(index.place);
        let index::Index { tally, checkpoint_at, .. } = *index;
        let state = FileState { bytes: len, tally, checkpoint_at, known, failed: false, damaged: false };
        self.shared.catalogue().files.insert(name, state);
        Ok(damaged)
    }

    /// A file without an index: it was written when the server ended, or its end is damaged.
    fn take_unfinished(
        &mut self,
        name: FileName,
        reader: &mut Reader,
        survey: &mut Survey,
    ) -> io::Result<u64> {
        let mut found = scan::take_stock(reader, reader.end())?;
        let damaged = found.damaged;
        if name.what == What::Rollups {
            for (file, len) in &found.checkpoints {
                survey.note(Checkpoint { file: *file, len: *len });
            }
            if found.agreed_at < found.end {
                // Roll-ups without a checkpoint are made again from the points.
                found = scan::take_stock(reader, found.agreed_at)?;
            }
        }
        let was_closed = found.end < reader.end() && has_ended(reader, found.end)?;
        if found.tally.count == 0 {
            let path = self.path.join(name.to_string());
            if damaged == 0 {
                fs::remove_file(path)?;
            } else {
                // Somebody may still get something out of it.
                fs::rename(&path, path.with_extension("damaged"))?;
            }
            return Ok(damaged);
        }
        let rolled = match survey.rolled.get(&name.number) {
            _ if was_closed => found.end,
            Some(len) => found.closed_at.max(*len),
            None => found.closed_at,
        };
        let names: HashMap<u32, Arc<str>> =
            found.series.iter().map(|(name, series)| (series.name_at, name.clone())).collect();
        let end = found.end;
        self.insert(name, found);
        if name.what == What::Points && rolled < end {
            // What fails here is tried again at the next start: without its index the file counts as unfinished.
            self.roll_up(name, reader, rolled, end, &names)?;
        }
        let mut segment = Segment::reopen(&self.path, name, end)?;
        self.end(&mut segment)?;
        Ok(damaged)
    }

    fn insert(&self, name: FileName, found: Found) {
        let mut catalogue = self.shared.catalogue();
        for series in found.series.keys() {
            catalogue.topics.list(fields::topic_of(series), found.tally.last);
        }
        let Found { tally, checkpoint_at, series, end, .. } = found;
        let state = FileState {
            bytes: end,
            tally,
            checkpoint_at,
            known: Known::Series(series),
            failed: false,
            damaged: false,
        };
        catalogue.files.insert(name, state);
    }

    /// Rolls up the points of a file that are in no roll-up.
    fn roll_up(
        &mut self,
        name: FileName,
        reader: &mut Reader,
        from: u32,
        end: u32,
        names: &HashMap<u32, Arc<str>>,
    ) -> io::Result<()> {
        let mut failed = None;
        scan::each(reader, end, &mut |at, record: &Record<'_>| {
            if at >= from && record.kind == Kind::Point && failed.is_none() {
                failed = self.roll_up_again(name, at, record.body, names).err();
            }
        })?;
        if let Some(error) = failed {
            return Err(error);
        }
        self.rolled = Checkpoint { file: name.number, len: end };
        self.close_minute()?;
        self.sync_rollups()
    }

    fn roll_up_again(
        &mut self,
        file: FileName,
        at: u32,
        body: &[u8],
        names: &HashMap<u32, Arc<str>>,
    ) -> io::Result<()> {
        let Some((chain, topic)) =
            Chain::read(body).and_then(|chain| Some((chain, names.get(&chain.name_at)?)))
        else {
            return Ok(());
        };
        let Some((_, _, payload)) = record::point(body) else { return Ok(()) };
        if self.shared.catalogue().minute.must_close_before(chain.time) {
            self.rolled = Checkpoint { file: file.number, len: at };
            self.close_minute()?;
        }
        let mut catalogue = self.shared.catalogue();
        let catalogue = &mut *catalogue;
        let most = self.most_of_a_minute();
        let left_out = catalogue.minute.add(&mut catalogue.topics, topic, chain.time, &payload, most);
        count(&self.shared.counters.too_many_series, left_out);
        Ok(())
    }
}

impl Survey {
    fn note(&mut self, checkpoint: Checkpoint) {
        let len = self.rolled.entry(checkpoint.file).or_default();
        *len = (*len).max(checkpoint.len);
    }
}

/// Whether a damaged index stands at `at`, so that the file was closed.
fn has_ended(reader: &mut Reader, at: u32) -> io::Result<bool> {
    if index::trailer(reader)? == Some(at) {
        return Ok(true);
    }
    let end = reader.end();
    if end - at < RECORD_HEADER {
        return Ok(false);
    }
    let head = Head::read(reader.bytes(at, RECORD_HEADER as usize)?);
    Ok(head.is_some_and(|head| head.kind == Kind::Index && end - at - RECORD_HEADER == head.len))
}
