//! What every store must do. A new store is one line at the end of this file.
#![allow(missing_docs, reason = "the tests are named for what they show")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that goes wrong shall end at once")]

use darter_codec::record::{Batch, Change, QueueRow, RowState, SessionNumber};
use darter_codec::{Message, QoS};
use darter_store::log::{LogOptions, opener};
use darter_store::{Answer, Keeper, MemoryStore, Store};
use darter_testkit::packets::id;
use darter_testkit::{Commits, LateStore};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::task::{Wake, Waker};
use std::time::Duration;
use tempfile::TempDir;

/// A store that a test can wait for.
trait Subject: Store {
    /// Lets the oldest question of each kind be answered. False when none waits.
    fn go_on(&mut self) -> bool;
}

impl Subject for MemoryStore {
    fn go_on(&mut self) -> bool {
        false
    }
}

impl Subject for LateStore {
    fn go_on(&mut self) -> bool {
        // Both, whatever the first one says.
        let [committed, loaded] = [self.commit_one(), self.load_one()];
        committed || loaded
    }
}

/// The store on a disk, with its questions that were not answered yet.
struct OnDisk {
    store: Option<Box<dyn Store>>,
    keeper: Box<dyn Keeper>,
    woken: Receiver<()>,
    bell: Option<Sender<()>>,
    /// Batches and loads without an answer.
    last_batch: u64,
    committed: u64,
    loads: usize,
    _folder: TempDir,
}

struct Bell(Sender<()>);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        let _ = self.0.send(());
    }
}

impl OnDisk {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut options = LogOptions::new(folder.path());
        (options.segment_bytes, options.ballast_bytes) = (64 * 1024, 0);
        let mut opened = opener(options)(1).unwrap();
        let (bell, woken) = channel();
        let (store, keeper) = (opened.stores.pop(), opened.keeper);
        Self {
            store,
            keeper,
            woken,
            bell: Some(bell),
            last_batch: 0,
            committed: 0,
            loads: 0,
            _folder: folder,
        }
    }

    fn inner(&mut self) -> &mut dyn Store {
        &mut **self.store.as_mut().unwrap()
    }
}

impl Store for OnDisk {
    fn start(&mut self, _: Waker) {
        let bell = Arc::new(Bell(self.bell.take().unwrap()));
        self.inner().start(bell.into());
    }

    fn submit(&mut self, batch: Batch, changes: &mut Vec<Change>) {
        self.last_batch = batch.number;
        self.inner().submit(batch, changes);
    }

    fn load(&mut self, session: SessionNumber, from: u64, limit: usize) {
        self.loads += 1;
        self.inner().load(session, from, limit);
    }

    fn poll(&mut self) -> Option<Answer> {
        let answer = self.inner().poll()?;
        match &answer {
            Answer::Committed(batch) => self.committed = *batch,
            Answer::Loaded { .. } => self.loads -= 1,
            Answer::Full(_) => {}
        }
        Some(answer)
    }
}

impl Subject for OnDisk {
    fn go_on(&mut self) -> bool {
        if self.committed == self.last_batch && self.loads == 0 {
            return false;
        }
        self.woken.recv_timeout(Duration::from_secs(20)).expect("an answer wakes the shard");
        true
    }
}

impl Drop for OnDisk {
    fn drop(&mut self) {
        self.store = None;
        self.keeper.finish();
    }
}

/// A store and the number of its last batch.
struct Kept<S> {
    store: S,
    batch: u64,
}

impl<S: Subject> Kept<S> {
    fn new(mut store: S) -> Self {
        store.start(Waker::noop().clone());
        Self { store, batch: 0 }
    }

    fn answer(&mut self) -> Option<Answer> {
        loop {
            if let Some(answer) = self.store.poll() {
                return Some(answer);
            }
            if !self.store.go_on() {
                return None;
            }
        }
    }

    fn submit(&mut self, changes: impl IntoIterator<Item = Change>) {
        self.batch += 1;
        let mut changes = changes.into_iter().collect();
        self.store.submit(Batch { number: self.batch, awaited: true }, &mut changes);
        assert!(changes.is_empty(), "the batch was taken");
    }

    /// The same, and waits until it is kept.
    fn keep(&mut self, changes: impl IntoIterator<Item = Change>) {
        self.submit(changes);
        self.wait_for(self.batch);
    }

    fn wait_for(&mut self, batch: u64) {
        loop {
            match self.answer() {
                Some(Answer::Committed(up_to)) if up_to >= batch => return,
                Some(Answer::Committed(_) | Answer::Full(_)) => {}
                other => panic!("{other:?} instead of a commit"),
            }
        }
    }

    /// One page: sequences, rows, and where the next page begins.
    fn page(&mut self, session: SessionNumber, from: u64, limit: usize) -> (Vec<(u64, QueueRow)>, u64) {
        self.store.load(session, from, limit);
        self.loaded(session)
    }

    fn loaded(&mut self, expected: SessionNumber) -> (Vec<(u64, QueueRow)>, u64) {
        loop {
            match self.answer() {
                Some(Answer::Loaded { session, rows, through }) => {
                    assert_eq!(session, expected, "answers come in the order of the questions");
                    return (rows, through);
                }
                Some(Answer::Committed(_) | Answer::Full(_)) => {}
                None => panic!("no answer"),
            }
        }
    }

    /// All of a queue, read in pages of `limit` rows: the sequences.
    fn sequences(&mut self, session: SessionNumber, limit: usize) -> Vec<u64> {
        let mut all: Vec<u64> = Vec::new();
        let mut from = 0;
        loop {
            let (rows, through) = self.page(session, from, limit);
            assert!(rows.len() <= limit);
            for (sequence, row) in &rows {
                assert!((from..through).contains(sequence), "{sequence} in {from}..{through}");
                assert!(all.last().is_none_or(|last| last < sequence), "{sequence} after {all:?}");
                assert_eq!(row.message.payload(), payload(session, *sequence));
                all.push(*sequence);
            }
            if rows.is_empty() {
                return all;
            }
            from = through;
        }
    }
}

const ONE: SessionNumber = 1;
const TWO: SessionNumber = 2;

fn payload(session: SessionNumber, sequence: u64) -> Vec<u8> {
    format!("{session}/{sequence}").into_bytes()
}

fn queued(session: SessionNumber, sequence: u64) -> Change {
    let message = Message::new(QoS::AtLeastOnce, false, "t", [], &payload(session, sequence), None);
    let row =
        QueueRow { message, qos: QoS::AtLeastOnce, retain: false, origin: None, state: RowState::Waiting };
    Change::Queued { session, sequence, row, durable: true }
}

fn moved(session: SessionNumber, sequence: u64, state: RowState) -> Change {
    Change::Moved { session, sequence, state }
}

fn removed(session: SessionNumber, sequence: u64) -> Change {
    Change::Removed { session, sequence }
}

/// The tests, and the stores that must pass them.
macro_rules! battery {
    ($(fn $test:ident<S: Subject>($kept:ident: &mut Kept<S>) $body:block)* stores! { $($name:ident: $store:expr;)* }) => {
        $(
            fn $test<S: Subject>($kept: &mut Kept<S>) $body
        )*
        battery!(@each [$($test)*] $($name: $store;)*);
    };
    (@each $tests:tt $($name:ident: $store:expr;)*) => {
        $(
            battery!(@one $name, $store, $tests);
        )*
    };
    (@one $name:ident, $store:expr, [$($test:ident)*]) => {
        mod $name {
            use super::*;
            $(
                #[test]
                fn $test() {
                    super::$test(&mut Kept::new($store));
                }
            )*
        }
    };
}

battery! {
    fn every_batch_is_committed_in_order_even_an_empty_one<S: Subject>(kept: &mut Kept<S>) {
        for sequence in 0..5 {
            kept.submit([queued(ONE, sequence)]);
        }
        kept.submit([]);
        let mut last = 0;
        while last < 6 {
            let Some(Answer::Committed(batch)) = kept.answer() else { panic!("no commit after {last}") };
            assert!(batch > last && batch <= 6, "{batch} after {last}");
            last = batch;
        }
        assert!(kept.answer().is_none());
    }

    fn a_queue_is_read_in_pages_of_any_size<S: Subject>(kept: &mut Kept<S>) {
        kept.keep((0..100).map(|sequence| queued(ONE, sequence)));
        for limit in [1, 2, 3, 7, 99, 100, 101, usize::MAX] {
            assert_eq!(kept.sequences(ONE, limit), Vec::from_iter(0..100));
        }
        let (rows, _) = kept.page(ONE, 98, 10);
        assert_eq!(rows.iter().map(|(sequence, _)| *sequence).collect::<Vec<_>>(), [98, 99]);
    }

    fn a_queue_may_begin_anywhere<S: Subject>(kept: &mut Kept<S>) {
        kept.keep((1_000_000..1_000_003).map(|sequence| queued(ONE, sequence)));
        assert_eq!(kept.sequences(ONE, 2), [1_000_000, 1_000_001, 1_000_002]);
    }

    fn what_is_not_there_is_an_empty_page<S: Subject>(kept: &mut Kept<S>) {
        assert!(kept.page(ONE, 0, 10).0.is_empty());
        kept.keep((0..3).map(|sequence| queued(ONE, sequence)));
        assert!(kept.page(ONE, 3, 10).0.is_empty());
        assert!(kept.page(TWO, 0, 10).0.is_empty());
    }

    fn removed_rows_leave_gaps_that_no_page_counts<S: Subject>(kept: &mut Kept<S>) {
        kept.keep((0..20).map(|sequence| queued(ONE, sequence)));
        kept.keep((0..20).filter(|sequence| sequence % 3 != 1).map(|sequence| removed(ONE, sequence)));
        assert_eq!(kept.sequences(ONE, 2), [1, 4, 7, 10, 13, 16, 19]);
        assert_eq!(kept.page(ONE, 0, 3).0.len(), 3);
    }

    fn rows_that_stay_are_found_however_many_go<S: Subject>(kept: &mut Kept<S>) {
        // One row in 997 is never acknowledged.
        for start in (0..10_000).step_by(100) {
            kept.keep((start..start + 100).map(|sequence| queued(ONE, sequence)));
            kept.keep((start..start + 100).filter(|n| n % 997 != 5).map(|sequence| removed(ONE, sequence)));
        }
        let stayed: Vec<u64> = (0..10_000).filter(|n| n % 997 == 5).collect();
        for limit in [1, 3, 1000] {
            assert_eq!(kept.sequences(ONE, limit), stayed);
        }
        kept.keep([moved(ONE, 5, RowState::Sent(id(7))), removed(ONE, 1002), queued(ONE, 10_000)]);
        let (rows, _) = kept.page(ONE, 0, 2);
        assert_eq!((rows[0].0, rows[0].1.state), (5, RowState::Sent(id(7))));
        assert_eq!(rows[1].0, 1999);
        assert_eq!(kept.sequences(ONE, 4).last(), Some(&10_000));
    }

    fn a_queue_that_was_emptied_goes_on<S: Subject>(kept: &mut Kept<S>) {
        for round in 0..50 {
            let range = round * 100..(round + 1) * 100;
            kept.keep(range.clone().map(|sequence| queued(ONE, sequence)));
            assert_eq!(kept.sequences(ONE, 64), range.clone().collect::<Vec<_>>());
            // From the back, so that it is empty only with the last one.
            kept.keep(range.rev().map(|sequence| removed(ONE, sequence)));
            assert!(kept.sequences(ONE, 64).is_empty());
        }
    }

    fn a_row_has_the_last_state_it_was_given<S: Subject>(kept: &mut Kept<S>) {
        kept.keep((0..3).map(|sequence| queued(ONE, sequence)));
        kept.keep([moved(ONE, 0, RowState::Sent(id(1))), moved(ONE, 1, RowState::Sent(id(2)))]);
        kept.keep([moved(ONE, 1, RowState::Released(id(2)))]);
        let (rows, _) = kept.page(ONE, 0, 10);
        let states: Vec<_> = rows.iter().map(|(_, row)| row.state).collect();
        assert_eq!(states, [RowState::Sent(id(1)), RowState::Released(id(2)), RowState::Waiting]);
    }

    fn changes_of_rows_that_are_gone_do_nothing<S: Subject>(kept: &mut Kept<S>) {
        kept.keep((0..4).map(|sequence| queued(ONE, sequence)));
        kept.keep([removed(ONE, 0), removed(ONE, 2)]);
        kept.keep([moved(ONE, 0, RowState::Sent(id(1))), moved(ONE, 2, RowState::Sent(id(2))), removed(ONE, 0)]);
        kept.keep([removed(ONE, 99), removed(TWO, 0), moved(TWO, 0, RowState::Waiting)]);
        assert_eq!(kept.sequences(ONE, 10), [1, 3]);
        assert!(kept.sequences(TWO, 10).is_empty());
    }

    fn the_changes_of_a_batch_apply_in_order<S: Subject>(kept: &mut Kept<S>) {
        kept.keep([queued(ONE, 0), moved(ONE, 0, RowState::Sent(id(3))), queued(ONE, 1), removed(ONE, 1), queued(ONE, 2)]);
        assert_eq!(kept.sequences(ONE, 10), [0, 2]);
        assert_eq!(kept.page(ONE, 0, 1).0[0].1.state, RowState::Sent(id(3)));
    }

    fn a_load_sees_what_was_submitted_before_it_and_no_more<S: Subject>(kept: &mut Kept<S>) {
        kept.submit([queued(ONE, 0)]);
        kept.store.load(ONE, 0, 10);
        kept.submit([queued(ONE, 1), removed(ONE, 0)]);
        let (rows, _) = kept.loaded(ONE);
        assert_eq!(rows.len(), 1);
        assert_eq!(rows[0].0, 0);
    }

    fn loads_are_answered_in_the_order_they_were_asked<S: Subject>(kept: &mut Kept<S>) {
        kept.keep([queued(ONE, 0), queued(TWO, 0)]);
        for session in [ONE, TWO, 3, TWO, ONE] {
            kept.store.load(session, 0, 10);
        }
        for session in [ONE, TWO, 3, TWO, ONE] {
            let (rows, _) = kept.loaded(session);
            assert_eq!(rows.len(), usize::from(session != 3));
        }
        assert!(kept.answer().is_none(), "one answer for each question");
    }

    fn a_session_that_ends_takes_its_queue_along_and_no_other<S: Subject>(kept: &mut Kept<S>) {
        kept.keep((0..10).flat_map(|sequence| [queued(ONE, sequence), queued(TWO, sequence)]));
        kept.keep([Change::SessionEnded { session: ONE, client: "one".into() }]);
        assert!(kept.sequences(ONE, 4).is_empty());
        assert_eq!(kept.sequences(TWO, 4), Vec::from_iter(0..10));
        kept.keep([Change::SessionEnded { session: ONE, client: "one".into() }]);
    }

    stores! {
        memory: MemoryStore::new();
        at_once: LateStore::new(Commits::AtOnce);
        late: LateStore::new(Commits::ByHand);
        on_disk: OnDisk::new();
    }
}
