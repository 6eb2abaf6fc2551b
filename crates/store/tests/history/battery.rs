//! What every history does, wherever it stands.

use crate::scene::{Folder, HOUR, MINUTE, SECOND, START, message, plain, times};
use bytes::Bytes;
use darter_codec::{Message, QoS};
use darter_store::history::{History, HistoryOptions, Point};

fn what_was_recorded_comes_back(options: HistoryOptions) {
    let history = History::open(options);
    let property: &[u8] = &[0x01, 1];
    history.record(START, Message::new(QoS::ExactlyOnce, true, "a/b", [property], b"one", Some(7)));
    history.record(START + 1_500, message("a/b", ""));
    history.record(START, message("a", "other"));
    history.flush();
    let expected = [
        Point { time_ms: START, payload: Bytes::from_static(b"one"), qos: QoS::ExactlyOnce, retain: true },
        Point { time_ms: START + 1_500, payload: Bytes::new(), qos: QoS::AtMostOnce, retain: false },
    ];
    assert_eq!(history.last("a/b", 10), expected);
    assert_eq!(history.range("a/b", 0..u64::MAX, 10), expected);
    assert_eq!(plain(&history.last("a", 10)), [(START, "other".to_owned())]);
    assert_eq!(history.last("b", 10), []);
    let report = history.report();
    assert_eq!((report.points, report.topics, report.oldest), (3, 2, Some(START)));
    assert_eq!((report.damaged, report.unread, report.trouble), (0, 0, None));
    assert!(report.bytes > 0);
}

fn the_newest_points_are_the_last(options: HistoryOptions) {
    let history = History::open(options);
    // Over three buckets, and every other one of another topic.
    let every = 3 * MINUTE;
    for n in 0..60 {
        let topic = if n % 2 == 0 { "even" } else { "odd" };
        history.record(START + n * every, message(topic, &n.to_string()));
    }
    history.flush();
    for most in [0, 1, 7, 30, 100] {
        let found = times(&history.last("even", most));
        let all: Vec<u64> = (0..60).step_by(2).map(|n| START + n * every).collect();
        assert_eq!(found, all[all.len().saturating_sub(most)..], "the last {most}");
    }
}

fn a_range_is_read_in_pages(options: HistoryOptions) {
    let history = History::open(options);
    for n in 0..500 {
        history.record(START + n * 20 * SECOND, message("t", &n.to_string()));
    }
    history.flush();
    let (from, to) = (START + HOUR - MINUTE, START + 2 * HOUR);
    let mut next = from;
    let mut found = Vec::new();
    loop {
        let page = history.range("t", next..to, 37);
        let Some(last) = page.last() else { break };
        next = last.time_ms + 1;
        found.extend(times(&page));
    }
    let expected: Vec<u64> =
        (0..500).map(|n| START + n * 20 * SECOND).filter(|time| (from..to).contains(time)).collect();
    assert_eq!(found, expected);
    assert_eq!(history.range("t", to..from, 10), []);
    assert_eq!(history.range("t", from..to, 0), []);
}

fn a_topic_has_at_most_one_point_a_second(options: HistoryOptions) {
    let history = History::open(options);
    for n in 0..100 {
        history.record(START + n * 100, message("t", &n.to_string()));
        history.record(START + n * 100, message("u", "x"));
    }
    history.flush();
    let seconds: Vec<u64> = (0..10).map(|n| START + n * SECOND).collect();
    assert_eq!(times(&history.last("t", 100)), seconds);
    assert_eq!(times(&history.last("u", 100)), seconds);
    assert_eq!(history.report().not_kept.too_often, 180);
}

fn without_an_interval_every_point_is_kept(options: HistoryOptions) {
    let history = History::open(HistoryOptions { interval_ms: 0, ..options });
    for n in 0..100 {
        history.record(START, message("t", &n.to_string()));
    }
    history.flush();
    let found = plain(&history.last("t", 200));
    let expected: Vec<_> = (0..100).map(|n| (START, n.to_string())).collect();
    assert_eq!(found, expected, "points of one time stay in their order");
}

fn topics_are_found_by_their_beginning(options: HistoryOptions) {
    let history = History::open(options);
    for topic in ["b", "a/c", "a/b", "a", "ab", "ä"] {
        history.record(START, message(topic, "1"));
    }
    history.flush();
    assert_eq!(history.topics("", 100), ["a", "a/b", "a/c", "ab", "b", "ä"]);
    assert_eq!(history.topics("a/", 100), ["a/b", "a/c"]);
    assert_eq!(history.topics("a", 2), ["a", "a/b"]);
    assert_eq!(history.topics("c", 100), [""; 0]);
}

fn large_payloads_are_counted(options: HistoryOptions) {
    let history = History::open(HistoryOptions { max_payload: 10, ..options });
    history.record(START, message("t", "0123456789"));
    history.record(START + SECOND, message("t", "0123456789a"));
    history.flush();
    assert_eq!(history.last("t", 9).len(), 1);
    assert_eq!(history.report().not_kept.too_large, 1);
}

fn numbers_are_put_together(options: HistoryOptions) {
    let history = History::open(options);
    for n in 0..240_u32 {
        let time = START + u64::from(n) * SECOND;
        history.record(time, message("plain", &n.to_string()));
        history.record(time, message("json", &format!(r#"{{"in":{{"t":{n}}},"name":"x","odd":{}}}"#, n % 2)));
        history.record(time, message("text", "on"));
    }
    history.flush();
    let range = START..START + 4 * MINUTE;
    for (topic, field) in [("plain", None), ("json", Some("in.t"))] {
        for (points, seconds) in [(4, 60), (2, 120), (1, 240), (8, 30), (240, 1)] {
            let found = history.downsampled(topic, field, range.clone(), points);
            assert_eq!(found.len(), points, "{topic}");
            for (sample, n) in found.iter().zip(0_u32..) {
                let first = n * seconds;
                assert_eq!(sample.time_ms, START + u64::from(first) * SECOND);
                assert_eq!(sample.count, u64::from(seconds));
                assert_eq!(sample.min, f64::from(first));
                assert_eq!(sample.max, f64::from(first + seconds - 1));
                assert!((sample.mean - f64::from(first) - f64::from(seconds - 1) / 2.0).abs() < 1e-9);
            }
        }
    }
    let odd = history.downsampled("json", Some("odd"), range.clone(), 1);
    assert_eq!((odd[0].min, odd[0].max), (0.0, 1.0));
    assert!((odd[0].mean - 0.5).abs() < 1e-9);
    for (topic, field) in [("text", None), ("json", Some("name")), ("json", None), ("plain", Some("x"))] {
        assert_eq!(history.downsampled(topic, field, range.clone(), 4), [], "{topic}");
        assert_eq!(history.downsampled(topic, field, range.clone(), 240), [], "{topic}");
    }
}

fn what_waits_has_bounds(options: HistoryOptions) {
    let history = History::open(HistoryOptions { queue_bytes: 100, ..options });
    // It is larger than everything that may wait.
    history.record(START, message("t", &"x".repeat(200)));
    history.record(START, message("t", "x"));
    history.flush();
    assert_eq!(history.report().not_kept.queue_full, 1);
    assert_eq!(history.last("t", 9).len(), 1);
}

macro_rules! battery {
    ($($test:ident)*) => {
        mod in_memory {
            $(#[test]
            fn $test() {
                super::$test(darter_store::history::HistoryOptions::in_memory());
            })*
        }
        mod in_files {
            $(#[test]
            fn $test() {
                let folder = super::Folder::new();
                super::$test(folder.options());
            })*
        }
        mod in_many_files {
            $(#[test]
            fn $test() {
                let folder = super::Folder::new();
                let part_bytes = 500;
                super::$test(darter_store::history::HistoryOptions { part_bytes, ..folder.options() });
            })*
        }
    };
}

battery! {
    what_was_recorded_comes_back
    the_newest_points_are_the_last
    a_range_is_read_in_pages
    a_topic_has_at_most_one_point_a_second
    without_an_interval_every_point_is_kept
    topics_are_found_by_their_beginning
    large_payloads_are_counted
    numbers_are_put_together
    what_waits_has_bounds
}
