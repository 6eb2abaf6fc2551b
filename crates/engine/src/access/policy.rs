//! All rules, and who each is for.

use super::grant::Applied;
use super::{Grant, Identity, Rule};
use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;

/// Whom a rule is for.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Who {
    /// Every client.
    Everyone,
    /// Clients that were let in without a user name.
    Anonymous,
    /// One user.
    User(Arc<str>),
    /// The users who have a role.
    Role(Arc<str>),
}

/// All rules of a server. It never changes: others take its place.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Policy {
    rules: BTreeMap<Who, Vec<Rule>>,
    /// The roles of users.
    members: BTreeMap<Arc<str>, Vec<Arc<str>>>,
    closed: bool,
}

impl Policy {
    /// No rules: everything is allowed but what the server tells of single clients.
    #[must_use]
    pub fn open() -> Self {
        Self::default()
    }

    /// With rules, but none yet: everything is denied.
    #[must_use]
    pub fn closed() -> Self {
        Self { closed: true, ..Self::default() }
    }

    /// True without any rules.
    #[must_use]
    pub fn is_open(&self) -> bool {
        !self.closed
    }

    /// Adds a rule. The policy is closed from then on.
    pub fn add(&mut self, who: Who, rule: Rule) {
        self.closed = true;
        self.rules.entry(who).or_default().push(rule);
    }

    /// Gives a user a role.
    pub fn add_member(&mut self, user: Arc<str>, role: Arc<str>) {
        let roles = self.members.entry(user).or_default();
        if !roles.contains(&role) {
            roles.push(role);
        }
    }

    /// Whom the rules are for, each with its rules in the order in which they were added.
    pub fn rules(&self) -> impl Iterator<Item = (&Who, &[Rule])> {
        self.rules.iter().map(|(who, rules)| (who, &rules[..]))
    }

    /// The roles that the policy gives a user.
    #[must_use]
    pub fn roles_of(&self, user: &str) -> &[Arc<str>] {
        self.members.get(user).map_or(&[], |roles| &roles[..])
    }

    /// The users to whom the policy gives roles, each with these.
    pub fn members(&self) -> impl Iterator<Item = (&Arc<str>, &[Arc<str>])> {
        self.members.iter().map(|(user, roles)| (user, &roles[..]))
    }

    /// What a client may do. `None`: there are no rules.
    #[must_use]
    pub fn grant(&self, identity: &Identity, client: &str) -> Option<Arc<Grant>> {
        if self.is_open() && identity.rules.is_empty() {
            return None;
        }
        let user = identity.user.as_deref();
        let mut applied = Vec::new();
        let mut add = |rules: &[Rule]| {
            applied.extend(rules.iter().filter_map(|rule| Applied::new(rule, user, client)));
        };
        let mut add_who = |who: &Who| add(self.rules.get(who).map_or(&[], |rules| &rules[..]));
        add_who(&Who::Everyone);
        match &identity.user {
            Some(user) => add_who(&Who::User(user.clone())),
            None => add_who(&Who::Anonymous),
        }
        let given = user.map_or(&[][..], |user| self.roles_of(user));
        let brought = identity.roles.iter().filter(|role| !given.contains(role));
        for role in given.iter().chain(brought) {
            add_who(&Who::Role(role.clone()));
        }
        add(&identity.rules);
        Some(Arc::new(Grant::new(applied)))
    }
}
