//! From a published message to its receivers.

use crate::held::Wait;
use crate::outbox::{Delivery, Outbox, Routed};
use crate::shard::Shard;
use crate::topics::{Matches, SubscriptionTree};
use alloc::vec::Vec;
use darter_codec::record::Change;
use darter_codec::{QoS, ReasonCode, SubscriptionOptions};

/// What became of a published message.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Receipt {
    /// Somebody subscribes to it, or it is retained.
    pub(crate) matched: bool,
    /// What its acknowledgement waits for.
    pub(crate) wait: Option<Wait>,
}

impl Receipt {
    pub(crate) fn reason(self) -> ReasonCode {
        if self.matched { ReasonCode::Success } else { ReasonCode::NoMatchingSubscribers }
    }
}

/// One receiver that several filters of it matched, gathered into one copy.
#[derive(Debug)]
struct Gathered {
    session: u32,
    options: SubscriptionOptions,
    identifier: u32,
}

impl Shard {
    /// Routes a message that a local client, the server or a will publishes: retained first, then everybody.
    pub(crate) fn route(&mut self, now: u64, routed: &mut Routed<'_>) -> Receipt {
        let stored_before = self.out.persist.len();
        let stamp = routed.retain.then(|| self.peers.next_stamp());
        if let Some(stamp) = stamp {
            self.set_retained(routed, stamp);
        }
        let mut matches = core::mem::take(&mut self.matches);
        self.tree.matches(routed.topic, &mut matches);
        let remote = self.peers.forward(routed, matches.remote_any(), matches.remote_persistent(), stamp);
        let (local, direct) = self.deliver_matches(now, routed, &mut matches);
        self.matches = matches;
        let stored = self.out.persist.len() > stored_before;
        let mut wait = if stored { self.out.this_batch() } else { Wait::order() };
        wait.add_routed(remote.number, remote.waits_for);
        wait.join(direct);
        let wait = (wait != Wait::order()).then_some(wait);
        Receipt { matched: local || remote.any || routed.retain, wait }
    }

    /// Routes a message that another shard published to the clients of this shard.
    ///
    /// Returns what the answer to that shard waits for beside this shard's batch.
    pub(crate) fn route_local(&mut self, now: u64, routed: &mut Routed<'_>) -> Wait {
        let mut matches = core::mem::take(&mut self.matches);
        self.tree.matches(routed.topic, &mut matches);
        let (_, direct) = self.deliver_matches(now, routed, &mut matches);
        self.matches = matches;
        direct
    }

    fn deliver_matches(&mut self, now: u64, routed: &mut Routed<'_>, matches: &mut Matches) -> (bool, Wait) {
        let mut direct = Wait::order();
        if matches.is_empty() {
            return (false, direct);
        }
        self.out.templates.clear();
        let mut any = false;
        match matches.nodes() {
            [] => {}
            [node] => {
                for subscriber in self.tree.subscribers(*node) {
                    any = true;
                    let options = subscriber.options();
                    let identifier = [subscriber.identifier];
                    let identifiers = if subscriber.identifier == 0 { &[][..] } else { &identifier[..] };
                    deliver(&mut self.out, now, routed, subscriber.session, options, identifiers);
                }
            }
            _ => any = deliver_gathered(&mut self.out, &self.tree, now, routed, matches),
        }
        if !matches.groups().is_empty() {
            any |= self.deliver_to_groups(now, routed, matches.groups(), &mut direct);
        }
        (any, direct)
    }

    /// Applies a retained publication that carries `stamp`; an older one than what is known changes nothing.
    pub(crate) fn set_retained(&mut self, routed: &mut Routed<'_>, stamp: u64) {
        if routed.payload.is_empty() {
            if self.retained.remove(routed.topic, stamp).is_some() {
                self.out.persist.push(Change::RetainedCleared { topic: routed.topic.into() });
            }
        } else {
            let message = routed.stored();
            if self.retained.set(message.clone(), stamp) {
                self.out.persist.push(Change::Retained { message });
            }
        }
    }
}

/// Several filters matched: one copy for each session, with the highest QoS and every subscription identifier.
fn deliver_gathered(
    out: &mut Outbox,
    tree: &SubscriptionTree,
    now: u64,
    routed: &mut Routed<'_>,
    matches: &Matches,
) -> bool {
    let mut gathered: Vec<Gathered> = Vec::new();
    for node in matches.nodes() {
        gathered.extend(tree.subscribers(*node).iter().map(|subscriber| Gathered {
            session: subscriber.session,
            options: subscriber.options(),
            identifier: subscriber.identifier,
        }));
    }
    gathered.sort_by_key(|one| one.session);
    let mut identifiers = Vec::new();
    for copies in gathered.chunk_by(|a, b| a.session == b.session) {
        identifiers.clear();
        let mut options: Option<SubscriptionOptions> = None;
        for copy in copies.iter().filter(|copy| !(copy.options.no_local && copy.session == routed.publisher))
        {
            if copy.identifier != 0 {
                identifiers.push(copy.identifier);
            }
            options = Some(options.map_or(copy.options, |sum| SubscriptionOptions {
                qos: sum.qos.max(copy.options.qos),
                retain_as_published: sum.retain_as_published || copy.options.retain_as_published,
                ..sum
            }));
        }
        if let (Some(options), Some(first)) = (options, copies.first()) {
            let options = SubscriptionOptions { no_local: false, ..options };
            deliver(out, now, routed, first.session, options, &identifiers);
        }
    }
    !gathered.is_empty()
}

fn deliver(
    out: &mut Outbox,
    now: u64,
    routed: &mut Routed<'_>,
    session: u32,
    options: SubscriptionOptions,
    identifiers: &[u32],
) {
    if options.no_local && session == routed.publisher {
        return;
    }
    let qos: QoS = options.qos.min(routed.qos);
    let retain = routed.retain && options.retain_as_published;
    out.deliver(now, routed, Delivery { session, qos, retain, identifiers, group: None });
}
