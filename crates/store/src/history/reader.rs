//! Reads records out of one file, a window at a time.

use super::record::{FILE_HEADER, Head, Kind, RECORD_HEADER};
use std::fs::File;
use std::io::{self, ErrorKind, Read, Seek, SeekFrom};
use std::path::Path;

/// The window of one who jumps from point to point.
pub(super) const NARROW: usize = 4 << 10;
/// The window of one who reads everything.
pub(super) const WIDE: usize = 256 << 10;

/// One file, as far as it had been written when the question came.
#[derive(Debug)]
pub(super) struct Reader {
    file: File,
    end: u32,
    step: usize,
    window: Vec<u8>,
    window_at: u32,
}

/// A record that is as it was written.
#[derive(Debug)]
pub(super) struct Record<'r> {
    pub(super) kind: Kind,
    pub(super) body: &'r [u8],
    /// Where the next one stands.
    pub(super) end: u32,
}

impl Reader {
    /// Opens a file that ends at `end` as far as the reader is concerned.
    pub(super) fn open(path: &Path, end: u32, step: usize) -> io::Result<Self> {
        Ok(Self { file: File::open(path)?, end, step, window: Vec::new(), window_at: 0 })
    }

    /// Where the file ends.
    pub(super) fn end(&self) -> u32 {
        self.end
    }

    /// So many bytes from `at` on.
    pub(super) fn bytes(&mut self, at: u32, len: usize) -> io::Result<&[u8]> {
        let end = u32::try_from(len).ok().and_then(|len| at.checked_add(len)).filter(|end| *end <= self.end);
        let end = end.ok_or(ErrorKind::UnexpectedEof)?;
        let known = self.window_at..self.window_at.saturating_add(offset(self.window.len()));
        if at < known.start || end > known.end {
            let step = offset(self.step);
            let start = at - at % step;
            let wanted = end.max(start.saturating_add(step)).min(self.end) - start;
            self.window.clear();
            self.window.resize(wanted as usize, 0);
            self.window_at = start;
            let read = self
                .file
                .seek(SeekFrom::Start(start.into()))
                .and_then(|_| self.file.read_exact(&mut self.window));
            if let Err(error) = read {
                self.window.clear();
                return Err(error);
            }
        }
        let from = (at - self.window_at) as usize;
        Ok(&self.window[from..from + len])
    }

    /// How long the record at `at` says that its body is; nothing if no record can begin there.
    pub(super) fn claimed(&mut self, at: u32) -> io::Result<Option<u32>> {
        match self.bytes(at, RECORD_HEADER as usize) {
            Ok(bytes) => Ok(Head::read(bytes).map(|head| head.len)),
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The record at `at`; nothing if there is none that is whole.
    pub(super) fn record(&mut self, at: u32) -> io::Result<Option<Record<'_>>> {
        if at < FILE_HEADER {
            return Ok(None);
        }
        let head = match self.bytes(at, RECORD_HEADER as usize) {
            Ok(bytes) => Head::read(bytes),
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => None,
            Err(error) => return Err(error),
        };
        let Some(head) = head else { return Ok(None) };
        let start = at + RECORD_HEADER;
        let Some(end) = start.checked_add(head.len).filter(|end| *end <= self.end) else { return Ok(None) };
        let body = self.bytes(start, head.len as usize)?;
        Ok(head.fits(at, body).then_some(Record { kind: head.kind, body, end }))
    }
}

/// A length within a file, whose offsets are 32 bits wide.
pub(super) fn offset(len: usize) -> u32 {
    u32::try_from(len).unwrap_or(u32::MAX)
}
