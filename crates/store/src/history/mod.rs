//! The past: points of topics over time.
//!
//! A history stands apart from the store of sessions and messages, in a folder and a thread of its own: whatever happens to
//! it stops nothing else. [`History::record`] never waits. Points are files, one for each stretch of time, which only grow
//! and are dropped whole; `docs/format.md` describes them. Beside the points there are roll-ups of every minute: count,
//! smallest, mean and largest of numeric payloads, and of numeric fields (at most 16 of a topic) of JSON objects.
//!
//! Every point that is not kept is counted ([`NotKept`]). Times are those of the server's wall clock, which may jump: the
//! module `retention` says what that means for the age of a point.

mod catalogue;
mod fields;
mod file_name;
mod folder;
mod index;
mod minute;
mod options;
mod questions;
mod reader;
mod record;
mod recovery;
mod report;
mod retention;
mod ring;
mod room;
mod sample;
mod scan;
mod segment;
mod shared;
mod topics;
mod walk;
mod wall;
mod worker;

pub use options::{HistoryOptions, Place};
pub use report::{HistoryReport, NotKept};
pub use sample::{Point, Sample};

use darter_codec::Message;
use file_name::What;
use questions::Questions;
use report::{count, read};
use sample::{Aggregate, Stretches};
use shared::Shared;
use std::ops::Range;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{self, SyncSender, TrySendError};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard};
use std::thread::{self, JoinHandle};
use std::time::Duration;
use worker::Item;

/// Times beyond, in the year 10889, are taken for this one.
const LATEST: u64 = 1 << 48;

/// Points of topics over time. Share it; [`finish`](Self::finish) or dropping it writes what is left.
#[derive(Debug)]
pub struct History {
    shared: Arc<Shared>,
    /// None after the end.
    items: RwLock<Option<SyncSender<Item>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl History {
    /// Opens a history. It always opens: what an earlier run left is read by the history's thread, and questions wait for
    /// that; damage and errors are in the [`report`](Self::report).
    #[must_use]
    pub fn open(options: HistoryOptions) -> Self {
        let shared = Arc::new(Shared::new(options.sound()));
        let (items, received) = mpsc::sync_channel(shared.options.queue_points.max(1));
        let for_thread = shared.clone();
        let thread = thread::Builder::new()
            .name("darter-history".into())
            .spawn(move || worker::run(&for_thread, &received))
            .inspect_err(|error| {
                shared.catalogue().trouble = Some(format!("its thread cannot be started: {error}"));
                shared.set_ready();
                shared.set_ended();
            });
        Self { shared, items: RwLock::new(Some(items)), thread: Mutex::new(thread.ok()) }
    }

    /// Keeps a message as a point at `time_ms`, in milliseconds since 1970 of the wall clock. Never waits: where there is no
    /// room, the point is counted instead.
    pub fn record(&self, time_ms: u64, message: Message) {
        let Shared { options, counters, queued_bytes, .. } = &*self.shared;
        if message.payload().len() > options.max_payload {
            return count(&counters.too_large, 1);
        }
        if message.topic().len() > options::LONGEST_TOPIC {
            return count(&counters.name_too_long, 1);
        }
        let size = message.size();
        if queued_bytes.fetch_add(size, Ordering::Relaxed).saturating_add(size) > options.queue_bytes {
            queued_bytes.fetch_sub(size, Ordering::Relaxed);
            return count(&counters.queue_full, 1);
        }
        let item = Item::Point(time_ms.min(LATEST), message);
        let sent = self.items().as_ref().map_or(Err(TrySendError::Disconnected(())), |items| {
            items.try_send(item).map_err(|error| match error {
                TrySendError::Full(_) => TrySendError::Full(()),
                TrySendError::Disconnected(_) => TrySendError::Disconnected(()),
            })
        });
        if let Err(error) = sent {
            queued_bytes.fetch_sub(size, Ordering::Relaxed);
            let full = matches!(error, TrySendError::Full(()));
            count(if full { &counters.queue_full } else { &counters.error }, 1);
        }
    }

    /// The newest points of a topic, at most `most`, in the order of their times.
    #[must_use]
    pub fn last(&self, topic: &str, most: usize) -> Vec<Point> {
        match self.questions() {
            Some(questions) => questions.last(topic, most),
            None => {
                let mut points = self.shared.ring().range(topic, &(0..u64::MAX));
                points.drain(..points.len().saturating_sub(most));
                points
            }
        }
    }

    /// The points of a topic with times in `range`, in the order of their times; the first `most` where there are more.
    #[must_use]
    pub fn range(&self, topic: &str, range: Range<u64>, most: usize) -> Vec<Point> {
        match self.questions() {
            Some(questions) => questions.range(topic, &range, most),
            None => {
                let mut points = self.shared.ring().range(topic, &range);
                points.truncate(most);
                points
            }
        }
    }

    /// What a topic's numbers in `range` come to, in at most `points` equal stretches of time; those without numbers are left
    /// out. `field` is the dotted path of a field of JSON objects (`temp.inside`); without it the payload is the number.
    ///
    /// Stretches of a minute and more begin with a minute, and are made of roll-ups; shorter ones of points. In memory
    /// there are points only.
    #[must_use]
    pub fn downsampled(
        &self,
        topic: &str,
        field: Option<&str>,
        range: Range<u64>,
        points: usize,
    ) -> Vec<Sample> {
        let mut stretches = Stretches::new(range.start, range.end, points);
        if let Some(questions) = self.questions() {
            return questions.sampled(topic, field, stretches);
        }
        let (from, to) = stretches.range();
        let found = self.shared.ring().range(topic, &(from..to));
        for point in found {
            if let Some(number) = fields::value(&point.payload, field) {
                stretches.add(point.time_ms, &Aggregate::of(number));
            }
        }
        stretches.finish()
    }

    /// Topics that begin with `prefix`, at most `limit`, in the order of their bytes.
    #[must_use]
    pub fn topics(&self, prefix: &str, limit: usize) -> Vec<String> {
        match self.questions() {
            Some(_) => self.shared.catalogue().topics.with_prefix(prefix, limit),
            None => self.shared.ring().with_prefix(prefix, limit),
        }
    }

    /// How it is. Does not wait, not even for the files of an earlier run.
    #[must_use]
    pub fn report(&self) -> HistoryReport {
        let counters = &self.shared.counters;
        let mut report = match self.shared.options.place {
            Place::Memory => self.shared.ring().report(),
            Place::Folder(_) => {
                let catalogue = self.shared.catalogue();
                let points = || catalogue.files.iter().filter(|(name, _)| name.what == What::Points);
                let with_points = points().map(|(_, state)| state.tally).filter(|tally| tally.count > 0);
                HistoryReport {
                    points: points().map(|(_, state)| state.tally.count).sum(),
                    topics: catalogue.topics.len() as u64,
                    bytes: catalogue.bytes(),
                    buckets: catalogue.files.len() as u64,
                    oldest: with_points.map(|tally| tally.first).min(),
                    trouble: catalogue.trouble.clone(),
                    ..HistoryReport::default()
                }
            }
        };
        report.not_kept = counters.not_kept();
        report.damaged = read(&counters.damaged);
        report.unread = read(&counters.unread);
        report
    }

    /// Why nothing is kept at the moment, if there is trouble. It is tried again by itself.
    #[must_use]
    pub fn trouble(&self) -> Option<String> {
        self.shared.catalogue().trouble.clone()
    }

    /// There is no room for what matters more: half of what is kept gives way, the oldest first. Does not wait; when too
    /// much waits for the history's thread already, nothing is done.
    pub fn make_room(&self) {
        if let Some(items) = &*self.items() {
            // A thread that has so much to do looks at the free room anyway.
            let _ = items.try_send(Item::MakeRoom);
        }
    }

    /// Waits until everything that was recorded before is on the disk, can be asked for, or is counted.
    pub fn flush(&self) {
        let (answer, answered) = mpsc::sync_channel(1);
        // Who waits for room must not keep others from recording.
        let items = self.items().clone();
        if items.is_some_and(|items| items.send(Item::Flush(answer)).is_ok()) {
            // A thread that ended has nothing left to write.
            let _ = answered.recv();
        }
    }

    /// Writes what is left and ends. Nothing is recorded afterwards; what is there can still be asked for.
    ///
    /// Waits at most as long as `patience`: a disk that does not answer keeps nobody for ever. False when it has not ended.
    #[must_use]
    pub fn finish(&self, patience: Duration) -> bool {
        *self.items.write().unwrap_or_else(PoisonError::into_inner) = None;
        if !self.shared.wait_until_ended(patience) {
            return false;
        }
        self.join();
        true
    }

    /// The thread is ending.
    fn join(&self) {
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            // A thread that panicked has nothing to say.
            let _ = thread.join();
        }
    }

    fn items(&self) -> RwLockReadGuard<'_, Option<SyncSender<Item>>> {
        self.items.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Nothing in memory mode.
    fn questions(&self) -> Option<Questions<'_>> {
        self.shared.wait_until_ready();
        match &self.shared.options.place {
            Place::Folder(folder) => Some(Questions { shared: &self.shared, folder }),
            Place::Memory => None,
        }
    }
}

impl Drop for History {
    fn drop(&mut self) {
        let items = self.items.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        // Who was told that it does not end need not wait again.
        if items.is_some() {
            drop(items);
            self.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_history_that_hangs_keeps_nobody_for_ever() {
        let history = History::open(HistoryOptions::in_memory());
        let hanging = history.shared.ring();
        history.record(1_000, Message::new(darter_codec::QoS::AtMostOnce, false, "t", [], b"1", None));
        assert!(!history.finish(Duration::from_millis(20)));
        drop(hanging);
        assert!(history.finish(Duration::from_secs(60)));
        assert_eq!(history.last("t", 9).len(), 1);
    }
}
