//! Why a file cannot be used.

use std::path::{Path, PathBuf};
use thiserror::Error;

/// A file that cannot be used, and why. Where it is a newer one than what was read before, that goes on to count.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{}: {what}", file.display())]
pub struct FileError {
    file: PathBuf,
    what: String,
}

impl FileError {
    /// `file` cannot be used because of `what`, in plain words.
    #[must_use]
    pub fn new(file: &Path, what: impl Into<String>) -> Self {
        Self { file: file.into(), what: what.into() }
    }

    /// The file.
    #[must_use]
    pub fn file(&self) -> &Path {
        &self.file
    }
}
