//! The shard's side of its store.

use super::Running;
use crate::event;
use std::time::Duration;

/// How long the disk may take before that is said.
const STALLED: Duration = Duration::from_secs(5);

impl Running {
    /// Says when the disk has not answered for long: acknowledgements wait for it.
    pub(super) fn watch_disk(&mut self) {
        self.driver.recorder.watch();
        let waiting = self.driver.keeper.waiting();
        if (waiting >= STALLED) != self.stalled {
            self.stalled = !self.stalled;
            event::DiskStalled { waiting: self.stalled.then_some(waiting) }.emit();
        }
    }

    pub(super) fn handle_full(&mut self, full: bool) {
        self.driver.shard.handle_full(self.now, full);
        // Every shard is told; one of them says it.
        if self.driver.index == 0 {
            event::StoreFull { full, report: &self.driver.keeper.report() }.emit();
            if full {
                self.driver.recorder.make_room();
            }
        }
    }

    pub(super) fn submit(&mut self) {
        if let Some(batch) = self.driver.shard.take_batch(&mut self.changes) {
            self.driver.store.submit(batch, &mut self.changes);
        }
    }
}
