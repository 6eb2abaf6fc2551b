//! The smallest change of the rules that turns an answer round.

use super::edit::{Edit, Place, is_mosquittos, key, quoted};
use super::{Asked, Placed};
use crate::access::{Action, Decision, Effect, Origin, Policy, Rule, Who, Why};
use serde::{Serialize, Serializer, ser::SerializeStruct};
use std::fmt;
use std::sync::Arc;

/// A change of the rules: one or several edits, all of which are needed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change(pub Vec<Edit>);

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, edit) in self.0.iter().enumerate() {
            write!(f, "{}{edit}", if index == 0 { "" } else { "\nand " })?;
        }
        Ok(())
    }
}

impl Serialize for Change {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("Change", 2)?;
        fields.serialize_field("text", &self.to_string())?;
        fields.serialize_field("edits", &self.0)?;
        fields.end()
    }
}

/// The change; none where rules cannot change it, or cannot be written for such names.
pub(super) fn smallest(policy: &Policy, asked: &Asked<'_>, decision: &Decision) -> Option<Change> {
    let can_be_written = |name: &str| !name.contains(['\n', '\r']) && name.trim() == name;
    if !can_be_written(asked.topic) || !asked.identity.user.as_deref().is_none_or(can_be_written) {
        return None;
    }
    let writer = Writer { policy, asked };
    match (decision.allowed, &decision.why) {
        (_, Why::NoRules) => Some(writer.first_rules(Effect::Deny)),
        (false, Why::Events) if policy.is_open() => Some(writer.first_rules(Effect::Allow)),
        (true, _) => Some(Change(vec![writer.deny()?])),
        (false, _) => writer.allow(),
    }
}

struct Writer<'p> {
    policy: &'p Policy,
    asked: &'p Asked<'p>,
}

/// The rules without some of them, for this client.
fn without(policy: &Policy, asked: &Asked<'_>, gone: &[Arc<Origin>]) -> Policy {
    let mut left = Policy::closed();
    for (who, rules) in policy.rules() {
        for rule in rules.iter().filter(|rule| !gone.contains(&rule.origin)) {
            left.add(who.clone(), rule.clone());
        }
    }
    if let Some(user) = &asked.identity.user {
        for role in policy.roles_of(user) {
            left.add_member(user.clone(), role.clone());
        }
    }
    left
}

impl Writer<'_> {
    /// Rules that decide, one after the other, as long as each decides for `allowed`, and how it ends without them.
    fn decisive(&self, allowed: bool) -> (Vec<Arc<Origin>>, Decision) {
        let mut gone = Vec::new();
        loop {
            let decision = self.asked.decide(&without(self.policy, self.asked, &gone));
            match &decision.why {
                // A rule that came with the login stays.
                Why::Rule(origin) if decision.allowed == allowed && !gone.contains(origin) => {
                    gone.push(origin.clone());
                }
                _ => return (gone, decision),
            }
        }
    }

    fn placed(&self, origin: &Arc<Origin>) -> Option<(&Who, &Rule)> {
        let rules = self.asked.rules(self.policy);
        let (who, rule) = rules.into_iter().find(|(_, rule)| rule.origin == *origin)?;
        let (who, _) = self.policy.rules().find(|(other, _)| Some(*other) == who)?;
        let rules = self.policy.rules().find(|(other, _)| *other == who)?.1;
        rules.iter().find(|other| *other == rule).map(|rule| (who, rule))
    }

    /// Takes away what denies it, and adds a rule if none allows it then.
    fn allow(&self) -> Option<Change> {
        let (denying, left) = self.decisive(false);
        let mut edits = Vec::new();
        for origin in &denying {
            let (who, rule) = self.placed(origin)?;
            edits.push(Edit::Remove { at: Place::of(who, rule) });
        }
        match left {
            Decision { allowed: true, .. } => {}
            Decision { why: Why::Rule(_), .. } => return None,
            _ => edits.push(self.widened().unwrap_or_else(|| self.added(Effect::Allow))),
        }
        Some(Change(edits))
    }

    /// Takes away the one rule that allows it, if it is for this client and this topic alone, and else denies it.
    fn deny(&self) -> Option<Edit> {
        let (allowing, _) = self.decisive(true);
        if let [origin] = &allowing[..]
            && let Some((who, rule)) = self.placed(origin)
            && self.is_own(who)
            && *rule.filter == *self.asked.topic
        {
            let at = Place::of(who, rule);
            return Some(match narrowed(rule, self.asked.action) {
                Some(with) => Edit::Replace { at, with },
                None => Edit::Remove { at },
            });
        }
        Some(self.added(Effect::Deny))
    }

    /// A rule of this client alone that names the topic, and now allows this too.
    fn widened(&self) -> Option<Edit> {
        let rules = self.asked.rules(self.policy);
        let fits = |(who, rule): &Placed<'_>| {
            who.is_some_and(|who| self.is_own(who))
                && rule.effect == Effect::Allow
                && *rule.filter == *self.asked.topic
        };
        let (who, rule) = rules.into_iter().find(fits)?;
        let at = Place::of(who?, rule);
        let (words, topic) = rule.origin.text.split_once(' ')?;
        let with = if is_mosquittos(rule) {
            format!("{words} readwrite {}", self.asked.topic)
        } else {
            format!("{words},{} {topic}", word(self.asked.action, Effect::Allow))
        };
        Some(Edit::Replace { at, with })
    }

    /// A new rule for this client and this topic, where its rules are.
    fn added(&self, effect: Effect) -> Edit {
        let own = self.own_rules();
        let last = own
            .iter()
            .max_by_key(|(_, rule)| (!is_mosquittos(rule), rule.effect == effect, rule.origin.line));
        match last {
            Some((who, rule)) if is_mosquittos(rule) => Edit::Insert {
                file: rule.origin.file.to_string(),
                after: self.end_of(who, rule),
                lines: vec![self.mosquittos_line(effect)],
            },
            Some((who, rule)) => {
                let list = if effect == Effect::Allow { "allow" } else { "deny" };
                Edit::Add { at: Place::of(who, rule), to: list, rule: self.text(effect) }
            }
            None => self.added_for_a_new_one(effect),
        }
    }

    fn added_for_a_new_one(&self, effect: Effect) -> Edit {
        let rules = || self.policy.rules().flat_map(|(_, rules)| rules);
        let (toml, other) =
            (rules().find(|rule| !is_mosquittos(rule)), rules().find(|rule| is_mosquittos(rule)));
        let line = self.mosquittos_line(effect);
        match (toml, other, &self.asked.identity.user) {
            (None, Some(rule), Some(user)) => Edit::Append {
                file: Some(rule.origin.file.to_string()),
                lines: vec![format!("user {user}"), line],
            },
            (None, Some(rule), None) => {
                Edit::Insert { file: rule.origin.file.to_string(), after: 0, lines: vec![line] }
            }
            (toml, ..) => Edit::Append {
                file: toml.map(|rule| rule.origin.file.to_string()),
                lines: self.new_role(effect),
            },
        }
    }

    /// The last line of mosquitto's file that belongs to `who` for sure.
    fn end_of(&self, who: &Who, rule: &Rule) -> u32 {
        let rules = self.policy.rules().find(|(other, _)| *other == who).map_or(&[][..], |(_, rules)| rules);
        let here = rules.iter().filter(|other| is_mosquittos(other) && other.origin.file == rule.origin.file);
        here.map(|rule| rule.origin.line).max().unwrap_or(rule.origin.line)
    }

    /// Rules for this client alone, of the policy.
    fn own_rules(&self) -> Vec<(&Who, &Rule)> {
        let own = self.policy.rules().filter(|(who, _)| self.is_own(who));
        own.flat_map(|(who, rules)| rules.iter().map(move |rule| (who, rule))).collect()
    }

    /// Whether rules for `who` are for this user alone, or for clients without a user as this one is.
    fn is_own(&self, who: &Who) -> bool {
        match (who, &self.asked.identity.user) {
            (Who::Anonymous, None) => true,
            (Who::User(one), Some(user)) => one == user,
            (Who::Role(role), Some(user)) => {
                let mut members = self.policy.members().filter(|(_, roles)| roles.contains(role));
                members.next().is_some_and(|(member, _)| member == user) && members.next().is_none()
            }
            _ => false,
        }
    }

    /// A section of the configuration file with one rule for this client.
    fn new_role(&self, effect: Effect) -> Vec<String> {
        let list = if effect == Effect::Allow { "allow" } else { "deny" };
        let rule = format!("{list} = [{}]", quoted(&self.text(effect)));
        match &self.asked.identity.user {
            None => vec!["[roles.anonymous]".into(), rule],
            Some(user) => {
                let taken = |name: &str| {
                    self.policy.rules().any(|(who, _)| *who == Who::Role(name.into()))
                        || self.policy.members().any(|(_, roles)| roles.iter().any(|role| **role == *name))
                        || matches!(name, "everyone" | "anonymous")
                };
                let mut name = user.to_string();
                while taken(&name) {
                    name.push_str("-alone");
                }
                vec![format!("[roles.{}]", key(&name)), format!("users = [{}]", quoted(user)), rule]
            }
        }
    }

    /// Where there is no rule yet: one that keeps everything else as it is, and the one that is meant.
    fn first_rules(&self, effect: Effect) -> Change {
        let mut lines = vec!["[roles.everyone]".into(), "allow = [\"all #\", \"read $SYS/#\"]".into()];
        lines.push(String::new());
        lines.extend(self.new_role(effect));
        Change(vec![Edit::Append { file: None, lines }])
    }

    /// The rule in the words of the configuration file.
    fn text(&self, effect: Effect) -> String {
        format!("{} {}", word(self.asked.action, effect), self.asked.topic.replace('%', "%%"))
    }

    fn mosquittos_line(&self, effect: Effect) -> String {
        let access = match (effect, self.asked.action) {
            (Effect::Deny, _) => "deny",
            (Effect::Allow, Action::Publish | Action::Retain) => "write",
            (Effect::Allow, Action::Subscribe | Action::Receive) => "read",
        };
        format!("topic {access} {}", self.asked.topic)
    }
}

/// The word for what is to be allowed or denied. Who is allowed to subscribe wants to receive.
fn word(action: Action, effect: Effect) -> &'static str {
    match (action, effect) {
        (Action::Retain, Effect::Allow) => "write",
        (Action::Subscribe, Effect::Allow) => "read",
        (action, _) => action.name(),
    }
}

/// The line of a file in mosquitto's syntax that allows one of two things, when this was the other.
fn narrowed(rule: &Rule, action: Action) -> Option<String> {
    use crate::access::Actions;
    let both = rule.actions.has(Actions::WRITE | Actions::RECEIVE);
    let keyword = rule.origin.text.split(' ').next()?;
    let access = match action {
        Action::Publish | Action::Retain => "read",
        Action::Subscribe | Action::Receive => "write",
    };
    (is_mosquittos(rule) && both).then(|| format!("{keyword} {access} {}", rule.filter))
}
