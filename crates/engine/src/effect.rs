//! What the engine asks of its driver: small values in reused vectors, drained once per turn.

use crate::event::Event;
use crate::output::Output;
use crate::peer::PeerItem;
use alloc::sync::Arc;
use bytes::Bytes;
use darter_codec::Connect;
use darter_codec::record::SessionNumber;

/// A connection as the engine and its driver name it: a slot that is reused, and a serial that is not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkId {
    /// Index of the slot.
    pub slot: u32,
    /// Counts the connections of the shard.
    pub serial: u32,
}

/// What the driver does for the engine.
#[derive(Debug)]
pub enum Effect {
    /// Decide about this CONNECT and answer, now or later, with [`Shard::handle_verdict`](crate::Shard::handle_verdict); or
    /// with [`Shard::handle_step`](crate::Shard::handle_step) if it names an Authentication Method.
    Authenticate {
        /// The connection, on which nothing is read until the answer.
        link: LinkId,
        /// The packet.
        connect: Arc<Connect>,
    },
    /// The client has answered a challenge; answer with [`Shard::handle_step`](crate::Shard::handle_step).
    Continue {
        /// The connection.
        link: LinkId,
        /// Its Authentication Data; empty if there is none.
        data: Bytes,
    },
    /// A connected client authenticates anew (section 4.12.1); answer with
    /// [`Shard::handle_step`](crate::Shard::handle_step).
    AuthenticateAnew {
        /// The connection, which goes on meanwhile.
        link: LinkId,
        /// What it began with, without its password, will and Authentication Data.
        connect: Arc<Connect>,
        /// Its Authentication Data now; empty if there is none.
        data: Bytes,
    },
    /// Move the socket to another shard, with every byte that was not consumed, CONNECT included.
    Move {
        /// The connection; its slot is free.
        link: LinkId,
        /// The shard that owns the client identifier.
        shard: u8,
    },
    /// Hand in the bytes that the connection has not consumed; it waits no longer.
    Resume {
        /// The connection.
        link: LinkId,
    },
    /// Write what is in the output, then close the socket; the slot is free.
    Close {
        /// The connection.
        link: LinkId,
        /// What is still to be written; empty when nobody is there to read it.
        last: Output,
    },
    /// Read rows of a queue and answer with [`Shard::handle_loaded`](crate::Shard::handle_loaded). The changes of
    /// [`Shard::take_batch`](crate::Shard::take_batch) are handed to the store first, so that it reads them too.
    Load {
        /// The session.
        session: SessionNumber,
        /// First sequence wanted.
        from: u64,
        /// Most rows wanted.
        limit: usize,
    },
    /// Hand an item to another shard, after everything handed to it before.
    Peer {
        /// The shard.
        shard: u8,
        /// What it gets.
        item: PeerItem,
    },
    /// Something happened.
    Event(Event),
}
