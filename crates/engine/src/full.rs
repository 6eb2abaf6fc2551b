//! A store without room: what would have to be stored is refused before anything is changed, the rest goes on.

use crate::event::DropReason;
use crate::held::Wait;
use crate::outbox::Routed;
use crate::shard::Shard;
use crate::topics::{FilterId, Matches};
use alloc::sync::Arc;
use darter_codec::record::Durability;
use darter_codec::topic::SharedFilter;
use darter_codec::{Connect, PacketId, QoS, ReasonCode, SubscriptionOptions};

/// Subscribers of a filter that are looked through; longer lists are taken to hold what is looked for.
const SEARCHED: usize = 64;

impl Shard {
    /// True while a QoS 1 or 2 publication must be refused: it would have to be stored, and there is no room; or one before
    /// it was refused that its publisher sends again, and it must not come before that one [MQTT-4.6.0-1].
    pub(crate) fn has_no_room_for(&mut self, slot: u32, routed: &mut Routed<'_>) -> bool {
        if !self.full {
            return false;
        }
        if self.refused.contains(&self.out.links[slot as usize].id(slot)) {
            return true;
        }
        let publisher = self.out.sessions.get(routed.publisher as usize);
        let identifier = routed.qos == QoS::ExactlyOnce
            && self.out.limits.durability == Durability::Always
            && publisher.is_some_and(|session| session.is_durable());
        identifier
            || (routed.durability(&self.out.limits) != Durability::Memory
                && (is_retained(routed) || self.is_kept_by_somebody(routed)))
    }

    /// Refuses a publication that was not routed. Version 3 has no acknowledgement that refuses: the client gets none, and
    /// sends the message again on its next connection [MQTT-4.4.0-1], for which this one ends when there is room.
    pub(crate) fn refuse_for_room(
        &mut self,
        slot: u32,
        answer: u8,
        packet_id: PacketId,
        routed: &Routed<'_>,
    ) {
        if let Some(session) = self.out.sessions.get(routed.publisher as usize) {
            let (drops, counters) = (&mut self.out.drops, &mut self.out.counters);
            drops.count(&session.client, routed.topic, DropReason::StoreFull, counters);
        }
        if self.out.links[slot as usize].is_v5() {
            self.acknowledge(slot, answer, packet_id, ReasonCode::QuotaExceeded, None);
        } else {
            self.refused.insert(self.out.links[slot as usize].id(slot));
        }
    }

    /// While there is no room, a message that cannot be refused is routed and not retained: QoS 0, wills, and what the server
    /// says. `client` is whose message it is, where that is not its publisher.
    pub(crate) fn leave_unretained(&mut self, client: Option<&Arc<str>>, routed: &mut Routed<'_>) {
        if !self.full || !is_retained(routed) || routed.durability(&self.out.limits) == Durability::Memory {
            return;
        }
        routed.unretained = true;
        let publisher =
            self.out.sessions.get(routed.publisher as usize).map(|session| session.client.clone());
        let client = client.cloned().or(publisher).unwrap_or_else(|| "$server".into());
        self.out.drops.count(&client, routed.topic, DropReason::StoreFull, &mut self.out.counters);
    }

    /// Whether a CONNECT makes a session that would have to be stored.
    pub(crate) fn makes_kept_session(&self, connect: &Connect) -> bool {
        self.session_expiry(connect) > 0
            && (connect.clean_start || !self.by_client.contains_key(&*connect.client_id))
    }

    /// Whether a session may subscribe although there is no room: it keeps nothing, or the store has the very same
    /// subscription.
    pub(crate) fn has_room_to_subscribe(
        &self,
        slot: u32,
        filter: &str,
        options: SubscriptionOptions,
        identifier: u32,
    ) -> bool {
        let Some(session) = self.out.sessions.get(slot as usize) else { return false };
        if !session.is_durable() {
            return true;
        }
        if !matches!(SharedFilter::parse(filter), Ok(None)) {
            return false;
        }
        let known = self.tree.find(filter).and_then(|id| self.tree.subscriber(id, slot));
        known.is_some_and(|known| known.options() == options && known.identifier == identifier)
    }

    /// What an answer that promises a session as it is waits for. Without room, what was stored before is not stored again.
    pub(crate) fn session_kept(&mut self, slot: u32) -> Option<Wait> {
        if !self.full {
            return self.out.session_kept();
        }
        let told_in = self.out.sessions.get(slot as usize).map_or(0, |session| session.told_in);
        if told_in <= self.committed || self.out.limits.durability != Durability::Always {
            return None;
        }
        self.out.batch_wanted |= told_in == self.out.batch;
        Some(Wait::batch(told_in))
    }

    /// Whether a filter has a subscriber, here, for whom messages of QoS 1 and 2 must be stored. It may be said of one that has
    /// none: what belongs to groups and to very many is not looked at.
    pub(crate) fn is_kept_for_somebody(&self, filter: FilterId) -> bool {
        let subscribers = self.tree.subscribers(filter);
        let keeps = |slot: u32| self.out.sessions.get(slot as usize).is_some_and(|one| one.is_durable());
        self.tree.has_groups(filter)
            || subscribers.len() > SEARCHED
            || subscribers.iter().any(|one| one.options().qos != QoS::AtMostOnce && keeps(one.session))
    }

    /// Whether a publication of QoS 1 or 2 matches a session that outlives its connection, on any shard.
    fn is_kept_by_somebody(&mut self, routed: &Routed<'_>) -> bool {
        let mut matches = self.matches.take().unwrap_or_default();
        self.tree.matches(routed.topic, &mut matches);
        let kept = matches.remote_kept() != 0 || self.is_kept_here(&matches, routed.publisher);
        self.matches = Some(matches);
        kept
    }

    fn is_kept_here(&self, matches: &Matches, publisher: u32) -> bool {
        let keeps = |slot: u32| self.out.sessions.get(slot as usize).is_some_and(|one| one.is_durable());
        let mut subscribers = matches.nodes().iter().flat_map(|node| self.tree.subscribers(*node));
        subscribers.any(|one| {
            let options = one.options();
            options.qos != QoS::AtMostOnce
                && !(options.no_local && one.session == publisher)
                && keeps(one.session)
        }) || matches.groups().iter().any(|id| self.may_keep_for_group(*id))
    }
}

/// Whether it replaces a retained message that would have to be stored.
fn is_retained(routed: &Routed<'_>) -> bool {
    routed.retain && !routed.topic.starts_with("$SYS/")
}
