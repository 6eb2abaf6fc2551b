//! What a session may do, asked wherever it does something.

use crate::access::{Action, EVENTS, Grant, Identity, Policy, Reach, is_free};
use crate::effect::Effect;
use crate::event::{DropReason, Event};
use crate::link::NONE;
use crate::session::Session;
use crate::shard::Shard;
use crate::topics::Look;
use alloc::boxed::Box;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use darter_codec::topic;
use darter_codec::{Message, ReasonCode};
use hashbrown::HashSet;

/// What a session may do. Sessions that nothing restricts have none.
#[derive(Debug)]
pub(crate) struct Permit {
    /// Who its client is; from it the grant is made anew when the rules change.
    identity: Identity,
    grant: Option<Arc<Grant>>,
    /// The session is from an earlier run, and what came with its login is not known until its client is back. What is for
    /// it waits unasked, and is asked for when it leaves.
    is_unknown: bool,
    /// The topic that it was last allowed to publish to, and whether retained.
    allowed: String,
    allowed_retained: bool,
}

/// Denials that were told; more of the same kind are only counted.
#[derive(Debug, Default)]
pub(crate) struct Denials {
    told: HashSet<(Arc<str>, Action, Box<str>)>,
}

/// Denials that are remembered; beyond it they are told anew.
const REMEMBERED: usize = 4_096;

impl Permit {
    /// For a client, unless nothing restricts it.
    fn new(policy: &Policy, identity: &Identity, client: &str) -> Option<Box<Self>> {
        let grant = policy.grant(identity, client);
        let is_plain = identity.roles.is_empty() && identity.rules.is_empty();
        if grant.is_none() && is_plain {
            return None;
        }
        let identity = identity.clone();
        let (allowed, allowed_retained) = (String::new(), false);
        Some(Box::new(Self { identity, grant, is_unknown: false, allowed, allowed_retained }))
    }

    fn may_receive(&self, name: &str) -> bool {
        self.is_unknown || self.grant.as_ref().map_or(is_free(name), |grant| grant.may(Action::Receive, name))
    }

    fn may_publish(&mut self, name: &str, retain: bool) -> Result<(), Action> {
        let Some(grant) = self.grant.as_ref().filter(|_| !self.is_unknown) else { return Ok(()) };
        if self.allowed == name && (self.allowed_retained || !retain) {
            return Ok(());
        }
        if !grant.may(Action::Publish, name) {
            return Err(Action::Publish);
        }
        if retain && !grant.may(Action::Retain, name) {
            return Err(Action::Retain);
        }
        self.allowed.clear();
        self.allowed.push_str(name);
        self.allowed_retained = retain;
        Ok(())
    }
}

impl Session {
    /// Whether it may be sent a message on a topic.
    pub(crate) fn may_receive(&self, name: &str) -> bool {
        self.permit.as_ref().map_or_else(|| is_free(name), |permit| permit.may_receive(name))
    }

    fn may_subscribe(&self, filter: &str) -> bool {
        match self.permit.as_deref() {
            Some(Permit { is_unknown: true, .. }) => true,
            Some(Permit { grant: Some(grant), .. }) => grant.may_subscribe(filter),
            _ => !topic::covers(EVENTS, filter),
        }
    }

    /// What is to be asked before a message goes through a subscription to a filter.
    pub(crate) fn look(&self, filter: &str) -> Look {
        match self.permit.as_deref() {
            Some(Permit { is_unknown: true, .. }) => Look::Each,
            Some(Permit { grant: Some(grant), .. }) => match grant.reach(filter) {
                _ if !grant.may_subscribe(filter) => Look::Closed,
                Reach::Whole => Look::Never,
                Reach::Part => Look::Each,
            },
            _ if topic::overlap(filter, EVENTS) => Look::Each,
            _ => Look::Never,
        }
    }

    /// What members of shared subscriptions are asked for on other shards.
    pub(crate) fn grant(&self) -> Option<Arc<Grant>> {
        self.permit.as_ref().filter(|permit| !permit.is_unknown).and_then(|permit| permit.grant.clone())
    }
}

impl Shard {
    /// Takes other rules, from now on: what is not allowed any more stops, without a session being ended.
    ///
    /// A subscription that its session may not have any more stays, and is sent nothing until it is allowed again.
    pub fn set_policy(&mut self, policy: Arc<Policy>) {
        self.policy = policy;
        let slots: Vec<u32> =
            self.out.sessions.iter().filter_map(|(slot, _)| u32::try_from(slot).ok()).collect();
        for slot in slots {
            let session = &self.out.sessions[slot as usize];
            let (identity, is_unknown) = match session.permit.as_deref() {
                Some(permit) => (permit.identity.clone(), permit.is_unknown),
                None => (Identity { user: session.user.clone(), ..Identity::default() }, false),
            };
            self.set_permit(slot, &identity);
            if let Some(permit) = &mut self.out.sessions[slot as usize].permit {
                permit.is_unknown = is_unknown;
            }
            self.look_again(slot);
        }
    }

    /// The session's client is there and known: what it may do is what it may do from now on.
    pub(crate) fn give_permit(&mut self, slot: u32, identity: &Identity) {
        let before = self.out.sessions[slot as usize].permit.take();
        self.set_permit(slot, identity);
        let after = &self.out.sessions[slot as usize].permit;
        let same = match (&before, after) {
            (None, None) => true,
            (Some(before), Some(after)) => !before.is_unknown && before.grant == after.grant,
            _ => false,
        };
        if !same {
            self.look_again(slot);
        }
    }

    /// A session of an earlier run: what its client may do is found out when it is back.
    pub(crate) fn give_unknown_permit(&mut self, slot: u32) {
        if self.policy.is_open() {
            return;
        }
        let session = &self.out.sessions[slot as usize];
        let identity = Identity { user: session.user.clone(), ..Identity::default() };
        self.set_permit(slot, &identity);
        if let Some(permit) = &mut self.out.sessions[slot as usize].permit {
            permit.is_unknown = true;
        }
    }

    fn set_permit(&mut self, slot: u32, identity: &Identity) {
        let session = &mut self.out.sessions[slot as usize];
        session.permit = Permit::new(&self.policy, identity, &session.client);
        let restricted = session.permit.is_some();
        let link = session.link;
        if let Some(link) = self.out.links.get_mut(link as usize) {
            link.restricted = restricted;
        }
    }

    /// Finds out anew what is to be asked for each subscription.
    fn look_again(&mut self, slot: u32) {
        let session = &self.out.sessions[slot as usize];
        let filters: Vec<_> = session.filters.iter().copied().collect();
        let shared: Vec<_> = session.shared.iter().cloned().collect();
        for id in filters {
            let filter = self.tree.filter_text(id);
            let look = self.out.sessions[slot as usize].look(&filter);
            if let Some(subscriber) = self.tree.subscriber(id, slot).copied()
                && subscriber.look() != look
            {
                self.tree.insert(&filter, subscriber.with_look(look));
            }
        }
        for key in shared {
            self.renew_member(slot, &key);
        }
    }

    /// Whether a session may subscribe to a filter, which is a plain one. A refusal is told.
    pub(crate) fn may_subscribe(&mut self, slot: u32, filter: &str) -> bool {
        let Some(session) = self.out.sessions.get(slot as usize) else { return false };
        let allowed = session.may_subscribe(filter);
        if !allowed {
            self.deny(slot, Action::Subscribe, filter);
        }
        allowed
    }

    /// Whether a session may publish to a topic. A refusal is counted and told.
    pub(crate) fn may_publish(&mut self, slot: u32, name: &str, retain: bool) -> bool {
        let Some(session) = self.out.sessions.get_mut(slot as usize) else { return true };
        let Some(Err(action)) = session.permit.as_mut().map(|permit| permit.may_publish(name, retain)) else {
            return true;
        };
        self.out.drops.count(&session.client, name, DropReason::Denied, &mut self.out.counters);
        self.deny(slot, action, name);
        false
    }

    /// What a client that is about to connect may do with its will.
    pub(crate) fn may_have_will(&self, identity: &Identity, client: &str, will: &darter_codec::Will) -> bool {
        self.policy.grant(identity, client).is_none_or(|grant| {
            grant.may(Action::Publish, &will.topic)
                && (!will.retain || grant.may(Action::Retain, &will.topic))
        })
    }

    /// Whether a will is published now. A refusal is counted and told.
    pub(crate) fn may_publish_will(&mut self, client: &str, will: &Message) -> bool {
        let Some(slot) = self.by_client.get(client).copied() else { return true };
        self.may_publish(slot, will.topic(), will.retain())
    }

    fn deny(&mut self, slot: u32, action: Action, name: &str) {
        let session = &self.out.sessions[slot as usize];
        let key = (session.client.clone(), action, Box::from(name));
        if self.denials.told.contains(&key) {
            return;
        }
        if self.denials.told.len() >= REMEMBERED {
            self.denials.told.clear();
        }
        let (identity, user) = match session.permit.as_deref() {
            Some(permit) => (Some(&permit.identity), permit.identity.user.clone()),
            None => (None, session.user.clone()),
        };
        let grant = identity.and_then(|identity| self.policy.grant(identity, &session.client));
        let decision = match &grant {
            Some(grant) => grant.decide(action, name),
            None => crate::access::Decision::without_rules(action, name),
        };
        let event = Event::Denied {
            link: Some(session.link).filter(|link| *link != NONE),
            client: session.client.clone(),
            user,
            action,
            topic: name.into(),
            why: decision.why,
        };
        self.denials.told.insert(key);
        self.out.effects.push_back(Effect::Event(event));
    }

    /// Why a login may not have the session of this client identifier, if it may not.
    pub(crate) fn is_of_another_user(&self, client: &str, identity: &Identity) -> bool {
        let session = self.by_client.get(client).and_then(|slot| self.out.sessions.get(*slot as usize));
        identity.guarded && session.is_some_and(|one| one.user.is_some() && one.user != identity.user)
    }
}

/// What a refused login is told.
pub(crate) const NOT_YOURS: (ReasonCode, &str) =
    (ReasonCode::NotAuthorized, "the session of this client identifier belongs to another user");
