//! SUBSCRIBE and UNSUBSCRIBE (sections 3.8 to 3.11).

use crate::held::Wait;
use crate::incoming::violation;
use crate::session::Scan;
use crate::shard::{Fault, Shard};
use crate::topics::{ScanCursor, Subscriber};
use alloc::string::String;
use alloc::vec::Vec;
use darter_codec::record::Change;
use darter_codec::topic::{self, SharedFilter};
use darter_codec::{
    Packet, Properties, QoS, ReasonCode, RetainHandling, SubAck, Subscribe, SubscribeFilter,
    SubscriptionOptions, UnsubAck, Unsubscribe, Version,
};

impl Shard {
    /// Installs every filter, then answers; retained messages follow the SUBACK.
    pub(crate) fn handle_subscribe(&mut self, now: u64, slot: u32, packet: &Subscribe) -> Result<(), Fault> {
        let link = &self.out.links[slot as usize];
        let (version, session) = (link.version, link.session);
        let identifier = packet.properties.subscription_identifiers().next().unwrap_or(0);
        let mut wait = Wait::order();
        let mut reasons = Vec::with_capacity(packet.filters.len());
        for entry in &packet.filters {
            let reason = self.subscribe(session, entry, identifier, &mut wait)?;
            reasons.push(reason);
        }
        let durable = self.out.sessions.get(session as usize).is_some_and(|session| session.is_durable());
        if durable && let Some(kept) = self.session_kept(session) {
            wait.join(kept);
        }
        let reply = SubAck { packet_id: packet.packet_id, reasons, properties: Properties::default() };
        self.answer(slot, version, &Packet::from(reply), wait);
        let after = if self.out.links[slot as usize].held > 0 { self.out.held_so_far } else { 0 };
        let scans = self.out.sessions.get_mut(session as usize).map(|session| session.scans.iter_mut());
        for scan in scans.into_iter().flatten().filter(|scan| scan.after == u64::MAX) {
            scan.after = after;
        }
        self.pump(now, session);
        Ok(())
    }

    fn subscribe(
        &mut self,
        session: u32,
        entry: &SubscribeFilter,
        identifier: u32,
        wait: &mut Wait,
    ) -> Result<ReasonCode, Fault> {
        let text: &str = &entry.filter;
        let Ok(shared) = SharedFilter::parse(text) else { return Ok(ReasonCode::TopicFilterInvalid) };
        let filter = shared.as_ref().map_or(text, |shared| shared.filter);
        if topic::check_filter(filter).is_err()
            || topic::check_depth(filter, self.out.limits.topic_levels).is_err()
        {
            return Ok(ReasonCode::TopicFilterInvalid);
        }
        if !self.may_subscribe(session, filter) {
            return Ok(ReasonCode::NotAuthorized);
        }
        if self.out.sessions[session as usize].subscription_count() >= self.out.limits.subscriptions {
            return Ok(ReasonCode::QuotaExceeded);
        }
        let options = entry.options;
        if self.full && !self.has_room_to_subscribe(session, text, options, identifier) {
            return Ok(ReasonCode::QuotaExceeded);
        }
        let is_new = if shared.is_some() {
            if options.no_local {
                return Err(violation("No Local on a shared subscription"));
            }
            self.join_group(session, text, options, identifier, wait)
        } else {
            self.subscribe_filter(session, filter, options, identifier, wait)
        };
        let stored = &mut self.out.sessions[session as usize];
        // While the store is full, only what it has already comes so far.
        if stored.is_durable() && !self.full {
            stored.told_in = self.out.batch;
            let session = stored.number;
            self.out.persist.push(Change::Subscribed { session, filter: text.into(), options, identifier });
        }
        let wanted = match options.retain_handling {
            RetainHandling::Send => true,
            RetainHandling::SendIfNew => is_new,
            RetainHandling::DoNotSend => false,
        };
        if wanted
            && shared.is_none()
            && let Some(filter) = self.tree.find(filter)
        {
            let cursor = ScanCursor::default();
            let scan = Scan { filter, cursor, options, identifier, after: u64::MAX };
            self.out.sessions[session as usize].scans.insert(scan);
        }
        Ok(match options.qos {
            QoS::AtMostOnce => ReasonCode::Success,
            QoS::AtLeastOnce => ReasonCode::GrantedQos1,
            QoS::ExactlyOnce => ReasonCode::GrantedQos2,
        })
    }

    /// True when the session had no subscription to this filter before.
    pub(crate) fn subscribe_filter(
        &mut self,
        session: u32,
        filter: &str,
        options: SubscriptionOptions,
        identifier: u32,
        wait: &mut Wait,
    ) -> bool {
        let before = self.interest(filter);
        let look = self.out.sessions[session as usize].look(filter);
        let subscriber = Subscriber::new(session, options, identifier).with_look(look);
        let (id, replaced) = self.tree.insert(filter, subscriber);
        if replaced.is_none() {
            self.out.sessions[session as usize].filters.insert(id);
            self.out.counters.subscriptions += 1;
        }
        self.interest_changed(filter, before, wait);
        replaced.is_none()
    }

    pub(crate) fn handle_unsubscribe(&mut self, slot: u32, packet: &Unsubscribe) {
        let link = &self.out.links[slot as usize];
        let (version, session) = (link.version, link.session);
        let mut wait = Wait::order();
        let mut reasons = Vec::with_capacity(packet.filters.len());
        for filter in &packet.filters {
            reasons.push(self.unsubscribe(session, filter, &mut wait));
        }
        let durable = self.out.sessions.get(session as usize).is_some_and(|session| session.is_durable());
        if durable && let Some(kept) = self.out.session_kept() {
            wait.join(kept);
        }
        let reply = UnsubAck { packet_id: packet.packet_id, reasons, properties: Properties::default() };
        self.answer(slot, version, &Packet::from(reply), wait);
    }

    fn unsubscribe(&mut self, session: u32, text: &str, wait: &mut Wait) -> ReasonCode {
        let removed = match SharedFilter::parse(text) {
            Ok(Some(_)) => self.leave_group(session, text, wait),
            Ok(None) if topic::check_filter(text).is_ok() => self.unsubscribe_filter(session, text, wait),
            _ => return ReasonCode::TopicFilterInvalid,
        };
        if !removed {
            return ReasonCode::NoSubscriptionExisted;
        }
        let stored = &mut self.out.sessions[session as usize];
        if stored.is_durable() {
            let session = stored.number;
            self.out.persist.push(Change::Unsubscribed { session, filter: text.into() });
        }
        ReasonCode::Success
    }

    fn unsubscribe_filter(&mut self, session: u32, filter: &str, wait: &mut Wait) -> bool {
        let Some(id) = self.tree.find(filter) else { return false };
        let stored = &mut self.out.sessions[session as usize];
        if !stored.filters.remove(&id) {
            return false;
        }
        stored.scans.remove(id);
        self.remove_subscriber(session, id, wait);
        true
    }

    /// Takes a session's subscription out of the tree.
    pub(crate) fn remove_subscriber(&mut self, session: u32, id: crate::topics::FilterId, wait: &mut Wait) {
        let shared = self.place.shards > 1;
        let filter = if shared { self.tree.filter_text(id) } else { String::new() };
        let before = self.interest(&filter);
        self.tree.remove_by_id(id, session);
        if shared {
            self.interest_changed(&filter, before, wait);
        }
        self.out.counters.subscriptions -= 1;
    }

    fn answer(&mut self, slot: u32, version: Version, packet: &Packet, wait: Wait) {
        let mut bytes = Vec::new();
        if packet.encode(version, &mut bytes).is_ok() {
            let wait = (wait != Wait::order()).then_some(wait);
            self.out.reply(slot, &bytes, wait);
        }
    }
}
