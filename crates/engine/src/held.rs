//! What leaves only after a commit: acknowledgements, and deliveries that depend on one.

use crate::effect::LinkId;
use alloc::vec::Vec;
use bytes::Bytes;

/// A condition: a batch of this shard, and what other shards must have stored of what was sent to them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Wait {
    pub(crate) batch: u64,
    /// Everything up to this number, in the shards of the two masks.
    pub(crate) number: u64,
    /// Shards that route the message to whom they know.
    pub(crate) routed: u64,
    /// Shards that hand the message to one session. Their answers wait for no other shard, so that two shards
    /// never wait for each other.
    pub(crate) direct: u64,
}

impl Wait {
    /// For a batch of this shard.
    pub(crate) fn batch(batch: u64) -> Self {
        Self { batch, number: 0, routed: 0, direct: 0 }
    }

    /// For nothing but its turn.
    pub(crate) fn order() -> Self {
        Self::batch(0)
    }

    /// Also for the shards in `mask`, up to `number`, on the routed lane.
    pub(crate) fn add_routed(&mut self, number: u64, mask: u64) {
        self.routed |= mask;
        self.number = self.number.max(number);
    }

    /// Also for one shard, up to `number`, on the direct lane.
    pub(crate) fn add_direct(&mut self, number: u64, shard: u8) {
        self.direct |= 1 << shard;
        self.number = self.number.max(number);
    }

    /// Also for everything that `other` waits for.
    pub(crate) fn join(&mut self, other: Self) {
        self.batch = self.batch.max(other.batch);
        self.number = self.number.max(other.number);
        self.routed |= other.routed;
        self.direct |= other.direct;
    }
}

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
}

/// A frame that waits.
#[derive(Debug)]
pub(crate) struct HeldBytes {
    pub(crate) head: Vec<u8>,
    pub(crate) body: Option<Bytes>,
}
