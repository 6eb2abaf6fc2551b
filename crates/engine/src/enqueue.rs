//! Messages join queues: limits, and what the store is told.

use crate::effect::LinkId;
use crate::event::DropReason;
use crate::held::Wait;
use crate::limits::{Limits, QueuePolicy};
use crate::outbox::{Delivery, Outbox, Routed};
use crate::session::Queue;
use alloc::boxed::Box;
use alloc::vec::Vec;
use darter_codec::record::{Change, Durability, Origin, QueueRow, RowState, SessionNumber};
use darter_codec::{Message, QoS};

/// How far a queue may be over its limits while the store reads what is dropped from it.
const OVERSHOOT_MESSAGES: usize = 1024;
const OVERSHOOT_BYTES: usize = 1024 * 1024;

/// What waits in the queues of all sessions of a shard.
#[derive(Debug)]
pub(crate) struct Queued {
    shards: usize,
    messages: usize,
    bytes: usize,
    /// Slots of sessions whose queues may be over their limits.
    pub(crate) over: Vec<u32>,
    /// Connections to be ended because their client's queue is, and when that was found.
    pub(crate) ending: Vec<(LinkId, u64)>,
}

impl Queued {
    pub(crate) fn new(shards: u8) -> Self {
        Self {
            shards: usize::from(shards.max(1)),
            messages: 0,
            bytes: 0,
            over: Vec::new(),
            ending: Vec::new(),
        }
    }

    pub(crate) fn join(&mut self, messages: usize, bytes: usize) {
        self.messages += messages;
        self.bytes += bytes;
    }

    pub(crate) fn leave(&mut self, messages: usize, bytes: usize) {
        self.messages = self.messages.saturating_sub(messages);
        self.bytes = self.bytes.saturating_sub(bytes);
    }

    /// Whether all queues together would be over this shard's share with so much more.
    pub(crate) fn is_over(&self, limits: &Limits, messages: usize, bytes: usize) -> bool {
        self.messages.saturating_add(messages) > limits.queues_messages.div_ceil(self.shards)
            || self.bytes.saturating_add(bytes) > limits.queues_bytes.div_ceil(self.shards)
    }

    /// The same beyond what is borne while the store reads.
    fn is_far_over(&self, limits: &Limits, bytes: usize) -> bool {
        self.messages >= limits.queues_messages.div_ceil(self.shards).saturating_add(OVERSHOOT_MESSAGES)
            || self.bytes.saturating_add(bytes)
                > limits.queues_bytes.div_ceil(self.shards).saturating_add(OVERSHOOT_BYTES)
    }
}

impl Queue {
    /// Whether it would be over the limits of one queue with so much more.
    pub(crate) fn is_over(&self, limits: &Limits, messages: usize, bytes: usize) -> bool {
        self.waiting.saturating_add(messages) > limits.queue_messages
            || self.waiting_bytes.saturating_add(bytes) > limits.queue_bytes
    }

    /// The same beyond what is borne while the store reads.
    fn is_far_over(&self, limits: &Limits, bytes: usize) -> bool {
        self.waiting >= limits.queue_messages.saturating_add(OVERSHOOT_MESSAGES)
            || self.waiting_bytes.saturating_add(bytes) > limits.queue_bytes.saturating_add(OVERSHOOT_BYTES)
    }
}

impl Outbox {
    /// Puts one copy into its receiver's queue, or drops it where there is no room.
    pub(crate) fn enqueue(&mut self, now: u64, routed: &mut Routed<'_>, to: Delivery<'_>) {
        let bytes = routed.topic.len() + routed.payload.len() + routed.properties.len();
        if !self.makes_room(now, to.session, bytes) {
            let Some(session) = self.sessions.get(to.session as usize) else { return };
            self.drops.count(&session.client, routed.topic, DropReason::QueueFull, &mut self.counters);
            return;
        }
        let Some(session) = self.sessions.get_mut(to.session as usize) else { return };
        session.has_shared_rows |= to.group.is_some();
        let queue = &mut session.queue;
        queue.waiting += 1;
        queue.waiting_bytes += bytes;
        self.queued.join(1, bytes);
        let sequence = queue.next;
        queue.next += 1;
        let (number, durable) = (session.number, session.is_durable());
        self.persist_row(routed, to, number, durable, sequence, RowState::Waiting);
    }

    /// Whether a message of so many bytes may join a queue. What the policy asks for beside that follows at the end of the turn.
    fn makes_room(&mut self, now: u64, slot: u32, bytes: usize) -> bool {
        let Self { limits, sessions, queued, links, .. } = self;
        let Some(session) = sessions.get_mut(slot as usize) else { return false };
        let queue = &mut session.queue;
        let over_all = queued.is_over(limits, 1, bytes);
        if !over_all && !queue.is_over(limits, 1, bytes) {
            return true;
        }
        match limits.queue_policy {
            QueuePolicy::DropNewest => false,
            QueuePolicy::Disconnect => {
                if let Some(link) = links.get(session.link as usize) {
                    queued.ending.push((link.id(session.link), now));
                }
                false
            }
            QueuePolicy::DropOldest => {
                let fits = bytes <= limits.queue_bytes.min(limits.queues_bytes.div_ceil(queued.shards));
                if queue.waiting == 0
                    || !fits
                    || queue.is_far_over(limits, bytes)
                    || queued.is_far_over(limits, bytes)
                {
                    return false;
                }
                queue.owed += usize::from(over_all);
                queued.over.push(slot);
                true
            }
        }
    }

    /// A message is not waiting in its queue any more: it is sent for the first time, or dropped.
    pub(crate) fn leave_queue(&mut self, slot: u32, sequence: u64, message: &Message) {
        let Some(session) = self.sessions.get_mut(slot as usize) else { return };
        let bytes = message.topic().len() + message.payload().len() + message.properties().len();
        let queue = &mut session.queue;
        queue.waiting = queue.waiting.saturating_sub(1);
        queue.waiting_bytes = queue.waiting_bytes.saturating_sub(bytes);
        queue.oldest = queue.oldest.max(sequence + 1);
        self.queued.leave(1, bytes);
    }

    /// Hands a row to the store; `kept` when its session outlives the connection. True when its acknowledgement waits for that.
    pub(crate) fn persist_row(
        &mut self,
        routed: &mut Routed<'_>,
        to: Delivery<'_>,
        session: SessionNumber,
        kept: bool,
        sequence: u64,
        state: RowState,
    ) -> bool {
        let durability = if kept { routed.durability(&self.limits) } else { Durability::Memory };
        let durable = durability != Durability::Memory;
        let publication = routed.publication.filter(|_| durable && to.qos == QoS::ExactlyOnce);
        if let Some(publication) = publication {
            self.note_copy(publication, to.session, sequence, to.group.cloned(), false);
        }
        let origin = (!to.identifiers.is_empty() || to.group.is_some() || publication.is_some()).then(|| {
            let (identifiers, group) = (to.identifiers.to_vec(), to.group.cloned());
            Box::new(Origin { identifiers, group, publication })
        });
        let row = QueueRow { message: routed.stored(), qos: to.qos, retain: to.retain, origin, state };
        self.persist.push(Change::Queued { session, sequence, row, durable });
        self.promise(durability)
    }

    /// Notes that something was changed for a message: true when its acknowledgement waits for that.
    pub(crate) fn promise(&mut self, durability: Durability) -> bool {
        let awaited = durability == Durability::Always;
        self.promised += u64::from(awaited);
        awaited
    }

    /// The condition that what this turn changed of a session is stored, if anybody waits for that.
    pub(crate) fn session_kept(&mut self) -> Option<Wait> {
        (self.limits.durability == Durability::Always).then(|| self.this_batch())
    }
}
