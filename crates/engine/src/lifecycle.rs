//! The end of connections and sessions: wills, expiry, keep alive.

use crate::effect::Effect;
use crate::event::{DropReason, Ending, Event};
use crate::held::{Release, Wait};
use crate::link::{LinkState, NONE};
use crate::outbox::{Outbox, Routed};
use crate::routing::Receipt;
use crate::session::Will;
use crate::shard::Shard;
use crate::timers::Timer;
use alloc::sync::Arc;
use alloc::vec::Vec;
use darter_codec::record::{Change, Durability, Left, SessionNumber};
use darter_codec::{Message, ReasonCode};

/// Milliseconds between two looks for expired retained messages, and how many are looked at.
const SWEEP_INTERVAL: u64 = 1_000;
const SWEEP_LOOKS: usize = 4_096;
/// Milliseconds after which a removed retained message is certainly known to every shard.
const FORGETTING_INTERVAL: u64 = 30_000;

impl Shard {
    /// The session's connection is gone: its will and its expiry begin to count.
    pub(crate) fn detach(&mut self, now: u64, slot: u32, with_will: bool) {
        let Some(session) = self.out.sessions.get_mut(slot as usize) else { return };
        session.link = NONE;
        session.attached = false;
        if !session.is_durable() {
            session.scans.clear();
        }
        session.queue.ahead = None;
        session.queue.loading = false;
        if core::mem::take(&mut session.queue.trimming) {
            self.out.queued.over.push(slot);
        }
        let (number, expiry) = (session.number, session.expiry);
        if !with_will && session.will.take().is_some() {
            // DISCONNECT with reason 0 discards the will [MQTT-3.14.4-3].
            self.out.persist.push(Change::WillCleared { session: number });
            // Nobody waits for it, but a power cut a moment later should not bring the will back.
            self.out.batch_wanted = true;
        }
        let delay = session.will.as_ref().map(|will| will.delay.min(expiry));
        let will_at = match delay {
            // A will that is on its way to other shards is published again if the server crashes before it is there.
            Some(0) => self.publish_will(now, slot).then_some(now),
            Some(delay) => {
                session.will_at = now + u64::from(delay) * 1000;
                self.timers.start(session.will_at, Timer::Will, slot, number);
                Some(session.will_at)
            }
            None => None,
        };
        self.group_presence(slot, false);
        if expiry == 0 {
            self.end_session(now, slot, false);
        } else {
            let ends_at = self.start_expiry(now, slot, expiry);
            self.out.persist.push(Change::Left { session: number, left: Left { ends_at, will_at } });
        }
    }

    /// Ends a session: subscriptions, queue and identifiers are gone, a will that waited is published now.
    pub(crate) fn end_session(&mut self, now: u64, slot: u32, expired: bool) {
        if self.out.sessions.get(slot as usize).is_none() {
            return;
        }
        self.publish_will(now, slot);
        let session = &mut self.out.sessions[slot as usize];
        let filters = core::mem::take(&mut session.filters);
        let shared = core::mem::take(&mut session.shared);
        let mut nobody_waits = Wait::order();
        for id in filters {
            self.remove_subscriber(slot, id, &mut nobody_waits);
        }
        for key in shared {
            self.forget_member(slot, &key, &mut nobody_waits);
        }
        let session = self.out.sessions.remove(slot as usize);
        self.by_client.remove(&session.client);
        if expired {
            self.out.counters.expired_sessions += 1;
        }
        let client = session.client.clone();
        self.out.queued.leave(session.queue.waiting, session.queue.waiting_bytes);
        if session.queue.waiting > 0 && !session.has_shared_rows {
            let waiting = session.queue.waiting as u64;
            let Outbox { drops, counters, .. } = &mut self.out;
            drops.count_many(&client, "#", DropReason::SessionEnded, waiting, counters);
        }
        self.out.effects.push_back(Effect::Event(Event::SessionEnded { client: client.clone(), expired }));
        if session.has_shared_rows {
            if session.kept {
                // It is over if the server crashes before its messages have found other members.
                let left = Left { ends_at: Some(now), will_at: None };
                self.out.persist.push(Change::Left { session: session.number, left });
            }
            self.depart(session.number, client.clone(), session.queue.next);
        } else if session.kept || session.queue.next > 0 {
            self.out.persist.push(Change::SessionEnded { session: session.number, client: client.clone() });
        }
        self.close_all_when_stored(session.spread.into_values().map(|one| one.publication));
        self.outlive_session(&client, session.number);
    }

    /// Publishes the session's will, if it still has one [MQTT-3.1.2-8]. True when the store still has to keep it.
    pub(crate) fn publish_will(&mut self, now: u64, slot: u32) -> bool {
        let Some(session) = self.out.sessions.get_mut(slot as usize) else { return false };
        let Some(will) = session.will.take() else { return false };
        let (client, number) = (session.client.clone(), session.number);
        let Will { message, expiry, .. } = *will;
        let receipt = self.route_will(now, &client, &expiring(message, expiry, now));
        self.forget_will(&client, number, receipt.wait)
    }

    /// Routes a client's will.
    pub(crate) fn route_will(&mut self, now: u64, client: &Arc<str>, will: &Message) -> Receipt {
        if !self.may_publish_will(client, will) {
            return Receipt { matched: false, wait: None };
        }
        let mut routed = Routed::from_message(will);
        self.leave_unretained(Some(client), &mut routed);
        self.route(now, &mut routed)
    }

    /// A will was published: the store forgets it in the batch that keeps what came of it, or once other shards have
    /// kept their part; then this is true.
    pub(crate) fn forget_will(
        &mut self,
        client: &Arc<str>,
        number: SessionNumber,
        wait: Option<Wait>,
    ) -> bool {
        let Some(wait) = wait.filter(Wait::is_remote) else {
            self.out.persist.push(Change::WillCleared { session: number });
            return false;
        };
        self.out.hold(wait, Release::WillCleared { client: client.clone(), number });
        true
    }

    /// The will that was published is kept wherever it must be. A new connection may have told the next one by now.
    pub(crate) fn clear_published_will(&mut self, client: &str, number: SessionNumber) {
        let session = self.by_client.get(client).and_then(|slot| self.out.sessions.get(*slot as usize));
        if session.is_none_or(|session| session.number != number || session.will.is_none()) {
            self.out.persist.push(Change::WillCleared { session: number });
        }
    }

    /// Publishes a message of the server itself.
    pub fn publish_message(&mut self, now: u64, message: &Message) {
        let mut routed = Routed::from_message(message);
        self.leave_unretained(None, &mut routed);
        self.route(now, &mut routed);
    }

    /// When [`handle_timeout`](Self::handle_timeout) should be called next.
    #[must_use]
    pub fn next_timeout(&self) -> Option<u64> {
        let sweep = (!self.retained.is_empty()).then_some(self.next_sweep);
        let unfinished = (!self.unfinished.is_empty()).then_some(0);
        let waking = self.waking.first().map(|(at, _)| *at);
        [self.wheel.next(), self.timers.next(), self.returning.next(), waking, sweep, unfinished]
            .into_iter()
            .flatten()
            .min()
    }

    /// Looks for expired retained messages, a few at a time [MQTT-3.3.2-5].
    fn sweep(&mut self, now: u64) {
        if now < self.next_sweep {
            return;
        }
        self.next_sweep = now + SWEEP_INTERVAL;
        let mut expired = Vec::new();
        self.retained.remove_expired(now, SWEEP_LOOKS, &mut expired);
        // Every shard has a copy; one of them tells the store.
        for (message, stamp) in expired {
            let topic = message.topic();
            let stored =
                self.outdated.remove(topic) || self.out.limits.durability_of(topic) != Durability::Memory;
            if stored && self.place.index == 0 {
                self.out.persist.push(Change::RetainedCleared { topic: topic.into(), stamp });
            }
        }
        if now >= self.next_forgetting {
            self.next_forgetting = now + FORGETTING_INTERVAL;
            self.retained.forget_removals();
        }
    }

    /// Ends silent connections, publishes delayed wills and ends expired sessions.
    pub fn handle_timeout(&mut self, now: u64) {
        self.pump_unfinished(now);
        self.wake(now);
        self.sweep(now);
        let mut due = Vec::new();
        self.wheel.advance(now, &mut due);
        for id in due {
            let most = 2 * self.out.limits.output_bytes;
            let Some(link) = self.out.link_mut(id) else { continue };
            if link.silence == 0 || link.look_at > now || link.state == LinkState::Closed {
                continue;
            }
            let deadline = link.last_seen + u64::from(link.silence);
            // Who is not read from cannot be heard either: the output is full, or the server itself has not answered yet.
            let waits =
                matches!(link.state, LinkState::Authenticating | LinkState::Delayed | LinkState::Opening)
                    || link.waits_until > 0;
            let unread = link.output.len();
            // Neither is it alive when it took nothing since the last look.
            let unheard = waits || (unread > most && unread != link.stuck);
            link.stuck = unread;
            if deadline > now || unheard {
                let again = if unheard { now + u64::from(link.silence) } else { deadline };
                link.look_at = self.wheel.schedule(again, id);
                continue;
            }
            let (reason, what) = match link.state {
                LinkState::Open => {
                    (ReasonCode::KeepAliveTimeout, "no packet within one and a half times the keep alive")
                }
                LinkState::Challenged => {
                    (ReasonCode::MaximumConnectTime, "no answer to the challenge in time")
                }
                _ => (ReasonCode::MaximumConnectTime, "no CONNECT in time"),
            };
            self.close(now, id.slot, Ending::Server { reason, what });
        }
        while let Some(due) = self.timers.due(now) {
            if due.kind == Timer::Login {
                self.end_login(now, due);
                continue;
            }
            let Some(session) = self.out.sessions.get(due.session as usize) else { continue };
            if session.number != due.number || session.link != NONE {
                continue;
            }
            match due.kind {
                Timer::Will if session.will_at == due.at => {
                    self.publish_will(now, due.session);
                }
                Timer::Expiry if session.ends_at == due.at => self.end_session(now, due.session, true),
                Timer::Will | Timer::Expiry | Timer::Login => {}
            }
        }
        self.give_up_waiting(now);
    }
}

/// A will message as it is published now: its expiry interval begins to count (section 3.1.3.2.4).
pub(crate) fn expiring(message: Message, expiry: Option<u32>, now: u64) -> Message {
    let Some(seconds) = expiry else { return message };
    let at = now + u64::from(seconds) * 1000;
    let (topic, payload) = (message.topic(), message.payload());
    Message::new(message.qos(), message.retain(), topic, [message.properties()], payload, Some(at))
}
