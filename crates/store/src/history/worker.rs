//! The history's thread.

use super::folder::Folder;
use super::options::Place;
use super::recovery;
use super::shared::Shared;
use super::wall::{self, Wall};
use darter_codec::Message;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender};
use std::time::{Duration, Instant};

/// So many items are taken before what waits is written.
const BATCH: usize = 512;

/// How often it is looked for what is too old.
const SWEEP_EVERY: Duration = Duration::from_secs(60);

/// What the thread is told.
#[derive(Debug)]
pub(super) enum Item {
    /// A point, and its time.
    Point(u64, Message),
    /// Half of all files shall go.
    MakeRoom,
    /// Everything before shall be kept for good; then the sender is answered.
    Flush(SyncSender<()>),
}

/// Works until nobody can tell it anything any more.
pub(super) fn run(shared: &Arc<Shared>, items: &Receiver<Item>) {
    // Whatever happens here, nobody shall wait for ever.
    let _ended = Ended(shared);
    let ready = Ready(shared);
    match &shared.options.place {
        Place::Memory => {
            drop(ready);
            while let Ok(item) = items.recv() {
                match item {
                    Item::Point(time, message) => {
                        taken(shared, &message);
                        shared.ring().keep(time, message, &shared.counters);
                    }
                    Item::MakeRoom => {}
                    Item::Flush(answer) => drop(answer.send(())),
                }
            }
        }
        Place::Folder(path) => {
            let mut folder = Folder::new(shared.clone(), path.clone());
            recovery::open(&mut folder);
            drop(ready);
            keep_files(&mut folder, items);
        }
    }
}

fn keep_files(folder: &mut Folder, items: &Receiver<Item>) {
    let every = folder.shared.options.sync_every;
    let mut sync_at = Instant::now() + every;
    let mut sweep_at = Instant::now() + SWEEP_EVERY;
    let mut wall = Wall::new(Instant::now(), wall::since_1970());
    loop {
        // With nothing to sync there is no other reason to wake up.
        let next = if folder.is_dirty() { sync_at.min(sweep_at) } else { sweep_at };
        let first = items.recv_timeout(next.saturating_duration_since(Instant::now()));
        let mut answers = Vec::new();
        match first {
            Ok(first) => {
                for item in std::iter::once(first).chain(items.try_iter()).take(BATCH) {
                    match item {
                        Item::Point(time, message) => {
                            taken(&folder.shared, &message);
                            folder.keep(time, &message);
                        }
                        Item::MakeRoom => drop(folder.make_room()),
                        Item::Flush(answer) => answers.push(answer),
                    }
                }
                folder.flush();
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break,
        }
        if !answers.is_empty() || (folder.is_dirty() && Instant::now() >= sync_at) {
            folder.sync();
            sync_at = Instant::now() + every;
        }
        if Instant::now() >= sweep_at {
            sweep_at = Instant::now() + SWEEP_EVERY;
            let quiet = folder.shared.options.bucket_ms;
            if let Some(now) = wall.believed(Instant::now(), wall::since_1970(), quiet) {
                folder.sweep(now);
            }
        }
        for answer in answers {
            // Who asked may have gone.
            let _ = answer.send(());
        }
    }
    folder.finish();
}

/// A point no longer waits.
fn taken(shared: &Shared, message: &Message) {
    shared.queued_bytes.fetch_sub(message.size(), Ordering::Relaxed);
}

/// Says that questions can be answered when it is dropped.
struct Ready<'s>(&'s Shared);

impl Drop for Ready<'_> {
    fn drop(&mut self) {
        self.0.set_ready();
    }
}

/// Says that nothing is written any more when it is dropped.
struct Ended<'s>(&'s Shared);

impl Drop for Ended<'_> {
    fn drop(&mut self) {
        self.0.set_ended();
    }
}
