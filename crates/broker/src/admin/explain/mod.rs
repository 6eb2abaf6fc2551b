//! `explain`: may a client do something, what decides, and what would change it.
//!
//! The answer comes from the rules alone; nobody has to be connected, and nothing is changed.

mod change;
mod door;
mod doors;
mod edit;
mod question;

pub use change::Change;
pub use door::{Door, Known, Knows, Visitor, Way};
pub use doors::Doors;
pub use edit::{Edit, Place};
pub use question::{ConnectRequest, Connecting, ExplainRequest, Question, Spoken, Wish};

use super::{Refusal, Subject, read};
use crate::access::{Action, Decision, Effect, Identity, Origin, Policy, Reach, Rule, Who, Why};
use crate::topic::{self, SharedFilter};
use serde::Serialize;
use serde_json::{Value, json};
use std::sync::Arc;

/// The answer to a [`Question`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// Whether the client may.
    pub allowed: bool,
    /// What decides, as a sentence.
    pub why: String,
    /// The rule that decides, if one does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<RuleSeen>,
    /// The smallest change that would turn the answer round, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub change: Option<Change>,
    /// What else is worth knowing, each as a sentence.
    pub notes: Vec<String>,
}

/// A rule, and where it is written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RuleSeen {
    /// The file as it was named, or what else gave the rule.
    pub file: String,
    /// The line, counted from 1; 0 where there are none.
    pub line: u32,
    /// The rule as it is written there.
    pub text: String,
    /// Whether it allows.
    pub allows: bool,
    /// Whom it is for, in words.
    #[serde(rename = "for")]
    pub whom: String,
}

impl Explanation {
    fn of_server(why: String) -> Self {
        Self { allowed: false, why, rule: None, change: None, notes: Vec::new() }
    }
}

/// Answers by the rules and the listeners' settings that the server goes by now. The action tells the two questions apart.
pub(super) fn answer(subject: &Subject, request: Value) -> Result<Value, Refusal> {
    Ok(json!(if request["action"] == json!(Connecting::Connect) {
        read::<ConnectRequest>(request)?.explain(&subject.doors.now())?
    } else {
        explain(&subject.view.policy(), &read::<ExplainRequest>(request)?.question()?)
    }))
}

/// Answers by the rules.
#[must_use]
pub fn explain(policy: &Policy, question: &Question) -> Explanation {
    let asked = match Asked::new(question) {
        Ok(asked) => asked,
        Err(why) => return Explanation::of_server(why),
    };
    let decision = asked.decide(policy);
    let decisive = match &decision.why {
        Why::Rule(origin) => asked.rules(policy).into_iter().find(|(_, rule)| rule.origin == *origin),
        _ => None,
    };
    Explanation {
        allowed: decision.allowed,
        why: asked.why(&decision, decisive),
        rule: decisive.map(|(who, rule)| RuleSeen::of(who, rule)),
        change: change::smallest(policy, &asked, &decision),
        notes: asked.notes(policy, &decision),
    }
}

impl RuleSeen {
    fn of(who: Option<&Who>, rule: &Rule) -> Self {
        let Origin { file, line, text } = &*rule.origin;
        let (file, text, allows) = (file.to_string(), text.clone(), rule.effect == Effect::Allow);
        Self { file, line: *line, text, allows, whom: who.map_or("this login".into(), whom) }
    }
}

/// Whom rules are for, in words.
fn whom(who: &Who) -> String {
    match who {
        Who::Everyone => "every client".into(),
        Who::Anonymous => "clients without a user name".into(),
        Who::User(user) => format!("user {user}"),
        Who::Role(role) => format!("role {role}"),
    }
}

/// A rule with whom it is for; nobody for what comes with a login.
type Placed<'p> = (Option<&'p Who>, &'p Rule);

/// A question that the rules can answer.
struct Asked<'q> {
    identity: Identity,
    client: &'q str,
    action: Action,
    /// The topic name, or the filter of a subscription without what makes it a shared one.
    topic: &'q str,
}

impl<'q> Asked<'q> {
    /// The question, or why the server refuses whatever the rules say.
    fn new(question: &'q Question) -> Result<Self, String> {
        let Question { identity, client, action, topic } = question;
        let mut topic: &str = topic;
        if *action == Action::Subscribe {
            match SharedFilter::parse(topic) {
                Ok(Some(shared)) => topic = shared.filter,
                Ok(None) => {}
                Err(why) => return Err(format!("this is no filter of a shared subscription: {why}")),
            }
            topic::check_filter(topic).map_err(|why| format!("this is no topic filter: {why}"))?;
        } else {
            topic::check_name(topic).map_err(|why| format!("this is no topic name: {why}"))?;
        }
        if matches!(action, Action::Publish | Action::Retain) && topic.starts_with("$SYS/") {
            return Err("topics below $SYS are the server's own, and no client may publish to them".into());
        }
        Ok(Self { identity: identity.clone(), client, action: *action, topic })
    }

    /// What is to be allowed too before it is: who has something retained publishes it.
    fn actions(&self) -> impl Iterator<Item = Action> {
        let publish = (self.action == Action::Retain).then_some(Action::Publish);
        publish.into_iter().chain([self.action])
    }

    fn decide(&self, policy: &Policy) -> Decision {
        let grant = policy.grant(&self.identity, self.client);
        let decide = |action| match &grant {
            Some(grant) => grant.decide(action, self.topic),
            None => Decision::without_rules(action, self.topic),
        };
        let denied = self.actions().map(decide).find(|decision| !decision.allowed);
        denied.unwrap_or_else(|| decide(self.action))
    }

    /// Whom the rules are for that apply to this client.
    fn groups(&self, policy: &Policy) -> Vec<Who> {
        let own = self.identity.user.clone().map_or(Who::Anonymous, Who::User);
        let given = self.identity.user.as_deref().map_or(&[][..], |user| policy.roles_of(user));
        let roles = given.iter().chain(&*self.identity.roles).cloned().map(Who::Role);
        [Who::Everyone, own].into_iter().chain(roles).collect()
    }

    /// All rules that apply to this client.
    fn rules<'p>(&'p self, policy: &'p Policy) -> Vec<Placed<'p>> {
        let groups = self.groups(policy);
        let mut all = Vec::new();
        for (who, rules) in policy.rules().filter(|(who, _)| groups.contains(who)) {
            all.extend(rules.iter().map(|rule| (Some(who), rule)));
        }
        all.extend(self.identity.rules.iter().map(|rule| (None, rule)));
        all
    }

    fn why(&self, decision: &Decision, decisive: Option<Placed<'_>>) -> String {
        match (&decision.why, decisive) {
            (Why::Rule(_), Some((who, rule))) => {
                let (place, whom) = (&rule.origin, who.map_or("this login".into(), whom));
                let verb = if decision.allowed { "allows" } else { "denies" };
                format!("{place} {verb} it: {} (for {whom})", edit::shown(who, rule))
            }
            (Why::Rule(origin), None) => format!("{origin} decides: {}", origin.text),
            (Why::NoRules, _) => "there are no rules, and without rules everything is allowed".into(),
            (Why::Unnamed, _) => "no rule names it, and what no rule names is denied".into(),
            (Why::Events, _) => {
                "what the server tells of other clients is only for those whom a rule of its own allows it"
                    .into()
            }
        }
    }

    fn notes(&self, policy: &Policy, decision: &Decision) -> Vec<String> {
        let mut notes = Vec::new();
        let rules = self.rules(policy);
        if !decision.allowed && decision.why == Why::Unnamed {
            notes.push(match rules.len() {
                0 => "no rule at all applies to this client".into(),
                1 => format!("one rule applies to this client: {}", rules[0].1.origin),
                count => format!("{count} rules apply to this client, and none of them names it"),
            });
            self.note_almost(policy, &rules, &mut notes);
        }
        if decision.allowed
            && self.action == Action::Subscribe
            && let Some(grant) = policy.grant(&self.identity, self.client)
            && grant.reach(self.topic) == Reach::Part
        {
            notes.push("of what it matches only that is delivered which the client may receive".into());
        }
        notes
    }

    /// Why rules do not apply that look as if they did.
    fn note_almost(&self, policy: &Policy, rules: &[Placed<'_>], notes: &mut Vec<String>) {
        let has = |mark: &str| rules.iter().any(|(_, rule)| rule.is_personal() && rule.filter.contains(mark));
        let odd = |name: &str| name.starts_with('$') || name.contains(['+', '#', '/']);
        match self.identity.user.as_deref() {
            None if has("%u") => notes.push("rules with %u do not apply, since there is no user name".into()),
            Some(user) if has("%u") && odd(user) => notes.push(format!(
                "rules with %u do not apply: the user name {user:?} begins with $ or has +, # or / in it"
            )),
            _ => {}
        }
        if has("%c") && self.client.is_empty() {
            notes.push("rules with %c do not apply, since no client identifier was named".into());
        } else if has("%c") && odd(self.client) {
            notes.push(format!(
                "rules with %c do not apply: the client identifier {:?} begins with $ or has +, # or / in it",
                self.client
            ));
        }
        if self.topic.starts_with('$')
            && rules
                .iter()
                .any(|(_, rule)| rule.effect == Effect::Allow && rule.filter.starts_with(['+', '#']))
        {
            notes.push("a rule that begins with + or # does not match topics that begin with $".into());
        }
        if let Some(user) = &self.identity.user
            && let Some(other) = other_case(policy, user)
        {
            notes.push(format!("there are rules for user {other}; user names are told apart by case"));
        }
    }
}

/// A user for whom there are rules and whose name differs by case only.
fn other_case(policy: &Policy, user: &Arc<str>) -> Option<Arc<str>> {
    let users = policy.rules().filter_map(|(who, _)| match who {
        Who::User(user) => Some(user.clone()),
        _ => None,
    });
    let mut known = users.chain(policy.members().map(|(member, _)| member.clone()));
    known.find(|known| known != user && known.to_lowercase() == user.to_lowercase())
}
