//! Roll-ups are what a plain computation over the points says.

use crate::scene::{Folder, HOUR, MINUTE, START, message};
use darter_store::history::{History, HistoryOptions, Sample};
use proptest::prelude::*;
use std::collections::BTreeMap;

/// What is recorded: a time within three hours, a topic, a number.
type Numbers = Vec<(u64, bool, i32)>;

fn numbers() -> impl Strategy<Value = Numbers> {
    prop::collection::vec((0..3 * HOUR, any::<bool>(), -1_000..1_000), 1..200)
}

fn record(history: &History, numbers: &[(u64, bool, i32)]) {
    for (time, json, number) in numbers {
        let number = f64::from(*number) / 8.0;
        let message = match json {
            true => message("json", &format!(r#"{{"a":{{"b":{number}}},"c":"x"}}"#)),
            false => message("plain", &number.to_string()),
        };
        history.record(START + time, message);
    }
    history.flush();
}

fn expected(numbers: &Numbers, json: bool, step: u64) -> Vec<Sample> {
    let mut stretches: BTreeMap<u64, Vec<f64>> = BTreeMap::new();
    for (time, _, number) in numbers.iter().filter(|(_, is_json, _)| *is_json == json) {
        stretches.entry(START + time / step * step).or_default().push(f64::from(*number) / 8.0);
    }
    let sample = |(time_ms, values): (u64, Vec<f64>)| {
        let count = values.len();
        Sample {
            time_ms,
            count: count as u64,
            min: values.iter().copied().fold(f64::INFINITY, f64::min),
            max: values.iter().copied().fold(f64::NEG_INFINITY, f64::max),
            mean: values.iter().sum::<f64>() / f64::from(u32::try_from(count).unwrap()),
        }
    };
    stretches.into_iter().map(sample).collect()
}

fn check(history: &History, numbers: &Numbers) {
    for (json, topic, field) in [(true, "json", Some("a.b")), (false, "plain", None)] {
        // Roll-ups of a minute and of seven, and points themselves.
        for step in [MINUTE, 7 * MINUTE, 20_000] {
            let end = START + (3 * HOUR).next_multiple_of(step);
            let points = usize::try_from((end - START) / step).unwrap();
            let found = history.downsampled(topic, field, START..end, points);
            let expected = expected(numbers, json, step);
            assert_eq!(found.len(), expected.len());
            for (found, expected) in found.iter().zip(&expected) {
                let parts = |sample: &Sample| (sample.time_ms, sample.count, sample.min, sample.max);
                assert_eq!(parts(found), parts(expected));
                assert!((found.mean - expected.mean).abs() < 1e-6, "{found:?} {expected:?}");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn they_are_what_the_points_say(numbers in numbers(), sorted in any::<bool>(), kill_at in 0_usize..200) {
        let mut numbers = numbers;
        if sorted {
            numbers.sort_unstable();
        }
        let folder = Folder::new();
        let options = HistoryOptions { interval_ms: 0, ..folder.options() };
        let kill_at = kill_at.min(numbers.len());
        let history = History::open(options);
        record(&history, &numbers[..kill_at]);
        let killed = folder.snapshot();
        drop(history);
        // One goes on after an end in order, the other one after a kill.
        for folder in [&folder, &killed] {
            let history = History::open(HistoryOptions { interval_ms: 0, ..folder.options() });
            record(&history, &numbers[kill_at..]);
            check(&history, &numbers);
            drop(history);
            check(&folder.open(), &numbers);
        }
    }
}
