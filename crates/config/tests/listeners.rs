//! `[listener]` and `[listener.NAME]`.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use darter_config::{
    ClientCertificate, Config, Listener, Problems, Tls, TlsVersion, Transport, UserFrom, WayIn,
};
use std::path::Path;

fn config(text: &str) -> Config {
    text.parse().unwrap_or_else(|problems| panic!("{problems}"))
}

fn problems(text: &str) -> Vec<(usize, String)> {
    let problems = text.parse::<Config>().err();
    problems.iter().flat_map(Problems::iter).map(|problem| (problem.line, problem.what.clone())).collect()
}

#[test]
fn any_number_of_listeners_have_the_same_keys_and_the_order_of_the_file() {
    let config = config(
        "[listener.web]\ntransport = \"websocket\"\n[listener]\nport = 1884\n[listener.apps]\nport = 1\n[listener.board-7]\nport = 2\n",
    );
    assert_eq!((&*config.listener.name, config.listener.port()), ("default", 1884));
    let names: Vec<_> =
        config.listeners.iter().map(|listener| (listener.section(), listener.port())).collect();
    let expected = [
        ("[listener.web]".to_owned(), 8083),
        ("[listener.apps]".into(), 1),
        ("[listener.board-7]".into(), 2),
    ];
    assert_eq!(names, expected);
    assert_eq!(config.listener.section(), "[listener]");
}

#[test]
fn a_listener_has_defaults_of_its_own() {
    let config = config("[listener]\nbind = \"::\"\nport = 7\nversions = \"5\"\n[listener.other]\n");
    assert_eq!(config.listeners, [Listener::named("other")]);
}

#[test]
fn the_usual_port_depends_on_what_is_spoken() {
    let port = |keys: &str| config(&format!("[listener.x]\n{keys}")).listeners[0].port();
    assert_eq!(port(""), 1883);
    assert_eq!(port("tls = \"auto\"\n"), 8883);
    assert_eq!(port("transport = \"websocket\"\n"), 8083);
    assert_eq!(port("transport = \"websocket\"\ntls = \"auto\"\n"), 8084);
    assert_eq!(port("tls = \"auto\"\nport = 0\n"), 0);
    assert_eq!(port("tls = \"auto\"\nport = \"auto\"\n"), 8883);
}

#[test]
fn every_value_of_a_listener_arrives() {
    let config = config(
        "[listener.tls]\nbind = [\"0.0.0.0\", \"pi.local\"]\nport = 5\ntransport = \"websocket\"\nwebsocket_path = \"/ws\"\n\
         origins = [\"https://a.example\", \"*\"]\ntls = \"files\"\ncertificate = \"c.pem\"\nkey = \"/k.pem\"\n\
         client_ca = \"ca.pem\"\nclient_certificate = \"required\"\ncrl = \"crl.pem\"\ntls_min = \"1.3\"\nuser_from = \"san\"\n\
         versions = [\"3.1.1\", \"5\"]\nconnections = 12\nallow_anonymous = false\n\
         authenticators = [\"certificate\", \"password_file\"]\nmount_point = \"school/\"\n\
         proxy_protocol_from = [\"10.0.0.0/8\", \"::1\", \"unix\"]\n\
         [listener.here]\ntransport = \"unix\"\npath = \"mqtt.sock\"\nmode = \"0600\"\nconnections = \"any\"\n",
    );
    let [tls, here] = &config.listeners[..] else { panic!("{config:?}") };
    let path = |name: &str| Some(Path::new(name).to_owned());
    let binds: Vec<_> = tls.bind.iter().map(ToString::to_string).collect();
    assert_eq!((binds.join(" ").as_str(), tls.port()), ("0.0.0.0 pi.local", 5));
    assert_eq!((tls.transport, tls.websocket_path.as_str()), (Transport::WebSocket, "/ws"));
    assert_eq!(tls.origins, ["https://a.example", "*"]);
    assert_eq!((tls.tls, &tls.certificate, &tls.key), (Tls::Files, &path("c.pem"), &path("/k.pem")));
    assert_eq!((&tls.client_ca, &tls.crl), (&path("ca.pem"), &path("crl.pem")));
    assert_eq!((tls.client_certificate, tls.tls_min), (ClientCertificate::Required, TlsVersion::V1_3));
    assert_eq!(
        (tls.user_from, tls.versions.len(), tls.connections),
        (UserFrom::AlternativeName, 2, Some(12))
    );
    assert_eq!(tls.allow_anonymous, Some(false));
    assert_eq!(tls.authenticators, Some(vec![WayIn::Certificate, WayIn::PasswordFile]));
    assert_eq!(tls.mount_point.as_deref(), Some("school/"));
    assert_eq!(tls.proxy_protocol_from, ["10.0.0.0/8", "::1", "unix"]);
    assert_eq!((here.transport, &here.path, here.mode), (Transport::Unix, &path("mqtt.sock"), 0o600));
    assert_eq!(here.connections, None);
}

#[test]
fn a_name_that_a_listener_cannot_have_is_refused() {
    let cases = [
        ("maker", "this name is kept for MakerMQTT, which is not there yet; take another one"),
        ("default", "this is what [listener] is called; take another name"),
        ("\"a b\"", "the name of a listener has letters, digits, - and _, at most 64 of them"),
    ];
    for (name, why) in cases {
        assert_eq!(problems(&format!("[listener.{name}]\n")), [(1, format!("[listener.{name}]: {why}"))]);
    }
}

#[test]
fn keys_that_do_not_go_together_are_named_with_what_to_write() {
    let cases = [
        ("transport = \"unix\"", "write path"),
        ("path = \"x\"", "write transport = \"unix\" too"),
        ("transport = \"unix\"\npath = \"x\"\ntls = \"auto\"", "leave tls out"),
        ("origins = \"*\"", "write transport = \"websocket\" too"),
        ("tls = \"files\"", "lacks certificate or key; write both"),
        ("tls = \"files\"\nkey = \"x\"", "lacks certificate or key; write both"),
        ("certificate = \"x\"", "are for tls = \"files\"; write that too"),
        ("tls = \"auto\"\nkey = \"x\"", "are for tls = \"files\"; write that too"),
        ("client_certificate = \"optional\"", "without TLS; write tls too"),
        (
            "tls = \"files\"\ncertificate = \"x\"\nkey = \"x\"\nclient_certificate = \"required\"",
            "write client_ca too",
        ),
        ("tls = \"auto\"\nclient_ca = \"x\"", "write client_certificate = \"required\" too"),
        ("tls = \"auto\"\ncrl = \"x\"", "write client_certificate = \"required\" too"),
        ("tls = \"auto\"\nuser_from = \"cn\"", "write client_certificate too"),
    ];
    for (keys, advice) in cases {
        for section in ["listener", "listener.x"] {
            let found = problems(&format!("# A listener.\n[{section}]\n{keys}\n"));
            let [(2, what)] = &found[..] else { panic!("{keys}: {found:?}") };
            assert!(what.starts_with(&format!("[{section}] ")) && what.contains(advice), "{keys}: {what}");
        }
    }
}

#[test]
fn a_value_that_a_listener_cannot_have_is_named() {
    let cases = [
        ("mode = \"rw\"", "mode: \"rw\" is not a mode; it takes four octal digits, such as \"0660\""),
        ("mode = \"0888\"", "mode: \"0888\" is not a mode; "),
        (
            "websocket_path = \"mqtt\"",
            "websocket_path: \"mqtt\" is not a path; it takes a path that begins with /",
        ),
        ("origins = \"app.example\"", "origins: \"app.example\" is no origin; "),
        ("versions = [\"5\", \"4\"]", "versions[1]: \"4\" is not a version; "),
        ("versions = []", "versions is empty; without it the default is used"),
        (
            "authenticators = \"ldap\"",
            "authenticators: \"ldap\" is not known; it takes one of \"password_file\", ",
        ),
        ("mount_point = \"a\"", "mount_point: \"a\" cannot stand before topics; "),
        ("mount_point = \"$SYS/\"", "mount_point: \"$SYS/\" cannot stand before topics; "),
        ("mount_point = \"a/+/\"", "mount_point: \"a/+/\" cannot stand before topics; "),
        ("proxy_protocol_from = \"proxy\"", "proxy_protocol_from: \"proxy\" is not an address or a network"),
        ("allow_anonymous = \"yes\"", "allow_anonymous is a text; it takes true or false"),
    ];
    for (key, start) in cases {
        let found = problems(&format!("[listener.x]\n{key}\n"));
        let [(2, what)] = &found[..] else { panic!("{key}: {found:?}") };
        assert!(what.starts_with(&format!("listener.x.{start}")), "{key}: {what}");
    }
}
