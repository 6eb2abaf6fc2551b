//! Changes of the files in which rules are written.

use crate::access::{Effect, Rule, Who};
use serde::Serialize;
use std::fmt;

/// One change of one file. Lines are counted from 1 and are those of the file before it is changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "do", rename_all = "lowercase")]
pub enum Edit {
    /// A rule goes.
    Remove {
        /// The rule.
        #[serde(flatten)]
        at: Place,
    },
    /// A rule becomes another one.
    Replace {
        /// The rule.
        #[serde(flatten)]
        at: Place,
        /// What to write instead.
        with: String,
    },
    /// Lines come into a file of rules.
    Insert {
        /// The file.
        file: String,
        /// The line behind which they come; 0 for the top.
        after: u32,
        /// The lines.
        lines: Vec<String>,
    },
    /// Lines come to the end of a file.
    Append {
        /// The file; without one the configuration file.
        #[serde(skip_serializing_if = "Option::is_none")]
        file: Option<String>,
        /// The lines.
        lines: Vec<String>,
    },
    /// A rule comes into a role.
    Add {
        /// Where the role is: one of its rules.
        #[serde(flatten)]
        at: Place,
        /// `allow` or `deny`.
        to: &'static str,
        /// The rule to write.
        rule: String,
    },
}

/// A rule in a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Place {
    /// The file as it was named.
    pub file: String,
    /// Its line.
    pub line: u32,
    /// The rule as it is written there.
    pub text: String,
    /// For rules of the configuration file, the role; for those of a file in mosquitto's syntax there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// For rules of the configuration file, `allow` or `deny`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub list: Option<&'static str>,
}

impl Place {
    /// Where a rule of a policy is.
    pub(super) fn of(who: &Who, rule: &Rule) -> Self {
        let origin = &rule.origin;
        let (file, line, text) = (origin.file.to_string(), origin.line, origin.text.clone());
        if is_mosquittos(rule) {
            return Self { file, line, text, role: None, list: None };
        }
        Self { file, line, text, role: Some(role_of(who)), list: Some(list_of(rule.effect)) }
    }
}

/// Whether a rule stands in a file with mosquitto's syntax, and not in the configuration file.
pub(super) fn is_mosquittos(rule: &Rule) -> bool {
    rule.origin.text.starts_with("topic ") || rule.origin.text.starts_with("pattern ")
}

/// The section of the configuration file with the rules for `who`, without `roles.`.
fn role_of(who: &Who) -> String {
    match who {
        Who::Everyone => "everyone".into(),
        Who::Anonymous => "anonymous".into(),
        Who::Role(name) | Who::User(name) => name.to_string(),
    }
}

fn list_of(effect: Effect) -> &'static str {
    match effect {
        Effect::Allow => "allow",
        Effect::Deny => "deny",
    }
}

/// A rule as it stands in its file, with as much around it as says what it does.
pub(super) fn shown(who: Option<&Who>, rule: &Rule) -> String {
    let text = &rule.origin.text;
    match who {
        Some(who) if !is_mosquittos(rule) => {
            format!("{} = {} in [roles.{}]", list_of(rule.effect), quoted(text), key(&role_of(who)))
        }
        _ => text.clone(),
    }
}

/// A text as TOML has it.
pub(super) fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for letter in text.chars() {
        match letter {
            '"' | '\\' => quoted.extend(['\\', letter]),
            control if control.is_control() => quoted.push_str(&format!("\\u{:04X}", u32::from(control))),
            plain => quoted.push(plain),
        }
    }
    quoted + "\""
}

/// The name of a role as it is written between brackets.
pub(super) fn key(name: &str) -> String {
    let is_bare = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if !name.is_empty() && name.chars().all(is_bare) { name.into() } else { quoted(name) }
}

impl fmt::Display for Edit {
    /// As one sentence without its full stop; lines to write stand alone below it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Remove { at: Place { file, line, text, role: Some(role), list } } => {
                let (list, role) = (list.unwrap_or_default(), key(role));
                write!(f, "remove {} from {list} of [roles.{role}], {file}:{line}", quoted(text))
            }
            Self::Remove { at: Place { file, line, text, .. } } => {
                write!(f, "remove line {line} of {file}: {text}")
            }
            Self::Replace { at: Place { file, line, text, role: Some(role), list }, with } => {
                let (list, role, old, new) =
                    (list.unwrap_or_default(), key(role), quoted(text), quoted(with));
                write!(f, "change {old} to {new} in {list} of [roles.{role}], {file}:{line}")
            }
            Self::Replace { at: Place { file, line, .. }, with } => {
                write!(f, "change line {line} of {file} to: {with}")
            }
            Self::Insert { file, after: 0, lines } => {
                indented(f, &format!("write at the top of {file}:"), lines)
            }
            Self::Insert { file, after, lines } => {
                indented(f, &format!("write below line {after} of {file}:"), lines)
            }
            Self::Append { file, lines } => {
                let file = file.as_deref().unwrap_or("the configuration file");
                indented(f, &format!("write at the end of {file}:"), lines)
            }
            Self::Add { at: Place { file, line, role, .. }, to, rule } => {
                let role = key(role.as_deref().unwrap_or_default());
                write!(f, "add {} to {to} of [roles.{role}], {file}:{line}", quoted(rule))
            }
        }
    }
}

fn indented(f: &mut fmt::Formatter<'_>, head: &str, lines: &[String]) -> fmt::Result {
    f.write_str(head)?;
    lines.iter().try_for_each(|line| write!(f, "\n    {line}"))
}
