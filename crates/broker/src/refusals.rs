//! What clients were refused: the last ones are kept for those who ask, and told under `$SYS/broker/events/refused`.

use darter_engine::Event;
use serde::Serialize;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

/// Where refusals are told, for those whom a rule of its own lets receive it.
pub(crate) const TOPIC: &str = "$SYS/broker/events/refused";
/// Refusals that are kept.
const KEPT: usize = 1_000;
/// Bytes of a topic that are kept.
const TOPIC_BYTES: usize = 512;
/// Refusals that one shard logs and publishes in a second.
const TOLD: u32 = 20;

/// Something that a client was refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Refusal {
    /// When, in milliseconds since 1970.
    pub at: u64,
    /// Client identifier, as far as it is known.
    pub client: String,
    /// Its user, if it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Its address, if it is connected.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// What it tried: `connect`, `publish`, `retain`, `subscribe` or `receive`.
    pub action: &'static str,
    /// Topic name or filter; none for `connect`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub topic: Option<String>,
    /// What decided, in words.
    pub why: String,
}

/// The last refusals of a server.
#[derive(Debug, Clone, Default)]
pub(crate) struct Refusals {
    kept: Arc<Mutex<VecDeque<Refusal>>>,
}

/// How many of a shard's refusals are told.
#[derive(Debug, Default)]
pub(crate) struct Moderation {
    second: u64,
    told: u32,
    untold: u64,
}

impl Refusal {
    /// The refusal that an event is about, if it is about one. `address` knows the address of a connection's slot.
    pub(crate) fn of(event: &Event, address: impl Fn(u32) -> Option<String>) -> Option<Self> {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let at = u64::try_from(since.as_millis()).unwrap_or(u64::MAX);
        match event {
            Event::Refused { link, client, what, .. } => Some(Self {
                at,
                client: client.as_deref().unwrap_or_default().to_owned(),
                user: None,
                address: address(*link),
                action: "connect",
                topic: None,
                why: (*what).to_owned(),
            }),
            Event::Denied { link, client, user, action, topic, why } => Some(Self {
                at,
                client: client.to_string(),
                user: user.as_deref().map(str::to_owned),
                address: link.and_then(address),
                action: action.name(),
                topic: Some(shortened(topic).to_owned()),
                why: why.to_string(),
            }),
            _ => None,
        }
    }
}

/// The beginning of a long topic, without half a letter.
fn shortened(topic: &str) -> &str {
    let end = (0..=topic.len().min(TOPIC_BYTES)).rev().find(|end| topic.is_char_boundary(*end)).unwrap_or(0);
    &topic[..end]
}

impl Refusals {
    pub(crate) fn keep(&self, refusal: Refusal) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= KEPT {
            kept.pop_front();
        }
        kept.push_back(refusal);
    }

    /// The last `most` of them that are wanted, the newest first.
    pub(crate) fn last(&self, most: usize, wanted: impl Fn(&Refusal) -> bool) -> Vec<Refusal> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.iter().rev().filter(|refusal| wanted(refusal)).take(most).cloned().collect()
    }
}

impl Moderation {
    /// Whether another one is told now, and how many were not since the last one that was.
    pub(crate) fn admits(&mut self, now: u64) -> Option<u64> {
        if now / 1000 != self.second {
            (self.second, self.told) = (now / 1000, 0);
        }
        if self.told >= TOLD {
            self.untold += 1;
            return None;
        }
        self.told += 1;
        Some(std::mem::take(&mut self.untold))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use darter_codec::ReasonCode;

    #[test]
    fn the_last_refusals_are_kept() {
        let refusals = Refusals::default();
        for number in 0..KEPT + 5 {
            let client = Some(format!("c{number}").into());
            let reason = ReasonCode::NotAuthorized;
            let event = Event::Refused { link: 7, client, reason, what: "no" };
            refusals.keep(Refusal::of(&event, |link| Some(format!("address {link}"))).unwrap());
        }
        let last = refusals.last(2, |refusal| refusal.client != "c1003");
        let clients: Vec<_> = last.iter().map(|refusal| &*refusal.client).collect();
        assert_eq!(clients, ["c1004", "c1002"]);
        assert_eq!(last[0].address.as_deref(), Some("address 7"));
        assert_eq!(refusals.last(usize::MAX, |_| true).len(), KEPT);
    }

    #[test]
    fn a_flood_is_told_in_part_and_what_was_left_out_is_counted() {
        let mut moderation = Moderation::default();
        let told = (0..100).filter(|_| moderation.admits(5_000).is_some()).count();
        assert_eq!(told, 20);
        assert_eq!(moderation.admits(6_000), Some(80));
        assert_eq!(moderation.admits(6_000), Some(0));
    }

    #[test]
    fn a_long_topic_is_shortened_between_letters() {
        assert_eq!(shortened("a/b"), "a/b");
        assert_eq!(shortened(&"\u{e9}".repeat(400)).len(), 512);
        assert_eq!(shortened(&["x", &"\u{e9}".repeat(400)].concat()).len(), 511);
    }
}
