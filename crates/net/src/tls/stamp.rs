//! What files look like from outside: other contents have another stamp.

use super::Files;
use std::fs::{self, Metadata};
use std::path::Path;
use std::time::SystemTime;

/// The stamp of a listener's files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stamp(Vec<Option<Seen>>);

/// One file. It is followed if it is a link, because tools that renew certificates set links.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Seen {
    length: u64,
    modified: Option<SystemTime>,
    /// Device and number of the file, and when anything about it last changed.
    inode: (u64, u64, i64, i64),
}

impl Stamp {
    pub(super) fn of(files: &Files) -> Self {
        Self(files.paths().map(see).collect())
    }
}

fn see(path: &Path) -> Option<Seen> {
    let metadata = fs::metadata(path).ok()?;
    let (length, modified) = (metadata.len(), metadata.modified().ok());
    Some(Seen { length, modified, inode: inode(&metadata) })
}

#[cfg(unix)]
fn inode(metadata: &Metadata) -> (u64, u64, i64, i64) {
    use std::os::unix::fs::MetadataExt;
    (metadata.dev(), metadata.ino(), metadata.ctime(), metadata.ctime_nsec())
}

#[cfg(not(unix))]
fn inode(_: &Metadata) -> (u64, u64, i64, i64) {
    (0, 0, 0, 0)
}
