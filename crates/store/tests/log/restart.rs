//! What comes back after a stop and after a crash.

use super::desk::{Desk, copy, files, small};
use darter_store::OpenError;
use darter_store::log::inspect::export;
use darter_testkit::{Changes, Dice};
use proptest::prelude::*;
use std::fs;
use std::path::Path;

fn assert_comes_back(folder: &Path, changes: &Changes) {
    let mut desk = Desk::open(folder);
    assert!(desk.lost().is_nothing(), "{:?}", desk.lost());
    let queues = desk.queues();
    let mut model = changes.model().clone();
    model.reopen();
    model.assert_is(&desk.kept, &queues);
    desk.close();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    #[test]
    fn a_stopped_and_a_killed_store_come_back_as_they_were(seed in any::<u64>(), batches in 1..200_usize) {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        let mut dice = Dice::new(seed);
        let mut changes = Changes::default();
        let mut desk = Desk::open(&data);
        for batch in 0..batches {
            let count = dice.below(6) + 1;
            let mut choose = |end: u32| u32::try_from(dice.below(end as usize)).unwrap();
            let made: Vec<_> = (0..count).flat_map(|_| changes.next(&mut choose)).collect();
            desk.keep(made);
            if dice.once_in(12) {
                let killed = folder.path().join(format!("killed-{batch}"));
                copy(&data, &killed);
                assert_comes_back(&killed, &changes);
                fs::remove_dir_all(&killed).unwrap();
            }
            if dice.once_in(20) {
                desk.close();
                desk = Desk::open(&data);
                assert!(desk.lost().is_nothing(), "{:?}", desk.lost());
                let queues = desk.queues();
                changes.reopened(&desk.kept);
                changes.model().assert_is(&desk.kept, &queues);
            }
        }
        desk.close();
        assert_comes_back(&data, &changes);
    }
}

#[test]
fn whatever_was_not_finished_is_gone_whole() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let mut changes = Changes::default();
    let mut dice = Dice::new(4);
    let mut desk = Desk::open(&data);
    let mut choose = |end: u32| u32::try_from(dice.below(end as usize)).unwrap();
    for _ in 0..60 {
        desk.keep(changes.next(&mut choose));
    }
    let before = folder.path().join("before");
    copy(&data, &before);
    let mut expected = changes.model().clone();
    expected.reopen();
    desk.keep((0..20).flat_map(|_| changes.next(&mut choose)).collect::<Vec<_>>());
    desk.close();
    // The last frame is cut anywhere; the side file is the one of the moment before.
    let newest = |folder: &Path| {
        let files = fs::read_dir(folder.join("messages")).unwrap().map(|entry| entry.unwrap().path());
        files.filter(|path| path.extension().is_some_and(|extension| extension == "log")).max().unwrap()
    };
    let (old, new) = (fs::read(newest(&before)).unwrap(), fs::read(newest(&data)).unwrap());
    assert_eq!(new[..old.len()], old, "one segment");
    for len in old.len()..new.len() {
        let cut = folder.path().join("cut");
        copy(&before, &cut);
        fs::write(newest(&cut), &new[..len]).unwrap();
        let mut desk = Desk::open(&cut);
        assert!(desk.lost().is_nothing(), "{len}: {:?}", desk.lost());
        let queues = desk.queues();
        expected.assert_is(&desk.kept, &queues);
        desk.close();
        fs::remove_dir_all(&cut).unwrap();
    }
}

#[test]
fn an_interrupted_end_is_no_damage_at_any_later_start_either() {
    let folder = tempfile::tempdir().unwrap();
    let mut changes = Changes::default();
    let mut dice = Dice::new(5);
    let mut choose = |end: u32| u32::try_from(dice.below(end as usize)).unwrap();
    for round in 0..5_usize {
        let mut desk = Desk::open(folder.path());
        assert!(desk.lost().is_nothing(), "{round}: {:?}", desk.lost());
        changes.reopened(&desk.kept);
        for _ in 0..10 {
            desk.keep(changes.next(&mut choose));
        }
        desk.close();
        let files = fs::read_dir(folder.path().join("messages")).unwrap().map(|entry| entry.unwrap().path());
        let last = files.filter(|path| path.extension().is_some_and(|one| one == "log")).max().unwrap();
        let mut bytes = fs::read(&last).unwrap();
        // A piece of a frame that never became one, and what a disk makes of blocks that were never written.
        bytes.extend_from_within(65..65 + 30 * round);
        bytes.extend(vec![0; 777 * round]);
        fs::write(&last, bytes).unwrap();
    }
    assert_comes_back(folder.path(), &changes);
}

#[test]
fn the_clock_goes_on_from_one_run_to_the_next() {
    let folder = tempfile::tempdir().unwrap();
    let desk = Desk::open(folder.path());
    let before = desk.clock;
    desk.keeper.tick(before + 5_000);
    desk.close();
    let desk = Desk::open(folder.path());
    assert!(desk.clock >= before + 5_000, "{} {before}", desk.clock);
    assert!(desk.clock < before + 3_600_000, "{} {before}", desk.clock);
}

#[test]
fn a_second_server_on_one_folder_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let desk = Desk::open(folder.path());
    let refused = Desk::try_open(small(folder.path())).err().unwrap();
    assert!(matches!(refused, OpenError::InUse { .. }), "{refused}");
    desk.close();
    Desk::open(folder.path()).close();
}

#[test]
fn a_store_of_a_newer_version_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let mut desk = Desk::open(folder.path());
    let mut changes = Changes::default();
    desk.keep(changes.next(&mut |_| 0));
    desk.close();
    let segment = folder.path().join("messages/0000000001.log");
    let mut bytes = fs::read(&segment).unwrap();
    bytes[8] = 2;
    let crc = crc32fast::hash(&bytes[..32]);
    bytes[32..36].copy_from_slice(&crc.to_le_bytes());
    fs::write(&segment, &bytes).unwrap();
    let refused = Desk::try_open(small(folder.path())).err().unwrap();
    assert!(matches!(refused, OpenError::Newer { found: 2, known: 1, .. }), "{refused}");
    assert!(refused.to_string().contains("written by a newer darter"), "{refused}");
    assert_eq!(fs::read(&segment).unwrap(), bytes);
}

#[test]
fn space_of_messages_that_were_taken_out_is_given_back() {
    let folder = tempfile::tempdir().unwrap();
    let mut desk = Desk::open(folder.path());
    let mut changes = Changes::default();
    let mut dice = Dice::new(6);
    let mut choose = |end: u32| u32::try_from(dice.below(end as usize)).unwrap();
    let mut most = 0;
    for _ in 0..20_000 {
        desk.submit(changes.next(&mut choose));
    }
    desk.keep([]);
    let live = desk.keeper.report().live_bytes;
    let size = |folder: &Path| -> u64 {
        let files = fs::read_dir(folder.join("messages")).unwrap().map(|entry| entry.unwrap());
        files.filter_map(|entry| entry.metadata().ok()).map(|one| one.len()).sum()
    };
    most = most.max(size(folder.path()));
    assert!(most < 4 * live + 20 * 16 * 1024 + 8 * 1024 * 1024, "{most} bytes for {live}");
    desk.close();
    assert_comes_back(folder.path(), &changes);
}

#[test]
fn an_export_has_a_line_for_everything() {
    let folder = tempfile::tempdir().unwrap();
    let mut desk = Desk::open(folder.path());
    let mut changes = Changes::default();
    let mut dice = Dice::new(7);
    let mut choose = |end: u32| u32::try_from(dice.below(end as usize)).unwrap();
    for _ in 0..300 {
        desk.submit(changes.next(&mut choose));
    }
    desk.keep([]);
    desk.close();
    let mut out = Vec::new();
    let before = files(folder.path());
    let (lines, findings) = export(folder.path(), &mut out).unwrap();
    assert!(findings.lost.is_nothing());
    assert_eq!(files(folder.path()), before, "looking changes nothing");
    let text = String::from_utf8(out).unwrap();
    assert_eq!(text.lines().count() as u64, lines);
    let count = |kind: &str| {
        let lines = text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
        lines.filter(|line| line["kind"] == kind).count() as u64
    };
    let amounts = changes.model().amounts();
    assert_eq!(count("session"), amounts.sessions);
    assert_eq!(count("subscription"), amounts.subscriptions);
    assert_eq!(count("queued"), amounts.queued);
    assert_eq!(count("retained"), amounts.retained);
    assert_comes_back(folder.path(), &changes);
}
