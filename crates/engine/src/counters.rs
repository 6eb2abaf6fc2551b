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
    /// Packets that were malformed or broke the protocol.
    pub bad_packets: u64,
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
        let sums: [(&mut u64, u64); 15] = [
            (&mut self.packets_received, other.packets_received),
            (&mut self.packets_sent, other.packets_sent),
            (&mut self.publish_received, other.publish_received),
            (&mut self.publish_sent, other.publish_sent),
            (&mut self.publish_bytes_received, other.publish_bytes_received),
            (&mut self.publish_bytes_sent, other.publish_bytes_sent),
            (&mut self.dropped, other.dropped),
            (&mut self.bad_packets, other.bad_packets),
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
    entries: usize,
    /// Counts for which there was no room left.
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

/// Most different (client, topic) counted apart; more go into one common count.
const ENTRIES: usize = 10_000;

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
        let topics = self.by_client.get_mut(client);
        let known = topics.and_then(|topics| topics.get_mut(topic));
        let counts = match known {
            Some(counts) => counts,
            None if self.entries < ENTRIES => {
                self.entries += 1;
                self.by_client.entry(client.clone()).or_default().entry(topic.into()).or_default()
            }
            None => {
                self.others += messages;
                return;
            }
        };
        if counts[reason as usize] == 0 {
            self.fresh.push(Drop { client: client.clone(), topic: topic.into(), reason, messages });
        }
        counts[reason as usize] += messages;
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

    /// Messages counted without client and topic, because there was no room for more entries.
    #[must_use]
    pub fn others(&self) -> u64 {
        self.others
    }
}
