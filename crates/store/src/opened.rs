//! Opening a store: what a server gets at its start, and whom it asks while it runs.

use crate::{MemoryStore, Store};
use darter_codec::record::Kept;
use std::fmt::{self, Debug};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;

/// Opens the stores of a server with so many shards.
pub type Opener = Arc<dyn Fn(u8) -> Result<Opened, OpenError> + Send + Sync>;

/// A server's stores, just opened.
pub struct Opened {
    /// One for each shard.
    pub stores: Vec<Box<dyn Store>>,
    /// What was kept from an earlier run.
    pub kept: Kept,
    /// Where the server's clock goes on, in milliseconds. Deadlines that were kept are on this clock.
    pub clock: u64,
    /// Watches over all of them.
    pub keeper: Box<dyn Keeper>,
}

/// What belongs to all stores of a server.
pub trait Keeper: Send + Sync + Debug {
    /// How the store is.
    fn report(&self) -> Report;

    /// How long the disk has owed an answer; zero while nobody asks it for anything.
    fn waiting(&self) -> Duration;

    /// The server's clock is here, in milliseconds. Told now and then, so that the clock goes on from there after a crash.
    fn tick(&self, now: u64);

    /// Every store was dropped: waits until all that was submitted is kept.
    fn finish(&self);
}

/// How a store is, and what it could not bring back.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// The folder; `None` for a store in memory.
    pub folder: Option<PathBuf>,
    /// What was lost before the server started.
    pub lost: Lost,
    /// What was lost since, to damage that showed only when something was read.
    pub lost_since: Lost,
    /// What the disk last said when it failed.
    pub trouble: Option<String>,
    /// Bytes on the disk.
    pub bytes: u64,
    /// Bytes of these that are still wanted.
    pub live_bytes: u64,
    /// Sessions that are kept.
    pub sessions: u64,
    /// Subscriptions that are kept.
    pub subscriptions: u64,
    /// Retained messages that are kept.
    pub retained: u64,
    /// Messages in all queues that are kept.
    pub queued: u64,
    /// Files with damage in them are still being replaced.
    pub mending: bool,
    /// Times that the disk was asked to keep something for good.
    pub syncs: u64,
    /// There is no room on the disk, or it cannot be written: what would have to be stored is refused.
    pub full: bool,
}

/// What damage cost, in numbers that are never smaller than the truth.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Lost {
    /// Sessions.
    pub sessions: u64,
    /// Subscriptions.
    pub subscriptions: u64,
    /// Retained messages.
    pub retained: u64,
    /// Queued messages.
    pub queued: u64,
    /// Wills, and QoS 2 packet identifiers of messages on their way.
    pub other: u64,
    /// True when the numbers are only the least that was lost.
    pub at_least: bool,
    /// True when the numbers are the most that can have been lost: it is not known what the missing records were.
    pub at_most: bool,
}

impl Lost {
    /// Nothing was lost.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }
}

/// Such as "at least 2 sessions, 1 retained message"; "nothing" when it is nothing.
impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_nothing() {
            return f.write_str("nothing");
        }
        let counts = [
            (self.sessions, "session", "sessions"),
            (self.subscriptions, "subscription", "subscriptions"),
            (self.retained, "retained message", "retained messages"),
            (self.queued, "queued message", "queued messages"),
            (self.other, "will or packet identifier", "wills or packet identifiers"),
        ];
        let mut before = match self {
            Self { at_least: true, .. } => "at least ",
            Self { at_most: true, .. } => "up to ",
            _ => "",
        };
        for (count, one, several) in counts.into_iter().filter(|(count, ..)| *count > 0) {
            write!(f, "{before}{count} {}", if count == 1 { one } else { several })?;
            before = ", ";
        }
        // Damage whose cost is not known at all.
        if before == "at least " { f.write_str("something that cannot be counted") } else { Ok(()) }
    }
}

/// Why a store cannot be opened.
#[derive(Debug, Error)]
pub enum OpenError {
    /// Another server uses the folder.
    #[error("the data folder {} is in use by another darter (process {process}); stop it, or name another folder with --data-dir", .folder.display())]
    InUse {
        /// The folder.
        folder: PathBuf,
        /// The other's process id as it wrote it down, or "unknown".
        process: String,
    },
    /// A newer version of Darter made it.
    #[error("the data folder {} was written by a newer darter (format {found}; this one reads up to {known}); use that version, or name another folder with --data-dir", .folder.display())]
    Newer {
        /// The folder.
        folder: PathBuf,
        /// Its format.
        found: u32,
        /// The newest format that can be read.
        known: u32,
    },
    /// What was asked for cannot be written to where it was to go.
    #[error("cannot write the export: {source}")]
    Output {
        /// What the system said.
        source: io::Error,
    },
    /// The folder is none of darter's.
    #[error("{} is no data folder of darter: there is no folder 'messages' in it", .folder.display())]
    NoData {
        /// The folder.
        folder: PathBuf,
    },
    /// The system does not let a file be read, although it is there.
    #[error("{} cannot be read: {source}; the data folder and everything in it must belong to the user that darter runs as", .file.display())]
    File {
        /// The file.
        file: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The folder belongs to somebody else.
    #[error("the data folder {} belongs to another user (number {owner}), who could not use it any more afterwards; run this as that user: sudo -u '#{owner}' darter ...", .folder.display())]
    NotOurs {
        /// The folder.
        folder: PathBuf,
        /// The number of its user.
        owner: u32,
    },
    /// The system does not let the folder be used.
    #[error("the data folder {} cannot be used: {source}", .folder.display())]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// Everything in memory: nothing is kept from one run to the next.
#[derive(Debug)]
struct Forgetful;

impl Keeper for Forgetful {
    fn report(&self) -> Report {
        Report::default()
    }

    fn waiting(&self) -> Duration {
        Duration::ZERO
    }

    fn tick(&self, _now: u64) {}

    fn finish(&self) {}
}

/// Opens stores in memory.
#[must_use]
pub fn in_memory() -> Opener {
    Arc::new(|shards| {
        Ok(Opened {
            stores: (0..shards).map(|_| Box::new(MemoryStore::new()) as Box<dyn Store>).collect(),
            kept: Kept::default(),
            clock: 0,
            keeper: Box::new(Forgetful),
        })
    })
}

#[cfg(test)]
mod tests {
    use super::{Lost, OpenError};

    #[test]
    fn what_was_lost_is_said_in_words() {
        assert_eq!(Lost::default().to_string(), "nothing");
        let lost = Lost { sessions: 2, retained: 1, other: 3, at_least: true, ..Lost::default() };
        assert_eq!(
            lost.to_string(),
            "at least 2 sessions, 1 retained message, 3 wills or packet identifiers"
        );
        let lost = Lost { queued: 1, subscriptions: 5, ..Lost::default() };
        assert_eq!(lost.to_string(), "5 subscriptions, 1 queued message");
        let lost = Lost { at_least: true, ..Lost::default() };
        assert_eq!(lost.to_string(), "something that cannot be counted");
        let lost = Lost { queued: 6, at_most: true, ..Lost::default() };
        assert_eq!(lost.to_string(), "up to 6 queued messages");
    }

    #[test]
    fn a_folder_in_use_is_named_with_its_user() {
        let error = OpenError::InUse { folder: "/data".into(), process: "4711".into() };
        let expected = "the data folder /data is in use by another darter (process 4711); stop it, or name another folder \
                        with --data-dir";
        assert_eq!(error.to_string(), expected);
    }
}
