//! What the shim's disk has after a power cut, and the faults it makes.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used)]

use darter_crash::shim::{Control, Field, build_shim};
use std::fs;
use std::io::{BufRead, BufReader, Lines, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::OnceLock;

const EIO: &str = "5";
const ENOSPC: &str = "28";
const BLOCK: usize = 4096;

/// A program on a folder whose disk can lose its power.
struct Machine {
    folder: PathBuf,
    disk: PathBuf,
    control: Control,
    program: Option<(Child, ChildStdin, Lines<BufReader<ChildStdout>>)>,
}

fn shim() -> &'static Path {
    static SHIM: OnceLock<PathBuf> = OnceLock::new();
    SHIM.get_or_init(|| {
        let file = scratch(&format!("powerfail-{}.so", std::process::id()));
        build_shim(&file).unwrap();
        file
    })
}

fn scratch(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(name)
}

impl Machine {
    /// A machine with an empty disk; `test` names it.
    fn new(test: &str) -> Self {
        let home = scratch(test);
        let _ = fs::remove_dir_all(&home);
        let (folder, disk) = (home.join("data"), home.join("disk"));
        fs::create_dir_all(&folder).unwrap();
        fs::create_dir_all(&disk).unwrap();
        let control = Control::create(&home.join("orders")).unwrap();
        let mut machine = Self { folder, disk, control, program: None };
        machine.start();
        machine
    }

    fn start(&mut self) {
        let mut child = Command::new(env!("CARGO_BIN_EXE_darter-crash"))
            .arg("--probe")
            .arg(&self.folder)
            .env("LD_PRELOAD", shim())
            .env("POWERFAIL_DIR", &self.folder)
            .env("POWERFAIL_SHADOW", &self.disk)
            .env("POWERFAIL_CONTROL", self.folder.with_file_name("orders"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (input, output) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        self.program = Some((child, input, BufReader::new(output).lines()));
    }

    /// Gives an order and returns the answer.
    fn answer(&mut self, order: &str) -> String {
        let (_, input, output) = self.program.as_mut().unwrap();
        writeln!(input, "{order}").unwrap();
        output.next().unwrap().unwrap()
    }

    fn all_fine(&mut self, orders: &[&str]) {
        for order in orders {
            assert_eq!(self.answer(order), "ok", "{order}");
        }
    }

    /// The power is gone; what the disk has, by name.
    fn cut(&mut self) -> Vec<(String, String)> {
        self.stop();
        let mut found = Vec::new();
        list(&self.disk, "", &mut found);
        found
    }

    fn stop(&mut self) {
        if let Some((mut child, ..)) = self.program.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// Starts again on what the disk has.
    fn restart(&mut self) {
        fs::remove_dir_all(&self.folder).unwrap();
        copy(&self.disk, &self.folder);
        self.start();
    }

    fn order(&self, orders: &[(Field, u64)]) {
        for (field, value) in orders {
            self.control.set(*field, *value).unwrap();
        }
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        self.stop();
    }
}

fn list(folder: &Path, before: &str, found: &mut Vec<(String, String)>) {
    let mut entries: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        let name = format!("{before}{}", path.file_name().unwrap().to_string_lossy());
        if path.is_dir() {
            found.push((format!("{name}/"), String::new()));
            list(&path, &format!("{name}/"), found);
        } else {
            found.push((name, String::from_utf8_lossy(&fs::read(&path).unwrap()).into_owned()));
        }
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        if entry.path().is_dir() {
            copy(&entry.path(), &to.join(entry.file_name()));
        } else {
            fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    }
}

fn files<const N: usize>(expected: [(&str, &str); N]) -> Vec<(String, String)> {
    expected.map(|(name, text)| (name.to_owned(), text.to_owned())).to_vec()
}

#[test]
fn only_what_was_synced_survives() {
    let mut machine = Machine::new("only_what_was_synced_survives");
    machine.all_fine(&["write a one", "sync-data a", "write a two", "write b never"]);
    assert_eq!(machine.cut(), files([("a", "one")]));
}

#[test]
fn every_way_to_write_is_seen() {
    let mut machine = Machine::new("every_way_to_write_is_seen");
    machine.all_fine(&["write a 12345678", "write-at a 2 xx", "write-parts a 9 0", "sync-all a"]);
    machine.all_fine(&["copy a b", "write-at b 0 B", "sync-through-copy b"]);
    assert_eq!(machine.cut(), files([("a", "12xx567890"), ("b", "B2xx567890")]));
}

#[test]
fn a_file_that_was_closed_is_synced_when_it_is_opened_again() {
    let mut machine = Machine::new("a_file_that_was_closed");
    machine.all_fine(&["write a first", "close a", "write-at a 5 second", "sync-data a"]);
    assert_eq!(machine.cut(), files([("a", "firstsecond")]));
}

#[test]
fn work_goes_on_after_a_power_cut_with_what_the_disk_has() {
    let mut machine = Machine::new("work_goes_on_after_a_power_cut");
    machine.all_fine(&["write a one", "sync-data a", "write a two"]);
    machine.cut();
    machine.restart();
    machine.all_fine(&["write-at a 3 three", "write b x"]);
    assert_eq!(machine.cut(), files([("a", "one")]));
    machine.restart();
    machine.all_fine(&["write-at a 3 four", "sync-data a"]);
    assert_eq!(machine.cut(), files([("a", "onefour")]));
}

#[test]
fn a_length_is_durable_with_the_next_sync_and_what_was_cut_off_comes_back_as_zeros() {
    let mut machine = Machine::new("a_length_is_durable_with_the_next_sync");
    machine.all_fine(&["write a abcdef", "sync-data a", "length a 2"]);
    assert_eq!(machine.cut(), files([("a", "abcdef")]));
    machine.restart();
    machine.all_fine(&["length a 2", "length a 4", "sync-data a"]);
    assert_eq!(machine.cut(), files([("a", "ab\0\0")]));
    machine.restart();
    machine.all_fine(&["empty a", "write a z", "sync-data a"]);
    assert_eq!(machine.cut(), files([("a", "z")]));
}

#[test]
fn a_new_name_needs_a_sync_of_its_folder() {
    let mut machine = Machine::new("a_new_name_needs_a_sync_of_its_folder");
    machine.all_fine(&["write old before", "sync-data old", "write new after", "sync-data new"]);
    machine.all_fine(&["rename new old"]);
    assert_eq!(machine.cut(), files([("new", "after"), ("old", "before")]));
    machine.restart();
    machine.all_fine(&["rename new old", "sync-folder ."]);
    assert_eq!(machine.cut(), files([("old", "after")]));
}

#[test]
fn a_renamed_file_that_was_never_synced_is_empty() {
    let mut machine = Machine::new("a_renamed_file_that_was_never_synced");
    machine.all_fine(&["write new text", "rename new name", "sync-folder ."]);
    assert_eq!(machine.cut(), files([("name", "")]));
}

#[test]
fn a_removed_file_comes_back_until_its_folder_is_synced() {
    let mut machine = Machine::new("a_removed_file_comes_back");
    machine.all_fine(&["write a text", "sync-data a", "remove a"]);
    assert_eq!(machine.cut(), files([("a", "text")]));
    machine.restart();
    machine.all_fine(&["remove a", "sync-folder ."]);
    assert_eq!(machine.cut(), []);
}

#[test]
fn a_name_that_is_used_again_is_the_newer_file() {
    let mut machine = Machine::new("a_name_that_is_used_again");
    machine.all_fine(&["write a old", "sync-data a", "remove a", "close a", "write a new", "sync-data a"]);
    assert_eq!(machine.cut(), files([("a", "new")]));
}

#[test]
fn folders_are_made_and_renamed_with_their_files() {
    let mut machine = Machine::new("folders_are_made_and_renamed");
    machine.all_fine(&["folder d", "write d/a text", "sync-data d/a"]);
    machine.all_fine(&["rename d e", "sync-folder ."]);
    machine.all_fine(&["write d/a more", "sync-data d/a", "folder f"]);
    assert_eq!(machine.cut(), files([("e/", ""), ("e/a", "textmore")]));
}

#[test]
fn some_unsynced_blocks_reach_the_disk_and_some_do_not() {
    let mut machine = Machine::new("some_unsynced_blocks_reach_the_disk");
    machine.order(&[(Field::Luck, 500), (Field::Seed, 7)]);
    machine.stop();
    machine.start();
    machine.all_fine(&["write a x", "sync-data a", &format!("fill a y {}", 64 * BLOCK)]);
    let found = machine.cut();
    let (_, text) = &found[0];
    assert!(text.starts_with('x'));
    assert!(text.contains('y') && text.contains('\0'), "some blocks, and not all");
}

#[test]
fn a_full_disk_takes_what_has_room_and_more_after_something_was_removed() {
    let mut machine = Machine::new("a_full_disk_takes_what_has_room");
    machine.all_fine(&["fill ballast b 100"]);
    machine.order(&[(Field::Room, 5), (Field::Full, 1)]);
    assert_eq!(machine.answer("write a 12345678"), ENOSPC);
    assert_eq!(machine.answer("write other x"), ENOSPC);
    machine.all_fine(&["sync-data a", "remove ballast", "write a 678"]);
    machine.order(&[(Field::Full, 0)]);
    machine.all_fine(&["write a 9", "sync-data a"]);
    assert_eq!(machine.cut(), files([("a", "123456789")]));
    assert_eq!(machine.control.get(Field::Faults).unwrap(), 2);
}

#[test]
fn writes_fail_as_often_as_ordered() {
    let mut machine = Machine::new("writes_fail_as_often_as_ordered");
    machine.order(&[(Field::SkipWrites, 1), (Field::FailWrites, 2)]);
    let answers =
        ["write a 1", "write a 2", "write-at a 0 3", "write a 4"].map(|order| machine.answer(order));
    assert_eq!(answers, ["ok", EIO, EIO, "ok"]);
    machine.all_fine(&["sync-data a"]);
    assert_eq!(machine.cut(), files([("a", "14")]));
}

#[test]
fn what_a_failed_sync_should_have_kept_is_not_kept_by_the_next() {
    let mut machine = Machine::new("what_a_failed_sync_should_have_kept");
    machine.all_fine(&["write a one", "sync-data a", "write-at a 0 two"]);
    machine.order(&[(Field::FailSyncs, 1)]);
    assert_eq!(machine.answer("sync-data a"), EIO);
    machine.all_fine(&["sync-data a", "write-at a 3 three", "sync-data a"]);
    assert_eq!(machine.cut(), files([("a", "onethree")]));
}

#[test]
fn a_lying_disk_keeps_nothing() {
    let mut machine = Machine::new("a_lying_disk_keeps_nothing");
    machine.order(&[(Field::Lie, 1)]);
    machine.all_fine(&["write a one", "sync-all a", "sync-folder ."]);
    assert_eq!(machine.cut(), []);
}

#[test]
fn a_short_write_takes_only_a_part() {
    let mut machine = Machine::new("a_short_write_takes_only_a_part");
    machine.order(&[(Field::ShortWrites, 1)]);
    machine.all_fine(&["write-once a 1234567890", "sync-data a", "write b 1234567890", "sync-data b"]);
    let found = machine.cut();
    assert!(!found[0].1.is_empty() && found[0].1.len() < 10, "{found:?}");
    assert_eq!(found[1].1, "1234567890", "whoever goes on writes all of it");
}

#[test]
fn files_elsewhere_are_left_alone() {
    let mut machine = Machine::new("files_elsewhere_are_left_alone");
    machine.order(&[(Field::FailWrites, u64::MAX), (Field::FailSyncs, u64::MAX)]);
    machine.all_fine(&["write ../beside x", "sync-data ../beside"]);
    assert_eq!(machine.control.get(Field::Syncs).unwrap(), 0);
    assert_eq!(machine.cut(), []);
}
