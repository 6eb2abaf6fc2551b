//! Stand-in for the log store: its signatures, with memory behind them.

pub mod inspect;

use crate::{Opener, in_memory};
use std::path::PathBuf;
use std::time::Duration;

/// How the log is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogOptions {
    /// The data folder.
    pub folder: PathBuf,
    /// How long a message of durability "interval" may be on its way to the disk.
    pub sync_interval: Duration,
    /// Size of one segment in bytes.
    pub segment_bytes: u64,
    /// Size of the file that makes room on a full disk, in bytes.
    pub ballast_bytes: u64,
}

/// Opens the log.
#[must_use]
pub fn opener(options: LogOptions) -> Opener {
    let folder = options.folder;
    let open = in_memory();
    std::sync::Arc::new(move |shards| {
        std::fs::create_dir_all(&folder)
            .map_err(|source| crate::OpenError::Folder { folder: folder.clone(), source })?;
        open(shards)
    })
}
