//! What is explained is what the rules say, and the change that is proposed turns the answer round.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use darter_broker::admin::explain::{Edit, ExplainRequest, Explanation, Wish, explain};
use darter_config::Config;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use tempfile::TempDir;

const ROLES: &str = "[auth]\nacl_file = \"acl\"\n
[roles.everyone]\nallow = [\n\"read open/#\",\n]\n
[roles.anonymous]\nallow = [\n\"read lobby\",\n]\ndeny = [\n\"publish lobby/x\",\n]\n
[roles.family]\nusers = [\"ann\", \"bob\"]\nallow = [\n\"read home/#\",\n\"write home/light/+\",\n]\ndeny = [\n\"all home/safe/#\",\n]\n
[roles.ann]\nusers = [\"ann\"]\nallow = [\n\"read exact\",\n\"all exact/both\",\n\"write %u/%c/#\",\n]\n
[roles.\"night watch\"]\nusers = [\"carl\"]\ndeny = [\n\"receive open/loud\",\n\"all #\",\n]\n";

const ACL: &str = "# rules\ntopic read anonymous/news\n\nuser dora\ntopic garden/#\ntopic deny garden/pump\ntopic read exact\n\
                   topic exact/both\n\nuser eve smith\ntopic write eve\n\npattern write client/%c\npattern deny client/%c/no\n";

/// A configuration file and a file of rules beside it, each of which may be missing.
struct Files(TempDir);

impl Files {
    fn new(toml: Option<&str>, acl: Option<&str>) -> Self {
        let files = Self(tempfile::tempdir().unwrap());
        let toml = toml.unwrap_or("[auth]\nacl_file = \"acl\"\n");
        let toml = if acl.is_some() { toml.to_owned() } else { toml.replace("acl_file = \"acl\"\n", "") };
        fs::write(files.toml(), toml).unwrap();
        fs::write(files.0.path().join("acl"), acl.unwrap_or_default()).unwrap();
        files
    }

    fn toml(&self) -> String {
        self.0.path().join("darter.toml").display().to_string()
    }

    fn explain(&self, request: &ExplainRequest) -> Explanation {
        let config = Config::load(Path::new(&self.toml())).unwrap_or_else(|error| panic!("{error}"));
        explain(&config.policy().unwrap(), &request.question().unwrap())
    }

    /// Does what a reader would do with the files.
    fn apply(&self, edits: &[Edit]) {
        // From the last line to the first, so that the lines before stay where they are.
        let mut edits: Vec<_> = edits.iter().collect();
        edits.sort_by_key(|edit| match edit {
            Edit::Remove { at } | Edit::Replace { at, .. } | Edit::Add { at, .. } => u32::MAX - at.line,
            Edit::Insert { after, .. } => u32::MAX - after,
            Edit::Append { .. } => 0,
        });
        for edit in edits {
            self.apply_one(edit);
        }
    }

    fn apply_one(&self, edit: &Edit) {
        let file = match edit {
            Edit::Remove { at } | Edit::Replace { at, .. } | Edit::Add { at, .. } => at.file.clone(),
            Edit::Insert { file, .. } => file.clone(),
            Edit::Append { file, .. } => file.clone().unwrap_or_else(|| self.toml()),
        };
        let text = fs::read_to_string(&file).unwrap();
        let mut lines: Vec<String> = text.lines().map(Into::into).collect();
        match edit {
            Edit::Remove { at } => {
                let gone = lines.remove(at.line as usize - 1);
                assert!(gone.contains(&at.text), "{gone}: {at:?}");
            }
            Edit::Replace { at, with } => {
                let line = &mut lines[at.line as usize - 1];
                assert!(line.contains(&at.text), "{line}: {at:?}");
                *line = line.replace(&at.text, with);
            }
            Edit::Insert { after, lines: new, .. } => {
                for line in new.iter().rev() {
                    lines.insert(*after as usize, line.clone());
                }
            }
            Edit::Append { lines: new, .. } => lines.extend(new.iter().cloned()),
            Edit::Add { at, to, rule } => {
                let head = lines[..at.line as usize].iter().rposition(|line| line.starts_with('[')).unwrap();
                let role = at.role.as_deref().unwrap();
                assert!(lines[head].contains(role), "{}: {role}", lines[head]);
                let list = lines[head + 1..].iter().take_while(|line| !line.starts_with('['));
                match list.into_iter().position(|line| *line == format!("{to} = [")) {
                    Some(place) => lines.insert(head + place + 2, format!("\"{rule}\",")),
                    None => lines.insert(head + 1, format!("{to} = [\"{rule}\"]")),
                }
            }
        }
        fs::write(file, lines.join("\n") + "\n").unwrap();
    }
}

fn request(action: Wish, user: Option<&str>, topic: &str) -> ExplainRequest {
    ExplainRequest {
        action,
        user: user.map(Into::into),
        client: "dev".into(),
        roles: Vec::new(),
        topic: topic.into(),
    }
}

const WISHES: [Wish; 4] = [Wish::Publish, Wish::Retain, Wish::Subscribe, Wish::Receive];

/// Files of every kind.
fn all_files() -> Vec<(&'static str, Option<&'static str>, Option<&'static str>)> {
    vec![
        ("both", Some(ROLES), Some(ACL)),
        ("roles", Some(ROLES), None),
        ("rules", None, Some(ACL)),
        ("none", None, None),
    ]
}

#[test]
fn the_proposed_change_turns_the_answer_round_and_no_other_of_that_client() {
    let users =
        [None, Some("ann"), Some("bob"), Some("carl"), Some("dora"), Some("eve smith"), Some("new \"one\"")];
    let topics = [
        "open/x",
        "open/loud",
        "lobby",
        "lobby/x",
        "home/light/hall",
        "home/safe/door",
        "home",
        "exact",
        "exact/both",
        "ann/dev/x",
        "garden/pump",
        "garden/x y",
        "eve",
        "client/dev",
        "client/dev/no",
        "anonymous/news",
        "nowhere",
        "$app/x",
        "100%/%u",
        "$SYS/broker/uptime",
        "$SYS/broker/events/refused",
    ];
    let mut kinds = BTreeSet::new();
    for (name, toml, acl) in all_files() {
        for user in users {
            for topic in topics {
                for wish in WISHES {
                    let files = Files::new(toml, acl);
                    let asked = request(wish, user, topic);
                    let before = files.explain(&asked);
                    let Some(change) = &before.change else {
                        let is_write = matches!(wish, Wish::Publish | Wish::Retain);
                        assert!(is_write && topic.starts_with("$SYS/"), "{name} {asked:?}: {before:?}");
                        continue;
                    };
                    kinds.extend(
                        change.0.iter().map(|edit| format!("{edit:?}").split(' ').next().unwrap().to_owned()),
                    );
                    files.apply(&change.0);
                    let after = files.explain(&asked);
                    assert_ne!(before.allowed, after.allowed, "{name} {asked:?}\n{change}\n{after:?}");
                }
            }
        }
    }
    assert_eq!(kinds.into_iter().collect::<Vec<_>>(), ["Add", "Append", "Insert", "Remove", "Replace"]);
}

#[test]
fn the_proposed_change_leaves_other_users_alone() {
    let users = [None, Some("ann"), Some("bob"), Some("dora"), Some("new")];
    let topics = ["open/x", "lobby", "home/light/hall", "exact", "garden/x", "nowhere"];
    for (name, toml, acl) in all_files() {
        for user in users {
            for topic in topics {
                let files = Files::new(toml, acl);
                let others: Vec<_> = users.into_iter().filter(|other| *other != user).collect();
                let answers = |files: &Files| -> Vec<bool> {
                    let all = others
                        .iter()
                        .flat_map(|other| topics.map(|topic| request(Wish::Publish, *other, topic)));
                    all.map(|request| files.explain(&request).allowed).collect()
                };
                let before = answers(&files);
                let explained = files.explain(&request(Wish::Publish, user, topic));
                let change = explained.change.unwrap();
                files.apply(&change.0);
                assert_eq!(before, answers(&files), "{name} {user:?} {topic}\n{change}");
            }
        }
    }
}

#[test]
fn the_rule_its_place_and_the_change_are_said_in_words() {
    let files = Files::new(Some(ROLES), Some(ACL));
    let folder = files.0.path().display().to_string() + "/";
    let say = |wish, user, topic| {
        let Explanation { allowed, why, change, notes, .. } = files.explain(&request(wish, user, topic));
        let change = change.map_or(String::new(), |change| change.to_string());
        let text = format!("{allowed}: {why}\n{change}\n{}", notes.join("\n"));
        text.replace(&folder, "").trim_end().to_owned()
    };
    assert_eq!(
        say(Wish::Publish, Some("dora"), "garden/pump"),
        "false: acl:6 denies it: topic deny garden/pump (for user dora)\nremove line 6 of acl: topic deny garden/pump"
    );
    assert_eq!(
        say(Wish::Publish, Some("dora"), "exact"),
        "false: no rule names it, and what no rule names is denied\nchange line 7 of acl to: topic readwrite exact\n\
         7 rules apply to this client, and none of them names it"
    );
    assert_eq!(
        say(Wish::Receive, Some("bob"), "home/safe/door"),
        "false: darter.toml:24 denies it: deny = \"all home/safe/#\" in [roles.family] (for role family)\n\
         remove \"all home/safe/#\" from deny of [roles.family], darter.toml:24"
    );
    assert_eq!(
        say(Wish::Receive, None, "home/x"),
        "false: no rule names it, and what no rule names is denied\n\
         add \"receive home/x\" to allow of [roles.anonymous], darter.toml:11\n\
         6 rules apply to this client, and none of them names it"
    );
    assert_eq!(
        say(Wish::Subscribe, Some("ann"), "home/#"),
        "true: darter.toml:20 allows it: allow = \"read home/#\" in [roles.family] (for role family)\n\
         add \"subscribe home/#\" to deny of [roles.ann], darter.toml:32\n\
         of what it matches only that is delivered which the client may receive"
    );
    let none = Files::new(None, None);
    let open = none.explain(&request(Wish::Publish, Some("ann"), "x"));
    assert_eq!(
        (open.allowed, open.why.as_str()),
        (true, "there are no rules, and without rules everything is allowed")
    );
    assert_eq!(
        open.change.unwrap().to_string(),
        "write at the end of the configuration file:\n    [roles.everyone]\n    allow = [\"all #\", \"read $SYS/#\"]\n    \n    \
         [roles.ann]\n    users = [\"ann\"]\n    deny = [\"publish x\"]"
    );
}

#[test]
fn what_is_wrong_with_a_question_or_a_name_is_said() {
    let files = Files::new(Some(ROLES), Some(ACL));
    let why = |wish, user, topic| files.explain(&request(wish, user, topic)).why;
    assert!(why(Wish::Publish, None, "a/#").starts_with("this is no topic name: "));
    assert!(why(Wish::Subscribe, None, "a/#/b").starts_with("this is no topic filter: "));
    assert!(
        why(Wish::Subscribe, None, "$share/g").starts_with("this is no filter of a shared subscription: ")
    );
    assert!(why(Wish::Retain, None, "$SYS/x").contains("the server's own"));
    assert!(files.explain(&request(Wish::Subscribe, Some("ann"), "$share/g/home/x")).allowed);
    let notes = |user: Option<&str>, client: &str, topic: &str| {
        let client = client.into();
        files.explain(&ExplainRequest { client, ..request(Wish::Publish, user, topic) }).notes.join("; ")
    };
    assert!(notes(None, "", "x").contains("%c do not apply, since no client identifier was named"));
    assert!(notes(None, "a/b", "x").contains("the client identifier \"a/b\" begins with $ or has"));
    assert!(notes(Some("Dora"), "dev", "garden/x").contains("there are rules for user dora"));
    assert!(notes(Some("ANN"), "dev", "x").contains("there are rules for user ann"));
    let empty = ExplainRequest { user: Some(String::new()), ..request(Wish::Publish, None, "x") };
    assert!(empty.question().is_err());
    let with_role =
        ExplainRequest { roles: vec!["family".into()], ..request(Wish::Publish, None, "home/light/x") };
    assert!(files.explain(&with_role).allowed);
}
