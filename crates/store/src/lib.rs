//! What survives: a narrow storage trait and its in-memory implementation.
//!
//! A store takes batches of [`Change`]s and answers when all of a batch is kept; it reads a session's queue in pages.
//! Answers may come at once or in a later turn: the server's logic is the same for both.

mod memory;

pub use memory::MemoryStore;

use darter_codec::record::{Change, QueueRow, SessionNumber};

/// Keeps what the server must not lose.
pub trait Store: Send {
    /// Takes the changes of batch `batch`, all of them or none; leaves `changes` empty. Batches are numbered upwards.
    fn submit(&mut self, batch: u64, changes: &mut Vec<Change>);

    /// Reads at most `limit` rows of a session's queue, from sequence `from` on; the answer is [`Answer::Loaded`].
    ///
    /// The rows are those of all batches submitted before.
    fn load(&mut self, session: SessionNumber, from: u64, limit: usize);

    /// The next answer, in the order of the questions of one kind.
    fn poll(&mut self) -> Option<Answer>;
}

/// What a store answers.
#[derive(Debug)]
pub enum Answer {
    /// Every batch up to this one is kept.
    Committed(u64),
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
