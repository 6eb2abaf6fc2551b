//! The durable store: a log of records with checksums, in segments.
//!
//! All shards share one log. Its writer's thread takes their batches, writes what has gathered while the disk was busy
//! with one `fdatasync`, and answers. An index in memory knows where everything is that is still wanted; messages
//! themselves are only on the disk. Old segments are deleted in the order they were made, after what is still
//! wanted of them was written again at the end.
//!
//! `docs/format.md` of this crate describes the files.

mod ballast;
mod bytes;
mod clock;
mod compaction;
mod content;
mod entry;
mod folder;
mod frame;
mod group;
mod handle;
mod index;
pub mod inspect;
mod journal;
mod opening;
mod outlet;
mod reading;
mod recovery;
mod segment;
mod shared;
mod side;
mod source;
mod totals;
mod writer;

pub use opening::opener;

use std::path::PathBuf;
use std::time::Duration;

/// Where and how state is kept on the disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogOptions {
    /// The data folder; it is made if it is not there.
    pub folder: PathBuf,
    /// How long what nobody waits for may take to reach the disk.
    pub sync_interval: Duration,
    /// Bytes after which a new segment is begun; 64 KiB at least.
    pub segment_bytes: u64,
    /// Bytes of the file that is given up when the disk is full, so that messages can still be taken out; 0 is none.
    pub ballast_bytes: u64,
}

impl LogOptions {
    /// The defaults for a folder.
    #[must_use]
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self {
            folder: folder.into(),
            sync_interval: Duration::from_secs(1),
            segment_bytes: 32 * 1024 * 1024,
            ballast_bytes: 64 * 1024 * 1024,
        }
    }
}
