//! Packets from connected clients: PUBLISH, its acknowledgements, and the small ones.

use crate::event::{DropReason, Ending};
use crate::held::Wait;
use crate::link::Link;
use crate::outbox::{PUBACK, Routed};
use crate::output::SHARED_FROM;
use crate::session::UNSTORED;
use crate::shard::{Fault, Shard};
use crate::spread::Unreleased;
use alloc::vec::Vec;
use bytes::Bytes;
use darter_codec::frame::PacketType;
use darter_codec::record::{Change, RowState};
use darter_codec::{AckView, Packet, PacketId, PublishView, QoS, ReasonCode, topic};
use darter_session::Phase;

/// Largest packet beside PUBLISH, in bytes: a million filters in one SUBSCRIBE would keep everybody waiting.
const RARE_MOST: usize = 1024 * 1024;

/// The other acknowledgements as they stand in a packet's first byte.
const PUBREC: u8 = 0x50;
const PUBREL: u8 = 0x62;
const PUBCOMP: u8 = 0x70;

impl Shard {
    /// Handles one control packet of an open connection.
    pub(crate) fn handle_packet(
        &mut self,
        now: u64,
        slot: u32,
        first: u8,
        body: &[u8],
        owner: Option<&Bytes>,
    ) -> Result<(), Fault> {
        let link = &self.out.links[slot as usize];
        let version = link.version;
        match PacketType::of(first) {
            Some(PacketType::Publish) => {
                let view = PublishView::decode(version, first, body)?;
                if link.pace.is_some() {
                    self.keep_pace(now, slot, body.len())?;
                }
                self.handle_publish(now, slot, &view, owner)
            }
            Some(PacketType::PubAck) => {
                let ack = AckView::decode(version, first, body)?;
                self.handle_puback(now, slot, ack);
                Ok(())
            }
            Some(PacketType::PubRec) => {
                let ack = AckView::decode(version, first, body)?;
                self.handle_pubrec(now, slot, ack);
                Ok(())
            }
            Some(PacketType::PubRel) => {
                let ack = AckView::decode(version, first, body)?;
                self.handle_pubrel(slot, ack);
                Ok(())
            }
            Some(PacketType::PubComp) => {
                let ack = AckView::decode(version, first, body)?;
                self.handle_pubcomp(now, slot, ack);
                Ok(())
            }
            Some(PacketType::PingReq) => {
                Packet::decode(version, first, &Bytes::copy_from_slice(body))?;
                self.out.reply(slot, &[0xD0, 0x00], None);
                Ok(())
            }
            _ => self.handle_rare(now, slot, first, body),
        }
    }

    fn handle_rare(&mut self, now: u64, slot: u32, first: u8, body: &[u8]) -> Result<(), Fault> {
        let version = self.out.links[slot as usize].version;
        if body.len() > RARE_MOST {
            let what = "a SUBSCRIBE, UNSUBSCRIBE or other packet beside PUBLISH of more than 1 MiB";
            return Err(Fault { reason: ReasonCode::PacketTooLarge, what });
        }
        match Packet::decode(version, first, &Bytes::copy_from_slice(body))? {
            Packet::Subscribe(packet) => self.handle_subscribe(now, slot, &packet),
            Packet::Unsubscribe(packet) => {
                self.handle_unsubscribe(slot, &packet);
                Ok(())
            }
            Packet::Disconnect(packet) => self.handle_disconnect(now, slot, &packet),
            Packet::Connect(_) => Err(violation("a second CONNECT on one connection")),
            Packet::Auth(packet) => self.handle_auth(slot, &packet),
            _ => Err(violation("a packet that only a server sends")),
        }
    }

    fn handle_publish(
        &mut self,
        now: u64,
        slot: u32,
        view: &PublishView<'_>,
        owner: Option<&Bytes>,
    ) -> Result<(), Fault> {
        self.out.counters.publish_received += 1;
        self.out.counters.publish_bytes_received += view.payload.len() as u64;
        let link = &mut self.out.links[slot as usize];
        let mut name = core::mem::take(&mut self.topic_scratch);
        let topic = match view.topic_alias {
            None => Ok(view.topic),
            Some(alias) => resolve_alias(link, alias, view.topic, &mut name),
        };
        let mut properties = core::mem::take(&mut self.property_scratch);
        let outcome = topic.and_then(|topic| {
            properties.clear();
            let raw = forwarded(view, &mut properties);
            self.publish(now, slot, topic, view, raw, owner)
        });
        self.topic_scratch = name;
        self.property_scratch = properties;
        outcome
    }

    fn publish(
        &mut self,
        now: u64,
        slot: u32,
        topic: &str,
        view: &PublishView<'_>,
        properties: &[u8],
        owner: Option<&Bytes>,
    ) -> Result<(), Fault> {
        if topic::check_depth(topic, self.out.limits.topic_levels).is_err() {
            return Err(Fault {
                reason: ReasonCode::TopicNameInvalid,
                what: "the topic name has too many levels",
            });
        }
        let link = &self.out.links[slot as usize];
        let session_slot = link.session;
        // A small part of a read would keep all of it in memory for as long as the slowest reader needs.
        let body = owner
            .filter(|owner| view.payload.len() >= SHARED_FROM.max(owner.len() / 4))
            .map(|owner| owner.slice_ref(view.payload));
        let mut routed = Routed {
            topic,
            payload: view.payload,
            properties,
            qos: view.qos,
            retain: view.retain,
            expires_at: view.message_expiry.map(|seconds| now + u64::from(seconds) * 1000),
            publisher: session_slot,
            wait: None,
            publication: None,
            again: false,
            unretained: false,
            durability: None,
            body,
            message: None,
        };
        let reserved = topic.starts_with("$SYS/");
        if reserved && let Some(session) = self.out.sessions.get(session_slot as usize) {
            self.out.drops.count(&session.client, topic, DropReason::Refused, &mut self.out.counters);
        }
        let restricted = self.out.links[slot as usize].restricted;
        let refused = reserved || (restricted && !self.may_publish(session_slot, topic, view.retain));
        let Some(packet_id) = view.packet_id else {
            if !refused {
                self.leave_unretained(None, &mut routed);
                self.route(now, &mut routed);
            }
            return Ok(());
        };
        if view.qos == QoS::AtLeastOnce {
            self.check_receive_maximum(slot)?;
            if !refused && self.has_no_room_for(slot, &mut routed) {
                self.refuse_for_room(slot, PUBACK, packet_id, &routed);
                return Ok(());
            }
            let (reason, wait) = if refused {
                (ReasonCode::NotAuthorized, None)
            } else {
                let receipt = self.route(now, &mut routed);
                (receipt.reason(), receipt.wait)
            };
            self.acknowledge(slot, PUBACK, packet_id, reason, wait);
            return Ok(());
        }
        self.publish_exactly_once(now, slot, packet_id, refused, &mut routed)
    }

    /// QoS 2, method A: the message goes on at once, and its identifier is kept until PUBREL (figure 4.3).
    fn publish_exactly_once(
        &mut self,
        now: u64,
        slot: u32,
        packet_id: PacketId,
        refused: bool,
        routed: &mut Routed<'_>,
    ) -> Result<(), Fault> {
        if refused {
            self.acknowledge(slot, PUBREC, packet_id, ReasonCode::NotAuthorized, None);
            return Ok(());
        }
        let session = &mut self.out.sessions[routed.publisher as usize];
        if session.incoming.contains(packet_id) {
            if let Some(Unreleased { publication, unsure: unsure @ true }) =
                session.spread.get_mut(&packet_id)
            {
                *unsure = false;
                (routed.publication, routed.again) = (Some(*publication), true);
                let receipt = self.route(now, routed);
                self.acknowledge(slot, PUBREC, packet_id, receipt.reason(), receipt.wait);
                return Ok(());
            }
            // The first PUBREC may not have left: what it promises must be stored before this one says it.
            let waits = session.is_durable() && self.out.limits.are_ever_durable();
            let wait = waits.then(|| {
                let mut wait = self.out.this_batch();
                self.peers.barrier(&mut wait);
                wait
            });
            self.acknowledge(slot, PUBREC, packet_id, ReasonCode::Success, wait);
            return Ok(());
        }
        self.check_receive_maximum(slot)?;
        if self.has_no_room_for(slot, routed) {
            self.refuse_for_room(slot, PUBREC, packet_id, routed);
            return Ok(());
        }
        let session = &mut self.out.sessions[routed.publisher as usize];
        session.incoming.insert(packet_id);
        let (number, durable) = (session.number, session.is_durable());
        if durable {
            routed.publication = Some(self.out.spread.name(number, packet_id));
            routed.wait = self.out.session_kept();
        }
        let receipt = self.route(now, routed);
        if durable {
            if let Some(publication) = routed.publication
                && let Some(session) = self.out.sessions.get_mut(routed.publisher as usize)
            {
                session.spread.insert(packet_id, Unreleased { publication, unsure: false });
            }
            let spread = routed.publication.map(|publication| publication.serial);
            self.out.persist.push(Change::Incoming { session: number, packet_id, spread });
        }
        let wait = match (receipt.wait, routed.wait) {
            (Some(mut wait), Some(kept)) => {
                wait.join(kept);
                Some(wait)
            }
            (wait, kept) => wait.or(kept),
        };
        self.acknowledge(slot, PUBREC, packet_id, receipt.reason(), wait);
        Ok(())
    }

    /// A client may have no more publications unanswered than it was told [MQTT-3.3.4-7].
    fn check_receive_maximum(&self, slot: u32) -> Result<(), Fault> {
        let link = &self.out.links[slot as usize];
        let unreleased =
            self.out.sessions.get(link.session as usize).map_or(0, |session| session.incoming.len());
        let unreleased = unreleased.saturating_sub(link.carried);
        if link.is_v5()
            && unreleased + usize::from(link.unanswered) >= usize::from(self.out.limits.receive_maximum)
        {
            let what = "more unacknowledged publications than Receive Maximum";
            return Err(Fault { reason: ReasonCode::ReceiveMaximumExceeded, what });
        }
        Ok(())
    }

    /// Sends PUBACK, PUBREC, PUBREL or PUBCOMP once its wait is over.
    pub(crate) fn acknowledge(
        &mut self,
        slot: u32,
        first: u8,
        id: PacketId,
        reason: ReasonCode,
        wait: Option<Wait>,
    ) {
        let link = &mut self.out.links[slot as usize];
        let [high, low] = id.get().to_be_bytes();
        if first == PUBACK && (wait.is_some() || link.held > 0) {
            link.unanswered = link.unanswered.saturating_add(1);
        }
        if link.is_v5() && reason != ReasonCode::Success {
            self.out.reply(slot, &[first, 3, high, low, reason as u8], wait);
        } else {
            self.out.reply(slot, &[first, 2, high, low], wait);
        }
    }

    fn handle_puback(&mut self, now: u64, slot: u32, ack: AckView) {
        let session_slot = self.out.links[slot as usize].session;
        let Some(session) = self.out.sessions.get_mut(session_slot as usize) else { return };
        let Ok(sequence) = session.window.acknowledge(ack.packet_id, Phase::Puback) else { return };
        self.finish_row(session_slot, sequence);
        self.one_less_in_flight(now, slot);
    }

    fn handle_pubrec(&mut self, now: u64, slot: u32, ack: AckView) {
        let session_slot = self.out.links[slot as usize].session;
        let Some(session) = self.out.sessions.get_mut(session_slot as usize) else { return };
        if ack.reason.is_error() {
            let waits = session.window.get(ack.packet_id).is_some_and(|(phase, _)| phase == Phase::Pubrec);
            if waits && let Some(sequence) = session.window.take(ack.packet_id) {
                self.finish_row(session_slot, sequence);
                self.one_less_in_flight(now, slot);
            }
            return;
        }
        let (reason, wait) = match session.window.received(ack.packet_id) {
            Ok(&UNSTORED) => (ReasonCode::Success, None),
            Ok(&sequence) => {
                let state = RowState::Released(ack.packet_id);
                let durable = session.is_durable();
                self.out.persist.push(Change::Moved { session: session.number, sequence, state });
                let wait = if durable { self.out.session_kept() } else { None };
                (ReasonCode::Success, wait)
            }
            Err(_) => (ReasonCode::PacketIdentifierNotFound, None),
        };
        self.acknowledge(slot, PUBREL, ack.packet_id, reason, wait);
    }

    fn handle_pubrel(&mut self, slot: u32, ack: AckView) {
        let session_slot = self.out.links[slot as usize].session;
        let Some(session) = self.out.sessions.get_mut(session_slot as usize) else { return };
        let known = session.incoming.release(ack.packet_id);
        let link = &mut self.out.links[slot as usize];
        link.carried = link.carried.min(session.incoming.len());
        let reason = if known { ReasonCode::Success } else { ReasonCode::PacketIdentifierNotFound };
        let durable = session.is_durable().then_some(session.number);
        let wait = durable.and_then(|session| {
            if known {
                self.out.persist.push(Change::IncomingReleased { session, packet_id: ack.packet_id });
            }
            self.out.session_kept()
        });
        self.acknowledge(slot, PUBCOMP, ack.packet_id, reason, wait);
        self.close_when_stored(session_slot, ack.packet_id);
    }

    fn handle_pubcomp(&mut self, now: u64, slot: u32, ack: AckView) {
        let session_slot = self.out.links[slot as usize].session;
        let Some(session) = self.out.sessions.get_mut(session_slot as usize) else { return };
        let Ok(sequence) = session.window.acknowledge(ack.packet_id, Phase::Pubcomp) else { return };
        self.finish_row(session_slot, sequence);
        self.one_less_in_flight(now, slot);
    }

    fn finish_row(&mut self, session_slot: u32, sequence: u64) {
        if sequence == UNSTORED {
            return;
        }
        let session = &mut self.out.sessions[session_slot as usize];
        match session.copies.get_mut(&sequence) {
            Some(is_finished) => {
                *is_finished = true;
                // The packet identifier may be used again, and must not be found here as well after a crash.
                let state = RowState::Finished;
                self.out.persist.push(Change::Moved { session: session.number, sequence, state });
            }
            None => self.out.persist.push(Change::Removed { session: session.number, sequence }),
        }
    }

    fn one_less_in_flight(&mut self, now: u64, slot: u32) {
        let link = &mut self.out.links[slot as usize];
        link.sent = link.sent.saturating_sub(1);
        let session = link.session;
        if self.out.sessions.get(session as usize).is_some_and(|session| !session.is_idle()) {
            self.pump(now, session);
        }
    }

    fn handle_disconnect(
        &mut self,
        now: u64,
        slot: u32,
        packet: &darter_codec::Disconnect,
    ) -> Result<(), Fault> {
        let session_slot = self.out.links[slot as usize].session;
        if let Some(expiry) = packet.properties.session_expiry_interval()
            && let Some(session) = self.out.sessions.get_mut(session_slot as usize)
        {
            if session.expiry == 0 && expiry != 0 {
                // Section 3.14.2.2.2: what began without an expiry cannot get one at the end.
                return Err(violation("a session expiry interval in DISCONNECT after none in CONNECT"));
            }
            session.expiry = expiry.min(self.out.limits.session_expiry);
            if session.kept {
                let change = session.told();
                self.out.persist.push(change);
            }
        }
        self.close(now, slot, Ending::Client(packet.reason));
        Ok(())
    }
}

pub(crate) fn violation(what: &'static str) -> Fault {
    Fault { reason: ReasonCode::ProtocolError, what }
}

fn resolve_alias<'a>(
    link: &mut Link,
    alias: u16,
    topic: &'a str,
    name: &'a mut alloc::string::String,
) -> Result<&'a str, Fault> {
    let invalid = Fault {
        reason: ReasonCode::TopicAliasInvalid,
        what: "a topic alias that is out of range or unknown",
    };
    let aliases = link.incoming_aliases.as_mut().ok_or(invalid)?;
    let resolved = aliases.resolve(alias, topic).map_err(|_| invalid)?;
    if !topic.is_empty() {
        return Ok(topic);
    }
    name.clear();
    name.push_str(resolved);
    Ok(name)
}

/// The raw properties that go on to subscribers: usually a slice of the packet itself.
fn forwarded<'a>(view: &PublishView<'a>, scratch: &'a mut Vec<u8>) -> &'a [u8] {
    if view.properties.is_empty() || (view.topic_alias.is_none() && view.message_expiry.is_none()) {
        return view.properties;
    }
    for part in view.forwarded_properties() {
        scratch.extend_from_slice(part);
    }
    scratch
}
