//! The file that is written at the moment. It only grows.

use super::catalogue::{FileState, Known};
use super::file_name::FileName;
use super::index::{self, IndexPlace, Tally};
use super::reader::offset;
use super::record::{self, Chain, Checkpoint, Kind};
use super::scan::{Series, SeriesMap};
use crate::private;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A file and what is to be written next.
///
/// What was appended is in the catalogue at once, but questions see it only when it was written: every append is followed
/// by [`write`](Self::write) and then by [`publish`](Self::publish) or [`discard`](Self::discard).
#[derive(Debug)]
pub(super) struct Segment {
    pub(super) name: FileName,
    pub(super) path: PathBuf,
    file: File,
    written: u32,
    buffer: Vec<u8>,
    /// The series in the buffer.
    touched: Vec<Arc<str>>,
    /// How the file was at the last [`publish`](Self::publish).
    before: Option<Before>,
    /// Bytes of the names of all its series.
    names: usize,
    /// It could not be written: another file may do better.
    failed: bool,
    /// Something was written since the last sync.
    dirty: bool,
}

/// What comes back when something cannot be written.
#[derive(Debug, Clone, Copy)]
struct Before {
    tally: Tally,
    checkpoint_at: u32,
    written: u32,
    names: usize,
}

impl Segment {
    /// Makes a file, and the folder if it is gone.
    pub(super) fn create(folder: &Path, name: FileName) -> io::Result<Self> {
        let path = folder.join(name.to_string());
        let make = || private::new_file().read(true).create_new(true).open(&path);
        let mut file = match make() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                private::make_folder(folder)?;
                make()?
            }
            made => made?,
        };
        let header = record::file_header();
        if let Err(error) = file.write_all(&header) {
            // Nothing is in it: whether it can be removed makes no difference.
            let _ = fs::remove_file(&path);
            return Err(error);
        }
        // The name is for good only with its folder; not every system can do that.
        let _ = File::open(folder).and_then(|folder| folder.sync_all());
        Ok(Self::at(name, path, file, offset(header.len())))
    }

    /// Goes on with a file after its first `len` bytes. What is behind them is cut off.
    pub(super) fn reopen(folder: &Path, name: FileName, len: u32) -> io::Result<Self> {
        let path = folder.join(name.to_string());
        let file = OpenOptions::new().read(true).write(true).open(&path)?;
        if file.metadata()?.len() != u64::from(len) {
            file.set_len(len.into())?;
        }
        Ok(Self::at(name, path, file, len))
    }

    fn at(name: FileName, path: PathBuf, file: File, written: u32) -> Self {
        let (buffer, touched) = (Vec::new(), Vec::new());
        Self {
            name,
            path,
            file,
            written,
            buffer,
            touched,
            before: None,
            names: 0,
            failed: false,
            dirty: true,
        }
    }

    /// Goes on with the series that are in the file.
    pub(super) fn count_names(&mut self, series: &SeriesMap) {
        self.names = series.keys().map(|name| name.len()).sum();
    }

    /// Whether the file has room for a series: for its number, and the bytes of its name.
    pub(super) fn has_room_for(
        &self,
        name: &str,
        series: &SeriesMap,
        most: usize,
        most_names: usize,
    ) -> bool {
        let fits = series.len() < most && self.names.saturating_add(name.len()) <= most_names;
        fits || series.contains_key(name)
    }

    /// Where the next record will stand.
    pub(super) fn end(&self) -> u32 {
        self.written.saturating_add(offset(self.buffer.len()))
    }

    /// Bytes that wait.
    pub(super) fn waiting(&self) -> usize {
        self.buffer.len()
    }

    /// Up to here the file is written.
    pub(super) fn written(&self) -> u32 {
        self.written
    }

    /// Whether it could not be written.
    pub(super) fn has_failed(&self) -> bool {
        self.failed
    }

    /// All that is written, as a checkpoint.
    pub(super) fn checkpoint(&self) -> Checkpoint {
        Checkpoint { file: self.name.number, len: self.written }
    }

    /// Appends a record of a series, and its name if it is the first.
    pub(super) fn append(
        &mut self,
        state: &mut FileState,
        kind: Kind,
        name: &Arc<str>,
        time: u64,
        rest: &[&[u8]],
    ) {
        self.remember(state);
        let Known::Series(series) = &mut state.known else { return };
        let known = series.get(name).copied();
        let mut known = known.unwrap_or_else(|| {
            let name_at = self.end();
            record::push(&mut self.buffer, name_at, Kind::Name, &[name.as_bytes()]);
            self.names += name.len();
            Series { name_at, last_at: 0, written_at: 0 }
        });
        let at = self.end();
        let chain = Chain { name_at: known.name_at, before: known.last_at, time }.write();
        let body: Vec<&[u8]> = std::iter::once(&chain[..]).chain(rest.iter().copied()).collect();
        record::push(&mut self.buffer, at, kind, &body);
        known.last_at = at;
        series.insert(name.clone(), known);
        state.tally.add(time);
        self.touched.push(name.clone());
    }

    /// Appends how far points have been rolled up.
    pub(super) fn append_checkpoints(
        &mut self,
        state: &mut FileState,
        all: impl Iterator<Item = Checkpoint>,
    ) {
        self.remember(state);
        let at = self.end();
        let mut body = Vec::new();
        all.for_each(|checkpoint| checkpoint.write(&mut body));
        record::push(&mut self.buffer, at, Kind::Checkpoint, &[&body]);
        state.checkpoint_at = at;
    }

    /// Writes what waits; long things are written in pieces before they are published together. After an error what was not
    /// published is not in the file, as far as the system allows.
    pub(super) fn write(&mut self) -> io::Result<()> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        self.dirty = true;
        let start = SeekFrom::Start(self.written.into());
        let done = self.file.seek(start).and_then(|_| self.file.write_all(&self.buffer));
        if done.is_err() {
            self.failed = true;
            return done;
        }
        self.written = self.end();
        self.buffer.clear();
        Ok(())
    }

    /// What was written can be asked for.
    pub(super) fn publish(&mut self, state: &mut FileState) {
        self.before = None;
        state.bytes = self.written;
        if let Known::Series(known) = &mut state.known {
            for name in self.touched.drain(..) {
                if let Some(series) = known.get_mut(&name) {
                    series.written_at = series.last_at;
                }
            }
        }
    }

    /// What could not be written never was.
    pub(super) fn discard(&mut self, state: &mut FileState) {
        state.failed = true;
        self.buffer.clear();
        if let Some(before) = self.before.take() {
            (state.tally, state.checkpoint_at) = (before.tally, before.checkpoint_at);
            (self.written, self.names) = (before.written, before.names);
        }
        // Should this fail, the next record is written over what is there.
        let _ = self.file.set_len(self.written.into());
        if let Known::Series(known) = &mut state.known {
            for name in self.touched.drain(..) {
                if let Some(series) = known.get_mut(&name) {
                    series.last_at = series.written_at;
                    if series.written_at == 0 {
                        known.remove(&name);
                    }
                }
            }
        }
    }

    /// Appends the index that ends the file. Everything else must have been written.
    pub(super) fn append_index(&mut self, state: &FileState) -> Option<IndexPlace> {
        let Known::Series(series) = &state.known else { return None };
        Some(index::push(&mut self.buffer, self.written, series, state.tally, state.checkpoint_at))
    }

    /// Writes the index for good.
    pub(super) fn write_index(&mut self) -> io::Result<()> {
        let ended = self.write().and_then(|()| self.sync());
        ended.inspect_err(|_| {
            self.buffer.clear();
            // As above.
            let _ = self.file.set_len(self.written.into());
        })
    }

    /// Whether the disk was not asked yet to keep all that was written.
    pub(super) fn is_dirty(&self) -> bool {
        self.dirty
    }

    /// Asks the disk to keep what was written.
    pub(super) fn sync(&mut self) -> io::Result<()> {
        if self.dirty {
            self.file.sync_data()?;
            self.dirty = false;
        }
        Ok(())
    }

    fn remember(&mut self, state: &FileState) {
        self.before.get_or_insert(Before {
            tally: state.tally,
            checkpoint_at: state.checkpoint_at,
            written: self.written,
            names: self.names,
        });
    }
}
