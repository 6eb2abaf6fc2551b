//! Opening a log for a server.

use super::LogOptions;
use super::ballast::Ballast;
use super::clock;
use super::compaction::Compaction;
use super::entry::Entry;
use super::folder::{self, Lock};
use super::handle::LogStore;
use super::journal::Journal;
use super::outlet::Outlet;
use super::recovery::{Recovered, recover};
use super::segment::{FORMAT, thin_out};
use super::shared::Shared;
use super::side::{Mark, Side};
use super::writer::{State, Writer};
use crate::{Keeper, OpenError, Opened, Opener, Report, Store};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// Opens the log of a data folder for a server.
#[must_use]
pub fn opener(options: LogOptions) -> Opener {
    Arc::new(move |shards| open(&options, shards))
}

/// Waits for the writer's thread, and shows how it is.
#[derive(Debug)]
struct LogKeeper {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Keeper for LogKeeper {
    fn report(&self) -> Report {
        self.shared.report()
    }

    fn waiting(&self) -> Duration {
        self.shared.waiting()
    }

    fn tick(&self, now: u64) {
        self.shared.set_clock(now);
    }

    fn finish(&self) {
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            // A panic was told when it happened.
            let _ = thread.join();
        }
    }
}

fn open(options: &LogOptions, shards: u8) -> Result<Opened, OpenError> {
    let failed = |source| OpenError::Folder { folder: options.folder.clone(), source };
    let lock = Lock::take(&options.folder)?;
    let folder = folder::messages(&options.folder);
    folder::make_private(&folder).map_err(failed)?;
    let recovered = recover(&options.folder, &folder, true)?;
    // What is set aside shall not fill the disk; that it cannot be deleted is no reason not to start.
    let _ = thin_out(&folder);
    let secret = recovered.secret;
    let (clock_then, wall_then) = recovered.mark.map_or((0, 0), |mark| (mark.clock, mark.wall));
    let clock = clock::resume(clock_then, wall_then, clock::wall());

    let mut journal = Journal::new(&folder, secret, options.segment_bytes);
    let Recovered { next_segment, next_record, next_body, .. } = recovered;
    journal.go_on(recovered.index, next_segment, next_record, next_body);
    recovered.files.into_iter().for_each(|(number, file)| journal.segments.add(number, file));
    for session in recovered.orphans {
        journal.append(&Entry::SessionEnded { session });
    }
    for (session, sequence) in recovered.done {
        journal.append(&Entry::Removed { session, sequence, count: 1 });
    }
    let through = if recovered.damaged.is_empty() { 0 } else { next_segment - 1 };
    let compaction = Compaction::new(recovered.damaged, through);

    let mut ballast = Ballast::open(&folder, options.ballast_bytes);
    // Without room for it the server starts all the same, and says that the disk is full.
    let trouble = ballast.restore().err().map(|error| error.to_string());
    let report =
        Report { folder: Some(options.folder.clone()), lost: recovered.lost, trouble, ..Report::default() };
    let shared = Arc::new(Shared::new(report, clock));
    shared.set_numbers(&journal, &compaction);
    let last = recovered.mark.unwrap_or(Mark {
        format: FORMAT,
        secret,
        serial: 0,
        next_record: 0,
        totals: journal.index.totals,
        clock: 0,
        wall: 0,
    });
    let outlets: Vec<_> = (0..shards).map(|_| Arc::new(Outlet::default())).collect();
    let (sender, jobs) = channel();
    let store = |shard| {
        let outlet: &Arc<Outlet> = &outlets[shard];
        Box::new(LogStore::new(shard, sender.clone(), outlet.clone(), shared.clone())) as Box<dyn Store>
    };
    let stores = (0..usize::from(shards)).map(store).collect();
    let writer = Writer {
        journal,
        compaction,
        side: Side::new(&folder, last),
        secret,
        checksum: secret.checksum(),
        ballast,
        jobs,
        outlets,
        shared: shared.clone(),
        options: options.clone(),
        state: State::new(usize::from(shards)),
        lock,
    };
    let thread = std::thread::Builder::new().name("darter-store".to_owned()).spawn(move || writer.run());
    let thread = Mutex::new(Some(thread.map_err(failed)?));
    let keeper = Box::new(LogKeeper { shared, thread });
    Ok(Opened { stores, kept: recovered.kept, clock, keeper })
}
