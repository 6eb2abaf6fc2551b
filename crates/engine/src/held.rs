//! What leaves only after a commit: acknowledgements, and deliveries that depend on one.

use crate::effect::LinkId;
use crate::peer::DirectTo;
use alloc::sync::Arc;
use alloc::vec::Vec;
use bytes::Bytes;
use darter_codec::Message;
use darter_codec::record::{PublicationId, SessionNumber};

/// Everything up to a number, in each shard of a bit mask.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Lane {
    pub(crate) number: u64,
    pub(crate) shards: u64,
}

impl Lane {
    fn add(&mut self, number: u64, shards: u64) {
        if shards != 0 {
            self.shards |= shards;
            self.number = self.number.max(number);
        }
    }
}

/// A condition: a batch of this shard, and what other shards must have stored of what was sent to them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Wait {
    pub(crate) batch: u64,
    /// What shards that route the message to whom they know must have stored.
    pub(crate) routed: Lane,
    /// What shards that hand the message to one session must have stored. Their answers wait for no other shard,
    /// so that two shards never wait for each other.
    pub(crate) direct: Lane,
    /// What owners of shared subscriptions must have made known. Their answers wait for the routed lane, never for
    /// this one.
    pub(crate) grouped: Lane,
}

impl Wait {
    /// For a batch of this shard.
    pub(crate) fn batch(batch: u64) -> Self {
        Self { batch, routed: Lane::default(), direct: Lane::default(), grouped: Lane::default() }
    }

    /// For nothing but its turn.
    pub(crate) fn order() -> Self {
        Self::batch(0)
    }

    /// Also for the shards in `mask`, up to `number`, on the routed lane.
    pub(crate) fn add_routed(&mut self, number: u64, mask: u64) {
        self.routed.add(number, mask);
    }

    /// Also for one shard, up to `number`, on the direct lane.
    pub(crate) fn add_direct(&mut self, number: u64, shard: u8) {
        self.direct.add(number, 1 << shard);
    }

    /// Also for one shard, up to `number`, on the lane of groups.
    pub(crate) fn add_grouped(&mut self, number: u64, shard: u8) {
        self.grouped.add(number, 1 << shard);
    }

    /// True when it waits for other shards.
    pub(crate) fn is_remote(&self) -> bool {
        (self.routed.shards | self.direct.shards | self.grouped.shards) != 0
    }

    /// Also for everything that `other` waits for.
    pub(crate) fn join(&mut self, other: Self) {
        self.batch = self.batch.max(other.batch);
        self.routed.add(other.routed.number, other.routed.shards);
        self.direct.add(other.direct.number, other.direct.shards);
        self.grouped.add(other.grouped.number, other.grouped.shards);
    }
}

/// Most frames held back for one connection before nothing more is read from it.
pub(crate) const HELD_MOST: u32 = 4096;

/// Something that waits. What is held for connections is released in the order it was held.
#[derive(Debug)]
pub(crate) struct Held {
    pub(crate) wait: Wait,
    pub(crate) release: Release,
}

/// What happens when the wait is over.
#[derive(Debug)]
pub(crate) enum Release {
    /// Bytes go into an output.
    Bytes { link: LinkId, bytes: HeldBytes },
    /// A connection's CONNACK goes into its output, and the connection is open.
    Open { link: LinkId, connack: Vec<u8> },
    /// A publication goes to other shards; `any` and `persistent` are masks of those with subscribers.
    Forward {
        message: Message,
        publication: Option<PublicationId>,
        any: u64,
        persistent: u64,
        stamp: Option<u64>,
    },
    /// A publication goes to one session of another shard, chosen by a shared subscription.
    Direct { to: DirectTo, message: Message },
    /// The publisher of a QoS 2 message has released it for good.
    Closed { publication: PublicationId },
    /// What an ended session had for others is theirs: the store forgets the session.
    Ended { session: SessionNumber, client: Arc<str> },
    /// The store forgets a will that was published.
    WillCleared { client: Arc<str>, number: SessionNumber },
}

/// A frame that waits.
#[derive(Debug)]
pub(crate) struct HeldBytes {
    pub(crate) head: Vec<u8>,
    pub(crate) body: Option<Bytes>,
}
