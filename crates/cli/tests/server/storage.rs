//! Where `darter serve` keeps its state, and what it says of it.

use crate::started::{Home, Server, connack, darter, file, finished};
use nix::sys::signal::Signal;
use serde_json::{Value, json};
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

#[test]
fn the_second_server_on_a_folder_is_told_who_the_first_is() {
    let home = Home::new();
    let first = Server::start(home.darter(&JSON));
    let ended = finished(home.darter(&JSON));
    assert_eq!((ended.code, ended.out.as_str()), (Some(1), ""));
    let expected = format!(
        "darter: the data folder {} is in use by another darter (process {}); stop it, or name another folder with \
         --data-dir",
        home.data().display(),
        first.process()
    );
    assert_eq!(ended.only_line(), expected);
    connack(&first.addresses()[0]);
}

/// A home whose server is stopped and has kept a session with a subscription and three messages.
fn home_with_messages() -> Home {
    let home = Home::new();
    let server = Server::start(home.darter(&JSON));
    let port = server.port();
    let away = ["sub", "-p", &port, "-i", "away", "-c", "-t", "t/#", "-q", "1", "-E"];
    assert_eq!(finished(darter(&away)).code, Some(0));
    for payload in ["one", "two", "three"] {
        let kept = ["pub", "-p", &port, "-t", "t/a", "-m", payload, "-q", "1"];
        assert_eq!(finished(darter(&kept)).code, Some(0));
    }
    assert_eq!(finished(darter(&["pub", "-p", &port, "-t", "r", "-m", "r", "-q", "1", "-r"])).code, Some(0));
    assert_eq!(server.stop(Signal::SIGTERM).code, Some(0));
    home
}

#[test]
fn a_stopped_servers_folder_is_checked_counted_and_exported() {
    let home = home_with_messages();
    let run = |action: &[&str]| finished(home.darter(&[&["store"], action].concat()));
    let kept = "1 session, 1 subscription, 3 queued messages, 1 retained message";
    let check = run(&["check"]);
    assert_eq!((check.code, check.out), (Some(0), format!("Everything can be read: {kept}.\n")));
    let stats: Value = serde_json::from_str(&run(&["stats", "--json"]).out).unwrap();
    assert_eq!((&stats["running"], &stats["queued"]), (&json!(false), &json!(3)));
    assert!(run(&["stats"]).out.contains("  Sessions  1 with 1 subscription\n"));
    let export = run(&["export"]);
    let lines: Vec<Value> = export.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of_kind = |kind: &str| lines.iter().filter(|line| line["kind"] == kind).collect::<Vec<_>>();
    let payloads: Vec<_> = of_kind("queued").into_iter().map(|line| line["payload"].clone()).collect();
    assert_eq!(payloads, [json!("one"), json!("two"), json!("three")]);
    assert_eq!((of_kind("session").len(), of_kind("subscription").len()), (1, 1));
    assert_eq!(of_kind("retained")[0]["topic"], json!("r"));
    let said = format!("{} lines from {}", lines.len(), home.data().display());
    assert_eq!(export.only_line(), said);
    let repair = run(&["repair"]);
    assert_eq!((repair.code, repair.out), (Some(0), format!("Nothing had to be repaired: {kept}.\n")));
}

#[test]
fn damage_is_found_by_check_and_said_by_the_server_at_both_ends() {
    let home = home_with_messages();
    let files = fs::read_dir(home.data().join("messages")).unwrap().map(|entry| entry.unwrap().path());
    let log =
        files.filter(|path| fs::read(path).unwrap().windows(5).any(|bytes| bytes == b"three")).max().unwrap();
    let mut bytes = fs::read(&log).unwrap();
    let place = bytes.windows(5).position(|bytes| bytes == b"three").unwrap();
    bytes[place] ^= 1;
    fs::write(&log, bytes).unwrap();
    let check = finished(home.darter(&["store", "check"]));
    assert_eq!(check.code, Some(3), "{check:?}");
    assert!(check.out.starts_with(&format!("{}: ", log.display())), "{}", check.out);
    assert!(check.out.contains("\nIt costs: "), "{}", check.out);
    assert!(check.out.contains("1 queued message"), "{}", check.out);

    let server = Server::start(home.darter(&JSON));
    let status = finished(home.darter(&["status"])).out;
    assert!(status.contains("  Lost       "), "{status}");
    let ended = server.stop(Signal::SIGTERM);
    let warning = |part: &str| {
        let line = ended.err.lines().find(|line| line.contains(part));
        line.unwrap_or_else(|| panic!("{part}: {}", ended.err)).to_owned()
    };
    for part in ["not everything came back; lost: ", "; lost when it was opened: "] {
        let line = warning(part);
        assert!(line.contains("WARN") && line.contains("1 queued message"), "{line}");
    }
    assert!(warning("stored and closed: ").contains(&home.data().display().to_string()));
}
