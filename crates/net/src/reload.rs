//! Why files that were read again cannot be used.

use std::path::{Path, PathBuf};
use thiserror::Error;

/// A file that cannot be used, and why. What was read before goes on to count.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{}: {what}", file.display())]
pub struct ReloadError {
    file: PathBuf,
    what: String,
}

impl ReloadError {
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
