//! The clients' connections, and the time in which the server was able to store what it was told.

use std::collections::BTreeMap;
use std::time::Duration;

/// What a client has sent so long before its connection ended is stored, or the server took its time for nothing.
pub(super) const SURELY: Duration = Duration::from_secs(2);

/// Names one connection of a run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Line(u64);

/// Every client's connections.
#[derive(Debug, Default)]
pub(super) struct Lines {
    /// Stands still while no server runs and while the disk is at fault.
    pub(super) clock: Duration,
    last: Line,
    current: BTreeMap<String, Line>,
    ended: BTreeMap<Line, Duration>,
}

impl Lines {
    /// A client is connected.
    pub(super) fn begin(&mut self, client: &str) {
        self.end(client);
        self.last.0 += 1;
        self.current.insert(client.to_owned(), self.last);
    }

    /// A client's connection is gone, if it had one.
    pub(super) fn end(&mut self, client: &str) {
        if let Some(line) = self.current.get(client) {
            self.ended.entry(*line).or_insert(self.clock);
        }
    }

    /// The connection that a client has or had last.
    pub(super) fn of(&self, client: &str) -> Line {
        self.current.get(client).copied().unwrap_or_default()
    }

    /// Whether something that was written at `at` on a connection may not have been stored when that connection ended.
    pub(super) fn may_have_lost(&self, line: Line, at: Duration) -> bool {
        self.ended.get(&line).is_some_and(|ended| *ended <= at + SURELY)
    }
}
