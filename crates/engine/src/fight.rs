//! Client identifiers that several clients use: each takes the session over from the other, again and again.

use crate::effect::{Effect, LinkId};
use crate::event::Event;
use crate::link::{LinkState, NONE};
use crate::recent::Recent;
use crate::shard::Shard;
use alloc::sync::Arc;
use darter_codec::{Connect, ReasonCode};

/// Client identifiers of which take-overs are remembered; twice as many at most.
const REMEMBERED: usize = 4_096;
/// The first wait of a newcomer, in milliseconds; it doubles with each take-over.
const FIRST_WAIT: u64 = 500;
/// Doublings after which the longest wait is certainly reached.
const DOUBLINGS: u32 = 16;

/// Take-overs in a row, by client identifier.
#[derive(Debug)]
pub(crate) struct Fights {
    rows: Recent<Arc<str>, Row>,
}

#[derive(Debug, Default)]
struct Row {
    takeovers: u32,
    last: u64,
    /// The fight was told, in this row.
    told: bool,
    /// A newcomer that waits, and until when.
    waiting: Option<(LinkId, u64)>,
}

impl Default for Fights {
    fn default() -> Self {
        Self { rows: Recent::new(REMEMBERED) }
    }
}

impl Shard {
    /// Until when a newcomer has to wait, because it would go on with a fight over its client identifier. None if it need not.
    pub(crate) fn fight_pause(&mut self, now: u64, id: LinkId, connect: &Connect) -> Option<u64> {
        let (most, window, longest) = {
            let limits = &self.out.limits;
            (limits.takeovers, limits.takeover_window, limits.takeover_delay)
        };
        let slot = *self.by_client.get(&*connect.client_id)?;
        let is_taken = self.out.sessions.get(slot as usize).is_some_and(|session| session.link != NONE);
        let row = self.fights.rows.get_mut(&*connect.client_id)?;
        if !is_taken || most == 0 || longest == 0 || row.takeovers < most || now - row.last > window {
            return None;
        }
        let doublings = (row.takeovers - most).min(DOUBLINGS);
        let wait = (FIRST_WAIT << doublings).min(longest);
        let (other, at) = row.waiting.filter(|(_, at)| *at > now).unwrap_or((id, now + wait));
        row.waiting = Some((id, at));
        if other != id {
            self.give_way(now, other);
        }
        Some(at)
    }

    /// Another newcomer takes the place of this one, which still waits.
    fn give_way(&mut self, now: u64, id: LinkId) {
        let Some(link) = self.out.link_mut(id).filter(|link| link.state == LinkState::Delayed) else {
            return;
        };
        let Some(connect) = link.login.as_ref().map(|login| login.connect().clone()) else { return };
        let what = "several clients use its client identifier";
        self.refuse(now, id, Some(&connect), ReasonCode::ServerBusy, what);
    }

    /// A connection takes a session over from another one.
    pub(crate) fn count_takeover(&mut self, now: u64, client: &Arc<str>, old: u32, new: u32) {
        self.out.counters.takeovers += 1;
        let (most, window) = (self.out.limits.takeovers, self.out.limits.takeover_window);
        let row = self.fights.rows.entry(client.clone(), Row::default);
        if now - row.last > window {
            *row = Row::default();
        }
        row.takeovers = row.takeovers.saturating_add(1);
        row.last = now;
        row.waiting = None;
        if most > 0 && row.takeovers >= most && !row.told {
            row.told = true;
            let takeovers = row.takeovers;
            self.out.counters.fights += 1;
            let client = client.clone();
            self.out.effects.push_back(Effect::Event(Event::Fight { client, old, new, takeovers }));
        }
    }
}
