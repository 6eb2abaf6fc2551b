//! A shard's publications on their way into the history.

use crate::clock;
use darter_codec::Message;
use darter_engine::Shard;
use darter_store::history::History;
use std::sync::Arc;

/// Hands publications over, if there is a history.
#[derive(Debug)]
pub(crate) struct Recorder {
    history: Option<Arc<History>>,
    /// Empty between two turns.
    records: Vec<Message>,
}

impl Recorder {
    pub(crate) fn new(history: Option<Arc<History>>) -> Self {
        Self { history, records: Vec::new() }
    }

    /// There is no room on the disk: the past gives way to what was acknowledged.
    pub(crate) fn make_room(&self) {
        if let Some(history) = &self.history {
            history.make_room();
        }
    }

    /// What the shard has for the history since the last turn.
    pub(crate) fn take(&mut self, shard: &mut Shard) {
        let Some(history) = &self.history else { return };
        shard.take_records(&mut self.records);
        if self.records.is_empty() {
            return;
        }
        let at = clock::since_1970();
        for message in self.records.drain(..) {
            history.record(at, message);
        }
    }
}
