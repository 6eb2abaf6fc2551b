//! The running server's socket, and the commands that use it.

use crate::started::{Home, Server, connack, darter, file, finished};
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

const JSON: [&str; 5] = ["serve", "--port", "0", "--print-addresses", "json"];
const MEMORY: [&str; 6] = ["serve", "--memory", "--port", "0", "--print-addresses", "json"];

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

fn only_file(folder: &Path) -> PathBuf {
    let paths: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(paths.len(), 1, "{paths:?}");
    paths[0].clone()
}

fn status(home: &Home, options: &[&str]) -> Value {
    let ended = finished(home.darter(&[&["status", "--json"], options].concat()));
    assert_eq!((ended.code, ended.err.as_str()), (Some(0), ""));
    serde_json::from_str(&ended.out).unwrap()
}

#[test]
fn the_socket_is_in_the_data_folder_and_for_its_owner_only() {
    let home = Home::new();
    let server = Server::start(home.darter(&JSON));
    let socket = home.data().join("darter.sock");
    assert_eq!(mode(&socket), 0o600);
    let mut reader = BufReader::new(UnixStream::connect(&socket).unwrap());
    reader.get_mut().write_all(b"{\"do\":\"status\"}\n").unwrap();
    let mut line = String::new();
    reader.read_line(&mut line).unwrap();
    let answer: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(answer["ok"]["process"], json!(server.process()));
    assert_eq!(server.stop(Signal::SIGTERM).code, Some(0));
    assert!(!socket.exists());
}

#[test]
fn a_server_in_memory_has_its_socket_in_a_private_runtime_folder() {
    let home = Home::new();
    let mut command = home.darter(&MEMORY);
    command.env_remove("DARTER_RUNTIME_DIR");
    let server = Server::start(command);
    assert_eq!(mode(&home.runtime()), 0o700, "in XDG_RUNTIME_DIR");
    let socket = only_file(&home.runtime());
    let name = format!("{}-{}.sock", server.port(), server.process());
    assert_eq!((socket.file_name().unwrap().to_str().unwrap(), mode(&socket)), (name.as_str(), 0o600));
    drop(server);
    assert!(socket.exists(), "the server was killed");
    let server = Server::start(home.darter(&MEMORY));
    assert_ne!(only_file(&home.runtime()), socket, "the dead server's socket is removed");
    server.stop(Signal::SIGTERM);
    assert_eq!(fs::read_dir(home.runtime()).unwrap().count(), 0);
}

#[test]
fn a_data_folder_with_a_long_path_says_where_the_socket_is() {
    let home = Home::new();
    let folder = home.data().join("x".repeat(100));
    let option = ["--data-dir", folder.to_str().unwrap()];
    let server = Server::start(home.darter(&[&JSON[..], &option].concat()));
    let socket = only_file(&home.runtime());
    assert_eq!(fs::read_to_string(folder.join("socket")).unwrap(), socket.to_str().unwrap());
    assert_eq!(status(&home, &option)["process"], json!(server.process()));
    server.stop(Signal::SIGTERM);
    assert!(!folder.join("socket").exists() && !socket.exists());
}

#[test]
fn a_socket_that_a_killed_server_left_is_replaced() {
    let home = Home::new();
    drop(Server::start(home.darter(&JSON)));
    assert!(home.data().join("darter.sock").exists());
    let ended = finished(home.darter(&["status"]));
    assert_eq!(ended.code, Some(1));
    assert!(ended.only_line().contains("no server of this user runs here"), "{ended:?}");
    let server = Server::start(home.darter(&JSON));
    assert_eq!(status(&home, &[])["process"], json!(server.process()));
}

#[test]
fn where_a_socket_cannot_be_the_next_place_is_taken_and_found() {
    let home = Home::new();
    fs::create_dir_all(home.data().join("darter.sock/taken")).unwrap();
    fs::write(home.runtime(), "no folder").unwrap();
    let mut command = home.darter(&JSON);
    command.env_remove("DARTER_RUNTIME_DIR");
    let server = Server::start(command);
    let socket = fs::read_to_string(home.data().join("socket")).unwrap();
    assert!(socket.starts_with("/tmp/darter-"), "{socket}");
    assert_eq!(mode(Path::new(&socket).parent().unwrap()), 0o700);
    assert_eq!(status(&home, &[])["process"], json!(server.process()));
    server.stop(Signal::SIGTERM);
    assert!(!Path::new(&socket).exists());
}

#[test]
fn without_a_place_for_a_socket_the_server_serves_all_the_same() {
    let home = Home::new();
    fs::create_dir_all(home.data().join("darter.sock/taken")).unwrap();
    fs::write(home.runtime(), "no folder").unwrap();
    let server = Server::start(home.darter(&JSON));
    connack(&server.addresses()[0]);
    let ended = server.stop(Signal::SIGTERM);
    assert_eq!(ended.code, Some(0));
    let warning = ended.err.lines().find(|line| line.contains("no live administration")).unwrap();
    assert!(warning.contains("WARN"), "{warning}");
    assert!(!home.data().join("socket").exists());
}

#[test]
fn a_socket_that_the_data_folder_cannot_name_is_in_the_log_and_found_all_the_same() {
    let home = Home::new();
    for taken in ["darter.sock/taken", "socket/taken"] {
        fs::create_dir_all(home.data().join(taken)).unwrap();
    }
    let server = Server::start(home.darter(&JSON));
    let socket = only_file(&home.runtime());
    assert_eq!(status(&home, &[])["process"], json!(server.process()));
    let ended = server.stop(Signal::SIGTERM);
    let named = format!("socket={}", socket.display());
    let warning = ended.err.lines().find(|line| line.contains(&named)).expect("a line with the socket");
    assert!(warning.contains("WARN"), "{warning}");
    assert!(!socket.exists());
}

#[test]
fn status_finds_servers_by_folder_by_port_and_alone() {
    let home = Home::new();
    let folder = home.data().with_file_name("other");
    let by_folder = ["--data-dir", folder.to_str().unwrap()];
    let kept = Server::start(home.darter(&[&JSON[..], &by_folder].concat()));
    assert_eq!(status(&home, &by_folder)["process"], json!(kept.process()));

    let one = Server::start(home.darter(&MEMORY));
    assert_eq!(status(&home, &[])["process"], json!(one.process()), "the only one");
    let two = Server::start(home.darter(&MEMORY));
    for server in [&one, &two] {
        assert_eq!(status(&home, &["--port", &server.port()])["process"], json!(server.process()));
    }
    let ended = finished(home.darter(&["status"]));
    assert_eq!(ended.code, Some(1));
    let line = ended.only_line();
    assert!(line.starts_with("darter: several servers run (port "), "{line}");
    for server in [&one, &two] {
        assert!(line.contains(&format!("port {}, process {}", server.port(), server.process())), "{line}");
    }

    let usual = Server::start(home.darter(&JSON));
    assert_eq!(status(&home, &[])["process"], json!(usual.process()), "the usual folder goes first");
}

#[test]
fn status_is_told_in_words() {
    let home = Home::new();
    let server = Server::start(home.darter(&JSON));
    let address = server.addresses().remove(0);
    let client = connack(&address);
    // The numbers are at most a tenth of a second behind: asked again until they are there.
    let text = loop {
        let ended = finished(home.darter(&["status"]));
        assert_eq!((ended.code, ended.err.as_str()), (Some(0), ""));
        if ended.out.contains("Clients    1 connected") {
            break ended.out;
        }
    };
    assert!(text.starts_with(&format!("Darter {}, process ", env!("CARGO_PKG_VERSION"))), "{text}");
    for part in [&format!("  Listening  {address}"), "  Sessions   1 with 0 subscriptions", "none dropped"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    drop(client);
}

#[test]
fn sessions_are_told_with_what_waits_for_them() {
    let home = Home::new();
    let server = Server::start(home.darter(&MEMORY));
    let port = server.port();
    let away = ["sub", "-p", &port, "-i", "away", "-c", "-t", "t/#", "-q", "1", "-E"];
    assert_eq!(finished(darter(&away)).code, Some(0));
    assert_eq!(finished(darter(&["pub", "-p", &port, "-t", "t/a", "-m", "x", "-q", "1"])).code, Some(0));
    let ended = finished(home.darter(&["sessions", "--away", "--json"]));
    let answer: Value = serde_json::from_str(&ended.out).unwrap();
    let session = &answer["sessions"][0];
    assert_eq!((&session["client"], &session["queued"]), (&json!("away"), &json!(1)));
    assert_eq!((&session["address"], &session["subscriptions"]), (&Value::Null, &json!(1)));
    let text = finished(home.darter(&["sessions"])).out;
    let row: Vec<_> = text.lines().nth(1).unwrap().split_whitespace().collect();
    assert_eq!(row, ["away", "away", "1", "1", "0"]);
    assert_eq!(finished(home.darter(&["sessions", "--connected"])).out, "There is no such session.\n");
}

#[test]
fn drops_are_told_by_client_topic_and_reason() {
    let home = Home::new();
    let server = Server::start(home.darter(&MEMORY));
    let port = server.port();
    let none = finished(home.darter(&["drops"]));
    assert_eq!((none.code, none.out.as_str()), (Some(0), "No message was dropped.\n"));
    let away = ["sub", "-p", &port, "-i", "away", "-c", "-t", "t/#", "-q", "1", "-E"];
    assert_eq!(finished(darter(&away)).code, Some(0));
    for number in ["1", "2", "3"] {
        let lost = ["pub", "-p", &port, "-t", "t/a", "-m", number, "-q", "0"];
        assert_eq!(finished(darter(&lost)).code, Some(0));
    }
    // QoS 0 has no answer: a client that is answered behind it has waited for it.
    assert_eq!(finished(darter(&["pub", "-p", &port, "-t", "other", "-m", "x", "-q", "1"])).code, Some(0));
    let answer = loop {
        let ended = finished(home.darter(&["drops", "--json", "--client", "away"]));
        let answer: Value = serde_json::from_str(&ended.out).unwrap();
        if answer["drops"][0]["messages"] == json!(3) {
            break answer;
        }
    };
    let expected = json!([{ "client": "away", "topic": "t/a", "reason": "offline", "messages": 3 }]);
    assert_eq!((&answer["drops"], &answer["complete"]), (&expected, &json!(true)));
    let other = finished(home.darter(&["drops", "--client", "other"]));
    assert_eq!(other.out, "No message was dropped.\n");
    let text = finished(home.darter(&["drops", "--port", &port])).out;
    assert!(text.lines().nth(1).is_some_and(|row| row.contains("offline") && row.ends_with("t/a")), "{text}");
}

/// Publishes with QoS 1, so that it has arrived.
fn publish(port: &str, topic: &str, payload: &str) {
    let ended = finished(darter(&["pub", "-p", port, "-t", topic, "-m", payload, "-q", "1"]));
    assert_eq!(ended.code, Some(0), "{ended:?}");
}

#[test]
fn a_history_answers_from_the_running_and_from_the_stopped_server() {
    let home = Home::new();
    let server = Server::start(home.darter(&JSON));
    let port = server.port();
    publish(&port, "room/1", "{\"t\":20.5}");
    publish(&port, "room/2", "21");
    let all = || {
        let run = |arguments: &[&str]| {
            let ended = finished(home.darter(&[&["history"], arguments].concat()));
            assert_eq!((ended.code, ended.err.as_str()), (Some(0), ""), "{arguments:?}");
            ended.out
        };
        let json: Value = serde_json::from_str(&run(&["room/1", "--json"])).unwrap();
        assert_eq!(json["points"][0]["payload"], json!("{\"t\":20.5}"));
        let parts = run(&["room/1", "--points", "1", "--field", "t", "--csv"]);
        let (head, row) = parts.split_once('\n').unwrap();
        assert_eq!(head, "time,count,min,mean,max");
        assert!(row.ends_with(",1,20.5,20.5,20.5\n"), "{row}");
        assert!(run(&["room/2", "--from", "1h"]).ends_with("  21\n"));
        assert_eq!(run(&["room/2", "--to", "1h"]), "Nothing is kept of that.\n");
        assert_eq!(run(&["--topics", "room/"]), "room/1\nroom/2\n");
        run(&["room/2", "--last", "1", "--csv"])
    };
    let live = all();
    let status = status(&home, &[]);
    assert_eq!((&status["history"]["points"], &status["history"]["topics"]), (&json!(2), &json!(2)));
    assert_eq!(server.stop(Signal::SIGTERM).code, Some(0));
    assert_eq!(all(), live);
}

#[test]
fn a_list_of_the_history_that_is_cut_says_so() {
    let home = Home::new();
    let server = Server::start(home.darter(&MEMORY));
    for topic in ["room/1", "room/2"] {
        publish(&server.port(), topic, "x");
    }
    let run = |more: &[&str]| finished(home.darter(&[&["history", "--topics", ""], more].concat()));
    let text = run(&["--limit", "1"]);
    assert!(text.out.starts_with("room/1\n(there are more; --limit"), "{text:?}");
    let csv = run(&["--limit", "1", "--csv"]);
    assert_eq!((csv.code, csv.out.as_str()), (Some(0), "topic\nroom/1\n"));
    assert!(csv.only_line().starts_with("darter: there are more; --limit"), "{csv:?}");
    let json: Value = serde_json::from_str(&run(&["--limit", "1", "--json"]).out).unwrap();
    assert_eq!(json["more"], json!(true));
    let all = run(&["--csv"]);
    assert_eq!((all.out.as_str(), all.err.as_str()), ("topic\nroom/1\nroom/2\n", ""));
}

#[test]
fn a_history_can_be_in_memory_or_off() {
    let home = Home::new();
    let server = Server::start(home.darter(&MEMORY));
    publish(&server.port(), "t", "x");
    assert!(finished(home.darter(&["history", "t"])).out.ends_with("  x\n"));
    server.stop(Signal::SIGTERM);
    let config = file("no-history.toml", "[history]\nrecord = \"off\"\n");
    let server = Server::start(home.darter(&[&MEMORY[..], &["--config", &config]].concat()));
    publish(&server.port(), "t", "x");
    let ended = finished(home.darter(&["history", "t"]));
    assert_eq!((ended.code, ended.only_line()), (Some(1), "darter: history: this server keeps no history"));
}

#[test]
fn without_a_server_each_command_says_so_in_one_line() {
    let home = Home::new();
    let cases: [(&[&str], &str); 7] = [
        (&["status"], "no server of this user runs here"),
        (&["status", "--data-dir", "/no/such"], "no server runs with the data folder /no/such"),
        (&["drops", "--port", "1"], "no server of this user runs on port 1"),
        (&["history", "t", "--port", "1"], "no server of this user runs on port 1"),
        (&["history", "t"], "and there is no history in it"),
        (&["store", "stats"], "there is no data folder"),
        (&["store", "check", "--data-dir", "/no/such"], "there is no data folder /no/such"),
    ];
    for (arguments, why) in cases {
        let ended = finished(home.darter(arguments));
        assert_eq!((ended.code, ended.out.as_str()), (Some(1), ""), "{arguments:?}");
        let line = ended.only_line();
        assert!(line.starts_with("darter: ") && line.contains(why), "{arguments:?}: {line}");
    }
}

#[test]
fn the_folder_of_a_running_server_is_left_alone() {
    let home = Home::new();
    let server = Server::start(home.darter(&JSON));
    for action in ["check", "export", "repair"] {
        let ended = finished(home.darter(&["store", action]));
        assert_eq!((ended.code, ended.out.as_str()), (Some(1), ""), "{action}");
        let expected = format!(
            "darter: a server runs with the data folder {} (process {}); stop it, then run 'darter store {action}' again",
            home.data().display(),
            server.process()
        );
        assert_eq!(ended.only_line(), expected);
    }
    let ended = finished(home.darter(&["store", "stats", "--json"]));
    let stats: Value = serde_json::from_str(&ended.out).unwrap();
    assert_eq!((&stats["running"], &stats["sessions"]), (&json!(true), &json!(0)));
    let text = finished(home.darter(&["store", "stats"])).out;
    assert!(text.contains("  Queued    0 messages\n"), "{text}");
}

#[test]
fn a_wrong_use_of_a_command_is_refused_before_anything_is_done() {
    let home = Home::new();
    let cases: [&[&str]; 12] = [
        &["status", "--port", "1", "--data-dir", "/x"],
        &["history"],
        &["history", "t", "--topics", "t"],
        &["history", "t", "--last", "1", "--from", "1h"],
        &["history", "t", "--last", "1", "--points", "3"],
        &["history", "t", "--points", "0"],
        &["history", "t", "--field", "f"],
        &["history", "t", "--from", "yesterday"],
        &["history", "t", "--json", "--csv"],
        &["history", "--topics", "t", "--from", "1h"],
        &["store"],
        &["store", "burn"],
    ];
    for arguments in cases {
        assert_eq!(finished(home.darter(arguments)).code, Some(2), "{arguments:?}");
    }
}

#[test]
fn every_command_explains_itself_with_examples() {
    for command in ["status", "drops", "sessions", "history", "store"] {
        let ended = finished(darter(&[command, "--help"]));
        assert_eq!(ended.code, Some(0));
        assert!(ended.out.contains(&format!("Examples:\n  darter {command} ")), "{}", ended.out);
    }
    for help in [&["store", "--help"][..], &["store", "check", "--help"]] {
        let out = finished(darter(help)).out;
        assert!(out.contains("xit code") && out.contains("3 when"), "{out}");
    }
    let all = finished(darter(&["--help"])).out;
    for command in ["status", "drops", "sessions", "history", "store"] {
        assert!(all.contains(&format!("\n  {command} ")), "{command}: {all}");
    }
}

#[test]
fn a_client_is_followed_from_its_connect_to_its_end_and_its_password_is_not_shown() {
    let home = Home::new();
    let server = Server::start(home.darter(&JSON));
    let mut trace = home.darter(&["trace", "--client", "board-7", "--json"]);
    let mut trace = trace.stdout(std::process::Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(trace.stdout.take().unwrap()).lines();
    let mut next = || serde_json::from_str::<Value>(&lines.next().unwrap().unwrap()).unwrap();
    let port = server.port();
    // It may begin to follow after the first client has gone.
    let publish = || {
        let options = ["pub", "-p", &port, "-i", "board-7", "-u", "ann", "-P", "sesame", "-q", "1"];
        finished(darter(&[&options[..], &["-t", "home/door", "-m", "open"]].concat()))
    };
    let stop = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                assert_eq!(publish().code, Some(0));
            }
        });
        let mut names = Vec::new();
        let mut first = next();
        while first["packet"] != "CONNECT" {
            first = next();
        }
        assert_eq!(
            (&first["client"], &first["user"], &first["password"]),
            (&json!("board-7"), &json!("ann"), &json!(true))
        );
        let mut all = first.to_string();
        loop {
            let line = next();
            all.push_str(&line.to_string());
            if line["packet"] == "PUBLISH" {
                assert_eq!((&line["topic"], &line["payload"]), (&json!("home/door"), &json!("open")));
            }
            let name = line["packet"].as_str().or(line["event"].as_str()).unwrap_or_default().to_owned();
            names.push(name);
            if line["event"].is_string() {
                break;
            }
        }
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
        assert_eq!(names[..4], ["CONNACK", "PUBLISH", "PUBACK", "DISCONNECT"]);
        assert!(names[4].contains("the client disconnected"), "{names:?}");
        assert!(!all.contains("sesame"), "{all}");
    });
    server.stop(Signal::SIGTERM);
    assert!(trace.wait().unwrap().success(), "it ends with the server");
}
