//! What survives: a narrow storage trait, a store in memory and one on the disk ([`log`]), the [`history`] of topics, and [`documents`].
//!
//! A store takes batches of [`Change`]s and answers when all of a batch is kept; it reads a session's queue in pages.
//! Answers may come at once or in a later turn: the server's logic is the same for both.

pub mod documents;
pub mod history;
pub mod log;
mod memory;
mod opened;
mod private;
mod queue;

pub use memory::MemoryStore;
pub use opened::{Keeper, Lost, OpenError, Opened, Opener, Report, in_memory};

use darter_codec::record::{Batch, Change, QueueRow, SessionNumber};
use std::task::Waker;

/// Keeps what the server must not lose.
///
/// Every shard has a store of its own, which lives on the shard's thread. No method may wait for a disk: a store that
/// needs time works on another thread and calls the waker when it has answers.
pub trait Store: Send {
    /// Called once, before anything else. Calling `waker`, from any thread, makes the server [`poll`](Self::poll)
    /// until there are no more answers; after [`submit`](Self::submit) and [`load`](Self::load) it does so unasked.
    fn start(&mut self, waker: Waker) {
        drop(waker);
    }

    /// Takes the changes of a batch, all of them or none; leaves `changes` empty. Batches are numbered upwards.
    fn submit(&mut self, batch: Batch, changes: &mut Vec<Change>);

    /// Reads at most `limit` rows of a session's queue, from sequence `from` on; the answer is [`Answer::Loaded`].
    ///
    /// The rows are those of all batches submitted before.
    fn load(&mut self, session: SessionNumber, from: u64, limit: usize);

    /// More waits to be stored than should: clients should not be read from until that is over. What is kept in memory
    /// never is behind.
    fn is_behind(&self) -> bool {
        false
    }

    /// The next answer, in the order of the questions of one kind.
    fn poll(&mut self) -> Option<Answer>;
}

/// What a store answers.
#[derive(Debug)]
pub enum Answer {
    /// Every batch up to this one for which something waits is kept. Of the others the last ones may still be on their way.
    Committed(u64),
    /// There is no room for more, or there is again. Batches that were submitted are kept when there is room.
    Full(bool),
    /// Rows of a queue in the order of their sequences.
    Loaded {
        /// The session.
        session: SessionNumber,
        /// Sequence and row.
        rows: Vec<(u64, QueueRow)>,
        /// The sequence after the last one looked at; what is below it is in `rows` or gone.
        through: u64,
    },
}
