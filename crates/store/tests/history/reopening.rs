//! From one run to the next, in order and not.

use crate::scene::{Folder, HOUR, MINUTE, SECOND, START, message, plain, times};
use darter_store::history::{History, HistoryOptions};
use std::fs;
use std::sync::Arc;
use std::time::Duration;

fn fill(history: &History, seconds: std::ops::Range<u64>) {
    for n in seconds {
        history.record(START + n * SECOND, message("t", &n.to_string()));
        history.record(START + n * SECOND, message("j", &format!(r#"{{"n":{n}}}"#)));
    }
    history.flush();
}

/// Everything that `fill` recorded.
fn check(history: &History, end: u64) {
    let found = plain(&history.range("t", 0..u64::MAX, 100_000));
    let expected: Vec<_> = (0..end).map(|n| (START + n * SECOND, n.to_string())).collect();
    assert_eq!(found, expected);
    assert_eq!(history.last("j", 3).len() as u64, end.min(3));
    for (topic, field) in [("t", None), ("j", Some("n"))] {
        let minutes = history.downsampled(topic, field, START..START + 2 * HOUR, 120);
        assert_eq!(minutes.len() as u64, end.div_ceil(60), "{topic}");
        let all: u64 = minutes.iter().map(|minute| minute.count).sum();
        assert_eq!(all, end, "no number is missing and none counts twice in {topic}");
    }
    assert_eq!(history.topics("", 10), ["j", "t"]);
    let report = history.report();
    assert_eq!((report.points, report.damaged, report.unread), (2 * end, 0, 0));
}

#[test]
fn a_run_goes_on_where_the_last_one_ended() {
    let folder = Folder::new();
    // In the middle of a minute, at its end, and over the end of a bucket.
    let mut start = 0;
    for end in [90, 91, 120, 3_500, 3_700, 3_701] {
        let history = folder.open();
        fill(&history, start..end);
        check(&history, end);
        drop(history);
        start = end;
    }
    check(&folder.open(), 3_701);
    assert_eq!(folder.files("points").len(), 2, "a bucket goes on in its file");
    assert_eq!(folder.files("rollups").len(), 1);
}

#[test]
fn a_killed_server_leaves_everything_that_was_written() {
    let folder = Folder::new();
    let history = folder.open();
    let mut start = 0;
    for end in [1, 59, 60, 61, 150, 3_590, 3_650] {
        fill(&history, start..end);
        let killed = folder.snapshot();
        check(&killed.open(), end);
        // And once more, from what the start after the kill has made of it.
        check(&killed.open(), end);
        start = end;
    }
}

#[test]
fn a_server_can_be_killed_again_and_again() {
    let mut folder = Folder::new();
    let mut start = 0;
    for end in [30, 45, 100, 3_590, 3_650, 3_651] {
        let history = folder.open();
        fill(&history, start..end);
        let killed = folder.snapshot();
        drop(history);
        folder = killed;
        start = end;
    }
    check(&folder.open(), 3_651);
}

#[test]
fn a_second_that_a_topic_had_stays_had_after_a_restart() {
    let folder = Folder::new();
    for n in 0..3 {
        let history = folder.open();
        history.record(START + n * 300, message("t", &n.to_string()));
        history.record(START + SECOND * 2 + n * 300, message("u", &n.to_string()));
    }
    let history = folder.open();
    assert_eq!(plain(&history.last("t", 9)), [(START, "0".to_owned())]);
    assert_eq!(times(&history.last("u", 9)), [START + 2 * SECOND]);
}

#[test]
fn other_lengths_of_buckets_leave_the_old_points_where_they_are() {
    let folder = Folder::new();
    let lengths = [HOUR, 10 * MINUTE, 2 * HOUR, 1, 24 * HOUR];
    for (bucket_ms, n) in lengths.into_iter().zip(0..) {
        let history = History::open(HistoryOptions { bucket_ms, ..folder.options() });
        fill(&history, n * 100..(n + 1) * 100);
    }
    check(&folder.open(), 500);
}

#[test]
fn files_of_others_are_left_alone() {
    let folder = Folder::new();
    fill(&folder.open(), 0..10);
    for name in ["notes.txt", "points-1-2-3.log", "points-000000000000001-2-3.log.old"] {
        fs::write(folder.path().join(name), "mine").unwrap();
    }
    check(&folder.open(), 10);
    assert_eq!(fs::read_to_string(folder.path().join("notes.txt")).unwrap(), "mine");
    assert_eq!(folder.files("points").len(), 3);
}

#[test]
fn a_file_of_a_newer_format_is_left_alone() {
    let folder = Folder::new();
    fill(&folder.open(), 0..10);
    let file = &folder.files("points")[0];
    let mut bytes = fs::read(file).unwrap();
    bytes[11] = 2;
    let crc = crc32fast::hash(&bytes[..12]);
    bytes[12..16].copy_from_slice(&crc.to_be_bytes());
    fs::write(file, &bytes).unwrap();
    let history = folder.open();
    assert_eq!(history.last("t", 1), []);
    history.record(START, message("t", "new"));
    history.flush();
    assert_eq!(history.last("t", 1).len(), 1);
    drop(history);
    assert_eq!(fs::read(file).unwrap(), bytes);
}

#[test]
fn a_finished_history_is_whole_while_others_still_hold_it() {
    for in_files in [true, false] {
        let folder = Folder::new();
        let options = if in_files { folder.options() } else { HistoryOptions::in_memory() };
        let history = Arc::new(History::open(options));
        let other = history.clone();
        history.record(START, message("t", "1"));
        assert!(history.finish(Duration::from_secs(60)));
        assert!(history.finish(Duration::ZERO), "it has ended");
        assert_eq!(times(&other.last("t", 9)), [START], "it can still be asked");
        other.record(START + SECOND, message("t", "2"));
        other.flush();
        assert_eq!(other.report().not_kept.error, 1);
        if in_files {
            // The file was closed: whoever opens the folder now has it for himself.
            let before = fs::read(&folder.files("points")[0]).unwrap();
            assert_eq!(times(&folder.open().last("t", 9)), [START]);
            drop((history, other));
            assert_eq!(fs::read(&folder.files("points")[0]).unwrap(), before);
        }
    }
}

#[cfg(unix)]
#[test]
fn only_its_owner_reads_a_history() {
    use std::os::unix::fs::PermissionsExt;
    let mode = |path: &std::path::Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let folder = Folder::new();
    let history = folder.open();
    history.record(START, message("t", "1"));
    history.record(START + MINUTE, message("t", "1"));
    history.flush();
    assert_eq!(mode(folder.path()), 0o700);
    assert_eq!(folder.files("").iter().map(|file| mode(file)).collect::<Vec<_>>(), [0o600, 0o600]);
    drop(history);
    // A folder that was made when others could still read it.
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    folder.open().flush();
    assert_eq!(mode(folder.path()), 0o700);
}
