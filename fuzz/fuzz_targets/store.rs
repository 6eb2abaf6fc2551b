//! The durable store against plain maps: random changes, stops, kills and reopenings; and damage, of which the report
//! must never say less than the truth.
#![no_main]

use darter_codec::record::{Batch, Change, Kept, KeptSession, QueueRow, SessionNumber};
use darter_store::log::{LogOptions, opener};
use darter_store::{Answer, Keeper, Lost, Store};
use darter_testkit::Changes;
use darter_testkit::store_model::{Amounts, Queues};
use libfuzzer_sys::fuzz_target;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::task::Wake;
use std::time::Duration;

fuzz_target!(|data: &[u8]| {
    let mut input = Input { bytes: data, state: 0 };
    let place = Place::fresh();
    let folder = place.0.join("data");
    let mut desk = Desk::open(&folder);
    let mut changes = Changes::default();
    while !input.bytes.is_empty() {
        match input.byte() {
            // What nobody waits for is in the log all the same when something after it is kept.
            0..160 => desk.submit(input.made(&mut changes)),
            160..232 => desk.keep(input.made(&mut changes)),
            232..242 => {
                desk.keep(input.made(&mut changes));
                desk.assert_is(&changes);
            }
            242..249 => {
                desk.close();
                desk = Desk::open_whole(&folder, &changes);
            }
            249..254 => {
                desk.keep(input.made(&mut changes));
                let killed = place.0.join("killed");
                copy(&folder, &killed);
                Desk::open_whole(&killed, &changes).close();
                let _ = fs::remove_dir_all(killed);
            }
            _ => {
                desk.keep(input.made(&mut changes));
                let killed = place.0.join("damaged");
                copy(&folder, &killed);
                let what = input.damage(&killed.join("messages"));
                open_damaged(&killed, &changes, &what);
                let _ = fs::remove_dir_all(killed);
            }
        }
    }
    desk.close();
    Desk::open_whole(&folder, &changes).close();
});

/// Opens a damaged store and compares its report with the truth; the next start finds nothing more to report.
fn open_damaged(folder: &Path, changes: &Changes, what: &str) {
    let mut desk = Desk::open(folder);
    let lost = desk.keeper.report().lost;
    let kept = std::mem::take(&mut desk.kept);
    let queues = desk.queues(&kept);
    let missing = changes.model().missing(&kept, &queues);
    assert!(covers(&lost, &missing), "{what}: said {lost:?}, true {missing:?}");
    assert!(missing == Amounts::default() || !lost.is_nothing(), "{what}: {missing:?} and nothing said");
    let since = desk.keeper.report().lost_since;
    assert!(since.is_nothing(), "{what}: not found at the start: {since:?}");
    desk.close();
    let mut again = Desk::open(folder);
    let lost = again.keeper.report().lost;
    assert!(lost.is_nothing(), "{what}, the second time: {lost:?}");
    // What was given back once is given back again.
    let kept_again = std::mem::take(&mut again.kept);
    assert_eq!(outline(&kept_again), outline(&kept), "{what}, the second time");
    let sequences = |queues: Queues| -> Vec<_> {
        queues.into_iter().map(|(session, queue)| (session, queue.into_keys().collect::<Vec<_>>())).collect()
    };
    assert_eq!(sequences(again.queues(&kept_again)), sequences(queues), "{what}, the second time");
    again.close();
}

/// What was kept, in sessions with their subscriptions, packet identifiers and will; lone wills; retained topics.
fn outline(kept: &Kept) -> (Vec<String>, Vec<SessionNumber>, BTreeSet<&str>) {
    let session = |one: &KeptSession| {
        let filters: Vec<_> = one.subscriptions.iter().map(|one| &one.filter).collect();
        format!("{} {filters:?} {:?} {}", one.session, one.incoming, one.will.is_some())
    };
    let sessions = kept.sessions.iter().map(session).collect();
    let wills = kept.wills.iter().map(|(session, _)| *session).collect();
    (sessions, wills, kept.retained.iter().map(|(message, _)| message.topic()).collect())
}

fn covers(lost: &Lost, missing: &Amounts) -> bool {
    lost.sessions >= missing.sessions
        && lost.subscriptions >= missing.subscriptions
        && lost.retained >= missing.retained
        && lost.queued >= missing.queued
        && lost.other >= missing.other
}

/// The fuzzer's bytes; behind their end come numbers that follow from them.
struct Input<'a> {
    bytes: &'a [u8],
    state: u64,
}

impl Input<'_> {
    fn byte(&mut self) -> u8 {
        let byte = match self.bytes.split_first() {
            Some((byte, rest)) => {
                self.bytes = rest;
                *byte
            }
            None => (self.state >> 56) as u8,
        };
        self.state = (self.state ^ u64::from(byte)).wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        byte
    }

    fn below(&mut self, end: u32) -> u32 {
        let number = match end {
            0..=256 => u32::from(self.byte()),
            _ => u32::from_le_bytes([self.byte(), self.byte(), self.byte(), 0]),
        };
        number % end.max(1)
    }

    fn made(&mut self, changes: &mut Changes) -> Vec<Change> {
        // One byte decides about a whole batch: a short input makes a store with much in it.
        let seed = u64::from(self.byte());
        self.state ^= seed << 40;
        let mut dice = Input { bytes: &[], state: self.state };
        let count = dice.below(6) + 1;
        let mut choose = |end: u32| dice.below(end);
        let mut made: Vec<_> = (0..count).flat_map(|_| changes.next(&mut choose)).collect();
        // A batch without any is not waited for, even when others before it are under way that nobody waits for.
        while made.is_empty() {
            made = changes.next(&mut choose);
        }
        made
    }

    /// Damages one file as the bytes say, and tells how.
    fn damage(&mut self, folder: &Path) -> String {
        let files: Vec<_> = files(folder).into_keys().map(|name| folder.join(name)).collect();
        let path = &files[self.below(files.len() as u32) as usize];
        let mut bytes = fs::read(path).expect("it was just found");
        let name = path.file_name().unwrap_or_default().display().to_string();
        let (at, kind) = (self.below(bytes.len() as u32) as usize, self.byte());
        let what = match kind {
            0..4 => {
                fs::remove_file(path).expect("it was just read");
                return format!("{name} removed");
            }
            4..40 => {
                bytes.truncate(at);
                format!("{name} cut to {at}")
            }
            40..80 if at < bytes.len() => {
                let end = (at + 1 + self.below(5000) as usize).min(bytes.len());
                bytes[at..end].fill_with(|| self.byte());
                format!("{name} overwritten from {at} to {end}")
            }
            _ if at < bytes.len() => {
                bytes[at] ^= 1 << (kind % 8);
                format!("bit {} of byte {at} of {name} flipped", kind % 8)
            }
            _ => format!("nothing: {name} is empty"),
        };
        fs::write(path, bytes).expect("it was just read");
        what
    }
}

/// The folder of one input, in memory where there is such a place.
struct Place(PathBuf);

impl Place {
    fn fresh() -> Self {
        static INPUTS: AtomicU64 = AtomicU64::new(0);
        let memory = PathBuf::from("/dev/shm");
        let parent = if memory.is_dir() { memory } else { std::env::temp_dir() };
        let number = INPUTS.fetch_add(1, Ordering::Relaxed);
        let folder = parent.join(format!("darter-fuzz-store-{}-{number}", std::process::id()));
        fs::create_dir_all(&folder).expect("a folder for the store");
        Self(folder)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// What a killed server leaves behind: the messages' files as they are at one moment. The store may be giving room back
/// meanwhile, so that this is tried until nothing changed.
fn copy(from: &Path, to: &Path) {
    let (from, to) = (from.join("messages"), to.join("messages"));
    loop {
        fs::create_dir_all(&to).expect("a folder for the copy");
        let before = files(&from);
        let copied = before.keys().all(|name| fs::copy(from.join(name), to.join(name)).is_ok());
        if copied && files(&from) == before {
            return;
        }
        fs::remove_dir_all(&to).expect("it was just made");
    }
}

/// The names and lengths of the files in a folder.
fn files(folder: &Path) -> BTreeMap<OsString, u64> {
    let entries = fs::read_dir(folder).expect("the store has made its folder").flatten();
    let found = entries.filter_map(|entry| Some((entry.file_name(), entry.metadata().ok()?)));
    found.filter(|(_, is)| is.is_file()).map(|(name, is)| (name, is.len())).collect()
}

/// A store as a server's only shard works with it.
struct Desk {
    store: Option<Box<dyn Store>>,
    keeper: Box<dyn Keeper>,
    kept: Kept,
    woken: Receiver<()>,
    batch: u64,
}

struct Bell(Sender<()>);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        let _ = self.0.send(());
    }
}

impl Desk {
    fn open(folder: &Path) -> Self {
        let options = LogOptions { segment_bytes: 16 * 1024, ballast_bytes: 0, ..LogOptions::new(folder) };
        let mut opened = opener(options)(1).expect("a store always opens");
        let mut store = opened.stores.pop().expect("one for the one shard");
        let (bell, woken) = channel();
        store.start(Arc::new(Bell(bell)).into());
        Self { store: Some(store), keeper: opened.keeper, kept: opened.kept, woken, batch: 0 }
    }

    /// Opens what was not damaged: nothing is lost, and all of it is there.
    fn open_whole(folder: &Path, changes: &Changes) -> Self {
        let mut desk = Self::open(folder);
        let lost = desk.keeper.report().lost;
        assert!(lost.is_nothing(), "{lost:?}");
        let kept = std::mem::take(&mut desk.kept);
        let queues = desk.queues(&kept);
        changes.model().assert_is(&kept, &queues);
        desk
    }

    fn submit(&mut self, changes: impl IntoIterator<Item = Change>) {
        self.give(changes, false);
    }

    /// Submits and waits until it is kept.
    fn keep(&mut self, changes: impl IntoIterator<Item = Change>) {
        self.give(changes, true);
        while !matches!(self.answer(), Answer::Committed(batch) if batch == self.batch) {}
    }

    fn give(&mut self, changes: impl IntoIterator<Item = Change>, awaited: bool) {
        self.batch += 1;
        let batch = Batch { number: self.batch, awaited };
        self.store().submit(batch, &mut changes.into_iter().collect());
    }

    fn store(&mut self) -> &mut dyn Store {
        self.store.as_deref_mut().expect("it is taken only when the desk is closed")
    }

    fn answer(&mut self) -> Answer {
        loop {
            if let Some(answer) = self.store().poll() {
                return answer;
            }
            self.woken.recv_timeout(Duration::from_secs(8)).expect("the store answers");
        }
    }

    /// The queues of the running store are those of the model.
    fn assert_is(&mut self, changes: &Changes) {
        let amounts = changes.model().amounts();
        let queued: usize = changes.model().sessions().map(|session| self.queue(session).len()).sum();
        assert_eq!(queued as u64, amounts.queued);
        // The store tells its numbers before it takes the next question.
        assert!(self.queue(0).is_empty());
        assert_eq!(self.keeper.report().queued, amounts.queued);
    }

    /// Every queue of the sessions that were kept, read in pages.
    fn queues(&mut self, kept: &Kept) -> Queues {
        kept.sessions.iter().map(|one| (one.session, self.queue(one.session))).collect()
    }

    fn queue(&mut self, session: SessionNumber) -> BTreeMap<u64, QueueRow> {
        let mut queue = BTreeMap::new();
        let mut from = 0;
        loop {
            self.store().load(session, from, 7);
            let (rows, end) = loop {
                if let Answer::Loaded { rows, through, .. } = self.answer() {
                    break (rows, through);
                }
            };
            let is_last = end == u64::MAX || (rows.is_empty() && end <= from);
            queue.extend(rows);
            if is_last {
                return queue;
            }
            from = end;
        }
    }

    /// Stops as a server does; everything submitted is kept.
    fn close(mut self) {
        self.store = None;
        self.keeper.finish();
    }
}
