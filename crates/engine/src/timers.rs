//! Deadlines of sessions: delayed wills, session expiry, and logins that end.

use alloc::collections::BTreeSet;
use darter_codec::record::SessionNumber;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Timer {
    /// Publish the will (section 3.1.3.2.2).
    Will,
    /// End the session (section 3.1.2.11.2).
    Expiry,
    /// Disconnect the client: what it has shown of itself holds no longer.
    Login,
}

/// A timer: the session in `session` acts on it only while it still waits for exactly this moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Due {
    pub(crate) at: u64,
    pub(crate) kind: Timer,
    pub(crate) session: u32,
    pub(crate) number: SessionNumber,
}

#[derive(Debug, Default)]
pub(crate) struct Timers {
    entries: BTreeSet<Due>,
}

impl Timers {
    pub(crate) fn start(&mut self, at: u64, kind: Timer, session: u32, number: SessionNumber) {
        self.entries.insert(Due { at, kind, session, number });
    }

    /// Takes a timer back.
    pub(crate) fn stop(&mut self, kind: Timer, at: u64, session: u32, number: SessionNumber) {
        self.entries.remove(&Due { at, kind, session, number });
    }

    /// Takes the next timer that is due. The caller checks whether it is still wanted.
    pub(crate) fn due(&mut self, now: u64) -> Option<Due> {
        let first = self.entries.first()?;
        if first.at > now {
            return None;
        }
        self.entries.pop_first()
    }

    pub(crate) fn next(&self) -> Option<u64> {
        self.entries.first().map(|entry| entry.at)
    }
}
