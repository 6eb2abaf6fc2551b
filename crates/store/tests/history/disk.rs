//! A disk that cannot be written.

use crate::scene::{Folder, SECOND, START, message, times};
use darter_store::history::{History, HistoryOptions};
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

#[test]
fn a_history_that_cannot_be_written_says_so_and_goes_on_by_itself() {
    let folder = Folder::new();
    // A file stands where the folder should be.
    fs::write(folder.path(), "in the way").unwrap();
    let history = History::open(HistoryOptions { retry_after: Duration::ZERO, ..folder.options() });
    for n in 0..10 {
        history.record(START + n * SECOND, message("t", &n.to_string()));
    }
    history.flush();
    let report = history.report();
    assert!(report.trouble.is_some());
    assert_eq!((report.points, report.not_kept.error), (0, 10));
    assert_eq!(history.last("t", 10), []);
    fs::remove_file(folder.path()).unwrap();
    history.record(START + 10 * SECOND, message("t", "10"));
    history.flush();
    let report = history.report();
    assert_eq!((report.points, report.trouble), (1, None));
    assert_eq!(times(&history.last("t", 10)), [START + 10 * SECOND]);
}

#[test]
fn after_an_error_nothing_is_tried_for_a_while() {
    let folder = Folder::new();
    fs::write(folder.path(), "in the way").unwrap();
    let history = folder.open();
    history.record(START, message("t", "1"));
    history.flush();
    fs::remove_file(folder.path()).unwrap();
    history.record(START + SECOND, message("t", "2"));
    history.flush();
    let report = history.report();
    assert_eq!((report.points, report.not_kept.error), (0, 2), "the ten seconds are not over");
    assert!(report.trouble.is_some());
}

/// The folder of the process that may not write long files.
const CRAMPED: &str = "DARTER_TEST_CRAMPED_FOLDER";

/// In a process whose files end at 32 KiB: the system writes what fits and refuses the rest, as a full disk does.
fn cramped(folder: &Path) {
    let options = HistoryOptions { retry_after: Duration::ZERO, ..HistoryOptions::in_folder(folder) };
    let history = History::open(options);
    let record = |from: u64, to: u64| {
        for n in from..to {
            history.record(START + n * SECOND, message("t", &format!("{n:0>100}")));
            history.record(START + n * SECOND, message("n", &n.to_string()));
            if n % 10 == 9 {
                history.flush();
            }
        }
    };
    record(0, 600);
    let report = history.report();
    assert!(report.not_kept.error > 0, "{report:?}");
    assert_eq!(report.points + report.not_kept.error, 1_200, "every point is there or counted");
    assert_eq!(report.damaged, 0);
    for topic in ["t", "n"] {
        let found = history.range(topic, 0..u64::MAX, 10_000);
        assert!(found.len() as u64 >= 600 - report.not_kept.error);
        assert!(found.iter().all(|point| {
            let text = std::str::from_utf8(&point.payload).unwrap();
            text.trim_start_matches('0').parse().unwrap_or(0) == (point.time_ms - START) / SECOND
        }));
    }
    // The file that was full is left; another one goes on.
    assert_eq!(history.report().trouble, None, "{report:?}");
    assert_eq!(times(&history.last("t", 1)), [START + 599 * SECOND]);
    let counted: u64 =
        history.downsampled("n", None, START..START + 600 * SECOND, 10).iter().map(|s| s.count).sum();
    assert_eq!(counted, history.range("n", 0..u64::MAX, 10_000).len() as u64);
}

#[test]
fn what_does_not_fit_on_the_disk_is_counted_and_harms_nothing() {
    let name = "disk::what_does_not_fit_on_the_disk_is_counted_and_harms_nothing";
    if let Some(folder) = std::env::var_os(CRAMPED) {
        return cramped(Path::new(&folder));
    }
    let folder = Folder::new();
    let ended = Command::new("sh")
        .args(["-c", "trap '' XFSZ; ulimit -f 64; exec \"$0\" --exact \"$1\" --nocapture"])
        .arg(std::env::current_exe().unwrap())
        .arg(name)
        .env(CRAMPED, folder.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&ended.stdout);
    assert!(
        ended.status.success() && said.contains("1 passed"),
        "{said}{}",
        String::from_utf8_lossy(&ended.stderr)
    );
    // Without the limit everything is as it was, and roll-ups do not count twice.
    let history = folder.open();
    let found = history.range("n", 0..u64::MAX, 10_000).len() as u64;
    assert!(found > 100);
    let counted: u64 =
        history.downsampled("n", None, START..START + 600 * SECOND, 10).iter().map(|s| s.count).sum();
    assert_eq!(counted, found);
    assert_eq!(history.report().damaged, 0);
}
