//! `[roles.NAME]`: what users may do.

use crate::Config;
use crate::key::{Item, Key, Kind, List, Section};
use crate::part::Family;
use darter_broker::access::{Effect, Policy, Rule, Who};
use std::sync::Arc;

/// What the users who have it may do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Role {
    /// Its name. [`EVERYONE`](Self::EVERYONE) and [`ANONYMOUS`](Self::ANONYMOUS) have a meaning of their own.
    pub name: Arc<str>,
    /// What it allows and denies.
    pub rules: Vec<Rule>,
    /// The users who have it, beside those whose logins bring it.
    pub users: Vec<Arc<str>>,
    /// There is a list of rules, be it an empty one.
    is_written: bool,
}

impl Role {
    /// The role that every client has.
    pub const EVERYONE: &'static str = "everyone";
    /// The role that clients without a user name have.
    pub const ANONYMOUS: &'static str = "anonymous";

    /// Adds it to a policy.
    pub(crate) fn add_to(&self, policy: &mut Policy) {
        let who = match &*self.name {
            Self::EVERYONE => Who::Everyone,
            Self::ANONYMOUS => Who::Anonymous,
            _ => Who::Role(self.name.clone()),
        };
        for rule in &self.rules {
            policy.add(who.clone(), rule.clone());
        }
        for user in &self.users {
            policy.add_member(user.clone(), self.name.clone());
        }
    }

    fn rules(&self, effect: Effect) -> Vec<String> {
        let rules = self.rules.iter().filter(|rule| rule.effect == effect);
        rules.map(|rule| rule.origin.text.clone()).collect()
    }

    fn clear(&mut self, effect: Effect) {
        self.rules.retain(|rule| rule.effect != effect);
        self.is_written = true;
    }

    fn add_rule(&mut self, effect: Effect, item: &Item<'_>) -> Result<(), String> {
        let line = u32::try_from(item.line).unwrap_or(0);
        let rule = Rule::read(effect, item.text, item.file.clone(), line);
        self.rules.push(rule.map_err(|why| format!("is not a rule: {why}"))?);
        Ok(())
    }

    fn check(&self) -> Result<(), String> {
        let name = &*self.name;
        if !self.users.is_empty() && name == Self::EVERYONE {
            return Err("is for every client and names no users".into());
        }
        if !self.users.is_empty() && name == Self::ANONYMOUS {
            return Err("is for clients without a user name and names no users".into());
        }
        if !self.is_written {
            return Err("has no rules; write allow or deny".into());
        }
        Ok(())
    }
}

pub(crate) static PART: Family<Role> = Family {
    section: SECTION,
    heading: "roles.NAME",
    first: None,
    begin: |name| {
        let fits = !name.trim().is_empty() && name.len() <= 256 && !name.contains(char::is_control);
        let role = Role { name: name.into(), ..Role::default() };
        if fits { Ok(role) } else { Err("a role needs a name that can be read".into()) }
    },
    add: |config, role| config.roles.push(role),
    sample: Role::default,
};

const RULES: &str = "a list of rules such as \"publish home/+/light\"";
const RULE: &str = "a rule such as \"publish home/+/light\"";

const SECTION: Section<Role> = Section {
    name: "roles",
    meaning: "What the users with this role may do. [roles.everyone] is for every client, [roles.anonymous] for clients \
              without a user name. As soon as there is one rule, in a role or in an acl_file, what no rule names is \
              denied; a rule that denies goes before all that allow. [docs/access.md](access.md) explains rules.",
    keys: &[
        Key {
            name: "allow",
            meaning: "What they may do: one or several of publish, retain, subscribe and receive, or read (subscribe and \
                      receive), write (publish and retain) or all, with commas between them, then a space and a topic \
                      filter. %u and %c in it stand for the user name and the client identifier.",
            kind: Kind::List(List {
                takes: RULES,
                each: RULE,
                example: &["read home/#", "write home/%u/#"],
                may_be_empty: true,
                get: |role| role.rules(Effect::Allow),
                clear: |role| role.clear(Effect::Allow),
                add: |role, item| role.add_rule(Effect::Allow, item),
            }),
        },
        Key {
            name: "deny",
            meaning: "What they may not do, whatever else allows it; written in the same way.",
            kind: Kind::List(List {
                takes: RULES,
                each: RULE,
                example: &["all home/safe/#"],
                may_be_empty: true,
                get: |role| role.rules(Effect::Deny),
                clear: |role| role.clear(Effect::Deny),
                add: |role, item| role.add_rule(Effect::Deny, item),
            }),
        },
        Key {
            name: "users",
            meaning: "The users who have the role. A login by token can bring roles too.",
            kind: Kind::List(List {
                takes: "a list of user names",
                each: "a user name",
                example: &["ann", "bob"],
                may_be_empty: true,
                get: |role| role.users.iter().map(ToString::to_string).collect(),
                clear: |role| role.users.clear(),
                add: |role, item| {
                    if item.text.is_empty() {
                        return Err("is not a user name".into());
                    }
                    role.users.push(item.text.into());
                    Ok(())
                },
            }),
        },
    ],
    check: Role::check,
};

impl Config {
    /// The role of that name.
    #[must_use]
    pub fn role(&self, name: &str) -> Option<&Role> {
        self.roles.iter().find(|role| &*role.name == name)
    }
}
