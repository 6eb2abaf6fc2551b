//! Files that were cut, flipped and lost.

use crate::scene::{Folder, HOUR, MINUTE, SECOND, START, message, plain, times};
use darter_store::history::History;
use std::fs;
use std::path::Path;

/// The second bucket's points begin here.
const SECOND_BUCKET: u64 = START + HOUR;

/// Three topics, ten seconds of points in each of two buckets; the first bucket is closed.
fn written() -> (Folder, History) {
    let folder = Folder::new();
    let history = folder.open();
    for bucket in [START, SECOND_BUCKET] {
        for n in 0..10 {
            for topic in ["a", "b", "c"] {
                history.record(bucket + n * SECOND, message(topic, &format!("{topic}{n}")));
            }
            history.record(bucket + n * SECOND, message("n", &n.to_string()));
        }
    }
    history.flush();
    (folder, history)
}

/// What is still there must be right. Gives how many points are.
fn check_rest(history: &History) -> usize {
    let mut found = 0;
    for topic in ["a", "b", "c"] {
        let points = plain(&history.range(topic, 0..u64::MAX, 1_000));
        for (time, payload) in &points {
            let n = time % MINUTE / SECOND;
            assert_eq!(*payload, format!("{topic}{n}"));
        }
        let mut times: Vec<u64> = points.iter().map(|(time, _)| *time).collect();
        times.dedup();
        assert_eq!(times.len(), points.len(), "no point comes twice");
        assert_eq!(plain(&history.last(topic, 1_000)), points);
        found += points.len();
    }
    found + history.range("n", 0..u64::MAX, 1_000).len()
}

/// Another bit in each place.
fn flip(file: &Path, at: usize) {
    let mut bytes = fs::read(file).unwrap();
    bytes[at] ^= 1 << (at % 8);
    fs::write(file, bytes).unwrap();
}

fn points_go_on(history: &History) {
    let time = SECOND_BUCKET + 30 * SECOND;
    history.record(time, message("a", "a30"));
    history.flush();
    assert_eq!(times(&history.last("a", 1)), [time]);
}

#[test]
fn a_file_cut_anywhere_in_its_last_record_loses_that_record_only() {
    let (folder, history) = written();
    let whole = fs::read(&folder.files("points")[1]).unwrap();
    history.record(SECOND_BUCKET + 10 * SECOND, message("a", "a10"));
    history.flush();
    let longer = fs::read(&folder.files("points")[1]).unwrap();
    assert!(longer.len() > whole.len());
    for len in whole.len()..=longer.len() {
        let killed = folder.snapshot();
        fs::write(&killed.files("points")[1], &longer[..len]).unwrap();
        let history = killed.open();
        let last = len == longer.len();
        assert_eq!(check_rest(&history), if last { 81 } else { 80 }, "cut to {len} bytes");
        let torn = len > whole.len() && !last;
        assert_eq!(history.report().damaged, u64::from(torn), "cut to {len} bytes");
        points_go_on(&history);
    }
}

#[test]
fn a_file_cut_anywhere_keeps_what_is_before_the_cut() {
    let (folder, history) = written();
    drop(history);
    let file = folder.files("points").remove(1);
    let whole = fs::read(&file).unwrap();
    let mut fewest = 40;
    for len in 0..whole.len() {
        let cut = folder.snapshot();
        fs::write(&cut.files("points")[1], &whole[..len]).unwrap();
        let history = cut.open();
        let found = check_rest(&history);
        assert!(found >= fewest, "{found} points of {len} bytes");
        fewest = found;
        if len % 16 == 0 {
            points_go_on(&history);
        }
    }
    assert_eq!(fewest, 80, "only the index was cut at last");
}

/// Flips a bit in every place of a file of points.
fn flip_everywhere(folder: &Folder, which: usize) {
    let len = fs::read(&folder.files("points")[which]).unwrap().len();
    for at in 0..len {
        let damaged = folder.snapshot();
        flip(&damaged.files("points")[which], at);
        let history = damaged.open();
        let found = check_rest(&history);
        assert!(history.report().damaged > 0, "the bit at {at} was not noticed");
        // One record, or the name of one topic in one bucket.
        assert!(found >= 70, "{found} points are left after a bit at {at}");
        let all = history.downsampled("n", None, START..START + 2 * HOUR, 2);
        assert_eq!(all.iter().map(|hour| hour.count).max(), Some(10), "roll-ups do not count twice: {at}");
        if at % 16 == 0 {
            points_go_on(&history);
        }
    }
}

#[test]
fn a_flipped_bit_in_a_closed_file_costs_one_topic_at_most() {
    let (folder, history) = written();
    drop(history);
    flip_everywhere(&folder, 0);
}

#[test]
fn a_flipped_bit_in_a_file_that_was_being_written_costs_one_topic_at_most() {
    let (folder, _history) = written();
    flip_everywhere(&folder.snapshot(), 1);
}

#[test]
fn a_flipped_bit_in_roll_ups_costs_no_points() {
    let (folder, history) = written();
    for folder in [folder.snapshot(), {
        drop(history);
        folder
    }] {
        let whole = fs::read(&folder.files("rollups")[0]).unwrap();
        let closed =
            whole.ends_with(&crc32fast::hash(&whole[whole.len() - 12..whole.len() - 4]).to_be_bytes());
        // A closed file's checkpoints tell nothing any more; nobody looks at them.
        let unread: Vec<usize> = (0..whole.len())
            .filter(|at| closed && whole[*at..].starts_with(&[0xDA, 4, 0, 0, 0, 12]))
            .collect();
        for at in 0..whole.len() {
            let damaged = folder.snapshot();
            flip(&damaged.files("rollups")[0], at);
            let history = damaged.open();
            assert_eq!(check_rest(&history), 80);
            let hours = history.downsampled("n", None, START..START + 2 * HOUR, 2);
            assert!(hours.iter().all(|hour| hour.count == 10 && hour.max == 9.0), "a bit at {at}: {hours:?}");
            assert!(!hours.is_empty());
            let noticed = history.report().damaged > 0;
            let matters = !unread.iter().any(|start| (*start..start + 22).contains(&at));
            assert!(noticed || !matters, "the bit at {at} was not noticed");
        }
    }
}

#[test]
fn roll_ups_cut_anywhere_are_made_again_from_the_points() {
    let folder = Folder::new();
    let history = folder.open();
    for n in 0..200_u32 {
        history.record(START + u64::from(n) * SECOND, message("n", &n.to_string()));
        history.record(START + u64::from(n) * SECOND, message("m", "1"));
    }
    history.flush();
    let killed = folder.snapshot();
    let whole = fs::read(&killed.files("rollups")[0]).unwrap();
    for len in 0..=whole.len() {
        let cut = killed.snapshot();
        fs::write(&cut.files("rollups")[0], &whole[..len]).unwrap();
        let history = cut.open();
        let minutes = history.downsampled("n", None, START..START + 4 * MINUTE, 4);
        let counts: Vec<u64> = minutes.iter().map(|minute| minute.count).collect();
        assert_eq!(counts, [60, 60, 60, 20], "cut to {len} bytes");
        assert_eq!((minutes[1].min, minutes[1].max, minutes[1].mean), (60.0, 119.0, 89.5));
    }
}

#[test]
fn rubbish_in_the_middle_is_passed_over() {
    let (folder, history) = written();
    drop(history);
    let file = &folder.files("points")[0];
    let mut bytes = fs::read(file).unwrap();
    let middle = bytes.len() / 3;
    // It looks like the beginning of records, and of long ones.
    for place in bytes[middle..middle + 60].chunks_exact_mut(6) {
        place.copy_from_slice(&[0xDA, 2, 0, 0, 0xFF, 0]);
    }
    fs::write(file, bytes).unwrap();
    let history = folder.open();
    assert!(check_rest(&history) >= 74);
    assert!(history.report().damaged > 0);
}

#[test]
fn a_lost_file_costs_its_bucket_only() {
    for (prefix, which, left) in [("points", 0, 40), ("points", 1, 40), ("rollups", 0, 80)] {
        let (folder, history) = written();
        drop(history);
        fs::remove_file(&folder.files(prefix)[which]).unwrap();
        let history = folder.open();
        assert_eq!(check_rest(&history), left, "without {prefix} {which}");
        points_go_on(&history);
    }
}

#[test]
fn files_lost_while_the_server_runs_cost_themselves_only() {
    let (folder, history) = written();
    for file in folder.files("") {
        fs::remove_file(file).unwrap();
    }
    history.flush();
    assert_eq!(check_rest(&history), 0);
    points_go_on(&history);
    assert!(history.report().damaged >= 2);
    // With its folder as well.
    fs::remove_dir_all(folder.path()).unwrap();
    history.flush();
    history.record(SECOND_BUCKET + 40 * SECOND, message("a", "a40"));
    history.flush();
    assert_eq!(times(&history.last("a", 1)), [SECOND_BUCKET + 40 * SECOND]);
    drop(history);
    assert_eq!(check_rest(&folder.open()), 1);
}

#[test]
fn a_payload_that_looks_like_a_record_is_none() {
    let (folder, history) = written();
    let before = fs::read(&folder.files("points")[1]).unwrap();
    history.record(SECOND_BUCKET + 20 * SECOND, message("a", "a20"));
    history.flush();
    // A record as it stands in the file, sent as a payload.
    let record = fs::read(&folder.files("points")[1]).unwrap()[before.len()..].to_vec();
    let at = before.len() + record.len();
    let copy = darter_codec::Message::new(darter_codec::QoS::AtMostOnce, false, "evil", [], &record, None);
    history.record(SECOND_BUCKET + 21 * SECOND, copy);
    history.flush();
    let killed = folder.snapshot();
    let file = &killed.files("points")[1];
    // The name record of the new topic is whole; the point's own header is not.
    let point = at + 10 + "evil".len();
    flip(file, point);
    let history = killed.open();
    assert_eq!(history.last("evil", 9), []);
    assert_eq!(history.range("a", SECOND_BUCKET + 20 * SECOND..u64::MAX, 9).len(), 1);
    let report = history.report();
    assert_eq!((report.points, report.damaged), (81, 1));
}

#[test]
fn a_file_of_which_nothing_can_be_read_is_set_aside() {
    let (folder, history) = written();
    drop(history);
    let file = folder.files("points").remove(0);
    let rubbish = vec![0x55; fs::metadata(&file).unwrap().len().try_into().unwrap()];
    fs::write(&file, &rubbish).unwrap();
    let history = folder.open();
    assert_eq!(check_rest(&history), 40, "the other bucket");
    assert!(history.report().damaged > 0);
    assert_eq!(fs::read(file.with_extension("damaged")).unwrap(), rubbish);
    drop(history);
    assert_eq!(folder.open().report().damaged, 0, "it is not met again");
}
