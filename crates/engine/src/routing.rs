//! From a published message to its receivers.

use crate::event::DropReason;
use crate::held::{Held, Release, Wait};
use crate::outbox::{Delivery, Outbox, Routed};
use crate::peer::{DirectTo, Forwarded};
use crate::shard::Shard;
use crate::topics::{Look, Matches, Subscriber, SubscriptionTree};
use alloc::vec::Vec;
use darter_codec::record::{Change, Durability};
use darter_codec::{Message, QoS, ReasonCode, SubscriptionOptions};

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

/// Memory for gathering, kept from one message to the next.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    gathered: Vec<Gathered>,
    identifiers: Vec<u32>,
}

impl Shard {
    /// Routes a message that a local client, the server or a will publishes: retained first, then everybody.
    pub(crate) fn route(&mut self, now: u64, routed: &mut Routed<'_>) -> Receipt {
        let promised = self.out.promised;
        let stamp = (routed.retain && !routed.unretained && !routed.again).then(|| self.peers.next_stamp());
        if let Some(stamp) = stamp {
            self.set_retained(routed, stamp, true);
        }
        let mut matches = self.matches.take().unwrap_or_default();
        self.tree.matches(routed.topic, &mut matches);
        let spreads = matches.remote_persistent() != 0
            || (self.place.shards > 1 && !matches.groups().is_empty())
            || routed.again;
        routed.publication = routed.publication.filter(|_| spreads);
        if self.history.is_on() && !routed.again {
            self.record(now, matches.topic_hash(), routed);
        }
        let remote = self.forward(routed, matches.remote_any(), matches.remote_persistent(), stamp);
        let (local, direct) = self.deliver_matches(now, routed, &mut matches);
        self.matches = Some(matches);
        // Nobody is told that a QoS 0 message is retained, so nobody waits for the disk.
        let awaited = routed.qos != QoS::AtMostOnce || routed.wait.is_some();
        let stored = self.out.promised > promised && awaited;
        let mut wait = if stored { self.out.this_batch() } else { Wait::order() };
        wait.add_routed(remote.number, remote.waits_for);
        wait.join(direct);
        let wait = (wait != Wait::order()).then_some(wait);
        Receipt { matched: local || remote.any || routed.retain, wait }
    }

    /// Hands a publication to other shards, once what every copy of it waits for is stored.
    fn forward(
        &mut self,
        routed: &mut Routed<'_>,
        any: u64,
        persistent: u64,
        stamp: Option<u64>,
    ) -> Forwarded {
        let Some(wait) = routed.wait.filter(|_| self.peers.wants(any, stamp)) else {
            return self.peers.forward(routed, any, persistent, stamp);
        };
        let (message, publication) = (routed.stored(), routed.publication);
        self.out.hold(wait, Release::Forward { message, publication, any, persistent, stamp });
        Forwarded { any: any != 0, ..Forwarded::default() }
    }

    /// The wait of a publication is over: the other shards get it, and what was held back behind it waits for them.
    pub(crate) fn forward_held(
        &mut self,
        routed: &mut Routed<'_>,
        any: u64,
        persistent: u64,
        stamp: Option<u64>,
    ) {
        let forwarded = self.peers.forward(routed, any, persistent, stamp);
        let mut wait = Wait::order();
        wait.add_routed(forwarded.number, forwarded.waits_for);
        self.prolong_acknowledgement(wait);
    }

    /// The same for a copy that goes to one session of another shard.
    pub(crate) fn direct_held(&mut self, to: DirectTo, message: Message) {
        let mut wait = Wait::order();
        self.peers.send_direct(to, message, &mut wait);
        self.prolong_acknowledgement(wait);
    }

    /// What was held back behind a publication that is on its way now waits for those that it goes to.
    fn prolong_acknowledgement(&mut self, wait: Wait) {
        let on_its_way =
            |held: &&mut Held| matches!(held.release, Release::Forward { .. } | Release::Direct { .. });
        if let Some(next) = self.out.held.iter_mut().find(|held| !on_its_way(held)) {
            next.wait.join(wait);
        }
    }

    /// Routes a message that another shard published to the clients of this shard.
    ///
    /// Returns what the answer to that shard waits for beside this shard's batch.
    pub(crate) fn route_local(&mut self, now: u64, routed: &mut Routed<'_>) -> Wait {
        let mut matches = self.matches.take().unwrap_or_default();
        self.tree.matches(routed.topic, &mut matches);
        let (_, direct) = self.deliver_matches(now, routed, &mut matches);
        self.matches = Some(matches);
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
                    if !passes(&mut self.out, subscriber, routed) {
                        continue;
                    }
                    any = true;
                    let options = subscriber.options();
                    let identifier = [subscriber.identifier];
                    let identifiers = if subscriber.identifier == 0 { &[][..] } else { &identifier[..] };
                    deliver(&mut self.out, now, routed, subscriber.session, options, identifiers);
                }
            }
            _ => any = deliver_gathered(&mut self.out, &self.tree, now, routed, matches, &mut self.scratch),
        }
        if !matches.groups().is_empty() {
            any |= self.deliver_to_groups(now, routed, matches.groups(), &mut direct);
        }
        (any, direct)
    }

    /// Applies a retained publication that carries `stamp`; an older one than what is known changes nothing. `here`: it
    /// was published on this shard, which has it stored.
    pub(crate) fn set_retained(&mut self, routed: &mut Routed<'_>, stamp: u64, here: bool) {
        // What the server says of itself is said again after a start.
        let told = here && !routed.topic.starts_with("$SYS/");
        if routed.payload.is_empty() {
            let removed = self.retained.remove(routed.topic, stamp).is_some();
            // Another shard may have stored one that is still on its way here.
            let unknown = self.place.shards > 1 && self.retained.get(routed.topic).is_none();
            if told && (removed || unknown) && self.stores_retained(routed) {
                self.out.persist.push(Change::RetainedCleared { topic: routed.topic.into(), stamp });
            }
        } else {
            let message = routed.stored();
            if self.retained.set(message.clone(), stamp) && told && self.stores_retained(routed) {
                self.out.persist.push(match routed.durability(&self.out.limits) {
                    Durability::Memory => Change::RetainedCleared { topic: routed.topic.into(), stamp },
                    _ => Change::Retained { message, stamp },
                });
            }
        }
        if !self.outdated.is_empty() {
            self.outdated.remove(routed.topic);
        }
    }

    /// Whether the store is told of a change to a topic's retained message: not where memory is enough, unless it has one from
    /// an earlier run.
    fn stores_retained(&mut self, routed: &mut Routed<'_>) -> bool {
        let durability = routed.durability(&self.out.limits);
        self.out.promise(durability);
        durability != Durability::Memory || self.outdated.contains(routed.topic)
    }
}

/// Several filters matched: one copy for each session, with the highest QoS and every subscription identifier.
fn deliver_gathered(
    out: &mut Outbox,
    tree: &SubscriptionTree,
    now: u64,
    routed: &mut Routed<'_>,
    matches: &Matches,
    scratch: &mut Scratch,
) -> bool {
    let Scratch { gathered, identifiers } = scratch;
    gathered.clear();
    for node in matches.nodes() {
        let passing = tree.subscribers(*node).iter().filter(|subscriber| passes(out, subscriber, routed));
        gathered.extend(passing.map(|subscriber| Gathered {
            session: subscriber.session,
            options: subscriber.options(),
            identifier: subscriber.identifier,
        }));
    }
    gathered.sort_unstable_by_key(|one| one.session);
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
            deliver(out, now, routed, first.session, options, identifiers);
        }
    }
    !gathered.is_empty()
}

/// Whether a message goes through a subscription, as far as its session may have it.
#[inline]
fn passes(out: &mut Outbox, subscriber: &Subscriber, routed: &Routed<'_>) -> bool {
    subscriber.look() == Look::Never || passes_after_a_look(out, subscriber, routed)
}

fn passes_after_a_look(out: &mut Outbox, subscriber: &Subscriber, routed: &Routed<'_>) -> bool {
    let Some(session) = out.sessions.get(subscriber.session as usize) else { return false };
    let allowed = subscriber.look() == Look::Each && session.may_receive(routed.topic);
    if !allowed {
        out.drops.count(&session.client, routed.topic, DropReason::Denied, &mut out.counters);
    }
    allowed
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
