//! `darter explain` and `darter acl test`.

use crate::started::{Ended, Home, finished};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;

const TOML: &str =
    "[auth]\nacl_file = \"acl.txt\"\n\n[roles.family]\nusers = [\"ann\"]\nallow = [\"read home/#\"]\n";
const ACL: &str =
    "topic read news\n\nuser ann\ntopic write home/light\ntopic deny home/safe\n\npattern write c/%c\n";

/// A home with a configuration file and a file of rules.
struct Rules(Home);

impl Rules {
    fn new() -> Self {
        let rules = Self(Home::new());
        rules.write("darter.toml", TOML);
        rules.write("acl.txt", ACL);
        rules
    }

    fn path(&self, name: &str) -> String {
        self.0.data().with_file_name(name).display().to_string()
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(Path::new(&self.path(name)), text).unwrap();
    }

    fn explain(&self, arguments: &[&str]) -> Ended {
        let config = self.path("darter.toml");
        finished(self.0.darter(&[&["explain"], arguments, &["--config", &config]].concat()))
    }

    fn test(&self, expectations: &str, more: &[&str]) -> Ended {
        self.write("expected", expectations);
        let (file, config) = (self.path("expected"), self.path("darter.toml"));
        finished(self.0.darter(&[&["acl", "test", &file, "--config", &config], more].concat()))
    }
}

#[test]
fn an_explanation_names_verdict_rule_place_and_change() {
    let rules = Rules::new();
    let acl = rules.path("acl.txt");
    let denied = rules.explain(&["receive", "--user", "ann", "--topic", "home/safe"]);
    let expected = format!(
        "ann may not receive home/safe.\n\n  Why       {acl}:5 denies it: topic deny home/safe (for user ann)\n  \
         To allow  remove line 5 of {acl}: topic deny home/safe\n"
    );
    assert_eq!((denied.code, denied.out, denied.err), (Some(1), expected, String::new()));

    let allowed = rules.explain(&["publish", "-u", "ann", "-t", "home/light"]);
    assert_eq!(allowed.code, Some(0));
    assert!(allowed.out.starts_with("ann may publish to home/light.\n"), "{}", allowed.out);

    let nobody = rules.explain(&["publish", "--client", "x", "--topic", "c/x"]);
    assert_eq!(nobody.code, Some(0));
    assert!(nobody.out.starts_with("client x without a user name may publish to c/x.\n"), "{}", nobody.out);
}

#[test]
fn an_explanation_is_one_line_of_json_for_programs() {
    let rules = Rules::new();
    let ended =
        rules.explain(&["retain", "--user", "bob", "--role", "family", "--topic", "home/x", "--json"]);
    assert_eq!((ended.code, ended.out.lines().count()), (Some(1), 1));
    let answer: Value = serde_json::from_str(&ended.out).unwrap();
    assert_eq!(answer["allowed"], json!(false));
    let edit = &answer["change"]["edits"][0];
    let lines = json!(["[roles.bob]", "users = [\"bob\"]", "allow = [\"write home/x\"]"]);
    assert_eq!((&edit["do"], &edit["lines"]), (&json!("append"), &lines), "{answer}");
    let ended = rules.explain(&["receive", "-u", "ann", "-t", "home/x", "--json"]);
    let answer: Value = serde_json::from_str(&ended.out).unwrap();
    let rule = json!({
        "file": rules.path("darter.toml"), "line": 6, "text": "read home/#", "allows": true, "for": "role family",
    });
    assert_eq!((&answer["rule"], ended.code), (&rule, Some(0)));
}

#[test]
fn what_cannot_be_explained_is_one_line_and_exit_code_2() {
    let rules = Rules::new();
    rules.write("acl.txt", "topic\n");
    let ended = rules.explain(&["publish", "--topic", "a"]);
    assert_eq!((ended.code, ended.out.as_str()), (Some(2), ""));
    assert_eq!(
        ended.only_line(),
        format!("darter: {}:1: the topic is missing; write it behind topic", rules.path("acl.txt"))
    );
    let home = Home::new();
    let ended = finished(home.darter(&["explain", "publish", "--topic", "a"]));
    assert_eq!(ended.code, Some(2));
    assert!(ended.only_line().starts_with("darter: no server of this user runs here"), "{ended:?}");
}

#[test]
fn expectations_that_hold_are_counted() {
    let rules = Rules::new();
    let all = "# lights\nallow ann publish home/light\nallow ann subscribe home/#\n\ndeny ann receive home/safe\n\
               allow anonymous receive news\ndeny ann receive news\nallow bob as client b publish c/b\n\
               allow bob with role family receive home/x\n";
    let ended = rules.test(all, &[]);
    let expected = format!("{}: 7 expectations hold.\n", rules.path("expected"));
    assert_eq!((ended.code, ended.out, ended.err), (Some(0), expected, String::new()));
}

#[test]
fn the_expectations_among_the_samples_hold() {
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples");
    let sample = |name: &str| samples.join(name).display().to_string();
    let (file, config) = (sample("expected.txt"), sample("users-and-roles.toml"));
    let ended = finished(Home::new().darter(&["acl", "test", &file, "--config", &config]));
    assert_eq!((ended.code, ended.out), (Some(0), format!("{file}: 12 expectations hold.\n")));
}

#[test]
fn expectations_that_do_not_hold_are_named_with_line_rule_and_change() {
    let rules = Rules::new();
    let (file, acl) = (rules.path("expected"), rules.path("acl.txt"));
    let wrong = "allow ann publish home/light\nallow ann receive home/safe\ndeny anonymous receive news\n";
    let ended = rules.test(wrong, &[]);
    let expected = format!(
        "{file}:2: expected allowed, but ann may not receive home/safe\n    {acl}:5 denies it: topic deny home/safe (for user \
         ann)\n    to allow it, remove line 5 of {acl}: topic deny home/safe\n{file}:3: expected denied, but a client without \
         a user name may receive news\n    {acl}:1 allows it: topic read news (for clients without a user name)\n    to deny \
         it, remove line 1 of {acl}: topic read news\n{file}: 2 of 3 expectations do not hold.\n"
    );
    assert_eq!((ended.code, ended.out, ended.err), (Some(1), expected, String::new()));
    let ended = rules.test(wrong, &["--json"]);
    let answer: Value = serde_json::from_str(&ended.out).unwrap();
    assert_eq!((ended.code, &answer["checked"]), (Some(1), &json!(3)));
    let lines: Vec<_> =
        answer["failed"].as_array().unwrap().iter().map(|failed| failed["line"].clone()).collect();
    assert_eq!(lines, [json!(2), json!(3)]);
}

#[test]
fn a_file_of_expectations_that_cannot_be_checked_is_exit_code_2() {
    let rules = Rules::new();
    let file = rules.path("expected");
    let ended = rules.test("allow ann\n\ndeny bob publish\n", &[]);
    assert_eq!((ended.code, ended.out.as_str()), (Some(2), ""));
    let lines: Vec<_> = ended.err.lines().collect();
    assert!(lines[0].starts_with(&format!("darter: {file}:1: the line ends where ")), "{lines:?}");
    assert!(lines[1].starts_with(&format!("darter: {file}:3: the topic is missing; ")), "{lines:?}");
    let ended = rules.test("# nothing\n", &[]);
    assert_eq!(ended.code, Some(2));
    assert!(ended.only_line().contains("there is no expectation in the file"), "{ended:?}");
    let ended = finished(rules.0.darter(&["acl", "test", "/no/such"]));
    assert_eq!(ended.code, Some(2));
    assert!(ended.only_line().starts_with("darter: cannot read /no/such: "), "{ended:?}");
}
