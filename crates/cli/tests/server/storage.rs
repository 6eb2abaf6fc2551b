//! Where `darter serve` keeps its state, and what it says of it.

use crate::started::{Home, Server, connack, darter, file, finished};
use nix::sys::signal::Signal;
use std::fs;
use std::os::unix::fs::PermissionsExt;

const JSON: [&str; 5] = ["serve", "--port", "0", "--print-addresses", "json"];

#[test]
fn without_options_the_state_is_in_the_users_own_place() {
    let home = Home::new();
    let server = Server::start(home.darter(&JSON));
    connack(&server.addresses()[0]);
    assert!(home.data().is_dir());
    let ended = server.stop(Signal::SIGTERM);
    assert_eq!(ended.code, Some(0));
    let closed = format!("stored and closed: {}, ", home.data().display());
    let line = ended.err.lines().find(|line| line.contains(&closed)).expect("a closing line");
    assert!(line.contains("INFO") && !line.contains("lost"), "{line}");
}

#[test]
fn in_memory_nothing_is_written_and_nothing_said_at_the_end() {
    let home = Home::new();
    for more in [&["--memory"][..], &["--config", &file("memory.toml", "[storage]\ndata_dir = \"memory\"\n")]]
    {
        let server = Server::start(home.darter(&[&["serve", "--port", "0"], more].concat()));
        let ended = server.stop(Signal::SIGTERM);
        assert!(
            ended.out.contains("  State      in memory; it is gone when the server stops\n"),
            "{}",
            ended.out
        );
        assert!(!ended.err.contains("stored and closed"), "{}", ended.err);
        assert!(!home.data().exists());
    }
}

#[test]
fn the_option_goes_before_the_file_and_the_file_before_the_users_own_place() {
    let home = Home::new();
    let (named, filed) = (home.data().with_file_name("named"), home.data().with_file_name("filed"));
    let text = format!("[storage]\ndata_dir = \"{}\"\n", filed.display());
    let config = file("data-dir.toml", &text);
    let with_config = [&JSON[..], &["--config", &config]].concat();
    drop(Server::start(home.darter(&with_config)));
    assert!(filed.is_dir() && !home.data().exists());
    drop(Server::start(home.darter(&[&with_config[..], &["--data-dir", named.to_str().unwrap()]].concat())));
    assert!(named.is_dir() && !home.data().exists());
}

#[test]
fn a_folder_may_be_named_relative_to_where_the_server_starts() {
    let home = Home::new();
    let mut command = home.darter(&["serve", "--port", "0", "--data-dir", "here"]);
    command.current_dir(home.data().parent().unwrap());
    let folder = home.data().with_file_name("here");
    let ended = Server::start(command).stop(Signal::SIGTERM);
    assert!(folder.is_dir());
    assert!(ended.out.contains(&format!("kept in {}\n", folder.display())), "{}", ended.out);
}

#[test]
fn a_folder_and_memory_exclude_each_other() {
    let ended = finished(darter(&["serve", "--memory", "--data-dir", "x", "--check-config"]));
    assert_eq!(ended.code, Some(2));
    assert!(ended.err.contains("--memory") && ended.err.contains("--data-dir"), "{}", ended.err);
}

#[test]
fn a_folder_that_cannot_be_used_is_one_clear_line() {
    let home = Home::new();
    let plain = home.data().with_file_name("file");
    fs::write(&plain, "").unwrap();
    let below = plain.join("folder");
    let ended = finished(home.darter(&["serve", "--port", "0", "--data-dir", below.to_str().unwrap()]));
    assert_eq!((ended.code, ended.out.as_str()), (Some(1), ""));
    let line = ended.only_line();
    let begin = format!("darter: the data folder {} cannot be used: ", below.display());
    assert!(line.starts_with(&begin), "{line}");
    assert_eq!(line.matches("Not a directory").count(), 1, "{line}");
}

#[test]
fn a_service_of_systemd_keeps_its_state_in_its_own_folder() {
    let home = Home::new();
    let state = home.data().with_file_name("state");
    let mut command = home.darter(&JSON);
    command.env("STATE_DIRECTORY", &state);
    let server = Server::start(command);
    assert_eq!(fs::metadata(state.join("darter.sock")).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(server.stop(Signal::SIGTERM).code, Some(0));
    assert!(!home.data().exists());
}

#[test]
fn help_says_where_the_state_is_and_how_to_change_that() {
    let ended = finished(darter(&["serve", "--help"]));
    assert_eq!(ended.code, Some(0));
    let text = ended.out.split_whitespace().collect::<Vec<_>>().join(" ");
    for part in ["--data-dir <DIR>", "--memory", "~/.local/share/darter", "%LOCALAPPDATA%\\darter"] {
        assert!(text.contains(part), "{part}: {text}");
    }
}
