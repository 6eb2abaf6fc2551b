//! Queues over their limits: the oldest messages go, or the connection of a client that does not keep up.

use crate::event::{DropReason, Ending};
use crate::queue::{Load, ROWS_AHEAD};
use crate::shard::Shard;
use darter_codec::ReasonCode;
use darter_codec::record::{Change, QueueRow, RowState};

/// Rows read at once at least, for when it is bytes that are too many.
const ROWS_AT_LEAST: usize = 8;

impl Shard {
    /// Does what the policy asks for where messages came for queues without room.
    pub(crate) fn enforce_queue_limits(&mut self) {
        while let Some((link, now)) = self.out.queued.ending.pop() {
            if self.out.link_mut(link).is_some() {
                let what = "its queue has no room for more messages";
                self.close(now, link.slot, Ending::Server { reason: ReasonCode::QuotaExceeded, what });
            }
        }
        while let Some(slot) = self.out.queued.over.pop() {
            self.trim(slot);
        }
    }

    /// Drops the oldest messages of a queue that is over its limits, as far as they are at hand; the store is asked for the others.
    pub(crate) fn trim(&mut self, slot: u32) {
        while self.is_over(slot) {
            let session = &mut self.out.sessions[slot as usize];
            let queue = &mut session.queue;
            let waits = |(_, row): &(u64, QueueRow)| row.state == RowState::Waiting;
            let place = queue.ahead.as_ref().and_then(|rows| rows.iter().position(waits));
            if let Some(rows) = &mut queue.ahead
                && let Some((sequence, row)) = place.and_then(|place| rows.remove(place))
            {
                self.drop_row(slot, sequence, &row);
                continue;
            }
            if !queue.loading && !queue.trimming {
                queue.trimming = true;
                // What was read for a client that is there is sent already.
                let from = if session.attached { queue.oldest.max(queue.unread) } else { queue.oldest };
                let load = Load { slot, next: queue.next, unanswered: 0 };
                let excess = queue.waiting.saturating_sub(self.out.limits.queue_messages).max(queue.owed);
                let number = session.number;
                self.load(number, load, from, excess.clamp(ROWS_AT_LEAST, ROWS_AHEAD));
            }
            return;
        }
    }

    /// The store's answer: drops rows from the front as far as needed. `through` is the sequence after the last one looked at.
    pub(crate) fn drop_oldest(&mut self, slot: u32, rows: &[(u64, QueueRow)], through: u64) {
        let mut any = false;
        for (sequence, row) in rows.iter().filter(|(_, row)| row.state == RowState::Waiting) {
            if !self.is_over(slot) {
                return;
            }
            any = true;
            self.drop_row(slot, *sequence, row);
        }
        let queue = &mut self.out.sessions[slot as usize].queue;
        let before = queue.oldest;
        queue.oldest = before.max(through);
        // Nothing was found and nothing is left to look at: to ask again would be for nothing.
        if any || queue.oldest > before {
            self.trim(slot);
        }
    }

    fn is_over(&mut self, slot: u32) -> bool {
        let limits = &self.out.limits;
        let Some(session) = self.out.sessions.get_mut(slot as usize) else { return false };
        let queue = &mut session.queue;
        if !self.out.queued.is_over(limits, 0, 0) {
            queue.owed = 0;
        }
        queue.waiting > 0 && (queue.owed > 0 || queue.is_over(limits, 0, 0))
    }

    fn drop_row(&mut self, slot: u32, sequence: u64, row: &QueueRow) {
        self.out.leave_queue(slot, sequence, &row.message);
        let session = &mut self.out.sessions[slot as usize];
        session.queue.owed = session.queue.owed.saturating_sub(1);
        let (topic, counters) = (row.message.topic(), &mut self.out.counters);
        self.out.drops.count(&session.client, topic, DropReason::QueueFull, counters);
        self.out.persist.push(Change::Removed { session: session.number, sequence });
    }
}
