//! Clocks that start in 1970, jump ahead and fall behind.

use crate::scene::{DAY, Folder, HOUR, MINUTE, SECOND, START, message, times};
use darter_store::history::{History, HistoryOptions};

fn hours(history: &History, from: u64, count: u64) {
    for n in 0..count {
        history.record(from + n * HOUR, message("t", "1"));
    }
    history.flush();
}

#[test]
fn a_jump_ahead_costs_no_points() {
    let folder = Folder::new();
    let history = folder.open();
    hours(&history, START, 5);
    let far = START + 40_000 * DAY;
    history.record(far, message("t", "1"));
    history.record(far + SECOND, message("t", "1"));
    hours(&history, START + 5 * HOUR, 5);
    let expected: Vec<u64> = (0..10).map(|n| START + n * HOUR).chain([far, far + SECOND]).collect();
    assert_eq!(times(&history.range("t", 0..u64::MAX, 100)), expected);
    assert_eq!(times(&history.range("t", START..START + DAY, 100)).len(), 10);
    assert_eq!(times(&history.last("t", 3)), expected[9..]);
    drop(history);
    assert_eq!(times(&folder.open().range("t", 0..u64::MAX, 100)), expected);
}

#[test]
fn a_start_in_1970_costs_no_points() {
    let folder = Folder::new();
    hours(&folder.open(), START, 5);
    // No network for a whole day.
    let history = folder.open();
    hours(&history, 5_000, 24);
    assert_eq!(history.range("t", START..u64::MAX, 100).len(), 5);
    assert_eq!(history.range("t", 0..DAY, 100).len(), 24);
    hours(&history, START + 5 * HOUR, 5);
    assert_eq!(history.range("t", START..u64::MAX, 100).len(), 10);
    assert_eq!(history.range("t", 0..DAY, 100), [], "old is what the right clock says");
    assert_eq!(history.report().not_kept.too_old, 24);
}

#[test]
fn a_clock_that_is_set_back_goes_through_the_same_time_again() {
    let folder = Folder::new();
    let history = folder.open();
    let pass = |offset: u64| {
        for n in 0..10 {
            history.record(START + 2 * HOUR + n * SECOND + offset, message("t", &n.to_string()));
        }
    };
    pass(0);
    pass(HOUR);
    pass(1);
    pass(2 * HOUR);
    history.flush();
    let found = times(&history.range("t", 0..u64::MAX, 100));
    assert_eq!(found.len(), 40, "no point is refused for its time");
    assert!(found.is_sorted());
    let first = START + 2 * HOUR;
    assert_eq!(found[..4], [first, first + 1, first + SECOND, first + SECOND + 1]);
    assert_eq!(times(&history.last("t", 25)), found[15..]);
    let minutes = history.downsampled("t", None, first..first + MINUTE, 1);
    assert_eq!((minutes[0].count, minutes[0].max), (20, 9.0), "roll-ups of one minute are put together");
}

#[test]
fn points_of_one_file_are_found_in_any_order_of_their_times() {
    let folder = Folder::new();
    let history = folder.open();
    for first in [START + 200 * SECOND, START + 100 * SECOND] {
        for n in 0..10 {
            history.record(first + n * SECOND, message("t", "1"));
        }
    }
    history.flush();
    let newest: Vec<u64> = (207..210).map(|n| START + n * SECOND).collect();
    assert_eq!(times(&history.last("t", 3)), newest);
    assert_eq!(history.range("t", START + 200 * SECOND..u64::MAX, 99).len(), 10);
    assert_eq!(history.range("t", START + 105 * SECOND..START + 205 * SECOND, 99).len(), 10);
    drop(history);
    assert_eq!(times(&folder.open().last("t", 3)), newest);
}

#[test]
fn points_of_files_that_overlap_come_in_order() {
    let folder = Folder::new();
    let history = History::open(HistoryOptions { interval_ms: 0, ..folder.options() });
    let edge = START + HOUR;
    // The last one is late: its bucket is no longer written.
    for (topic, time) in [
        ("u", edge - 50 * SECOND),
        ("t", edge - 30 * SECOND),
        ("u", edge + SECOND),
        ("t", edge - 40 * SECOND),
    ] {
        history.record(time, message(topic, "1"));
    }
    history.flush();
    assert_eq!(folder.files("points").len(), 2);
    assert_eq!(times(&history.last("t", 1)), [edge - 30 * SECOND]);
    assert_eq!(times(&history.range("t", 0..u64::MAX, 1)), [edge - 40 * SECOND]);
    assert_eq!(times(&history.range("t", 0..u64::MAX, 2)), [edge - 40 * SECOND, edge - 30 * SECOND]);
}

#[test]
fn shards_that_are_late_make_no_files() {
    let folder = Folder::new();
    let history = folder.open();
    let edge = START + HOUR;
    for n in 0..100 {
        history.record(edge + n, message(&format!("early/{n}"), "1"));
        history.record(edge - 1 - n, message(&format!("late/{n}"), "1"));
    }
    history.flush();
    assert_eq!(times(&history.last("late/99", 1)), [edge - 100]);
    assert_eq!(history.range("late/5", 0..edge, 9).len(), 1);
    let minutes = history.downsampled("late/7", None, edge - MINUTE..edge, 1);
    assert_eq!(minutes.len(), 1);
    assert_eq!(folder.files("points").len(), 1);
}

#[test]
fn times_beyond_all_reason_break_nothing() {
    for in_files in [true, false] {
        let folder = Folder::new();
        let options = if in_files { folder.options() } else { HistoryOptions::in_memory() };
        let history = History::open(options);
        for time in [u64::MAX, 0, START, 1 << 63, 1, START + SECOND] {
            history.record(time, message("t", "1"));
        }
        history.flush();
        let found = times(&history.last("t", 10));
        assert!(found.contains(&START) && found.contains(&0) && found.is_sorted(), "{found:?}");
        assert_eq!(
            history.downsampled("t", None, 0..u64::MAX, 5).iter().map(|s| s.count).sum::<u64>(),
            found.len() as u64
        );
        assert_eq!(history.range("t", u64::MAX..u64::MAX, 9), []);
    }
}
