//! What is not kept, and what goes.

use crate::scene::{DAY, Folder, HOUR, MINUTE, SECOND, START, message, times};
use darter_store::history::{History, HistoryOptions};
use std::fs;

fn size_of(folder: &Folder) -> u64 {
    folder.files("").iter().map(|file| fs::metadata(file).unwrap().len()).sum()
}

#[test]
fn the_oldest_files_go_when_there_are_too_many_bytes() {
    let folder = Folder::new();
    let disk_cap = 64 << 10;
    let history = History::open(HistoryOptions { disk_cap, ..folder.options() });
    let payload = "x".repeat(200);
    let mut kept = 0;
    for n in 0..2_000 {
        history.record(START + n * 10 * SECOND, message("t", &payload));
        kept += 1;
        if n % 100 == 0 {
            history.flush();
            assert!(size_of(&folder) <= disk_cap + 9_000, "{} bytes", size_of(&folder));
        }
    }
    history.flush();
    let report = history.report();
    assert_eq!(report.points + report.not_kept.over_cap, kept, "what went was counted");
    assert!(report.not_kept.over_cap > 1_000);
    assert_eq!(report.bytes, size_of(&folder));
    let found = times(&history.range("t", 0..u64::MAX, 10_000));
    assert_eq!(found.len() as u64, report.points);
    assert_eq!(found.last(), Some(&(START + 1_999 * 10 * SECOND)));
    assert!(
        found.windows(2).all(|pair| pair[1] - pair[0] == 10 * SECOND),
        "the newest are there, without gaps"
    );
    assert_eq!(report.oldest, found.first().copied());
}

#[test]
fn a_smaller_cap_holds_after_a_restart() {
    let folder = Folder::new();
    let history = History::open(HistoryOptions { part_bytes: 4_000, ..folder.options() });
    for n in 0..1_000 {
        history.record(START + n * SECOND, message("t", &"x".repeat(100)));
    }
    drop(history);
    assert!(size_of(&folder) > 100_000);
    let history = History::open(HistoryOptions { disk_cap: 32_000, ..folder.options() });
    history.record(START + 1_000 * SECOND, message("t", "x"));
    history.flush();
    assert!(size_of(&folder) <= 32_000);
    assert!(history.report().not_kept.over_cap > 500);
    assert_eq!(times(&history.last("t", 1)), [START + 1_000 * SECOND]);
}

#[test]
fn old_points_go_and_their_roll_ups_stay() {
    let folder = Folder::new();
    let options = HistoryOptions { keep_points_ms: 5 * HOUR, keep_rollups_ms: 3 * DAY, ..folder.options() };
    let history = History::open(options.clone());
    for n in 0..48 * 6 {
        history.record(START + n * 10 * MINUTE, message("t", &n.to_string()));
    }
    history.record(START, message("gone", "text"));
    history.flush();
    let now = START + 48 * HOUR;
    let found = times(&history.range("t", 0..u64::MAX, 10_000));
    let oldest = *found.first().unwrap();
    assert!((now - 7 * HOUR..=now - 5 * HOUR).contains(&oldest), "{} hours old", (now - oldest) / HOUR);
    let report = history.report();
    assert_eq!(report.not_kept.too_old, 48 * 6 - found.len() as u64);
    let hours = history.downsampled("t", None, START..now, 48);
    assert_eq!(hours.len(), 48, "roll-ups of every hour");
    // After five more days the roll-ups of the first day are gone as well, and so is a topic that was heard no more.
    assert_eq!(history.topics("", 9), ["gone", "t"]);
    for n in 0..5 * 24 {
        history.record(now + n * HOUR, message("t", "1"));
    }
    history.flush();
    let days = history.downsampled("t", None, START..now + 5 * DAY, 7);
    assert!((3..=5).contains(&days.len()), "{} days", days.len());
    assert_eq!(history.topics("", 9), ["t"]);
    drop(history);
    assert_eq!(History::open(options).topics("", 9), ["t"]);
}

#[test]
fn memory_has_a_cap() {
    let options = HistoryOptions { memory_cap: 20_000, ..HistoryOptions::in_memory() };
    let history = History::open(options);
    history.record(START, message("first", "x"));
    for n in 0..1_000 {
        history.record(START + n * SECOND, message("t", &n.to_string()));
    }
    history.flush();
    let report = history.report();
    assert!(report.bytes <= 20_000);
    assert_eq!(report.points + report.not_kept.over_cap, 1_001);
    assert!(report.points > 100);
    assert_eq!(history.topics("", 9), ["t"], "a topic goes with its last point");
    assert_eq!(history.last("first", 1), []);
    assert_eq!(times(&history.last("t", 1)), [START + 999 * SECOND]);
}

#[test]
fn too_many_topics_are_counted() {
    for in_files in [true, false] {
        let folder = Folder::new();
        let options = if in_files { folder.options() } else { HistoryOptions::in_memory() };
        let history = History::open(HistoryOptions { max_topics: 10, ..options });
        for n in 0..25 {
            history.record(START, message(&format!("t/{n:02}"), "1"));
        }
        history.record(START + SECOND, message("t/00", "2"));
        history.flush();
        assert_eq!(history.report().not_kept.too_many_topics, 15);
        assert_eq!(history.topics("", 100).len(), 10);
        assert_eq!(history.last("t/00", 9).len(), 2, "a topic that is known goes on");
    }
}

#[test]
fn other_topics_get_their_turn_in_the_next_bucket() {
    let folder = Folder::new();
    let history = History::open(HistoryOptions { max_topics: 10, ..folder.options() });
    for n in 0..20 {
        history.record(START + n / 10 * HOUR, message(&format!("t/{n:02}"), "1"));
    }
    history.flush();
    assert_eq!(history.report().not_kept.too_many_topics, 0);
    let listed = history.topics("", 100);
    assert!(listed.len() <= 10 && (10..20).all(|n| listed.contains(&format!("t/{n}"))), "{listed:?}");
    assert!((0..20).all(|n| history.last(&format!("t/{n:02}"), 1).len() == 1), "all can be asked for");
}

#[test]
fn roll_ups_have_a_bound_and_points_do_not_suffer() {
    let folder = Folder::new();
    let history = History::open(HistoryOptions { max_series: 4, ..folder.options() });
    for n in 0..10 {
        history.record(START, message(&format!("t/{n}"), "1"));
    }
    history.flush();
    let report = history.report();
    assert_eq!((report.points, report.not_kept.too_many_series), (10, 6));
    let with = |n: u64| !history.downsampled(&format!("t/{n}"), None, START..START + MINUTE, 1).is_empty();
    assert_eq!((0..10).filter(|n| with(*n)).count(), 4);
}

#[test]
fn a_topic_has_roll_ups_of_sixteen_fields() {
    let folder = Folder::new();
    let history = folder.open();
    let fields: Vec<String> = (0..20).map(|n| format!(r#""f{n:02}":{n}"#)).collect();
    history.record(START, message("t", &format!("{{{}}}", fields.join(","))));
    history.flush();
    let with =
        |n: u64| !history.downsampled("t", Some(&format!("f{n:02}")), START..START + MINUTE, 1).is_empty();
    assert_eq!((0..20).filter(|n| with(*n)).count(), 16);
}

#[test]
fn a_topic_with_a_very_long_name_has_no_history_and_is_counted() {
    for in_files in [true, false] {
        let folder = Folder::new();
        let options = if in_files { folder.options() } else { HistoryOptions::in_memory() };
        let history = History::open(options);
        let (long, too_long) = ("t".repeat(1 << 10), "t".repeat((1 << 10) + 1));
        history.record(START, message(&long, "1"));
        history.record(START, message(&too_long, "1"));
        history.flush();
        let report = history.report();
        assert_eq!((report.points, report.not_kept.name_too_long), (1, 1));
        assert_eq!(history.topics("", 9), [long]);
    }
}

#[test]
fn names_are_bounded_by_their_bytes() {
    let folder = Folder::new();
    let history = History::open(HistoryOptions { max_name_bytes: 10_000, ..folder.options() });
    for n in 0..40 {
        let fields: Vec<String> = (0..16).map(|field| format!(r#""{field:0>100}":1"#)).collect();
        history.record(START, message(&format!("{n:0>500}"), &format!("{{{}}}", fields.join(","))));
    }
    history.record(START + MINUTE, message("t", "1"));
    history.flush();
    let report = history.report();
    assert_eq!(report.points + report.not_kept.too_many_topics, 41);
    assert_eq!(report.points, 20, "of five hundred bytes each");
    assert!(report.not_kept.too_many_series > 250, "{report:?}");
    assert!(history.topics("", 100).iter().map(String::len).sum::<usize>() <= 10_000);
    let rollups = fs::metadata(&folder.files("rollups")[0]).unwrap().len();
    assert!(rollups < 15_000, "{rollups} bytes");
}

#[test]
fn a_file_of_roll_ups_stays_near_its_part_however_much_a_minute_has() {
    let folder = Folder::new();
    let options = HistoryOptions { part_bytes: 100_000, ..folder.options() };
    let history = History::open(options.clone());
    let numbers = 3_000;
    for n in 0..numbers {
        history.record(START, message(&format!("{n:0>100}"), "1"));
    }
    history.record(START + MINUTE, message("t", "1"));
    history.flush();
    let left_out = history.report().not_kept.too_many_series;
    assert!(left_out > 0 && left_out < numbers, "{left_out}");
    drop(history);
    for file in folder.files("rollups") {
        assert!(fs::metadata(file).unwrap().len() < 200_000);
    }
    // What was written in pieces is there as a whole.
    let history = History::open(options);
    let with =
        |n: u64| !history.downsampled(&format!("{n:0>100}"), None, START..START + MINUTE, 1).is_empty();
    assert_eq!((0..numbers).filter(|n| with(*n)).count() as u64, numbers - left_out);
}

#[test]
fn what_is_too_old_for_new_options_is_gone_right_after_the_start() {
    let folder = Folder::new();
    let history = folder.open();
    for n in 0..20 {
        history.record(START + n * HOUR, message("t", "1"));
    }
    drop(history);
    let history = History::open(HistoryOptions { keep_points_ms: 5 * HOUR, ..folder.options() });
    assert_eq!(history.range("t", 0..u64::MAX, 99).len(), 6);
    assert_eq!(history.report().not_kept.too_old, 14);
}
