//! `darter serve` as a program: what it prints, when it is ready, how it stops, and what it says when it cannot start.

use crate::started::{Home, Server, connack, darter, file, finished, packets};
use nix::sys::signal::Signal;
use std::net::{Ipv4Addr, TcpListener};
use std::process::Command;

const QUIET: [&str; 7] = ["serve", "--memory", "--port", "0", "--print-addresses", "json", "--no-console"];

#[test]
fn the_addresses_are_one_line_of_json_and_clients_can_connect() {
    let server = Server::start(darter(&QUIET));
    assert!(server.first_line.starts_with("{\"mqtt\":[\"127.0.0.1:"), "{}", server.first_line);
    assert!(server.first_line.ends_with("]}\n"), "{}", server.first_line);
    for address in server.addresses() {
        connack(&address);
    }
    let ended = server.stop(Signal::SIGTERM);
    assert_eq!(ended.out, "", "nothing but the addresses is on standard output");
}

#[test]
fn without_a_command_the_server_starts() {
    let server = Server::start(darter(&["--port", "0", "--print-addresses", "json"]));
    connack(&server.addresses()[0]);
    assert_eq!(server.stop(Signal::SIGTERM).code, Some(0));
}

#[test]
fn the_welcome_says_where_who_and_what_to_type_next() {
    let home = Home::new();
    let server = Server::start(home.darter(&["--port", "0"]));
    assert!(server.first_line.contains("is ready"), "{}", server.first_line);
    let ended = server.stop(Signal::SIGTERM);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let (_, after) = ended.out.split_once("127.0.0.1:").unwrap();
    let port: String = after.chars().take_while(char::is_ascii_digit).collect();
    let kept = format!("  State      kept in {}\n", home.data().display());
    for part in ["this computer only", &kept, "Ctrl-C"] {
        assert!(ended.out.contains(part), "{part}: {}", ended.out);
    }
    assert!(ended.out.contains(&format!(" sub -p {port} -t '#' -v\n")), "{}", ended.out);
    assert!(ended.out.contains(&format!(" pub -p {port} -t hello -m world\n")), "{}", ended.out);
}

#[test]
fn when_it_is_asked_to_stop_version_5_clients_are_told_and_the_exit_code_is_0() {
    for (signal, shards) in [(Signal::SIGTERM, "1"), (Signal::SIGINT, "1"), (Signal::SIGTERM, "4")] {
        let server = Server::start(darter(&[&QUIET[..], &["--shards", shards]].concat()));
        let clients: Vec<_> = (0..5).map(|_| connack(&server.addresses()[0])).collect();
        let ended = server.stop(signal);
        assert_eq!(ended.code, Some(0), "{signal}: {ended:?}");
        for client in clients {
            let last = packets(client);
            let told = matches!(&last[..], [packet] if packet[0] == 0xE0 && packet[2] == 0x8B);
            assert!(told, "{signal}, {shards} shards: {last:02x?}");
        }
    }
}

#[test]
fn a_port_in_use_is_one_clear_line() {
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let ended = finished(darter(&["serve", "--port", &port]));
    assert_eq!((ended.code, ended.out.as_str()), (Some(1), ""));
    let line = ended.only_line();
    assert!(line.starts_with("darter: ") && line.contains(&port), "{line}");
    assert!(line.contains("in use by another program") && line.contains("--port"), "{line}");
}

#[test]
fn an_address_that_is_not_of_this_computer_is_one_clear_line() {
    let bind = ["serve", "--port", "0", "--bind", "192.0.2.1", "--allow-anonymous"];
    let ended = finished(darter(&bind));
    assert_eq!((ended.code, ended.out.as_str()), (Some(1), ""));
    assert!(ended.only_line().contains("192.0.2.1 is not an address of this computer"), "{ended:?}");
}

#[test]
fn what_cannot_be_an_address_or_a_number_is_a_wrong_use_of_the_command() {
    for (wrong, why) in [("300.1.2.3", "is not an address"), ("127.0.0.1:1884", "without a port")] {
        let ended = finished(darter(&["serve", "--bind", wrong]));
        assert_eq!(ended.code, Some(2), "{ended:?}");
        assert!(ended.err.contains(wrong) && ended.err.contains(why), "{}", ended.err);
    }
    for wrong in [["--shards", "0"], ["--shards", "65"], ["--port", "65536"], ["--log-level", "loud"]] {
        let ended = finished(darter(&["serve", wrong[0], wrong[1], "--check-config"]));
        assert_eq!(ended.code, Some(2), "{ended:?}");
    }
}

#[test]
fn listening_for_everybody_without_a_login_takes_the_words_for_it() {
    let open = |more: &[&str]| finished(darter(&[&["serve", "--port", "0"], more].concat()));
    for bind in ["0.0.0.0", "::", "192.0.2.1"] {
        let ended = open(&["--bind", bind]);
        assert_eq!((ended.code, ended.out.as_str()), (Some(1), ""));
        let line = ended.only_line();
        assert!(line.starts_with("darter: [listener] would be open to everybody who can reach "), "{line}");
        for part in [bind, "password_file", "--allow-anonymous", "allow_anonymous = true"] {
            assert!(line.contains(part), "{part}: {line}");
        }
    }
    let web =
        file("open-web.toml", "[listener.web]\ntransport = \"websocket\"\nbind = \"0.0.0.0\"\nport = 0\n");
    assert!(open(&["--config", &web]).only_line().contains("[listener.web] would be open"));
    let server = Server::start(darter(&[&QUIET[..], &["--bind", "0.0.0.0", "--allow-anonymous"]].concat()));
    connack(&server.addresses()[0].replace("0.0.0.0", "127.0.0.1"));
    let ended = server.stop(Signal::SIGTERM);
    assert!(ended.err.contains("open to everybody in the network"), "{}", ended.err);
}

#[test]
fn names_and_overlapping_addresses_can_be_listened_on() {
    for binds in [["localhost", "127.0.0.1"], ["127.0.0.1", "0.0.0.0"]] {
        let bind = ["--bind", binds[0], "--bind", binds[1], "--allow-anonymous"];
        let server = Server::start(darter(&[&QUIET[..], &bind].concat()));
        let addresses = server.addresses();
        assert!(addresses.iter().any(|address| address.starts_with(binds[1])), "{addresses:?}");
        for address in addresses {
            connack(&address);
        }
    }
}

#[test]
fn a_bad_configuration_file_is_refused_with_file_and_line() {
    let path = file("bad.toml", "[listener]\nport = 0\n\n[limits]\npacket_sise = 5\ninflight = 0\n");
    for more in [&[][..], &["--check-config"]] {
        let ended = finished(darter(&[&["serve", "--config", &path], more].concat()));
        assert_eq!((ended.code, ended.out.as_str()), (Some(1), ""));
        let lines: Vec<_> = ended.err.lines().collect();
        let unknown = format!("darter: {path}:5: limits.packet_sise is not a key; did you mean packet_size?");
        let range = format!(
            "darter: {path}:6: limits.inflight = 0 is out of range; it takes a number from 1 to 65535"
        );
        assert_eq!(lines, [unknown, range]);
    }
}

#[test]
fn a_configuration_file_that_cannot_be_read_is_one_clear_line() {
    let ended = finished(darter(&["serve", "--config", "no/such.toml"]));
    assert_eq!((ended.code, ended.out.as_str()), (Some(1), ""));
    assert!(
        ended.only_line().starts_with("darter: cannot read the configuration file no/such.toml: "),
        "{ended:?}"
    );
}

#[test]
fn check_config_says_ok_without_starting() {
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = taken.local_addr().unwrap().port();
    let path = file("good.toml", &format!("[listener]\nport = {port}\n"));
    let ended = finished(darter(&["serve", "--config", &path, "--check-config"]));
    assert_eq!((ended.code, ended.err.as_str()), (Some(0), ""));
    assert_eq!(ended.out, format!("{path}: ok\n"));
    assert_eq!(finished(darter(&["--check-config"])).out, "ok\n");
}

#[test]
fn options_go_before_the_file_and_the_file_before_the_defaults() {
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = taken.local_addr().unwrap().port();
    let text = format!("[listener]\nbind = \"127.0.0.1\"\nport = {port}\n[log]\nlevel = \"off\"\n");
    let path = file("taken.toml", &text);
    let config = ["serve", "--config", &path, "--print-addresses", "json"];
    let ended = finished(darter(&config));
    assert!(ended.only_line().contains(&format!("port {port} ")), "the file's port is used: {ended:?}");

    let server = Server::start(darter(&[&config[..], &["--port", "0"]].concat()));
    let addresses = server.addresses();
    assert_eq!(addresses.len(), 1, "the file's address is used: {addresses:?}");
    assert_ne!(addresses[0], format!("127.0.0.1:{port}"));
    connack(&addresses[0]);
    assert_eq!(server.stop(Signal::SIGTERM).err, "", "the file's log level is used");

    let server = Server::start(darter(&[&config[..], &["--port", "0", "--log-level", "info"]].concat()));
    connack(&server.addresses()[0]);
    let ended = server.stop(Signal::SIGTERM);
    assert!(ended.err.contains("client connected"), "{}", ended.err);
    assert!(!ended.err.contains('\u{1b}'), "no colours, since this is no terminal: {}", ended.err);
}

#[test]
fn the_ready_descriptor_gets_the_addresses_when_clients_can_connect() {
    // What this test reads is descriptor 3 of the server; the server's own standard output is thrown away.
    let mut shell = Command::new("sh");
    shell.args(["-c", "exec \"$0\" serve --port 0 --ready-fd 3 3>&1 >/dev/null"]);
    shell.arg(env!("CARGO_BIN_EXE_darter"));
    let server = Server::start(shell);
    connack(&server.addresses()[0]);
    assert_eq!(server.stop(Signal::SIGTERM).code, Some(0));
}

#[test]
fn a_ready_descriptor_that_is_not_open_is_one_clear_line() {
    let ended = finished(darter(&[&QUIET[..], &["--ready-fd", "77"]].concat()));
    assert_eq!((ended.code, ended.out.as_str()), (Some(1), ""));
    assert!(ended.only_line().starts_with("darter: --ready-fd 77: "), "{ended:?}");
}

#[test]
fn the_soft_limit_of_open_files_does_not_limit_the_clients() {
    let mut shell = Command::new("sh");
    shell.args(["-c", "ulimit -S -n 40 && exec \"$0\" serve --port 0 --print-addresses json"]);
    shell.arg(env!("CARGO_BIN_EXE_darter"));
    let server = Server::start(shell);
    let address = server.addresses().remove(0);
    let clients: Vec<_> = (0..100).map(|_| connack(&address)).collect();
    assert_eq!(server.stop(Signal::SIGTERM).code, Some(0), "with {} clients", clients.len());
}
