//! The side file: how far acknowledgements went, what was kept then, and the clock, in a few bytes that are written
//! again and again. It shows what is missing when the end of the log is damaged.

use super::bytes::{Put, Take};
use super::frame::Checksum;
use super::index::Secret;
use super::segment::{FORMAT, read_at, write_at};
use super::totals::Totals;
use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

/// Its name in the folder.
pub(super) const NAME: &str = "acknowledged";
const MAGIC: &[u8; 8] = b"DRTRACK\n";
/// The two places that are written in turn: one is whole whenever the other is being written.
const SLOTS: [u64; 2] = [0, 4096];
const SIZE: usize = 160;

/// What it says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mark {
    pub(super) format: u32,
    pub(super) secret: Secret,
    /// Counts the marks.
    pub(super) serial: u64,
    /// Number of the first record that nobody was told to be kept.
    pub(super) next_record: u64,
    pub(super) totals: Totals,
    /// The server's clock in milliseconds.
    pub(super) clock: u64,
    /// The time of day in milliseconds since 1970, as far as this computer knew it.
    pub(super) wall: u64,
}

impl Mark {
    fn encode(&self) -> Vec<u8> {
        let mut out = MAGIC.to_vec();
        out.put_u32(self.format);
        out.put_u64(self.secret.0[0]);
        out.put_u64(self.secret.0[1]);
        for number in [self.serial, self.next_record, self.clock, self.wall] {
            out.put_u64(number);
        }
        self.totals.encode(&mut out);
        out.put_u32(Checksum(0).of(&out));
        out.resize(SIZE, 0);
        out
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let mut from = Take(bytes);
        if from.bytes(8)? != MAGIC {
            return None;
        }
        let format = from.u32()?;
        let secret = Secret([from.u64()?, from.u64()?]);
        let [serial, next_record, clock, wall] = [from.u64()?, from.u64()?, from.u64()?, from.u64()?];
        let totals = Totals::decode(&mut from)?;
        let len = bytes.len() - from.0.len();
        let whole = from.u32()? == Checksum(0).of(&bytes[..len]);
        whole.then_some(Self { format, secret, serial, next_record, totals, clock, wall })
    }
}

/// The file, as it is written.
#[derive(Debug)]
pub(super) struct Side {
    path: PathBuf,
    /// Opened when it is needed; anew after an error.
    file: Option<File>,
    last: Mark,
}

impl Side {
    /// The newest mark in a folder; `None` when there is none that can be read.
    pub(super) fn read(folder: &Path) -> Option<Mark> {
        let path = folder.join(NAME);
        // Opening a pipe would wait for ever.
        let file = if path.is_file() { File::open(&path).ok()? } else { return None };
        let slots = SLOTS.into_iter().filter_map(|slot| {
            let mut bytes = vec![0; SIZE];
            read_at(&file, &mut bytes, slot).ok()?;
            Mark::decode(&bytes)
        });
        slots.max_by_key(|mark| mark.serial)
    }

    /// Goes on from `last`.
    pub(super) fn new(folder: &Path, last: Mark) -> Self {
        Self { path: folder.join(NAME), file: None, last }
    }

    /// Writes a mark; it reaches the disk some time later, or at once with [`sync`](Self::sync).
    pub(super) fn write(&mut self, mark: Mark) -> io::Result<()> {
        let serial = self.last.serial + 1;
        let mark = Mark { format: FORMAT, serial, ..mark };
        let slot = SLOTS[usize::from(serial % 2 == 1)];
        let file = match self.file.take() {
            Some(file) => file,
            None => OpenOptions::new().write(true).create(true).truncate(false).open(&self.path)?,
        };
        // After an error the same place is written again: the other one has the last good mark.
        write_at(&file, &mark.encode(), slot)?;
        (self.file, self.last) = (Some(file), mark);
        Ok(())
    }

    pub(super) fn sync(&self) -> io::Result<()> {
        self.file.as_ref().map_or(Ok(()), File::sync_data)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn mark(next_record: u64) -> Mark {
        let secret = Secret([1, 2]);
        Mark { format: FORMAT, secret, serial: 0, next_record, totals: Totals::default(), clock: 5, wall: 6 }
    }

    #[test]
    fn an_error_does_not_end_it() {
        let folder = tempfile::tempdir().unwrap();
        let inner = folder.path().join("not there yet");
        let mut side = Side::new(&inner, mark(0));
        assert!(side.write(mark(1)).is_err());
        fs::create_dir(&inner).unwrap();
        side.write(mark(2)).unwrap();
        assert_eq!(Side::read(&inner).unwrap().next_record, 2);
    }

    #[test]
    fn the_newest_mark_that_can_be_read_counts() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(Side::read(folder.path()), None);
        let mut side = Side::new(folder.path(), mark(0));
        for next_record in 1..=5 {
            side.write(mark(next_record)).unwrap();
            assert_eq!(Side::read(folder.path()).unwrap().next_record, next_record);
        }
        let path = folder.path().join(NAME);
        let whole = fs::read(&path).unwrap();
        for (slot, left) in [(0, 5), (4096, 4)] {
            let mut damaged = whole.clone();
            damaged[slot + 30] ^= 4;
            fs::write(&path, damaged).unwrap();
            assert_eq!(Side::read(folder.path()).unwrap().next_record, left);
        }
    }
}
