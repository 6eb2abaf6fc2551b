//! The files that a log is read from: which belong to it, and what is in them.

use super::index::Secret;
use super::segment::{FORMAT, HEADER, Header, Segments, read_at, read_what_is_there};
use super::side::Mark;
use crate::OpenError;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

/// Bytes of the largest file that can be a segment: the largest that can be asked for, and the largest frame behind it.
const LARGEST: u64 = 2 * 1024 * 1024 * 1024;

/// A file with the name of a segment.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) number: u32,
    pub(super) path: PathBuf,
    header: Option<Header>,
    len: u64,
    /// It is there, and no file.
    is_strange: bool,
}

/// What is in such a file.
#[derive(Debug)]
pub(super) enum Contents {
    /// The bytes of a segment, and whether its header is right.
    Segment(Vec<u8>, bool),
    /// The beginning of a segment that was never finished.
    Unbegun,
    /// Nothing that can be used; why.
    Useless(&'static str),
}

impl Source {
    /// Every file with the name of a segment, the oldest first.
    pub(super) fn all(folder: &Path) -> io::Result<Vec<Self>> {
        let list = Segments::list(folder)?.into_iter();
        Ok(list
            .map(|(number, path)| {
                let metadata = fs::metadata(&path);
                let is_file = metadata.as_ref().is_ok_and(fs::Metadata::is_file);
                // Opening a pipe would wait for ever.
                let header = if is_file { read_header(&path) } else { None };
                let len = metadata.as_ref().map_or(0, fs::Metadata::len);
                let is_strange = metadata.is_ok_and(|metadata| !metadata.is_file());
                Self { number, path, header, len, is_strange }
            })
            .collect())
    }

    /// Reads the file.
    ///
    /// # Errors
    /// When the system refuses it, as for want of permission: then nothing is wrong with the file.
    pub(super) fn read(&self, secret: Secret) -> Result<Contents, OpenError> {
        match self.header {
            Some(header) if header.secret != secret => {
                return Ok(Contents::Useless("it belongs to another store"));
            }
            Some(header) if header.segment != self.number => {
                return Ok(Contents::Useless("it is a segment under another's name"));
            }
            _ => {}
        }
        if self.is_strange {
            return Ok(Contents::Useless("it is no file"));
        }
        if self.len > LARGEST {
            return Ok(Contents::Useless("it is larger than any segment"));
        }
        match fs::read(&self.path) {
            Ok(bytes) if bytes.len() < HEADER || bytes.iter().all(|byte| *byte == 0) => Ok(Contents::Unbegun),
            Ok(bytes) => Ok(Contents::Segment(bytes, self.header.is_some())),
            Err(error) if is_refusal(&error) => {
                Err(OpenError::File { file: self.path.clone(), source: error })
            }
            Err(_) => {
                let Ok(file) = File::open(&self.path) else {
                    return Ok(Contents::Useless("it cannot be opened"));
                };
                let bytes = read_what_is_there(&file, usize::try_from(self.len).unwrap_or(usize::MAX));
                Ok(Contents::Segment(bytes, false))
            }
        }
    }
}

/// The secret of the store: what the side file says, else what most of the segments say.
pub(super) fn secret(sources: &[Source], mark: Option<&Mark>) -> Option<Secret> {
    let mut votes: BTreeMap<[u64; 2], usize> = BTreeMap::new();
    for header in sources.iter().filter_map(|source| source.header) {
        *votes.entry(header.secret.0).or_default() += 1;
    }
    let most = votes.into_iter().max_by_key(|(_, count)| *count);
    mark.map(|mark| mark.secret).or(most.map(|(secret, _)| Secret(secret)))
}

/// The newest format that any of the files is in.
pub(super) fn format(sources: &[Source], mark: Option<&Mark>) -> u32 {
    let formats = sources.iter().filter_map(|source| source.header).map(|header| header.format);
    formats.chain(mark.map(|mark| mark.format)).max().unwrap_or(FORMAT)
}

/// Whether an error says something of this process and not of the disk.
fn is_refusal(error: &io::Error) -> bool {
    // Too many open files, of this process and of all.
    const EMFILE: i32 = 24;
    const ENFILE: i32 = 23;
    matches!(error.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::OutOfMemory)
        || (cfg!(unix) && matches!(error.raw_os_error(), Some(EMFILE | ENFILE)))
}

fn read_header(path: &Path) -> Option<Header> {
    let file = File::open(path).ok()?;
    let mut bytes = [0; HEADER];
    read_at(&file, &mut bytes, 0).ok()?;
    Header::decode(&bytes)
}
