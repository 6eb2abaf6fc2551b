//! Damaged, cut and missing files: the store opens, gives back the rest, and never says that less was lost than was.

use super::desk::{Desk, copy};
use darter_codec::record::{Change, QueueRow, RowState};
use darter_codec::{Message, QoS};
use darter_store::Lost;
use darter_store::log::inspect::{check, repair};
use darter_testkit::store_model::Amounts;
use darter_testkit::{Changes, Dice, StoreModel};
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// A store with something of everything in several segments, and what is in it.
fn filled(seed: u64, batches: usize) -> (TempDir, Changes) {
    let folder = tempfile::tempdir().unwrap();
    let mut changes = Changes::default();
    let mut dice = Dice::new(seed);
    let mut choose = |end: u32| u32::try_from(dice.below(end as usize)).unwrap();
    let mut desk = Desk::open(&folder.path().join("data"));
    for _ in 0..batches {
        let made: Vec<_> = (0..5).flat_map(|_| changes.next(&mut choose)).collect();
        desk.keep(made);
    }
    desk.close();
    (folder, changes)
}

fn files(data: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(data.join("messages")).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = entries.filter(|path| path.is_file()).collect();
    files.sort();
    files
}

/// Opens a damaged copy, compares the report with the truth, and opens it once more; the truth.
fn open_damaged(data: &Path, changes: &Changes, what: &str) -> Amounts {
    let mut desk = Desk::open(data);
    let lost = desk.lost();
    let queues = desk.queues();
    let missing = changes.model().missing(&desk.kept, &queues);
    assert_report(&lost, &missing, what);
    assert_eq!(desk.keeper.report().lost_since, Lost::default(), "{what}: everything was found at the start");
    desk.close();
    missing
}

fn assert_report(lost: &Lost, missing: &Amounts, what: &str) {
    let said = [lost.sessions, lost.subscriptions, lost.retained, lost.queued, lost.other];
    let true_ones =
        [missing.sessions, missing.subscriptions, missing.retained, missing.queued, missing.other];
    for (said, truth) in said.iter().zip(true_ones) {
        assert!(*said >= truth, "{what}: said {lost:?}, true {missing:?}");
    }
    if *missing == Amounts::default() {
        return;
    }
    assert!(!lost.is_nothing(), "{what}");
}

fn total(amounts: &Amounts) -> u64 {
    amounts.sessions + amounts.subscriptions + amounts.retained + amounts.queued + amounts.other
}

fn damage(folder: &TempDir, changes: &Changes, what: &str, harm: impl FnOnce(&Path)) -> Amounts {
    let copied = folder.path().join("damaged");
    copy(&folder.path().join("data"), &copied);
    harm(&copied);
    let missing = open_damaged(&copied, changes, what);
    // What was lost once is not lost again: the next start finds a whole log.
    let again = Desk::open(&copied);
    assert!(again.lost().is_nothing(), "{what}, the second time: {:?}", again.lost());
    again.close();
    fs::remove_dir_all(&copied).unwrap();
    missing
}

#[test]
fn one_flipped_bit_costs_one_record_and_is_told() {
    let (folder, changes) = filled(1, 60);
    let mut dice = Dice::new(9);
    let all = total(&changes.model().amounts());
    let mut worst = 0;
    for file in files(&folder.path().join("data")) {
        let name = file.file_name().unwrap().to_owned();
        for _ in 0..60 {
            let bit = dice.below(usize::try_from(fs::metadata(&file).unwrap().len()).unwrap() * 8);
            let what = format!("bit {bit} of {}", name.display());
            let missing = damage(&folder, &changes, &what, |copied| {
                let path = copied.join("messages").join(&name);
                let mut bytes = fs::read(&path).unwrap();
                bytes[bit / 8] ^= 1 << (bit % 8);
                fs::write(path, bytes).unwrap();
            });
            worst = worst.max(total(&missing));
        }
    }
    // A session's own record takes along what it had, a shared message the rows that share it; nothing takes along more.
    assert!(worst * 3 < all, "{worst} of {all}");
}

#[test]
fn a_message_that_came_back_does_not_hide_the_queue_of_a_lost_session() {
    let folder = tempfile::tempdir().unwrap();
    let session =
        |session, client: &str| Change::Session { session, client: client.into(), user: None, expiry: 9 };
    let queued = |session, sequence| Change::Queued {
        session,
        sequence,
        row: QueueRow {
            message: Message::new(QoS::AtLeastOnce, false, "topic", [], b"payload", None),
            qos: QoS::AtLeastOnce,
            retain: false,
            origin: None,
            state: RowState::Waiting,
        },
        durable: true,
    };
    let mut model = StoreModel::default();
    let mut desk = Desk::open(folder.path());
    let log = folder.path().join("messages/0000000001.log");
    let mut keep = |changes: Vec<Change>| {
        changes.iter().for_each(|change| model.apply(change));
        desk.keep(changes);
        usize::try_from(fs::metadata(&log).unwrap().len()).unwrap()
    };
    keep(vec![session(2, "stays"), queued(2, 0)]);
    let lost_session = keep(vec![session(1, "lost")]);
    keep((0..8).map(|sequence| queued(1, sequence)).collect());
    let lost_removal = keep(vec![Change::Removed { session: 2, sequence: 0 }]);
    desk.close();
    let mut bytes = fs::read(&log).unwrap();
    // The last byte of a frame belongs to its last record.
    [lost_session, lost_removal].into_iter().for_each(|end| bytes[end - 1] ^= 1);
    fs::write(&log, bytes).unwrap();

    let mut desk = Desk::open(folder.path());
    let queues = desk.queues();
    assert_eq!(queues[&2].len(), 1, "it came back");
    let missing = model.missing(&desk.kept, &queues);
    assert_eq!((missing.sessions, missing.queued), (1, 8));
    assert_report(&desk.lost(), &missing, "a session and a removal");
    desk.close();
}

#[test]
fn a_cut_file_costs_what_was_in_the_rest_of_it() {
    let (folder, changes) = filled(2, 60);
    for file in files(&folder.path().join("data")) {
        let name = file.file_name().unwrap().to_owned();
        let len = fs::metadata(&file).unwrap().len();
        for part in 0..20 {
            let to = len * part / 20;
            let what = format!("{} cut to {to} of {len} bytes", name.display());
            damage(&folder, &changes, &what, |copied| {
                let path = copied.join("messages").join(&name);
                fs::File::options().write(true).open(path).unwrap().set_len(to).unwrap();
            });
        }
    }
}

#[test]
fn a_missing_file_costs_what_was_in_it() {
    let (folder, changes) = filled(3, 60);
    let amounts = changes.model().amounts();
    for file in files(&folder.path().join("data")) {
        let name = file.file_name().unwrap().to_owned();
        let what = format!("without {}", name.display());
        let missing = damage(&folder, &changes, &what, |copied| {
            fs::remove_file(copied.join("messages").join(&name)).unwrap();
        });
        println!("{what}: {missing:?} are gone of {amounts:?}");
        let is_log = file.extension().is_some_and(|extension| extension == "log");
        assert!(is_log || total(&missing) == 0, "{what}: only segments have anything in them");
        assert!(total(&missing) < total(&amounts), "{what}: the other files come back");
    }
}

#[test]
fn garbage_anywhere_is_survived() {
    let (folder, changes) = filled(4, 40);
    let mut dice = Dice::new(10);
    for round in 0..40 {
        let names: Vec<_> = files(&folder.path().join("data"))
            .iter()
            .map(|one| one.file_name().unwrap().to_owned())
            .collect();
        damage(&folder, &changes, &format!("garbage {round}"), |copied| {
            for _ in 0..dice.below(4) + 1 {
                let path = copied.join("messages").join(&names[dice.below(names.len())]);
                let mut bytes = fs::read(&path).unwrap();
                let start = dice.below(bytes.len());
                let len = dice.below(5_000).min(bytes.len() - start);
                bytes[start..start + len].fill_with(|| u8::try_from(dice.below(256)).unwrap());
                fs::write(path, bytes).unwrap();
            }
        });
    }
}

#[test]
fn a_damaged_segment_is_set_aside_and_not_thrown_away() {
    let (folder, _) = filled(5, 60);
    let data = folder.path().join("data");
    let first = files(&data).into_iter().find(|one| one.extension().is_some_and(|two| two == "log")).unwrap();
    let mut bytes = fs::read(&first).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&first, bytes).unwrap();
    let found = check(&data).unwrap();
    assert_eq!(found.damaged.len(), 1, "{found:?}");
    assert_eq!(check(&data).unwrap(), found, "looking changes nothing");
    assert_eq!(repair(&data).unwrap(), found);
    let mended = check(&data).unwrap();
    assert_eq!((mended.unreadable + mended.missing, &mended.damaged[..]), (0, &[][..]), "{mended:?}");
    assert!(data.join("messages/damaged").join(first.file_name().unwrap()).exists());
}
