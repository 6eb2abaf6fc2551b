//! From a routed message to the outputs and queues of its receivers.

use crate::counters::{Counters, Drops};
use crate::effect::{Effect, LinkId};
use crate::enqueue::Queued;
use crate::event::DropReason;
use crate::held::{HELD_MOST, Held, HeldBytes, Release, Wait};
use crate::limits::Limits;
use crate::link::{Link, LinkState, NONE, Waiting};
use crate::output::{SHARED_FROM, Spares};
use crate::session::{Session, UNSTORED};
use crate::spread::Spread;
use crate::template::Templates;
use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec::Vec;
use bytes::Bytes;
use darter_codec::record::{Change, Durability, PublicationId, QueueRow, RowState};
use darter_codec::{Message, PacketId, PublishHead, QoS};
use darter_session::{Phase, alias::OutgoingAlias};
use slab::Slab;

/// Everything that delivering a message touches.
#[derive(Debug)]
pub(crate) struct Outbox {
    pub(crate) limits: Limits,
    pub(crate) links: Slab<Link>,
    pub(crate) sessions: Slab<Session>,
    /// Slots of the links whose output has grown since it was last written.
    pub(crate) dirty: Vec<u32>,
    /// Slots of the links whose output is so long that it should be written before the turn ends.
    pub(crate) pressing: Vec<u32>,
    pub(crate) spares: Spares,
    /// Bytes that wait for all clients that do not keep up.
    pub(crate) waiting_bytes: usize,
    pub(crate) persist: Vec<Change>,
    /// How many changes to messages there ever were that acknowledgements wait for.
    pub(crate) promised: u64,
    /// Number of the batch that the changes in `persist` will be.
    pub(crate) batch: u64,
    /// Something waits for that batch, even if nothing is in it.
    pub(crate) batch_wanted: bool,
    pub(crate) held: VecDeque<Held>,
    /// How much was ever held back, and how much of it released.
    pub(crate) held_so_far: u64,
    pub(crate) released_so_far: u64,
    pub(crate) effects: VecDeque<Effect>,
    pub(crate) counters: Counters,
    pub(crate) drops: Drops,
    pub(crate) templates: Templates,
    pub(crate) queued: Queued,
    pub(crate) spread: Spread,
}

/// An application message on its way to its receivers.
#[derive(Debug)]
pub(crate) struct Routed<'a> {
    pub(crate) topic: &'a str,
    pub(crate) payload: &'a [u8],
    /// Raw version 5 properties that go on unchanged.
    pub(crate) properties: &'a [u8],
    pub(crate) qos: QoS,
    pub(crate) retain: bool,
    pub(crate) expires_at: Option<u64>,
    /// Slot of the session that published it, for No Local.
    pub(crate) publisher: u32,
    /// What every copy of it waits for.
    pub(crate) wait: Option<Wait>,
    /// The QoS 2 publication that it is, where copies of it may go to several shards.
    pub(crate) publication: Option<PublicationId>,
    /// Its publisher sends it again after a crash: whoever has a copy gets no other, and it is retained already.
    pub(crate) again: bool,
    /// It is not retained although its flag says so: the store has no room.
    pub(crate) unretained: bool,
    /// How safe it is to be kept, once that was asked.
    pub(crate) durability: Option<Durability>,
    /// The payload as shared bytes, made when the first receiver needs it.
    pub(crate) body: Option<Bytes>,
    /// The message as it is stored, made when the first queue needs it.
    pub(crate) message: Option<Message>,
}

impl<'a> Routed<'a> {
    /// A message that is already in its stored form.
    pub(crate) fn from_message(message: &'a Message) -> Self {
        Self {
            topic: message.topic(),
            payload: message.payload(),
            properties: message.properties(),
            qos: message.qos(),
            retain: message.retain(),
            expires_at: message.expires_at(),
            publisher: NONE,
            wait: None,
            publication: None,
            again: false,
            unretained: false,
            durability: None,
            body: (message.payload().len() >= SHARED_FROM).then(|| message.payload_bytes()),
            message: Some(message.clone()),
        }
    }

    pub(crate) fn stored(&mut self) -> Message {
        self.message
            .get_or_insert_with(|| {
                Message::new(
                    self.qos,
                    self.retain,
                    self.topic,
                    [self.properties],
                    self.payload,
                    self.expires_at,
                )
            })
            .clone()
    }

    pub(crate) fn durability(&mut self, limits: &Limits) -> Durability {
        *self.durability.get_or_insert_with(|| limits.durability_of(self.topic))
    }

    pub(crate) fn shared_body(&mut self) -> Option<Bytes> {
        if self.payload.len() < SHARED_FROM {
            return None;
        }
        Some(self.body.get_or_insert_with(|| Bytes::copy_from_slice(self.payload)).clone())
    }

    /// Seconds left, for the Message Expiry Interval of the copies [MQTT-3.3.2-6].
    fn seconds_left(&self, now: u64) -> Option<u32> {
        let left = self.expires_at?.saturating_sub(now).div_ceil(1000);
        Some(u32::try_from(left).unwrap_or(u32::MAX))
    }
}

/// One copy of a routed message.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Delivery<'a> {
    /// Slot of the receiving session.
    pub(crate) session: u32,
    pub(crate) qos: QoS,
    pub(crate) retain: bool,
    /// Subscription identifiers (section 3.3.2.3.8).
    pub(crate) identifiers: &'a [u32],
    /// The shared subscription that chose this receiver.
    pub(crate) group: Option<&'a Arc<str>>,
}

/// The varying part of one PUBLISH packet.
#[derive(Clone, Copy)]
struct Variant<'a> {
    qos: QoS,
    retain: bool,
    dup: bool,
    packet_id: Option<PacketId>,
    identifiers: &'a [u32],
}

impl Outbox {
    /// Hands one copy to its receiver: into the output, or into the queue when it must wait.
    pub(crate) fn deliver(&mut self, now: u64, routed: &mut Routed<'_>, to: Delivery<'_>) {
        if routed.again && self.has_copy(routed, to) {
            return;
        }
        let Some(session) = self.sessions.get_mut(to.session as usize) else { return };
        if !session.attached {
            if to.qos == QoS::AtMostOnce {
                self.drops.count(&session.client, routed.topic, DropReason::Offline, &mut self.counters);
            } else {
                self.enqueue(now, routed, to);
            }
            return;
        }
        let budget = budget(&self.limits, self.waiting_bytes);
        let Some(link) = self.links.get_mut(session.link as usize) else { return };
        let copy = Variant {
            qos: to.qos,
            retain: to.retain,
            dup: false,
            packet_id: None,
            identifiers: to.identifiers,
        };
        if to.qos == QoS::AtMostOnce {
            self.send_qos_0(now, routed, to.session, copy);
            return;
        }
        let room = link.sent < link.sent_most && link.output.len() < budget;
        if !room || !session.queue.is_live() || session.window.is_full() {
            self.enqueue(now, routed, to);
            return;
        }
        if !fits(link, routed, &copy, now) {
            self.drops.count(&session.client, routed.topic, DropReason::PacketTooLarge, &mut self.counters);
            return;
        }
        let durable = session.is_durable();
        let stored = durable || (to.group.is_some() && to.qos == QoS::AtLeastOnce);
        let sequence = if stored { session.queue.next } else { UNSTORED };
        let phase = if to.qos == QoS::AtLeastOnce { Phase::Puback } else { Phase::Pubrec };
        let Some(packet_id) = session.window.insert(phase, sequence) else { return };
        link.sent += 1;
        let mut awaited = false;
        if stored {
            session.has_shared_rows |= to.group.is_some();
            session.queue.next += 1;
            session.queue.unread = session.queue.next;
            session.queue.oldest = session.queue.next;
            let number = session.number;
            let state = RowState::Sent(packet_id);
            awaited = self.persist_row(routed, to, number, durable, sequence, state);
        }
        let wait = routed.wait.or_else(|| (awaited && to.qos == QoS::ExactlyOnce).then(|| self.this_batch()));
        self.send(now, routed, to.session, &Variant { packet_id: Some(packet_id), ..copy }, wait);
    }

    /// Hands a retained message to a new subscriber. A slow reader does not lose it: the caller has looked for room.
    pub(crate) fn deliver_retained(&mut self, now: u64, message: &Message, to: Delivery<'_>) {
        let mut routed = Routed::from_message(message);
        let Some(session) = self.sessions.get(to.session as usize).filter(|session| session.attached) else {
            return;
        };
        if to.qos != QoS::AtMostOnce {
            self.deliver(now, &mut routed, to);
            return;
        }
        let Some(link) = self.links.get(session.link as usize) else { return };
        let identifiers = to.identifiers;
        let copy = Variant { qos: to.qos, retain: to.retain, dup: false, packet_id: None, identifiers };
        if !fits(link, &routed, &copy, now) {
            self.drops.count(&session.client, routed.topic, DropReason::PacketTooLarge, &mut self.counters);
        } else {
            self.send(now, &mut routed, to.session, &copy, None);
        }
    }

    /// Sends a message that was read from the queue; `resend` when it was sent on an earlier connection.
    pub(crate) fn send_row(
        &mut self,
        now: u64,
        slot: u32,
        row: &QueueRow,
        packet_id: PacketId,
        resend: bool,
        wait: Option<Wait>,
    ) {
        let mut routed = Routed::from_message(&row.message);
        let identifiers = row.identifiers();
        let copy = Variant {
            qos: row.qos,
            retain: row.retain,
            dup: resend,
            packet_id: Some(packet_id),
            identifiers,
        };
        self.templates.clear();
        self.send(now, &mut routed, slot, &copy, wait);
    }

    /// The condition that this turn's batch is stored.
    pub(crate) fn this_batch(&mut self) -> Wait {
        self.batch_wanted = true;
        Wait::batch(self.batch)
    }

    /// Whether the packet for this row is one that the client accepts.
    pub(crate) fn row_fits(&self, now: u64, link: u32, row: &QueueRow) -> bool {
        let Some(link) = self.links.get(link as usize) else { return false };
        let identifiers = row.identifiers();
        let copy = Variant {
            qos: row.qos,
            retain: row.retain,
            dup: false,
            packet_id: PacketId::new(1),
            identifiers,
        };
        fits(link, &Routed::from_message(&row.message), &copy, now)
    }

    fn send_qos_0(&mut self, now: u64, routed: &mut Routed<'_>, slot: u32, copy: Variant<'_>) {
        let session = &self.sessions[slot as usize];
        let link = &mut self.links[session.link as usize];
        if !fits(link, routed, &copy, now) {
            self.drops.count(&session.client, routed.topic, DropReason::PacketTooLarge, &mut self.counters);
        } else if link.overflow.is_some() || link.output.len() >= budget(&self.limits, self.waiting_bytes) / 2
        {
            self.overflow(routed, slot, &copy);
        } else {
            self.send(now, routed, slot, &copy, routed.wait);
        }
    }

    /// Puts a QoS 0 message into the ring of a client that reads too slowly; the oldest make room.
    fn overflow(&mut self, routed: &mut Routed<'_>, slot: u32, copy: &Variant<'_>) {
        let session = &self.sessions[slot as usize];
        let link = &mut self.links[session.link as usize];
        let identifiers = copy.identifiers.into();
        let waiting = Waiting { message: routed.stored(), retain: copy.retain, identifiers };
        let ring = link.overflow.get_or_insert_default();
        ring.bytes += waiting.size();
        ring.messages.push_back(waiting);
        let most = budget(&self.limits, self.waiting_bytes) / 2;
        while ring.bytes > most {
            let Some(oldest) = ring.messages.pop_front() else { break };
            ring.bytes -= oldest.size();
            let topic = oldest.message.topic();
            self.drops.count(&session.client, topic, DropReason::SlowReader, &mut self.counters);
        }
        let slot = session.link;
        self.account(slot);
    }

    /// Counts what waits for a client that does not keep up against the shard's budget.
    pub(crate) fn account(&mut self, slot: u32) {
        let Some(link) = self.links.get_mut(slot as usize) else { return };
        let waiting = link.output.len() + link.overflow.as_ref().map_or(0, |ring| ring.bytes);
        self.waiting_bytes = self.waiting_bytes - link.waiting + waiting;
        link.waiting = waiting;
    }

    /// Refills an output from its ring of waiting QoS 0 messages.
    pub(crate) fn drain_overflow(&mut self, now: u64, slot: u32) {
        let Some(link) = self.links.get_mut(slot as usize) else { return };
        let session_slot = link.session;
        let Some(mut ring) = link.overflow.take() else { return };
        while self.links[slot as usize].output.len() < self.limits.output_bytes / 4
            && let Some(waiting) = ring.messages.pop_front()
        {
            ring.bytes -= waiting.size();
            let Some(session) = self.sessions.get(session_slot as usize) else { return };
            let message = &waiting.message;
            if message.expires_at().is_some_and(|at| at <= now) {
                self.drops.count(&session.client, message.topic(), DropReason::Expired, &mut self.counters);
                continue;
            }
            let (retain, identifiers) = (waiting.retain, &*waiting.identifiers);
            let copy = Variant { qos: QoS::AtMostOnce, retain, dup: false, packet_id: None, identifiers };
            self.templates.clear();
            self.send(now, &mut Routed::from_message(message), session_slot, &copy, None);
        }
        if !ring.messages.is_empty() {
            self.links[slot as usize].overflow = Some(ring);
        }
    }

    /// Encodes one PUBLISH into the output of the session's connection, or holds it back for a commit.
    fn send(&mut self, now: u64, routed: &mut Routed<'_>, slot: u32, copy: &Variant<'_>, wait: Option<Wait>) {
        let session = &self.sessions[slot as usize];
        let link_slot = session.link;
        let link = &mut self.links[link_slot as usize];
        let alias = match &mut link.outgoing_aliases {
            // A packet that is held back must not introduce an alias that a later one uses first.
            Some(aliases) if wait.is_none() => aliases.assign(routed.topic),
            _ => OutgoingAlias::None,
        };
        self.counters.publish_sent += 1;
        self.counters.packets_sent += 1;
        self.counters.publish_bytes_sent += routed.payload.len() as u64;
        let body = routed.shared_body();
        if let Some(wait) = wait {
            let mut head = Vec::new();
            head_of(routed, copy, alias, now).encode(link.version, &mut head);
            if body.is_none() {
                head.extend_from_slice(routed.payload);
            }
            link.held += 1;
            let id = link.id(link_slot);
            self.held.push_back(Held {
                wait,
                release: Release::Bytes { link: id, bytes: HeldBytes { head, body } },
            });
            return;
        }
        self.spares.lend(&mut link.output);
        let out = link.output.bytes();
        if copy.identifiers.is_empty() && alias == OutgoingAlias::None && !copy.dup {
            let head = |packet_id| head_of(routed, &Variant { packet_id, ..*copy }, alias, now);
            let inline = if body.is_none() { routed.payload } else { &[] };
            self.templates.append(link.version, copy.qos, copy.retain, copy.packet_id, head, inline, out);
        } else {
            head_of(routed, copy, alias, now).encode(link.version, out);
            if body.is_none() {
                out.extend_from_slice(routed.payload);
            }
        }
        if let Some(body) = body {
            link.output.push_shared(body);
        }
        self.mark_dirty(link_slot);
    }

    /// Notes that the output of a link has grown.
    pub(crate) fn mark_dirty(&mut self, slot: u32) {
        let Some(link) = self.links.get_mut(slot as usize) else { return };
        if !link.dirty {
            link.dirty = true;
            self.dirty.push(slot);
        }
        let waits = link.waiting > 0;
        if link.output.len() >= PRESSING && self.pressing.last() != Some(&slot) {
            self.pressing.push(slot);
        }
        if waits {
            self.account(slot);
        }
    }

    /// Appends a control packet to a connection's output, after what is held back for it [MQTT-4.6.0-2].
    pub(crate) fn reply(&mut self, slot: u32, frame: &[u8], wait: Option<Wait>) {
        let Some(link) = self.links.get_mut(slot as usize) else { return };
        if link.state == LinkState::Closed {
            return;
        }
        self.counters.packets_sent += 1;
        if wait.is_none() && link.held == 0 {
            self.spares.lend(&mut link.output);
            link.output.bytes().extend_from_slice(frame);
            self.mark_dirty(slot);
            return;
        }
        link.held += 1;
        let wait = wait.unwrap_or(Wait::order());
        let bytes = HeldBytes { head: frame.to_vec(), body: None };
        let release = Release::Bytes { link: link.id(slot), bytes };
        self.hold(wait, release);
    }

    /// Holds something back until its wait is over.
    pub(crate) fn hold(&mut self, wait: Wait, release: Release) {
        self.held_so_far += 1;
        self.held.push_back(Held { wait, release });
    }

    /// Puts bytes that were held back into their connection's output.
    pub(crate) fn release(&mut self, id: LinkId, bytes: HeldBytes) {
        let Some(link) = self.link_mut(id) else { return };
        link.held = link.held.saturating_sub(1);
        let readable_again = link.held == HELD_MOST / 2;
        if bytes.head.first() == Some(&PUBACK) {
            link.unanswered = link.unanswered.saturating_sub(1);
        }
        if link.state == LinkState::Closed {
            return;
        }
        if readable_again {
            self.effects.push_back(Effect::Resume { link: id });
        }
        self.spares.lend(&mut self.links[id.slot as usize].output);
        let output = &mut self.links[id.slot as usize].output;
        output.bytes().extend_from_slice(&bytes.head);
        if let Some(body) = bytes.body {
            output.push_shared(body);
        }
        self.mark_dirty(id.slot);
    }

    /// The link with this slot and serial, if it still exists.
    pub(crate) fn link_mut(&mut self, id: LinkId) -> Option<&mut Link> {
        self.links.get_mut(id.slot as usize).filter(|link| link.serial == id.serial)
    }
}

/// Bytes that may wait for one client.
fn budget(limits: &Limits, waiting_bytes: usize) -> usize {
    if waiting_bytes > limits.outputs_bytes { limits.output_bytes / 16 } else { limits.output_bytes }
}

/// Bytes of output after which it is written without waiting for the end of the turn.
const PRESSING: usize = 128 * 1024;

/// First byte of a PUBACK.
pub(crate) const PUBACK: u8 = 0x40;

fn head_of<'a>(routed: &Routed<'a>, copy: &Variant<'a>, alias: OutgoingAlias, now: u64) -> PublishHead<'a> {
    let (topic, topic_alias) = match alias {
        OutgoingAlias::None => (routed.topic, None),
        OutgoingAlias::Introduce(alias) => (routed.topic, Some(alias)),
        OutgoingAlias::Known(alias) => ("", Some(alias)),
    };
    PublishHead {
        dup: copy.dup,
        qos: copy.qos,
        retain: copy.retain,
        topic,
        topic_alias,
        packet_id: copy.packet_id,
        message_expiry: routed.seconds_left(now),
        subscription_ids: copy.identifiers,
        properties: routed.properties,
        payload_len: routed.payload.len(),
    }
}

/// Whether the client accepts a packet of that size, without the help of an alias [MQTT-3.1.2-24].
fn fits(link: &Link, routed: &Routed<'_>, copy: &Variant<'_>, now: u64) -> bool {
    link.packet_most == u32::MAX
        || head_of(routed, copy, OutgoingAlias::None, now).packet_len(link.version)
            <= link.packet_most as usize
}
