//! Files of rules in the syntax of mosquitto's `acl_file`.
//!
//! A line is a comment that begins with `#`, or `user NAME`, or `topic [ACCESS] FILTER`, or `pattern [ACCESS] FILTER`, where
//! `ACCESS` is `read`, `write`, `readwrite` (also without a word) or `deny`. What stands before the first `user` is for
//! clients without a user name, what stands behind one is for that user, and patterns are for every client. Only in
//! patterns `%u` and `%c` stand for names.

use darter_broker::access::{Actions, Effect, Origin, Policy, Rule, Who};
use darter_broker::topic;
use std::fs;
use std::io;
use std::path::Path;
use std::str;
use std::sync::Arc;
use thiserror::Error;

/// Why a file of rules cannot be used. Its text names the file.
#[derive(Debug, Error)]
pub enum AclFileError {
    /// The file cannot be read.
    #[error("{file}: the rules cannot be read")]
    Unreadable {
        /// The file as it was named.
        file: String,
        /// What the system said.
        source: io::Error,
    },
    /// There are no rules in it.
    #[error(
        "{file}:{line}: there is no rule in the file, so that every client would be denied everything; write at least one \
         line topic or pattern, or leave acl_file out"
    )]
    Empty {
        /// The file as it was named.
        file: String,
        /// The last line.
        line: usize,
    },
    /// Some lines are wrong.
    #[error("{}", .0.join("\n"))]
    Lines(
        /// What is wrong in each of them, with file and line.
        Vec<String>,
    ),
}

/// Adds the rules of a file to a policy.
///
/// # Errors
/// When the file cannot be read, has no rules, or has a line that is none. The policy then has some of the rules.
pub fn add(file: &Path, policy: &mut Policy) -> Result<(), AclFileError> {
    let name = file.display().to_string();
    match fs::read(file) {
        Ok(bytes) => add_text(&bytes, &name, policy),
        Err(source) => Err(AclFileError::Unreadable { file: name, source }),
    }
}

/// The same for the bytes of a file that is called `name`.
pub(crate) fn add_text(bytes: &[u8], name: &str, policy: &mut Policy) -> Result<(), AclFileError> {
    let file: Arc<str> = name.into();
    let (mut who, mut rules, mut wrong) = (Who::Anonymous, 0, Vec::new());
    let mut last = 0;
    for (line, bytes) in (1u32..).zip(bytes.split(|byte| *byte == b'\n')) {
        // A line end is no line of its own.
        if !bytes.is_empty() || line == 1 {
            last = line;
        }
        match Line::read(bytes) {
            Ok(Line::Nothing) => {}
            Ok(Line::User(user)) => who = Who::User(user.into()),
            Ok(Line::Rule { everyone, effect, actions, filter, text }) => {
                let origin = Arc::new(Origin { file: file.clone(), line, text: text.into() });
                let who = if everyone { Who::Everyone } else { who.clone() };
                policy.add(who, Rule { effect, actions, filter: filter.into(), origin });
                rules += 1;
            }
            Err(what) => wrong.push(format!("{file}:{line}: {what}")),
        }
    }
    if !wrong.is_empty() {
        Err(AclFileError::Lines(wrong))
    } else if rules == 0 {
        Err(AclFileError::Empty { file: name.into(), line: last as usize })
    } else {
        Ok(())
    }
}

/// What a line says.
enum Line<'t> {
    Nothing,
    User(&'t str),
    Rule { everyone: bool, effect: Effect, actions: Actions, filter: String, text: &'t str },
}

impl<'t> Line<'t> {
    /// Words stand between spaces, as mosquitto has it; only the end of a line may be any white space.
    fn read(bytes: &'t [u8]) -> Result<Self, String> {
        let text = str::from_utf8(bytes).map_err(|_| "this is not text in UTF-8; save the file as UTF-8")?;
        if text.starts_with('#') {
            return Ok(Self::Nothing);
        }
        let text = text.trim_end().trim_start_matches(' ');
        let (word, rest) = text.split_once(' ').unwrap_or((text, ""));
        let rest = rest.trim_start_matches(' ');
        match word {
            "" => Ok(Self::Nothing),
            "user" if rest.is_empty() => Err("the name of the user is missing; write it behind user".into()),
            "user" => Ok(Self::User(rest)),
            "topic" | "pattern" => Self::rule(text, word == "pattern", rest),
            other => Err(unknown(other)),
        }
    }

    fn rule(text: &'t str, everyone: bool, rest: &str) -> Result<Self, String> {
        let word = if everyone { "pattern" } else { "topic" };
        if rest.is_empty() {
            return Err(format!("the topic is missing; write it behind {word}"));
        }
        let (access, filter) = match rest.split_once(' ') {
            // A single word is the topic, even "read".
            None => (None, rest),
            Some((access, filter)) => (Some(access), filter.trim_start_matches(' ')),
        };
        // What mosquitto calls reading: every subscription that could bring something, of which only what may be read comes.
        let read = Actions::RECEIVE | Actions::OVERLAP;
        let (effect, actions) = match access {
            None | Some("readwrite") => (Effect::Allow, read | Actions::WRITE),
            Some("read") => (Effect::Allow, read),
            Some("write") => (Effect::Allow, Actions::WRITE),
            Some("deny") => (Effect::Deny, Actions::ALL),
            Some(other) => {
                return Err(format!(
                    "{other:?} is no access; there are read, write, readwrite and deny, and a topic with spaces in it \
                     needs one of them: {word} readwrite {rest}"
                ));
            }
        };
        if let Some((access, _)) = filter.split_once('\t').filter(|(access, _)| ACCESSES.contains(access)) {
            return Err(format!("write a space behind {access}, not a tab"));
        }
        topic::check_filter(filter).map_err(|why| format!("{filter:?} is no topic filter: {why}"))?;
        let filter = if everyone { with_names(filter) } else { literal(filter) };
        Ok(Self::Rule { everyone, effect, actions, filter, text })
    }
}

const ACCESSES: &[&str] = &["read", "write", "readwrite", "deny"];

fn unknown(word: &str) -> String {
    let known = "a line begins with user, topic, pattern or # for a comment";
    if word.trim_start().starts_with('#') {
        "a comment begins with # in the first column".into()
    } else if word.contains('\t') {
        format!("{known}, with spaces behind it, not tabs")
    } else {
        format!("{word:?} is not known; {known}")
    }
}

/// The filter of a pattern, in which only `%u` and `%c` are more than themselves.
fn with_names(filter: &str) -> String {
    let mut escaped = String::with_capacity(filter.len());
    let mut rest = filter;
    while let Some(at) = rest.find('%') {
        let is_name = matches!(rest.as_bytes().get(at + 1), Some(b'u' | b'c'));
        escaped.push_str(&rest[..at]);
        escaped.push_str(if is_name { "%" } else { "%%" });
        rest = &rest[at + 1..];
    }
    escaped + rest
}

/// A filter in which every `%` is itself.
fn literal(filter: &str) -> String {
    filter.replace('%', "%%")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(text: &str) -> Policy {
        let mut policy = Policy::open();
        add_text(text.as_bytes(), "acl", &mut policy).unwrap_or_else(|error| panic!("{error}"));
        policy
    }

    /// Every rule as `WHO LINE EFFECT ACTIONS FILTER`.
    fn rules(text: &str) -> Vec<String> {
        let policy = policy(text);
        let mut all = Vec::new();
        for (who, rules) in policy.rules() {
            let who = match who {
                Who::User(user) => format!("<{user}>"),
                other => format!("{other:?}"),
            };
            for rule in rules {
                let read = rule.actions.has(Actions::RECEIVE | Actions::OVERLAP);
                let access = match (rule.effect, read, rule.actions.has(Actions::WRITE)) {
                    (Effect::Deny, ..) if rule.actions == Actions::ALL => "deny",
                    (Effect::Allow, true, true) => "readwrite",
                    (Effect::Allow, true, false) => "read",
                    (Effect::Allow, false, true) => "write",
                    _ => "?",
                };
                all.push(format!("{who} {} {access} {}", rule.origin.line, rule.filter));
            }
        }
        all
    }

    #[test]
    fn every_form_of_a_line_is_read_as_mosquitto_reads_it() {
        let text = "# comment\r\n\ntopic read $SYS/#\r\n  topic   a/b  \n\nuser ann smith \ntopic write  x y/z\n\
                    topic read\ntopic deny #\nuser bob\ntopic readwrite 100%/%u\npattern deny p/%u/%%c/%d\n   \nuser ann smith\ntopic read a b";
        let expected = [
            "Everyone 12 deny p/%u/%%%c/%%d",
            "Anonymous 3 read $SYS/#",
            "Anonymous 4 readwrite a/b",
            "<ann smith> 7 write x y/z",
            "<ann smith> 8 readwrite read",
            "<ann smith> 9 deny #",
            "<ann smith> 15 read a b",
            "<bob> 11 readwrite 100%%/%%u",
        ];
        assert_eq!(rules(text), expected);
    }

    #[test]
    fn a_rule_keeps_its_line_as_it_is_written() {
        let policy = policy("user ann\n  topic   read  a \n");
        let (_, rules) = policy.rules().next().unwrap();
        assert_eq!(rules[0].origin.to_string(), "acl:2");
        assert_eq!(rules[0].origin.text, "topic   read  a");
    }

    #[test]
    fn names_stand_for_something_in_patterns_only() {
        use darter_broker::access::{Action, Identity};
        let policy = policy("user ann\ntopic write t/%u\npattern write p/%u/%c\n");
        let grant = policy.grant(&Identity::of_user("ann"), "dev").unwrap();
        let may = |topic: &str| grant.may(Action::Publish, topic);
        assert!(may("t/%u") && !may("t/ann") && may("p/ann/dev") && !may("p/%u/%c"));
    }

    #[test]
    fn every_wrong_line_is_named_with_what_to_do() {
        let cases: [(&str, &str); 12] = [
            ("user", "the name of the user is missing; write it behind user"),
            ("user   ", "the name of the user is missing; write it behind user"),
            ("topic", "the topic is missing; write it behind topic"),
            ("pattern  ", "the topic is missing; write it behind pattern"),
            (
                "topic living room",
                "\"living\" is no access; there are read, write, readwrite and deny, and a topic with spaces in it needs one of them: topic readwrite living room",
            ),
            (
                "topic read a/#/b",
                "\"a/#/b\" is no topic filter: `+` must stand alone on its level, `#` alone on the last one",
            ),
            (
                "pattern write a+",
                "\"a+\" is no topic filter: `+` must stand alone on its level, `#` alone on the last one",
            ),
            ("topic read\ta", "write a space behind read, not a tab"),
            (
                "topic\tread a",
                "a line begins with user, topic, pattern or # for a comment, with spaces behind it, not tabs",
            ),
            (" # x", "a comment begins with # in the first column"),
            ("Topic a", "\"Topic\" is not known; a line begins with user, topic, pattern or # for a comment"),
            ("allow a", "\"allow\" is not known; a line begins with user, topic, pattern or # for a comment"),
        ];
        for (line, what) in cases {
            let text = format!("topic fine\n{line}\n");
            let error = add_text(text.as_bytes(), "acl", &mut Policy::open()).unwrap_err();
            assert_eq!(error.to_string(), format!("acl:2: {what}"), "{line:?}");
        }
        let error = add_text(b"topic a\nuser \xff\n", "acl", &mut Policy::open()).unwrap_err();
        assert_eq!(error.to_string(), "acl:2: this is not text in UTF-8; save the file as UTF-8");
    }

    #[test]
    fn a_file_without_rules_is_refused_with_its_last_line() {
        for (text, line) in [("", 1), ("\n", 1), ("# only\n# comments\n", 2), ("user ann\n\n# none\n", 3)] {
            let error = add_text(text.as_bytes(), "acl", &mut Policy::open()).unwrap_err().to_string();
            assert!(
                error.starts_with(&format!("acl:{line}: there is no rule in the file")),
                "{text:?}: {error}"
            );
        }
    }
}
