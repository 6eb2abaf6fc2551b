//! Wills of clients that were connected when the server crashed: they wait for their clients to come back.

use crate::lifecycle::expiring;
use crate::shard::Shard;
use alloc::collections::BTreeSet;
use alloc::sync::Arc;
use darter_codec::record::{Change, KeptWill, SessionNumber};
use hashbrown::HashMap;

/// How long a client has at least before its will is published, in milliseconds.
const COMING_BACK: u64 = 30_000;

/// The wills, by client identifier and by deadline.
#[derive(Debug, Default)]
pub(crate) struct Returning {
    wills: HashMap<Arc<str>, Waiting>,
    deadlines: BTreeSet<(u64, Arc<str>)>,
}

#[derive(Debug)]
struct Waiting {
    /// The session that the store knows it by.
    number: SessionNumber,
    at: u64,
    will: KeptWill,
}

impl Returning {
    /// When the next one is to be published.
    pub(crate) fn next(&self) -> Option<u64> {
        self.deadlines.first().map(|(at, _)| *at)
    }

    fn insert(&mut self, waiting: Waiting) -> Option<Waiting> {
        let client = waiting.will.client.clone();
        let former = self.take(&client);
        self.deadlines.insert((waiting.at, client.clone()));
        self.wills.insert(client, waiting);
        former
    }

    fn take(&mut self, client: &Arc<str>) -> Option<Waiting> {
        let waiting = self.wills.remove(client)?;
        self.deadlines.remove(&(waiting.at, client.clone()));
        Some(waiting)
    }

    fn due(&mut self, now: u64) -> Option<Waiting> {
        let (_, client) = self.deadlines.first().filter(|(at, _)| *at <= now)?.clone();
        self.take(&client)
    }
}

impl Shard {
    /// Keeps a will of a client that was connected at the crash until its client is back or has had its time: the will delay, and
    /// 30 seconds at least, because it was the server that went away. Gives the moment.
    pub(crate) fn await_return(&mut self, now: u64, number: SessionNumber, will: KeptWill) -> u64 {
        let at = now + (u64::from(will.delay) * 1000).max(COMING_BACK);
        if let Some(former) = self.returning.insert(Waiting { number, at, will }) {
            self.out.persist.push(Change::WillCleared { session: former.number });
        }
        at
    }

    /// The client is back, whether its session goes on or not: its old connection's will is not published.
    pub(crate) fn has_returned(&mut self, client: &Arc<str>) {
        if let Some(waiting) = self.returning.take(client) {
            self.out.persist.push(Change::WillCleared { session: waiting.number });
        }
    }

    /// The session of a client that may still come back is over: the store gets the will under a number of its own.
    pub(crate) fn outlive_session(&mut self, client: &Arc<str>, number: SessionNumber) {
        let fresh = self.next_session;
        let Some(waiting) = self.returning.wills.get_mut(client).filter(|one| one.number == number) else {
            return;
        };
        waiting.number = fresh;
        let will = waiting.will.clone();
        self.next_session += 1;
        self.out.persist.push(Change::Will { session: fresh, will });
    }

    /// Publishes the wills of those that did not come back in time.
    pub(crate) fn give_up_waiting(&mut self, now: u64) {
        while let Some(Waiting { number, will, .. }) = self.returning.due(now) {
            let message = expiring(will.message, will.expiry, now);
            let receipt = self.route_will(now, &will.client, &message);
            self.forget_will(&will.client, number, receipt.wait);
        }
    }
}
