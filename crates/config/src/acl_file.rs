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
