//! What a shard counts.

use crate::event::DropReason;
use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use hashbrown::HashMap;

/// Totals since the shard started; gauges where the name says "now".
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// Control packets received.
    pub packets_received: u64,
    /// Control packets sent.
    pub packets_sent: u64,
    /// PUBLISH packets received.
    pub publish_received: u64,
    /// PUBLISH packets sent.
    pub publish_sent: u64,
    /// Payload bytes in PUBLISH packets received.
    pub publish_bytes_received: u64,
    /// Payload bytes in PUBLISH packets sent.
    pub publish_bytes_sent: u64,
    /// Messages not delivered to a client.
    pub dropped: u64,
    /// The same by reason, in the order of [`DropReason::ALL`].
    pub dropped_for: [u64; DropReason::ALL.len()],
    /// Publications that did not go into the history.
    pub history_skipped: u64,
    /// Packets that were malformed or broke the protocol.
    pub bad_packets: u64,
    /// CONNECT packets that were refused, and other first packets.
    pub refused: u64,
    /// Times that a client had to wait, or was disconnected, because it published faster than it may.
    pub too_fast: u64,
    /// Sessions that one connection took over from another.
    pub takeovers: u64,
    /// Client identifiers that several clients were found to fight over.
    pub fights: u64,
    /// Sessions that expired.
    pub expired_sessions: u64,
    /// Connected clients, now.
    pub connected: u64,
    /// Sessions, now, connected or not.
    pub sessions: u64,
    /// Most sessions at once.
    pub sessions_most: u64,
    /// CONNECT packets that were accepted.
    pub connections: u64,
    /// Subscriptions, now.
    pub subscriptions: u64,
    /// Shared subscriptions, now.
    pub shared_subscriptions: u64,
    /// Retained messages, now.
    pub retained: u64,
    /// Payload bytes of retained messages, now.
    pub retained_bytes: u64,
}

impl Counters {
    /// Adds another shard's numbers. Retained messages are the same on every shard and are not added up.
    pub fn add(&mut self, other: &Self) {
        let sums: [(&mut u64, u64); 20] = [
            (&mut self.packets_received, other.packets_received),
            (&mut self.packets_sent, other.packets_sent),
            (&mut self.publish_received, other.publish_received),
            (&mut self.publish_sent, other.publish_sent),
            (&mut self.publish_bytes_received, other.publish_bytes_received),
            (&mut self.publish_bytes_sent, other.publish_bytes_sent),
            (&mut self.dropped, other.dropped),
            (&mut self.history_skipped, other.history_skipped),
            (&mut self.bad_packets, other.bad_packets),
            (&mut self.refused, other.refused),
            (&mut self.too_fast, other.too_fast),
            (&mut self.takeovers, other.takeovers),
            (&mut self.fights, other.fights),
            (&mut self.expired_sessions, other.expired_sessions),
            (&mut self.connected, other.connected),
            (&mut self.sessions, other.sessions),
            (&mut self.sessions_most, other.sessions_most),
            (&mut self.connections, other.connections),
            (&mut self.subscriptions, other.subscriptions),
            (&mut self.shared_subscriptions, other.shared_subscriptions),
        ];
        for (sum, more) in sums {
            *sum += more;
        }
        for (sum, more) in self.dropped_for.iter_mut().zip(other.dropped_for) {
            *sum += more;
        }
        self.retained = self.retained.max(other.retained);
        self.retained_bytes = self.retained_bytes.max(other.retained_bytes);
    }
}

/// Messages not delivered, by client, topic and reason.
#[derive(Debug, Default)]
pub struct Drops {
    by_client: HashMap<Arc<str>, HashMap<Box<str>, [u64; DropReason::ALL.len()]>>,
    /// About how much memory they take.
    bytes: usize,
    /// Messages of which only their number is known any more.
    others: u64,
    /// Counts that began and were not yet told.
    fresh: Vec<Drop>,
}

/// Messages for one client on one topic that were not delivered, for one reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Drop {
    /// Client identifier, or the name of a shared subscription none of whose members could take it.
    pub client: Arc<str>,
    /// Topic name.
    pub topic: Box<str>,
    /// Why.
    pub reason: DropReason,
    /// How many.
    pub messages: u64,
}

/// Memory for counts by client and topic; beyond it they are added up and begin anew.
const MOST_BYTES: usize = 4 * 1024 * 1024;
/// What a client or a topic costs beside its name.
const ENTRY_BYTES: usize = 128;
/// Topics of one client that are told by name; more are only counted.
const TOLD_TOPICS: usize = 16;

impl Drops {
    pub(crate) fn count(
        &mut self,
        client: &Arc<str>,
        topic: &str,
        reason: DropReason,
        counters: &mut Counters,
    ) {
        self.count_many(client, topic, reason, 1, counters);
    }

    /// Counts several messages; `topic` is `#` when they stood in one queue and were on any topics.
    pub(crate) fn count_many(
        &mut self,
        client: &Arc<str>,
        topic: &str,
        reason: DropReason,
        messages: u64,
        counters: &mut Counters,
    ) {
        counters.dropped += messages;
        counters.dropped_for[reason as usize] += messages;
        if self.bytes > MOST_BYTES {
            self.forget();
        }
        if !self.by_client.contains_key(client) {
            self.bytes += client.len() + ENTRY_BYTES;
        }
        let topics = self.by_client.entry(client.clone()).or_default();
        if !topics.contains_key(topic) {
            self.bytes += topic.len() + ENTRY_BYTES;
            topics.insert(topic.into(), [0; DropReason::ALL.len()]);
        }
        let few = topics.len() <= TOLD_TOPICS;
        let Some(counts) = topics.get_mut(topic) else { return };
        let count = &mut counts[reason as usize];
        if *count == 0 && few {
            self.fresh.push(Drop { client: client.clone(), topic: topic.into(), reason, messages });
        }
        *count += messages;
    }

    /// Makes room: what was counted apart so far goes into the common count.
    fn forget(&mut self) {
        self.others += self.iter().map(|drop| drop.messages).sum::<u64>();
        self.by_client.clear();
        self.bytes = 0;
    }

    /// Every count that is not zero.
    pub fn iter(&self) -> impl Iterator<Item = Drop> {
        self.by_client.iter().flat_map(|(client, topics)| {
            topics.iter().flat_map(move |(topic, counts)| {
                let counted = DropReason::ALL.into_iter().zip(counts.iter().copied());
                counted.filter(|(_, messages)| *messages > 0).map(move |(reason, messages)| Drop {
                    client: client.clone(),
                    topic: topic.clone(),
                    reason,
                    messages,
                })
            })
        })
    }

    /// A count that began since the last call.
    pub(crate) fn poll_fresh(&mut self) -> Option<Drop> {
        self.fresh.pop()
    }

    /// Messages whose client and topic are not known any more.
    #[must_use]
    pub fn others(&self) -> u64 {
        self.others
    }
}
