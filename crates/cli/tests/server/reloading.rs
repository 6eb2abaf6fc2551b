//! Files that say who may connect and what they may do: read at the start, at SIGHUP, and when they change.

use crate::started::{Ended, Home, Server, finished};
use nix::sys::signal::Signal;
use std::fs;

/// Lines as mosquitto_passwd writes them: ann's password is "secret", bob's "other".
const ANN: &str = "ann:$7$101$MRsZDJkdP7n/F4yN$xvwGqUQQr3aYoKIj4hYE3Q2Ng3Ha+KrzlANWIkvkAMRbx34cQdxnRFPPvx50u4MOv6No4mP9+Gf8ScusY0s2QA==\n";
const BOB: &str = "bob:$7$101$BA/kF9qenKqOdzjP$oTjuVSN4L+KuQ6+xof2DuisUjQn5WLlfTd98ESaVMD7VlK0VHVuY+FDRvYsvo+AC8anYXva6rpS7OKZpm2pk1Q==\n";

const CONFIG: &str = "[auth]\npassword_file = \"passwords\"\nacl_file = \"acl\"\n";
const ACL: &str = "user ann\ntopic write ann/#\n";

/// A home with a configuration file, and files beside it.
struct Place(Home);

impl Place {
    fn new(config: &str) -> Self {
        let place = Self(Home::new());
        place.write("darter.toml", config);
        place.write("passwords", ANN);
        place.write("acl", ACL);
        place
    }

    fn path(&self, name: &str) -> String {
        self.0.data().with_file_name(name).display().to_string()
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    fn serve(&self) -> Server {
        let config = self.path("darter.toml");
        let arguments = ["serve", "--port", "0", "--print-addresses", "json", "--config", &config];
        Server::start(self.0.darter(&arguments))
    }

    fn fails(&self) -> Ended {
        finished(self.0.darter(&["serve", "--port", "0", "--config", &self.path("darter.toml")]))
    }

    /// The exit code of `darter pub` with these options.
    fn publish(&self, server: &Server, options: &[&str]) -> Option<i32> {
        let port = server.port();
        let base = ["pub", "-p", &port, "-t", "ann/x", "-m", "x", "-q", "1", "-V", "5"];
        finished(self.0.darter(&[&base[..], options].concat())).code
    }

    /// Whether the running server would let the user publish there.
    fn allows(&self, user: &str, topic: &str) -> bool {
        let ended = finished(self.0.darter(&["explain", "publish", "--user", user, "--topic", topic]));
        assert!(ended.code.is_some_and(|code| code < 2), "{ended:?}");
        ended.code == Some(0)
    }
}

#[test]
fn a_password_file_and_a_file_of_rules_of_mosquitto_are_used_as_they_are() {
    let place = Place::new(CONFIG);
    let server = place.serve();
    assert_eq!(place.publish(&server, &["-u", "ann", "-P", "secret"]), Some(0));
    for wrong in [&["-u", "ann", "-P", "other"][..], &["-u", "bob", "-P", "other"], &["-u", "ann"], &[]] {
        assert_ne!(place.publish(&server, wrong), Some(0), "{wrong:?}");
    }
    assert!(place.allows("ann", "ann/x") && !place.allows("ann", "bob/x") && !place.allows("bob", "ann/x"));
    let ended = server.stop(Signal::SIGTERM);
    assert!(!ended.err.contains("secret") && !ended.err.contains("$7$"), "{}", ended.err);
}

#[test]
fn at_sighup_everything_is_read_again() {
    let place = Place::new(CONFIG);
    let server = place.serve();
    place.write("passwords", &format!("{ANN}{BOB}"));
    place.write("acl", "user bob\ntopic write #\n");
    let config =
        format!("{CONFIG}[roles.more]\nusers = \"carl\"\nallow = \"write #\"\n[limits]\ninflight = 7\n");
    place.write("darter.toml", &config);
    server.signal(Signal::SIGHUP);
    while !place.allows("bob", "ann/x") {}
    assert!(!place.allows("ann", "ann/x") && place.allows("carl", "x"));
    assert_eq!(place.publish(&server, &["-u", "bob", "-P", "other"]), Some(0));
    let ended = server.stop(Signal::SIGTERM);
    assert_eq!(ended.code, Some(0), "SIGHUP did not stop it");
    assert!(ended.err.contains("the new rules and ways to log in count"), "{}", ended.err);
    assert!(
        ended.err.contains("other settings have changed too, and count when the server is started again"),
        "{}",
        ended.err
    );
}

#[test]
fn a_file_that_changes_is_read_again_by_itself() {
    let place = Place::new(CONFIG);
    let server = place.serve();
    place.write("acl", "user ann\ntopic write other\n");
    while !place.allows("ann", "other") {}
    assert!(!place.allows("ann", "ann/x"));
    place.write("darter.toml", "[auth]\npassword_file = \"passwords\"\n");
    while !place.allows("ann", "ann/x") {}
    let ended = server.stop(Signal::SIGTERM);
    assert!(!ended.err.contains("started again"), "{}", ended.err);
}

#[test]
fn a_file_that_cannot_be_used_keeps_what_was_there_before_and_is_named_with_its_line() {
    let place = Place::new(CONFIG);
    let mut server = place.serve();
    let wrong = [
        ("acl", "user ann\ntopic write other\ntopic write a/#/b\n", "acl:3: "),
        ("acl", "# nothing\n", "acl:1: there is no rule in the file"),
        ("passwords", "ann:secret\n", "passwords:1: the password is not hashed"),
        ("passwords", "", "passwords:1: there are no users"),
        ("darter.toml", "[auth]\npasword_file = \"x\"\n", "darter.toml:2: auth.pasword_file is not a key"),
        ("darter.toml", "[auth]\nacl_file = \"none\"\n", "none: the rules cannot be read"),
    ];
    for (name, text, said) in wrong {
        place.write(name, text);
        server.signal(Signal::SIGHUP);
        let good = match name {
            "acl" => "user ann\ntopic write ann/#\ntopic write fine\n",
            "passwords" => ANN,
            _ => CONFIG,
        };
        server.wait_for_line(said);
        assert!(place.allows("ann", "ann/x") && !place.allows("ann", "other"), "{name}");
        assert_eq!(place.publish(&server, &["-u", "ann", "-P", "secret"]), Some(0), "{name}");
        assert_ne!(place.publish(&server, &[]), Some(0), "{name}");
        place.write(name, good);
    }
    server.signal(Signal::SIGHUP);
    while !place.allows("ann", "fine") {}
    let ended = server.stop(Signal::SIGTERM);
    for (name, text, said) in wrong {
        let line = ended.err.lines().find(|line| line.contains(said));
        assert!(line.is_some_and(|line| line.contains("ERROR")), "{name} {text:?}: {}", ended.err);
    }
}

#[test]
fn a_certificate_that_cannot_be_used_is_named_once_and_a_good_one_counts_again() {
    let place = Place::new("[listener]\ntls = \"auto\"\n");
    let mut server = place.serve();
    let certificate = place.0.data().join("tls/server.crt");
    let good = fs::read(&certificate).unwrap();
    fs::write(&certificate, "nothing").unwrap();
    server.signal(Signal::SIGHUP);
    server.wait_for_line("there is no certificate in PEM in it");
    fs::write(&certificate, good).unwrap();
    server.signal(Signal::SIGHUP);
    server.wait_for_line("new connections begin with what they say now");
    let ended = server.stop(Signal::SIGTERM);
    let told: Vec<_> = ended.err.lines().filter(|line| line.contains("server.crt: ")).collect();
    assert!(matches!(told[..], [line] if line.contains("ERROR")), "{}", ended.err);
}

#[test]
fn a_file_that_cannot_be_used_keeps_the_server_from_starting() {
    let cases = [
        ("acl", "", "acl:1: there is no rule in the file"),
        ("acl", "topic read\ntopik x\n", "acl:2: \"topik\" is not known"),
        ("passwords", "", "passwords:1: there are no users"),
        ("passwords", "ann:secret\n", "passwords:1: the password is not hashed"),
    ];
    for (name, text, said) in cases {
        let place = Place::new(CONFIG);
        place.write(name, text);
        let ended = place.fails();
        assert_eq!((ended.code, ended.out.as_str()), (Some(1), ""), "{name}");
        let line = ended.only_line();
        assert!(line.starts_with("darter: ") && line.contains(said), "{line}");
        fs::remove_file(place.path(name)).unwrap();
        let line = place.fails().only_line().to_owned();
        assert!(line.contains(&place.path(name)) && line.contains("No such file"), "{line}");
    }
}

#[test]
fn who_may_connect_is_explained_by_listener_address_and_version() {
    let config = "[auth]\npassword_file = \"passwords\"\n[listener]\nversions = \"5\"\n[listener.open]\nbind = \"127.0.0.1\"\n\
                  port = 0\nallow_anonymous = true\n";
    let place = Place::new(config);
    let explain = |more: &[&str]| {
        let ended = finished(place.0.darter(&[&["explain", "connect"], more].concat()));
        assert!(ended.code.is_some_and(|code| code < 2), "{ended:?}");
        (ended.code == Some(0), ended.out)
    };
    let config = place.path("darter.toml");
    let server = place.serve();
    for source in [&[][..], &["--config", &config]] {
        let ask = |more: &[&str]| explain(&[more, source].concat());
        let (allowed, text) = ask(&[]);
        assert!(!allowed);
        assert!(text.starts_with("a client without a user name may not connect.\n"), "{text}");
        assert!(text.contains("allow_anonymous is not written, and there is password_file"), "{text}");
        assert!(text.contains("allow_anonymous = true in [listener] would change that"), "{text}");
        let (allowed, text) = ask(&["--listener", "open", "--address", "192.0.2.1"]);
        assert!(allowed && text.contains("allow_anonymous = true in [listener.open]"), "{text}");
        let (allowed, text) = ask(&["--user", "ann"]);
        assert!(allowed && text.contains("ann is in the password file "), "{text}");
        let (allowed, text) = ask(&["--user", "bob"]);
        assert!(!allowed && text.contains("bob is not in the password file "), "{text}");
        let (allowed, text) = ask(&["--user", "ann", "--mqtt", "3.1.1"]);
        assert!(
            !allowed && text.contains("[listener] takes MQTT 5 only, and the client speaks 3.1.1"),
            "{text}"
        );
        let none = finished(place.0.darter(&[&["explain", "connect", "--listener", "no"], source].concat()));
        assert_eq!(none.code, Some(2));
        assert!(none.only_line().contains("there is no such listener; there are default, open"), "{none:?}");
    }
    place.write(
        "expected",
        "deny anonymous connect\nallow anonymous connect to open from 192.0.2.1\nallow ann connect\n",
    );
    let ended = finished(place.0.darter(&["acl", "test", &place.path("expected")]));
    assert_eq!(ended.code, Some(0), "{ended:?}");
    // What it says is what happens.
    let (first, open) = (server.addresses()[0].clone(), server.addresses().pop().unwrap());
    assert_ne!(first, open);
    let port = |address: &str| address.rsplit_once(':').unwrap().1.to_owned();
    let code =
        |port: &str| finished(place.0.darter(&["pub", "-p", port, "-t", "a", "-m", "x", "-V", "5"])).code;
    assert_ne!(code(&port(&first)), Some(0));
    assert_eq!(code(&port(&open)), Some(0));
}

#[test]
fn a_wrong_use_of_explain_is_told() {
    let cases: [(&[&str], &str); 3] = [
        (&["publish"], "--topic is missing"),
        (&["publish", "--topic", "a", "--listener", "x"], "are for connect"),
        (&["connect", "--topic", "a"], "do not matter for connect"),
    ];
    for (arguments, why) in cases {
        let ended = finished(Home::new().darter(&[&["explain"], arguments].concat()));
        assert_eq!(ended.code, Some(2));
        assert!(ended.err.contains(why), "{}", ended.err);
    }
}
