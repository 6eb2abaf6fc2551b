//! May a client connect? By what its listener asks for, and not by a password.

use super::Explanation;
use crate::auth::Anonymous;
use darter_codec::Version;
use darter_net::Peer;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

/// A listener, as far as it decides who may connect.
#[derive(Debug, Clone)]
pub struct Door {
    /// Its name.
    pub listener: Arc<str>,
    /// Where its settings are, such as `[listener.web] of darter.toml`.
    pub section: String,
    /// True when only programs on this computer reach it.
    pub is_here: bool,
    /// Versions of MQTT that it takes.
    pub versions: Vec<Version>,
    /// Who comes in without a user name.
    pub anonymous: Anonymous,
    /// Why that is so, as half a sentence: "`allow_anonymous` is not set, and there is a password file".
    pub anonymous_why: String,
    /// Its ways to log in, in the order in which they are asked.
    pub ways: Vec<Way>,
}

/// A way to log in.
#[derive(Clone)]
pub struct Way {
    /// What it is, such as `password file passwords.txt`.
    pub name: String,
    /// Whether it knows a user, where that can be told without asking anybody.
    pub knows: Option<Knows>,
}

/// What a way to log in knows of a user.
pub type Knows = Arc<dyn Fn(&str) -> Known + Send + Sync>;

/// What is known of a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Known {
    /// There is such a user.
    Here,
    /// There is one who may not log in.
    Disabled,
    /// There is none.
    No,
}

impl fmt::Debug for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Way").field("name", &self.name).finish_non_exhaustive()
    }
}

/// A client that would connect.
#[derive(Debug, Clone, Default)]
pub struct Visitor<'q> {
    /// Its user name.
    pub user: Option<&'q str>,
    /// Where it is; without it as far away as the listener can be reached from.
    pub address: Option<IpAddr>,
    /// The version of MQTT that it speaks, if that matters.
    pub version: Option<Version>,
}

impl Door {
    /// Whether a client may connect here, if it proves who it is.
    #[must_use]
    pub fn explain(&self, visitor: &Visitor<'_>) -> Explanation {
        if let Some(version) = visitor.version.filter(|version| !self.versions.contains(version)) {
            let all: Vec<_> = self.versions.iter().map(|version| name(*version)).collect();
            return Explanation::of_server(format!(
                "{} takes MQTT {} only, and the client speaks {} (versions)",
                self.section,
                all.join(", "),
                name(version)
            ));
        }
        match visitor.user {
            None => self.without_a_name(visitor),
            Some(user) => self.with_a_name(user, visitor),
        }
    }

    fn without_a_name(&self, visitor: &Visitor<'_>) -> Explanation {
        let is_here = match visitor.address {
            Some(address) => Peer::Inet((address, 0).into()).is_here(),
            None => self.is_here,
        };
        let (allowed, who) = match self.anonymous {
            Anonymous::Everybody => (true, "clients without a user name are let in"),
            Anonymous::Here if is_here => (true, "programs on this computer are let in without a user name"),
            Anonymous::Here => (false, "only programs on this computer are let in without a user name"),
            Anonymous::Nobody => (false, "nobody is let in without a user name"),
        };
        let mut explanation = self.answer(allowed, format!("{who}: {}", self.anonymous_why));
        let proofs: Vec<_> =
            self.ways.iter().filter(|way| way.knows.is_none()).map(|way| &*way.name).collect();
        if !allowed && !proofs.is_empty() {
            explanation
                .notes
                .push(format!("it may log in by {}, which bring a user name", proofs.join(" or ")));
        }
        let wish = if allowed { "false" } else { "true" };
        explanation.notes.push(format!("allow_anonymous = {wish} in {} would change that", self.section));
        explanation
    }

    fn with_a_name(&self, user: &str, visitor: &Visitor<'_>) -> Explanation {
        let mut unsure = Vec::new();
        for way in &self.ways {
            match way.knows.as_ref().map(|knows| knows(user)) {
                Some(Known::Here) => {
                    let why = format!("{user} is in {} and is let in with the right password", way.name);
                    return self.answer(true, why);
                }
                Some(Known::Disabled) => {
                    return self.answer(false, format!("{user} is in {} and is disabled", way.name));
                }
                Some(Known::No) => {}
                None => unsure.push(&*way.name),
            }
        }
        if !unsure.is_empty() {
            let why = format!("{user} is let in with what {} asks for", unsure.join(" or "));
            return self.answer(true, why);
        }
        if self.ways.is_empty() {
            let mut explanation = self.without_a_name(visitor);
            explanation
                .notes
                .insert(0, "there is no way to log in here, and a user name means nothing".into());
            return explanation;
        }
        let all: Vec<_> = self.ways.iter().map(|way| &*way.name).collect();
        self.answer(false, format!("{user} is not in {}", all.join(" nor in ")))
    }

    fn answer(&self, allowed: bool, why: String) -> Explanation {
        let notes = vec![format!("this is about listener {}, {}", self.listener, self.section)];
        Explanation { allowed, why, rule: None, change: None, notes }
    }
}

/// A version as people write it.
fn name(version: Version) -> &'static str {
    match version {
        Version::V31 => "3.1",
        Version::V311 => "3.1.1",
        Version::V5 => "5",
    }
}
