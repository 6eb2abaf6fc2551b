//! Sessions as others see them.

use crate::effect::LinkId;
use crate::link::NONE;
use crate::session::Session;
use crate::shard::Shard;
use alloc::sync::Arc;
use alloc::vec::Vec;
use darter_codec::Version;

/// What can be told of a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionSeen {
    /// Client identifier.
    pub client: Arc<str>,
    /// The user it belongs to.
    pub user: Option<Arc<str>>,
    /// Slot of its connection; `None` while its client is away.
    pub link: Option<u32>,
    /// Session expiry interval in seconds (section 3.1.2.11.2); `u32::MAX` is never.
    pub expiry: u32,
    /// Subscriptions, shared ones included.
    pub subscriptions: usize,
    /// Messages that wait and were never sent.
    pub waiting: usize,
    /// Bytes of these.
    pub waiting_bytes: usize,
    /// Messages sent and not acknowledged.
    pub unacknowledged: usize,
}

/// Some of a shard's sessions.
#[derive(Debug, Default)]
pub struct SessionsSeen {
    /// In no order.
    pub sessions: Vec<SessionSeen>,
    /// Where to look on; `None` when all were looked at.
    pub next: Option<usize>,
}

impl Shard {
    /// Looks at `count` places for sessions from `from` on, which is 0 at first, and tells of those whose client
    /// identifier begins with `prefix`. Sessions that come and go meanwhile may be missed.
    #[must_use]
    pub fn sessions(&self, prefix: &str, from: usize, count: usize) -> SessionsSeen {
        let places = self.out.sessions.capacity();
        let end = from.saturating_add(count).min(places);
        let there = (from..end).filter_map(|place| self.out.sessions.get(place));
        let sessions = there.filter(|session| session.client.starts_with(prefix)).map(seen).collect();
        SessionsSeen { sessions, next: (end < places).then_some(end) }
    }
}

impl Shard {
    /// The connection of a client that is there, and the version that it speaks.
    #[must_use]
    pub fn connection_of(&self, client: &str) -> Option<(LinkId, Version)> {
        let session = self.out.sessions.get(*self.by_client.get(client)? as usize)?;
        let link = self.out.links.get(session.link as usize)?;
        Some((link.id(session.link), link.version))
    }
}

fn seen(session: &Session) -> SessionSeen {
    SessionSeen {
        client: session.client.clone(),
        user: session.user.clone(),
        link: Some(session.link).filter(|link| *link != NONE),
        expiry: session.expiry,
        subscriptions: session.subscription_count(),
        waiting: session.queue.waiting,
        waiting_bytes: session.queue.waiting_bytes,
        unacknowledged: session.window.len(),
    }
}
