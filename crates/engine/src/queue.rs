//! Sending what waits: retained messages for new subscriptions, then the session's queue, as far as there is room.

use crate::effect::Effect;
use crate::event::DropReason;
use crate::link::NONE;
use crate::outbox::Delivery;
use crate::session::{Scan, Session};
use crate::shard::Shard;
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use darter_codec::record::{Change, Durability, QueueRow, RowState, SessionNumber};
use darter_codec::{Message, PacketId, QoS};
use darter_session::Phase;

/// Rows read from the store at once.
pub(crate) const ROWS_AHEAD: usize = 256;
/// Retained messages sent before the room in the output is looked at again.
const RETAINED_AT_ONCE: usize = 64;
/// Pages of retained messages looked through for one session before others get their turn.
const PAGES_AT_ONCE: usize = 32;

/// What is to be remembered of a session for which the store reads.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Load {
    /// Its slot.
    pub(crate) slot: u32,
    /// The end of its queue when the store was asked.
    pub(crate) next: u64,
    /// Questions without an answer; only the answer to the last one counts.
    pub(crate) unanswered: u32,
}

impl Session {
    /// Nothing waits to be sent.
    pub(crate) fn is_idle(&self) -> bool {
        self.scans.is_empty() && self.queue.is_live()
    }
}

impl Shard {
    /// Sends what waits for a session, as far as its window and output have room.
    pub(crate) fn pump(&mut self, now: u64, slot: u32) {
        let Some(session) = self.out.sessions.get(slot as usize) else { return };
        if session.is_idle() || !session.attached {
            return;
        }
        self.pump_queue(now, slot);
        self.pump_retained(now, slot);
    }

    /// True when another message may be appended to the output of this session's connection.
    fn has_room(&self, slot: u32) -> bool {
        let Some(session) = self.out.sessions.get(slot as usize) else { return false };
        let Some(link) = self.out.links.get(session.link as usize) else { return false };
        session.attached && link.overflow.is_none() && link.output.len() < self.out.limits.output_bytes / 2
    }

    fn pump_retained(&mut self, now: u64, slot: u32) {
        let mut page: Vec<Message> = Vec::new();
        for _ in 0..PAGES_AT_ONCE {
            if !self.has_room(slot) {
                return;
            }
            let session = &mut self.out.sessions[slot as usize];
            let link = &self.out.links[session.link as usize];
            let Some(first) = session.scans.first() else { return };
            // What is acknowledged must not pile up in the queue: it would cost memory for nothing.
            let window = link.sent < link.sent_most && session.queue.is_live();
            if first.after > self.out.released_so_far || (first.options.qos != QoS::AtMostOnce && !window) {
                return;
            }
            let Some((place, mut scan)) = session.scans.pop_first() else { return };
            let filter = self.tree.filter_text(scan.filter);
            page.clear();
            let more = self.retained.scan(&filter, &mut scan.cursor, RETAINED_AT_ONCE, &mut page);
            for message in &page {
                self.send_retained(now, slot, message, &scan);
            }
            let session = &mut self.out.sessions[slot as usize];
            if more {
                session.scans.put_back(place, scan);
            }
        }
        if !self.unfinished.contains(&slot) {
            self.unfinished.push(slot);
        }
    }

    /// Goes on with scans that were left so that others got their turn.
    pub(crate) fn pump_unfinished(&mut self, now: u64) {
        for slot in core::mem::take(&mut self.unfinished) {
            self.pump(now, slot);
        }
    }

    fn send_retained(&mut self, now: u64, slot: u32, message: &Message, scan: &Scan) {
        if message.expires_at().is_some_and(|at| at <= now) {
            return;
        }
        let session = &self.out.sessions[slot as usize];
        if !session.may_receive(message.topic()) {
            let (drops, counters) = (&mut self.out.drops, &mut self.out.counters);
            drops.count(&session.client, message.topic(), DropReason::Denied, counters);
            return;
        }
        let identifier = [scan.identifier];
        let identifiers = if scan.identifier == 0 { &[][..] } else { &identifier[..] };
        let qos: QoS = scan.options.qos.min(message.qos());
        self.out.templates.clear();
        let to = Delivery { session: slot, qos, retain: true, identifiers, group: None };
        self.out.deliver_retained(now, message, to);
    }

    fn pump_queue(&mut self, now: u64, slot: u32) {
        loop {
            if !self.has_room(slot) {
                return;
            }
            let session = &mut self.out.sessions[slot as usize];
            let link = &self.out.links[session.link as usize];
            if link.sent >= link.sent_most || session.window.is_full() {
                return;
            }
            let queue = &mut session.queue;
            match queue.ahead.as_mut().and_then(|rows| rows.pop_front()) {
                Some((sequence, row)) => self.send_queued(now, slot, sequence, &row),
                None => {
                    queue.ahead = None;
                    if queue.unread < queue.next && !queue.loading {
                        queue.loading = true;
                        let (number, from, next) = (session.number, queue.unread, queue.next);
                        self.load(number, Load { slot, next, unanswered: 0 }, from, ROWS_AHEAD);
                    }
                    return;
                }
            }
        }
    }

    fn send_queued(&mut self, now: u64, slot: u32, sequence: u64, row: &QueueRow) {
        match row.state {
            RowState::Waiting => self.send_first(now, slot, sequence, row),
            RowState::Finished => {}
            RowState::Sent(packet_id) | RowState::Released(packet_id) => {
                self.send_again(now, slot, sequence, row, packet_id);
            }
        }
    }

    /// Repeats what is still unacknowledged [MQTT-4.4.0-1]: the PUBLISH, or the PUBREL if PUBREC has arrived. The row
    /// may be older than that, so the window says which.
    fn send_again(&mut self, now: u64, slot: u32, sequence: u64, row: &QueueRow, packet_id: PacketId) {
        let waits = self.out.sessions[slot as usize].window.get(packet_id);
        let Some((phase, _)) = waits.filter(|(_, tag)| **tag == sequence) else { return };
        self.count_sent(slot);
        // While the store is full, CONNACK has not waited until this state is stored.
        let wait = (self.full && phase != Phase::Puback).then(|| self.out.this_batch());
        if phase == Phase::Pubcomp {
            let link = self.out.sessions[slot as usize].link;
            let [high, low] = packet_id.get().to_be_bytes();
            self.out.reply(link, &[0x62, 2, high, low], wait);
        } else {
            self.out.send_row(now, slot, row, packet_id, true, wait);
        }
    }

    fn send_first(&mut self, now: u64, slot: u32, sequence: u64, row: &QueueRow) {
        let message = &row.message;
        self.out.leave_queue(slot, sequence, message);
        let session = &self.out.sessions[slot as usize];
        let (number, link, durable) = (session.number, session.link, session.is_durable());
        let expired = message.expires_at().is_some_and(|at| at <= now);
        let unwanted = if expired {
            Some(DropReason::Expired)
        } else if session.permit.is_some() && !session.may_receive(message.topic()) {
            Some(DropReason::Denied)
        } else if !self.out.row_fits(now, link, row) {
            Some(DropReason::PacketTooLarge)
        } else {
            None
        };
        if let Some(reason) = unwanted {
            let client = self.out.sessions[slot as usize].client.clone();
            self.out.drops.count(&client, message.topic(), reason, &mut self.out.counters);
            self.out.persist.push(Change::Removed { session: number, sequence });
            return;
        }
        let exactly_once = row.qos == QoS::ExactlyOnce;
        let phase = if exactly_once { Phase::Pubrec } else { Phase::Puback };
        let session = &mut self.out.sessions[slot as usize];
        let Some(packet_id) = session.window.insert(phase, sequence) else { return };
        self.count_sent(slot);
        self.out.persist.push(Change::Moved { session: number, sequence, state: RowState::Sent(packet_id) });
        let awaited = durable
            && exactly_once
            && self.out.limits.durability_of(row.message.topic()) == Durability::Always;
        let wait = awaited.then(|| self.out.this_batch());
        self.out.send_row(now, slot, row, packet_id, false, wait);
    }

    fn count_sent(&mut self, slot: u32) {
        let link = self.out.sessions[slot as usize].link;
        if let Some(link) = self.out.links.get_mut(link as usize) {
            link.sent = link.sent.saturating_add(1);
        }
    }

    /// Asks the store for rows of a session's queue.
    pub(crate) fn load(&mut self, session: SessionNumber, load: Load, from: u64, limit: usize) {
        let known = self.loads.entry(session).or_insert(load);
        *known = Load { unanswered: known.unanswered + 1, ..load };
        self.out.effects.push_back(Effect::Load { session, from, limit });
    }

    /// The store's answer to [`Effect::Load`]: the rows from the first wanted on, and the sequence after the last one looked at.
    pub fn handle_loaded(
        &mut self,
        now: u64,
        session: SessionNumber,
        rows: Vec<(u64, QueueRow)>,
        through: u64,
    ) {
        let Some(load) = self.loads.get_mut(&session) else { return };
        load.unanswered -= 1;
        if load.unanswered > 0 {
            // An answer to a question of an earlier connection: what it says is no longer true.
            return;
        }
        let Load { slot, next: asked, .. } = *load;
        self.loads.remove(&session);
        if self.handle_departed_rows(now, session, &rows, through) {
            return;
        }
        let Some(session) = self.out.sessions.get_mut(slot as usize).filter(|one| one.number == session)
        else {
            return;
        };
        let queue = &mut session.queue;
        let trimming = core::mem::take(&mut queue.trimming);
        if trimming && !queue.loading {
            self.drop_oldest(slot, &rows, through.min(asked));
            return;
        }
        if !queue.loading || session.link == NONE {
            return;
        }
        queue.loading = false;
        // What joined the queue after the question may not have been looked at.
        let seen = rows.last().map_or(0, |(sequence, _)| sequence + 1);
        queue.unread = through.min(asked).max(seen).max(queue.unread);
        if !rows.is_empty() {
            queue.ahead = Some(VecDeque::from(rows).into());
        }
        if trimming {
            self.trim(slot);
        }
        self.pump(now, slot);
    }
}
