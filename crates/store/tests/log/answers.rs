//! Answers: that they come, and what is in them when the disk does not behave.

use super::desk::Desk;
use darter_codec::record::{Change, Left, QueueRow, RowState};
use darter_codec::{Message, QoS};
use std::fs;
use std::os::unix::fs::FileExt;

fn session(session: u64) -> Change {
    Change::Session { session, client: format!("client-{session}").into(), user: None, expiry: 3600 }
}

fn queued(session: u64, sequence: u64, len: usize, durable: bool) -> Change {
    let message = Message::new(QoS::ExactlyOnce, false, "t", [], &vec![7; len], None);
    let (qos, state) = (QoS::ExactlyOnce, RowState::Waiting);
    let row = QueueRow { message, qos, retain: false, origin: None, state };
    Change::Queued { session, sequence, row, durable }
}

#[test]
fn what_comes_after_everything_old_has_gone_is_not_taken_for_unwanted() {
    let folder = tempfile::tempdir().unwrap();
    let mut desk = Desk::open(folder.path());
    desk.keep([session(1)]);
    desk.keep([Change::SessionEnded { session: 1, client: "client-1".into() }]);
    desk.close();
    let mut desk = Desk::open(folder.path());
    // The only old segment is deleted before the new one is begun.
    let first = folder.path().join("messages/0000000001.log");
    while first.exists() {
        desk.keep([]);
    }
    desk.keep([session(2), Change::Left { session: 2, left: Left::default() }]);
    for sequence in 0..200 {
        desk.keep([queued(2, sequence, 200, true)]);
        desk.keep([Change::Removed { session: 2, sequence }]);
    }
    desk.close();
    let desk = Desk::open(folder.path());
    assert!(desk.lost().is_nothing(), "{:?}", desk.lost());
    assert_eq!(desk.kept.sessions.len(), 1);
}

#[test]
fn a_batch_with_nothing_for_the_disk_is_answered_whatever_came_before() {
    let folder = tempfile::tempdir().unwrap();
    let mut desk = Desk::open(folder.path());
    desk.keep([session(1)]);
    for number in 0..500 {
        desk.submit([queued(1, 2 * number, 10, true)]);
        desk.submit_unawaited([queued(1, 2 * number + 1, 10, true)]);
        desk.keep([]);
    }
}

#[test]
fn rows_in_memory_and_on_the_disk_come_in_one_order() {
    let folder = tempfile::tempdir().unwrap();
    let mut desk = Desk::open(folder.path());
    desk.keep([session(1), queued(1, 0, 10, false)]);
    desk.keep((1..20).map(|sequence| queued(1, sequence, 10, sequence % 3 != 0)).collect::<Vec<_>>());
    let (mut all, mut from) = (Vec::new(), 0);
    while all.len() < 20 {
        let (rows, through) = desk.page(1, from, 7);
        assert!(
            !rows.is_empty() && rows.iter().all(|sequence| (from..through).contains(sequence)),
            "{rows:?} {through}"
        );
        all.extend(rows);
        from = through;
    }
    assert!(all.iter().copied().eq(0..20), "{all:?}");
}

#[test]
fn rows_that_the_disk_cannot_read_for_a_while_are_not_lost() {
    let folder = tempfile::tempdir().unwrap();
    let mut desk = Desk::open(folder.path());
    desk.keep([session(1)]);
    desk.keep((0..20).map(|sequence| queued(1, sequence, 100, true)).collect::<Vec<_>>());
    let path = folder.path().join("messages/0000000001.log");
    let whole = fs::read(&path).unwrap();
    let file = fs::File::options().write(true).open(&path).unwrap();
    file.set_len(500).unwrap();
    let mend = std::thread::spawn(move || {
        // After the first try, which is made as soon as the question comes.
        std::thread::park_timeout(std::time::Duration::from_millis(300));
        file.write_all_at(&whole, 0).unwrap();
    });
    let (rows, _) = desk.page(1, 0, 100);
    mend.join().unwrap();
    assert_eq!(rows.len(), 20);
    assert_eq!(desk.keeper.report().lost_since, darter_store::Lost::default());
}
