//! A log store that a test works with as a server's only shard would.

use darter_codec::record::{Batch, Change, Kept, SessionNumber};
use darter_store::log::{LogOptions, opener};
use darter_store::{Answer, Keeper, Lost, OpenError, Store};
use darter_testkit::store_model::Queues;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::task::Wake;
use std::time::{Duration, SystemTime};

pub(crate) struct Desk {
    store: Option<Box<dyn Store>>,
    pub(crate) keeper: Box<dyn Keeper>,
    pub(crate) kept: Kept,
    pub(crate) clock: u64,
    woken: Receiver<()>,
    batch: u64,
    pub(crate) full: bool,
}

struct Bell(Sender<()>);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        let _ = self.0.send(());
    }
}

pub(crate) fn small(folder: &Path) -> LogOptions {
    LogOptions { segment_bytes: 16 * 1024, ballast_bytes: 0, ..LogOptions::new(folder) }
}

impl Desk {
    pub(crate) fn open(folder: &Path) -> Self {
        Self::try_open(small(folder)).unwrap()
    }

    pub(crate) fn try_open(options: LogOptions) -> Result<Self, OpenError> {
        let mut opened = opener(options)(1)?;
        let mut store = opened.stores.pop().unwrap();
        let (bell, woken) = channel();
        store.start(Arc::new(Bell(bell)).into());
        let (keeper, kept, clock) = (opened.keeper, opened.kept, opened.clock);
        Ok(Self { store: Some(store), keeper, kept, clock, woken, batch: 0, full: false })
    }

    pub(crate) fn submit(&mut self, changes: impl IntoIterator<Item = Change>) {
        self.batch += 1;
        let batch = Batch { number: self.batch, awaited: true };
        self.store.as_mut().unwrap().submit(batch, &mut changes.into_iter().collect());
    }

    /// Submits without waiting for anything.
    pub(crate) fn submit_unawaited(&mut self, changes: impl IntoIterator<Item = Change>) {
        self.batch += 1;
        let batch = Batch { number: self.batch, awaited: false };
        self.store.as_mut().unwrap().submit(batch, &mut changes.into_iter().collect());
    }

    /// One page: the sequences of its rows, and where the next one begins.
    pub(crate) fn page(&mut self, session: SessionNumber, from: u64, limit: usize) -> (Vec<u64>, u64) {
        self.store.as_mut().unwrap().load(session, from, limit);
        loop {
            if let Answer::Loaded { rows, through, .. } = self.answer() {
                return (rows.iter().map(|(sequence, _)| *sequence).collect(), through);
            }
        }
    }

    /// Submits and waits until it is kept.
    pub(crate) fn keep(&mut self, changes: impl IntoIterator<Item = Change>) {
        self.submit(changes);
        loop {
            match self.answer() {
                Answer::Committed(batch) if batch == self.batch => return,
                _ => {}
            }
        }
    }

    pub(crate) fn answer(&mut self) -> Answer {
        loop {
            if let Some(answer) = self.store.as_mut().unwrap().poll() {
                if let Answer::Full(full) = answer {
                    self.full = full;
                }
                return answer;
            }
            self.woken.recv_timeout(Duration::from_secs(20)).expect("the store answers");
        }
    }

    /// Every queue of the sessions that were kept, read in pages.
    pub(crate) fn queues(&mut self) -> Queues {
        let sessions: Vec<SessionNumber> = self.kept.sessions.iter().map(|one| one.session).collect();
        sessions.into_iter().map(|session| (session, self.queue(session))).collect()
    }

    fn queue(
        &mut self,
        session: SessionNumber,
    ) -> std::collections::BTreeMap<u64, darter_codec::record::QueueRow> {
        let mut queue = std::collections::BTreeMap::new();
        let mut from = 0;
        loop {
            self.store.as_mut().unwrap().load(session, from, 7);
            let (rows, through) = loop {
                if let Answer::Loaded { rows, through, .. } = self.answer() {
                    break (rows, through);
                }
            };
            if rows.is_empty() && (through == u64::MAX || through <= from) {
                return queue;
            }
            queue.extend(rows);
            if through == u64::MAX {
                return queue;
            }
            from = through;
        }
    }

    pub(crate) fn lost(&self) -> Lost {
        self.keeper.report().lost
    }

    /// Stops as a server does; everything submitted is kept.
    pub(crate) fn close(mut self) {
        self.store = None;
        self.keeper.finish();
    }
}

/// What a killed server leaves behind: the files as they are at one moment, in which none of them changes.
pub(crate) fn copy(from: &Path, to: &Path) {
    loop {
        let before = files(from);
        let copied = before.iter().try_for_each(|(path, _, _)| {
            let target = to.join(path.strip_prefix(from).unwrap());
            fs::create_dir_all(target.parent().unwrap())?;
            fs::copy(path, target).map(drop)
        });
        if copied.is_ok() && files(from) == before {
            return;
        }
        fs::remove_dir_all(to).unwrap();
    }
}

/// Every file below a folder, how long it is, and when it was last written.
pub(crate) fn files(folder: &Path) -> Vec<(PathBuf, u64, SystemTime)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.metadata() {
            Ok(metadata) if metadata.is_dir() => found.extend(files(&path)),
            Ok(metadata) => found.push((path, metadata.len(), metadata.modified().unwrap())),
            // Gone since the folder was read.
            Err(_) => {}
        }
    }
    found.sort();
    found
}
