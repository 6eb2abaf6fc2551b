//! Stand-in: the folder of a stopped server.

use crate::{Lost, OpenError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// What was found in a folder.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Findings {
    /// How full it is.
    pub stats: Stats,
    /// Files that are damaged, and what is wrong with each.
    pub damaged: Vec<(PathBuf, String)>,
    /// What the damage costs.
    pub lost: Lost,
}

/// How full a folder is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stats {
    /// Sessions.
    pub sessions: u64,
    /// Subscriptions.
    pub subscriptions: u64,
    /// Retained messages.
    pub retained: u64,
    /// Queued messages.
    pub queued: u64,
    /// Files.
    pub segments: u64,
    /// Bytes on the disk.
    pub bytes: u64,
    /// Bytes of these that are still wanted.
    pub live_bytes: u64,
}

fn missing<T>(folder: &Path) -> Result<T, OpenError> {
    let source = io::Error::other("this build cannot read it yet");
    Err(OpenError::Folder { folder: folder.into(), source })
}

/// Reads everything and changes nothing.
///
/// # Errors
/// When the folder cannot be used.
pub fn check(folder: &Path) -> Result<Findings, OpenError> {
    missing(folder)
}

/// Tells how full it is.
///
/// # Errors
/// When the folder cannot be used.
pub fn stats(folder: &Path) -> Result<Stats, OpenError> {
    missing(folder)
}

/// Writes what is kept as JSON lines.
///
/// # Errors
/// When the folder cannot be used.
pub fn export(folder: &Path, out: &mut dyn Write) -> Result<u64, OpenError> {
    let _ = out;
    missing(folder)
}

/// Sets damaged files aside.
///
/// # Errors
/// When the folder cannot be used.
pub fn repair(folder: &Path) -> Result<Findings, OpenError> {
    missing(folder)
}
