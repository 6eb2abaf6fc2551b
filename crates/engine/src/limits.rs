//! What one server allows its clients.

use alloc::string::String;
use alloc::vec::Vec;
use darter_codec::record::Durability;
use darter_codec::topic;

/// Limits of the server, the same for every connection of a shard.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Largest CONNECT packet accepted before a client is known, in bytes, header included.
    pub connect_size: usize,
    /// Largest packet accepted from a connected client, in bytes, header included (Maximum Packet Size, section 3.2.2.3.6).
    pub packet_size: usize,
    /// Milliseconds a new connection may take to send its CONNECT.
    pub connect_timeout: u64,
    /// QoS 1 and 2 publications that the server handles at once for one client (Receive Maximum, section 3.2.2.3.3).
    pub receive_maximum: u16,
    /// Unacknowledged QoS 1 and 2 publications on the way to one client of version 3, and the most for version 5.
    pub inflight: u16,
    /// Topic aliases that a client may set (Topic Alias Maximum, section 3.2.2.3.8).
    pub topic_alias_maximum: u16,
    /// Longest keep alive in seconds; 0 and larger values of version 5 clients are replaced by it. `None`: any.
    pub keep_alive: Option<u16>,
    /// Longest session expiry interval in seconds; `u32::MAX` means sessions that never expire.
    pub session_expiry: u32,
    /// Most messages waiting in one session's queue.
    pub queue_messages: usize,
    /// Most bytes waiting in one session's queue.
    pub queue_bytes: usize,
    /// Most messages waiting in the queues of all sessions. Each shard of the server has an equal share.
    pub queues_messages: usize,
    /// Most bytes waiting in the queues of all sessions. Each shard of the server has an equal share.
    pub queues_bytes: usize,
    /// What happens when a message would take a queue beyond one of these limits.
    pub queue_policy: QueuePolicy,
    /// Most bytes waiting in one connection's output before QoS 0 is dropped and QoS 1 and 2 goes to the queue.
    pub output_bytes: usize,
    /// Most bytes waiting in the outputs of all slow readers of one shard; beyond it each may have a sixteenth of its own.
    pub outputs_bytes: usize,
    /// Most levels of a topic name or filter.
    pub topic_levels: usize,
    /// Most subscriptions of one session.
    pub subscriptions: usize,
    /// How safe a message is when its publisher gets the acknowledgement, and what sessions themselves are acknowledged with.
    pub durability: Durability,
    /// The same for the messages on some topics, by topic filter; the first filter that matches counts.
    pub durability_for: Vec<(String, Durability)>,
    /// Most PUBLISH packets of one client in a second; 0 is any number.
    pub publish_messages: u32,
    /// Most bytes of one client's PUBLISH packets in a second; 0 is any number.
    pub publish_bytes: u64,
    /// Most PUBLISH packets in a second of all clients of one user, wherever they are connected; 0 is any number.
    pub user_publish_messages: u32,
    /// Most bytes in a second of the PUBLISH packets of all clients of one user; 0 is any number.
    pub user_publish_bytes: u64,
    /// So many milliseconds' worth of each of these may come at once.
    pub publish_burst: u64,
    /// What happens to a client that publishes faster.
    pub rate_policy: RatePolicy,
    /// Times in a row that a session may be taken over before that is told as a fight over its client identifier; 0: any number.
    pub takeovers: u32,
    /// Milliseconds without a take-over that end the row.
    pub takeover_window: u64,
    /// Longest time in milliseconds that a newcomer in such a fight waits for its CONNACK; 0 lets it go on at full speed.
    pub takeover_delay: u64,
    /// Most publications that go into the history in one second, of the whole server; 0 turns it off. Each shard of the server
    /// has an equal share.
    pub history_points: u32,
    /// Largest payload of a publication that goes into the history, in bytes.
    pub history_payload: usize,
}

/// What happens when a message would take a queue beyond its limits. Each message dropped is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum QueuePolicy {
    /// The oldest messages of the session that were never sent make room. They are read from the store first: until it
    /// has answered, a queue may be over its limits by 1,024 messages and 1 MiB, and beyond that the new message is dropped.
    DropOldest,
    /// The new message is dropped.
    #[default]
    DropNewest,
    /// The new message is dropped, and its receiver disconnected with reason 0x97 (Quota exceeded) if it is there.
    Disconnect,
}

/// What happens to a client that publishes faster than it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RatePolicy {
    /// Nothing is read from it for a while, at most a minute; its keep alive stands still meanwhile.
    #[default]
    Wait,
    /// It is disconnected with reason 0x96 (Message rate too high), and the message that was too much is not delivered.
    Disconnect,
}

impl Limits {
    /// How safe a message on this topic is when its publisher gets the acknowledgement.
    #[must_use]
    pub fn durability_of(&self, topic: &str) -> Durability {
        let mut filters = self.durability_for.iter();
        filters
            .find(|(filter, _)| topic::matches(filter, topic))
            .map_or(self.durability, |(_, durability)| *durability)
    }

    /// True when any acknowledgement of a message waits for the disk.
    pub(crate) fn are_ever_durable(&self) -> bool {
        let mut all = self.durability_for.iter().map(|(_, durability)| *durability);
        self.durability == Durability::Always || all.any(|one| one == Durability::Always)
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connect_size: 128 * 1024,
            packet_size: 16 * 1024 * 1024,
            connect_timeout: 10_000,
            receive_maximum: 1024,
            inflight: 256,
            topic_alias_maximum: 64,
            keep_alive: None,
            session_expiry: u32::MAX,
            queue_messages: 1_000_000,
            queue_bytes: 256 * 1024 * 1024,
            queues_messages: 10_000_000,
            queues_bytes: 2 * 1024 * 1024 * 1024,
            queue_policy: QueuePolicy::DropNewest,
            output_bytes: 1024 * 1024,
            outputs_bytes: 256 * 1024 * 1024,
            topic_levels: 128,
            subscriptions: 200_000,
            durability: Durability::Always,
            durability_for: Vec::new(),
            publish_messages: 0,
            publish_bytes: 0,
            user_publish_messages: 0,
            user_publish_bytes: 0,
            publish_burst: 5_000,
            rate_policy: RatePolicy::Wait,
            takeovers: 5,
            takeover_window: 60_000,
            takeover_delay: 5_000,
            history_points: 2_000,
            history_payload: 4_096,
        }
    }
}
