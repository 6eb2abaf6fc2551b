//! Wills: that of a client which vanished while the server ran must come as any acknowledged message, that of a client which
//! left must not.

use std::collections::BTreeMap;
use std::time::Duration;

use super::lines::SURELY;
use super::{Fault, Ledger};
use crate::message::MessageId;

/// Wills whose clients have ended.
#[derive(Debug, Default)]
pub(super) struct Wills {
    /// Of clients that vanished, and when; the server has not yet had the time to store them.
    due: Vec<(MessageId, Duration)>,
    /// Of clients that left: how many servers had ended by then, and when it was.
    withdrawn: BTreeMap<MessageId, (usize, Duration)>,
    /// When each server ended.
    ends: Vec<Duration>,
}

impl Wills {
    /// Whether a will may come although its client has left: its server may have ended without knowing that.
    fn may_come(&self, id: MessageId) -> bool {
        let Some((life, at)) = self.withdrawn.get(&id) else { return true };
        self.ends.get(*life).is_some_and(|end| *end <= *at + SURELY)
    }
}

impl Ledger {
    /// A client with this will has left with DISCONNECT.
    pub(crate) fn withdrawn(&mut self, id: MessageId) {
        self.wills.withdrawn.insert(id, (self.wills.ends.len(), self.lines.clock));
    }

    /// A client with this will has vanished.
    pub(crate) fn died(&mut self, id: MessageId) {
        // A server that crashes may not know that it has published it.
        self.sent_again(id);
        self.wills.due.push((id, self.lines.clock));
    }

    /// The server ends: what it did not have the time for may come much later.
    pub(crate) fn server_ended(&mut self) {
        self.wills.ends.push(self.lines.clock);
        self.wills.due.clear();
    }

    /// A fault of the disk begins or ends: wills of these moments may be refused.
    pub(crate) fn excuse_wills(&mut self) {
        self.wills.due.clear();
    }

    /// Wills that the server has had the time to store must not be lost from now on.
    pub(super) fn count_on_wills(&mut self) {
        let clock = self.lines.clock;
        let (stored, due): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.wills.due).into_iter().partition(|(_, at)| *at + SURELY < clock);
        self.wills.due = due;
        for (id, _) in stored {
            self.acknowledged(id);
            self.counts.wills += 1;
        }
    }

    /// A will came that had been withdrawn.
    pub(super) fn judge_will(&mut self, client: &str, id: MessageId) {
        if !self.wills.may_come(id) {
            self.blame(client, Fault::Unwanted(id));
        }
    }
}
