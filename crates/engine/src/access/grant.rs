//! The rules for one client.

use super::rule::marks;
use super::{Action, Actions, EVENTS, Effect, Origin, Rule, is_free};
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use darter_codec::topic;

/// What one client may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// Denying rules come first.
    rules: Vec<Applied>,
    /// How many of them deny.
    denying: usize,
}

/// A rule with the client's names in its filter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Applied {
    effect: Effect,
    actions: Actions,
    filter: Arc<str>,
    origin: Arc<Origin>,
}

/// The answer to a question about one action, and what decided it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// Whether the client may.
    pub allowed: bool,
    /// What decided.
    pub why: Why,
}

/// What decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Why {
    /// There are no rules at all.
    NoRules,
    /// This rule.
    Rule(Arc<Origin>),
    /// No rule names it.
    Unnamed,
    /// What the server tells of single clients is for those who are named in a rule of its own.
    Events,
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoRules => f.write_str("there are no rules"),
            Self::Rule(origin) => write!(f, "the rule \"{}\" ({origin})", origin.text),
            Self::Unnamed => f.write_str("no rule allows it"),
            Self::Events => f.write_str("it tells of other clients, and no rule of its own allows it"),
        }
    }
}

/// How much of what a subscription's filter matches may be received.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// All of it, now and as long as the rules do not change.
    Whole,
    /// Each message must be looked at.
    Part,
}

impl Applied {
    /// The rule for a client; `None` when it says nothing about it.
    ///
    /// A name that could change what the filter means, or that is missing, never widens a rule: the rule is not applied if it
    /// allows, and denies for every name if it denies.
    pub(super) fn new(rule: &Rule, user: Option<&str>, client: &str) -> Option<Self> {
        let filter = if rule.filter.contains('%') {
            personal(rule, user, client)?.into()
        } else {
            rule.filter.clone()
        };
        Some(Self { effect: rule.effect, actions: rule.actions, filter, origin: rule.origin.clone() })
    }

    fn names(&self, action: Action, topic: &str) -> bool {
        self.actions.has(action.into()) && topic::matches(&self.filter, topic)
    }
}

fn personal(rule: &Rule, user: Option<&str>, client: &str) -> Option<String> {
    let mut filter = String::with_capacity(rule.filter.len() + 16);
    for (index, level) in topic::levels(&rule.filter).enumerate() {
        if index > 0 {
            filter.push('/');
        }
        let lacks = |mark: char, name: Option<&str>| {
            marks(level).any(|(_, found)| found == mark) && !name.is_some_and(is_plain)
        };
        if lacks('u', user) || lacks('c', Some(client)) {
            if rule.effect == Effect::Allow {
                return None;
            }
            filter.push('+');
        } else {
            put_names(&mut filter, level, user.unwrap_or_default(), client);
        }
    }
    Some(filter)
}

/// What a name brings is not looked at again.
fn put_names(filter: &mut String, level: &str, user: &str, client: &str) {
    let mut done = 0;
    for (at, mark) in marks(level) {
        filter.push_str(&level[done..at]);
        filter.push_str(match mark {
            'u' => user,
            'c' => client,
            _ => "%",
        });
        done = at + 2;
    }
    filter.push_str(&level[done..]);
}

/// A name that is one level and means itself, also at the start of a topic.
fn is_plain(name: &str) -> bool {
    !name.is_empty() && !name.starts_with('$') && !name.contains(['+', '#', '/', '\0'])
}

impl Grant {
    pub(super) fn new(mut rules: Vec<Applied>) -> Self {
        rules.sort_by_key(|rule| rule.effect != Effect::Deny);
        let denying = rules.iter().filter(|rule| rule.effect == Effect::Deny).count();
        Self { rules, denying }
    }

    fn denying(&self) -> &[Applied] {
        &self.rules[..self.denying]
    }

    fn allowing(&self) -> &[Applied] {
        &self.rules[self.denying..]
    }

    /// Whether the client may publish to a topic, have something retained there, or receive what is published to it.
    #[must_use]
    pub fn may(&self, action: Action, name: &str) -> bool {
        if action == Action::Receive && !is_free(name) && !self.names_events(name) {
            return false;
        }
        !self.denying().iter().any(|rule| rule.names(action, name))
            && self.allowing().iter().any(|rule| rule.names(action, name))
    }

    /// Whether the client may subscribe to a filter, which is a plain one.
    ///
    /// A rule that denies must match all that the filter matches; what it denies of a wider filter is not delivered if it also
    /// denies to receive it.
    #[must_use]
    pub fn may_subscribe(&self, filter: &str) -> bool {
        self.subscribing(filter).allowed
    }

    /// How much of what the filter matches may be received.
    #[must_use]
    pub fn reach(&self, filter: &str) -> Reach {
        let receive = |rule: &&Applied| rule.actions.has(Actions::RECEIVE);
        let whole = !topic::overlap(filter, EVENTS)
            && !self.denying().iter().filter(receive).any(|rule| topic::overlap(&rule.filter, filter))
            && self.allowing().iter().filter(receive).any(|rule| topic::covers(&rule.filter, filter));
        if whole { Reach::Whole } else { Reach::Part }
    }

    /// The same answers with what decided. `name` is a topic filter for [`Action::Subscribe`].
    #[must_use]
    pub fn decide(&self, action: Action, name: &str) -> Decision {
        if action == Action::Subscribe {
            return self.subscribing(name);
        }
        if action == Action::Receive && !is_free(name) && !self.names_events(name) {
            return Decision { allowed: false, why: Why::Events };
        }
        let first = |rules: &[Applied]| {
            rules.iter().find(|rule| rule.names(action, name)).map(|rule| rule.origin.clone())
        };
        Decision::of(first(self.denying()), first(self.allowing()))
    }

    fn subscribing(&self, filter: &str) -> Decision {
        let denies = |rule: &&Applied| {
            rule.actions.has_any(Actions::SUBSCRIBE | Actions::OVERLAP) && topic::covers(&rule.filter, filter)
        };
        let allows = |rule: &&Applied| {
            (rule.actions.has(Actions::SUBSCRIBE) && topic::covers(&rule.filter, filter))
                || (rule.actions.has(Actions::OVERLAP) && topic::overlap(&rule.filter, filter))
        };
        let denied = self.denying().iter().find(denies).map(|rule| rule.origin.clone());
        if denied.is_none() && topic::covers(EVENTS, filter) && !self.names_events(filter) {
            return Decision { allowed: false, why: Why::Events };
        }
        Decision::of(denied, self.allowing().iter().find(allows).map(|rule| rule.origin.clone()))
    }

    /// Whether a rule speaks of what the server tells of clients, and does not only happen to match it.
    fn names_events(&self, name: &str) -> bool {
        self.allowing()
            .iter()
            .any(|rule| topic::covers(EVENTS, &rule.filter) && topic::overlap(&rule.filter, name))
    }
}

impl Decision {
    /// The answer where there are no rules.
    #[must_use]
    pub fn without_rules(action: Action, name: &str) -> Self {
        let about_events = match action {
            Action::Receive => !is_free(name),
            Action::Subscribe => topic::covers(EVENTS, name),
            Action::Publish | Action::Retain => false,
        };
        Self { allowed: !about_events, why: if about_events { Why::Events } else { Why::NoRules } }
    }

    fn of(denied: Option<Arc<Origin>>, allowed: Option<Arc<Origin>>) -> Self {
        match (denied, allowed) {
            (Some(origin), _) => Self { allowed: false, why: Why::Rule(origin) },
            (None, Some(origin)) => Self { allowed: true, why: Why::Rule(origin) },
            (None, None) => Self { allowed: false, why: Why::Unnamed },
        }
    }
}
