//! The server as other threads look at it.

use crate::broker::Listening;
use crate::clock::Clock;
use crate::inbox::{Inbox, Item};
use crate::refusals::{Refusal, Refusals};
use crate::rules::Rules;
use crate::status::{ShardStatus, Status};
use crate::trace::{self, Following};
use darter_engine::access::Policy;
use darter_engine::{Drop, SessionSeen};
use darter_net::Peer;
use darter_store::history::History;
use darter_store::{Keeper, Report};
use std::net::SocketAddr;
use std::sync::{Arc, mpsc};
use std::task::Waker;
use std::time::{Duration, Instant};

/// Looks at a server without keeping it alive; from [`Broker::view`](crate::Broker::view).
#[derive(Debug, Clone)]
pub struct View {
    pub(crate) listening: Arc<[Listening]>,
    pub(crate) addresses: Vec<SocketAddr>,
    pub(crate) inboxes: Vec<Inbox>,
    pub(crate) status: Vec<Arc<ShardStatus>>,
    pub(crate) keeper: Arc<dyn Keeper>,
    pub(crate) history: Option<Arc<History>>,
    pub(crate) clock: Clock,
    pub(crate) rules: Rules,
    pub(crate) refusals: Refusals,
}

/// Messages that were not delivered, as far as the shards have told in time.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Dropped {
    /// By client, topic and reason, in no order.
    pub drops: Vec<Drop>,
    /// False when a shard did not answer in time.
    pub complete: bool,
}

/// Some of the server's sessions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sessions {
    /// Each with the address of its client, if that is there, in the order of the client identifiers.
    pub sessions: Vec<(SessionSeen, Option<Peer>)>,
    /// There may be more than were asked for.
    pub more: bool,
    /// False when a shard did not answer in time.
    pub complete: bool,
}

impl Sessions {
    fn keep_first(&mut self, most: usize) {
        self.sessions.sort_unstable_by(|(one, _), (other, _)| one.client.cmp(&other.client));
        self.more |= self.sessions.len() > most;
        self.sessions.truncate(most);
    }
}

impl View {
    /// The rules that the server goes by now.
    #[must_use]
    pub fn policy(&self) -> Arc<Policy> {
        self.rules.get()
    }

    /// The last `most` refusals that are `wanted`, of the last thousand, the newest first.
    #[must_use]
    pub fn refusals(&self, most: usize, wanted: impl Fn(&Refusal) -> bool) -> Vec<Refusal> {
        self.refusals.last(most, wanted)
    }

    /// Follows a client's packets from now on, also when it connects later. `waker` is woken when there is something to be
    /// read.
    #[must_use]
    pub fn follow(&self, client: &str, waker: Waker) -> Following {
        let (trace, following) = trace::follow(client.into(), waker);
        for inbox in &self.inboxes {
            inbox.send(&mut vec![Item::Trace(trace.clone())]);
        }
        following
    }

    /// Everywhere the server listens.
    #[must_use]
    pub fn listening(&self) -> &[Listening] {
        &self.listening
    }

    /// The TCP addresses the server listens on.
    #[must_use]
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Threads that serve clients.
    #[must_use]
    pub fn shards(&self) -> usize {
        self.inboxes.len()
    }

    /// How long the server has run.
    #[must_use]
    pub fn uptime(&self) -> Duration {
        Duration::from_millis(self.clock.uptime())
    }

    /// The server's numbers, summed over its shards.
    #[must_use]
    pub fn status(&self) -> Status {
        Status::of(&self.status)
    }

    /// How the store is, and what it could not bring back.
    #[must_use]
    pub fn store_report(&self) -> Report {
        self.keeper.report()
    }

    /// What the server remembers, if it does.
    #[must_use]
    pub fn history(&self) -> Option<&Arc<History>> {
        self.history.as_ref()
    }

    /// Which messages were not delivered. Waits for the shards at most as long as `patience`.
    #[must_use]
    pub fn drops(&self, patience: Duration) -> Dropped {
        let (answer, answers) = mpsc::channel();
        for inbox in &self.inboxes {
            inbox.send(&mut vec![Item::Drops { answer: answer.clone() }]);
        }
        drop(answer);
        let deadline = Instant::now() + patience;
        let mut dropped = Dropped::default();
        for _ in &self.inboxes {
            match answers.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(drops) => dropped.drops.extend(drops),
                Err(_) => return dropped,
            }
        }
        dropped.complete = true;
        dropped
    }

    /// Sessions whose client identifier begins with `prefix` and that `wanted` wants, the first `most` in the order of
    /// these identifiers. Waits for the shards at most as long as `patience`; they are asked piece by piece, between the
    /// work for their clients.
    #[must_use]
    pub fn sessions(
        &self,
        prefix: &str,
        wanted: impl Fn(&SessionSeen) -> bool,
        most: usize,
        patience: Duration,
    ) -> Sessions {
        let prefix: Arc<str> = prefix.into();
        let deadline = Instant::now() + patience;
        let mut found = Sessions { complete: true, ..Sessions::default() };
        for inbox in &self.inboxes {
            let mut next = Some(0);
            while let Some(from) = next {
                let (answer, answers) = mpsc::channel();
                inbox.send(&mut vec![Item::Sessions { prefix: prefix.clone(), from, answer }]);
                let left = deadline.saturating_duration_since(Instant::now());
                let Ok((sessions, then)) = answers.recv_timeout(left) else {
                    found.complete = false;
                    break;
                };
                found.sessions.extend(sessions.into_iter().filter(|(session, _)| wanted(session)));
                // Sorted now and then only, and never much more than what is wanted.
                if found.sessions.len() / 2 > most {
                    found.keep_first(most);
                }
                next = then;
            }
        }
        found.keep_first(most);
        found
    }
}
