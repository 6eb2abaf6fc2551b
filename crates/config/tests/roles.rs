//! Roles and files of rules become the server's policy.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use darter_broker::access::{Action, Identity, Why};
use darter_config::{Config, Problems};
use std::fs;
use std::path::Path;

fn problems(text: &str) -> Vec<(usize, String)> {
    let problems = text.parse::<Config>().err();
    problems.iter().flat_map(Problems::iter).map(|problem| (problem.line, problem.what.clone())).collect()
}

fn sample() -> Config {
    Config::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/users-and-roles.toml")).unwrap()
}

/// What decides for a user (an empty name is none), as `+ FILE:LINE` or `-`.
fn decided(config: &Config, user: &str, action: Action, topic: &str) -> String {
    let identity = if user.is_empty() { Identity::default() } else { Identity::of_user(user) };
    let decision = config.policy().unwrap().grant(&identity, "c1").unwrap().decide(action, topic);
    let sign = if decision.allowed { "+" } else { "-" };
    match decision.why {
        Why::Rule(origin) => {
            let file = Path::new(&*origin.file).file_name().unwrap().to_str().unwrap();
            format!("{sign} {file}:{} {}", origin.line, origin.text)
        }
        _ => sign.into(),
    }
}

#[test]
fn roles_and_the_file_of_rules_decide_together_and_each_rule_has_its_place() {
    let config = sample();
    let rows = [
        ("ann", Action::Publish, "home/light/hall", "+ users-and-roles.toml:16 write home/light/+"),
        ("ann", Action::Receive, "home/safe/door", "- users-and-roles.toml:18 all home/safe/#"),
        ("carl", Action::Receive, "home/safe/door", "+ users-and-roles.toml:27 read home/safe/#"),
        (
            "board-1",
            Action::Publish,
            "home/sensor/board-1/t",
            "+ users-and-roles.toml:23 write home/sensor/%u/#",
        ),
        ("board-1", Action::Publish, "home/sensor/board-2/t", "-"),
        ("", Action::Receive, "home/weather", "+ users-and-roles.toml:12 read home/weather"),
        ("", Action::Publish, "home/client/c1/state", "+ acl.txt:11 pattern write home/client/%c/state"),
        ("dora", Action::Publish, "home/garden/pump", "- acl.txt:8 topic deny home/garden/pump"),
        ("dora", Action::Publish, "home/garden/lamp", "+ acl.txt:7 topic readwrite home/garden/#"),
        ("eve", Action::Publish, "home/garden/lamp", "-"),
    ];
    for (user, action, topic, expected) in rows {
        assert_eq!(decided(&config, user, action, topic), expected, "{user} {action:?} {topic}");
    }
}

#[test]
fn without_roles_and_files_there_are_no_rules() {
    assert!("".parse::<Config>().unwrap().policy().unwrap().is_open());
    for closed in ["[roles.x]\ndeny = \"all a\"\n", "[roles.x]\nallow = []\n"] {
        assert!(!closed.parse::<Config>().unwrap().policy().unwrap().is_open(), "{closed}");
    }
}

#[test]
fn a_role_that_makes_no_sense_is_refused_with_its_line() {
    let cases = [
        (
            "[roles]\nallow = \"all #\"\n",
            2,
            "roles.allow is outside of every section; write it below a line [roles.NAME]",
        ),
        ("[roles.x]\nusers = \"ann\"\n", 1, "[roles.x] has no rules; write allow or deny"),
        (
            "[roles.everyone]\nusers = \"ann\"\nallow = \"all #\"\n",
            1,
            "[roles.everyone] is for every client and names no users",
        ),
        (
            "[roles.anonymous]\nusers = \"ann\"\nallow = \"all #\"\n",
            1,
            "[roles.anonymous] is for clients without a user name and names no users",
        ),
        ("[roles.x]\nalow = \"all #\"\n", 2, "roles.x.alow is not a key; did you mean allow?"),
        ("[roles.\"\"]\nallow = \"all #\"\n", 1, "[roles.\"\"]: a role needs a name that can be read"),
        (
            "[[roles.x]]\nallow = \"all #\"\n",
            1,
            "roles.x is outside of every section; write it below a line [roles.NAME]",
        ),
    ];
    for (text, line, what) in cases {
        assert_eq!(problems(text), [(line, what.to_owned())], "{text}");
    }
}

#[test]
fn a_rule_that_is_none_is_named_with_its_own_line() {
    let found =
        problems("[roles.x]\nallow = [\n  \"read a\",\n  \"reed b\",\n  \"read c/#/d\",\n]\ndeny = \"x\"\n");
    let lines: Vec<_> = found.iter().map(|(line, _)| *line).collect();
    assert_eq!(lines, [4, 5, 7]);
    assert!(
        found[0].1.starts_with("roles.x.allow[1]: \"reed b\" is not a rule: \"reed\" is no action"),
        "{found:?}"
    );
    assert!(found[1].1.starts_with("roles.x.allow[2]: \"read c/#/d\" is not a rule: "), "{found:?}");
    assert!(found[2].1.starts_with("roles.x.deny: \"x\" is not a rule: "), "{found:?}");
}

#[test]
fn names_of_mosquitto_conf_are_answered_with_what_to_write_instead() {
    let found = problems(
        "psk_file = \"x\"\n[listener]\npsk_hint = \"x\"\ncertfile = \"x\"\n[auth]\nper_listener_settings = true\n",
    );
    let starts = [
        "psk_file is outside of every section; there are no pre-shared keys (the TLS library, rustls, has none)",
        "listener.psk_hint is not a key; there are no pre-shared keys",
        "listener.certfile is not a key; write certificate",
        "auth.per_listener_settings is not a key; every listener has its own",
    ];
    assert_eq!(found.len(), starts.len(), "{found:?}");
    for ((_, what), start) in found.iter().zip(starts) {
        assert!(what.starts_with(start), "{what}");
    }
}

#[test]
fn a_file_of_rules_is_looked_for_beside_the_configuration_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("darter.toml");
    fs::write(&file, "[auth]\nacl_file = \"rules/acl\"\n").unwrap();
    let config = Config::load(&file).unwrap();
    let missing = config.policy().unwrap_err().to_string();
    let acl = folder.path().join("rules/acl");
    assert_eq!(missing, format!("{}: the rules cannot be read", acl.display()));
    fs::create_dir(folder.path().join("rules")).unwrap();
    fs::write(&acl, "topic a\n").unwrap();
    assert!(config.policy().unwrap().rules().count() == 1);
    fs::write(&acl, "topic a/#/b\n\nuser\n").unwrap();
    let lines = config.policy().unwrap_err().to_string();
    let lines: Vec<_> = lines.lines().collect();
    assert_eq!(lines.len(), 2);
    assert!(
        lines[0].starts_with(&format!("{}:1: \"a/#/b\" is no topic filter: ", acl.display())),
        "{}",
        lines[0]
    );
    assert!(
        lines[1].starts_with(&format!("{}:3: the name of the user is missing", acl.display())),
        "{}",
        lines[1]
    );
}
