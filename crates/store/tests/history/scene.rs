//! A folder that goes with its test, and messages to keep.

use darter_codec::{Message, QoS};
use darter_store::history::{History, HistoryOptions, Point};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

pub(crate) const SECOND: u64 = 1_000;
pub(crate) const MINUTE: u64 = 60 * SECOND;
pub(crate) const HOUR: u64 = 60 * MINUTE;
pub(crate) const DAY: u64 = 24 * HOUR;
/// Midnight of some day.
pub(crate) const START: u64 = 20_000 * DAY;

/// A folder below the target folder.
#[derive(Debug)]
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("history-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        Self(Path::new(env!("CARGO_TARGET_TMPDIR")).join(name))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn options(&self) -> HistoryOptions {
        HistoryOptions::in_folder(&self.0)
    }

    pub(crate) fn open(&self) -> History {
        History::open(self.options())
    }

    /// The files that begin so, in the order of their names.
    pub(crate) fn files(&self, prefix: &str) -> Vec<PathBuf> {
        let entries = fs::read_dir(&self.0).unwrap().map(|entry| entry.unwrap().path());
        let begins = |path: &PathBuf| path.file_name().unwrap().to_str().unwrap().starts_with(prefix);
        let mut files: Vec<PathBuf> = entries.filter(begins).collect();
        files.sort();
        files
    }

    /// The files as they are at the moment: as a server that is killed now leaves them.
    pub(crate) fn snapshot(&self) -> Folder {
        let copy = Folder::new();
        fs::create_dir_all(copy.path()).unwrap();
        for file in self.files("") {
            fs::copy(&file, copy.path().join(file.file_name().unwrap())).unwrap();
        }
        copy
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

pub(crate) fn message(topic: &str, payload: &str) -> Message {
    Message::new(QoS::AtMostOnce, false, topic, [], payload.as_bytes(), None)
}

/// Times and payloads.
pub(crate) fn plain(points: &[Point]) -> Vec<(u64, String)> {
    points.iter().map(|point| (point.time_ms, String::from_utf8(point.payload.to_vec()).unwrap())).collect()
}

/// Times alone.
pub(crate) fn times(points: &[Point]) -> Vec<u64> {
    points.iter().map(|point| point.time_ms).collect()
}
