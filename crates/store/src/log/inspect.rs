//! Stand-in: the folder of a stopped server.

use crate::OpenError;
use std::io::{self, Write};
use std::path::Path;

/// What was found in a folder.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Findings {}

/// How full a folder is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stats {}

fn missing<T>(folder: &Path) -> Result<T, OpenError> {
    let source = io::Error::from(io::ErrorKind::Unsupported);
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
