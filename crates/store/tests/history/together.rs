//! Recording and asking at the same time.

use crate::scene::{Folder, SECOND, START, message, plain};
use darter_store::history::{History, HistoryOptions};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

#[test]
fn questions_get_whole_answers_while_points_are_recorded() {
    let folder = Folder::new();
    // Small parts: files are closed all the time.
    let history = History::open(HistoryOptions { part_bytes: 20_000, ..folder.options() });
    let done = AtomicBool::new(false);
    let seconds = 4_000;
    thread::scope(|scope| {
        let asking: Vec<_> = (0..2)
            .map(|_| {
                scope.spawn(|| {
                    let (mut seen, mut rounds) = (0, 0_u32);
                    while !done.load(Ordering::Acquire) || rounds == 0 {
                        let last = history.last("t/1", 50);
                        let found = plain(&last);
                        for pair in found.windows(2) {
                            assert_eq!(pair[1].0 - pair[0].0, SECOND, "no gap");
                        }
                        if let Some((time, payload)) = found.last() {
                            assert_eq!(*payload, ((time - START) / SECOND).to_string());
                            assert!(*time >= seen, "what was seen stays");
                            seen = *time;
                        }
                        let all = history.downsampled("t/1", None, START..START + seconds * SECOND, 1);
                        let count = all.first().map_or(0, |sample| sample.count);
                        assert!(count >= (seen.saturating_sub(START)) / SECOND, "{count} until {seen}");
                        rounds += 1;
                    }
                    rounds
                })
            })
            .collect();
        for n in 0..seconds {
            for topic in 0..3 {
                history.record(START + n * SECOND, message(&format!("t/{topic}"), &n.to_string()));
            }
            if n % 500 == 0 {
                history.flush();
            }
        }
        history.flush();
        done.store(true, Ordering::Release);
        for thread in asking {
            assert!(thread.join().unwrap() > 0);
        }
    });
    let report = history.report();
    assert_eq!((report.points, report.damaged, report.unread), (3 * seconds, 0, 0));
    assert!(report.buckets > 10);
    assert_eq!(history.range("t/1", 0..u64::MAX, 100_000).len() as u64, seconds);
}

#[test]
fn points_that_no_longer_fit_are_counted_and_nobody_waits() {
    let folder = Folder::new();
    let options = HistoryOptions { queue_points: 4, interval_ms: 0, ..folder.options() };
    let history = History::open(options);
    let sent = 20_000;
    thread::scope(|scope| {
        for shard in 0..4 {
            let history = &history;
            scope.spawn(move || {
                for n in 0..sent / 4 {
                    history.record(START + n, message(&format!("t/{shard}"), "1"));
                }
            });
        }
    });
    history.flush();
    let report = history.report();
    assert_eq!(report.points + report.not_kept.queue_full, sent);
    assert!(report.points > 0 && report.not_kept.queue_full > 0, "{report:?}");
}
