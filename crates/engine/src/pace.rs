//! How fast clients publish, and what happens to those who are faster than they may be.

use crate::effect::{Effect, LinkId};
use crate::limits::{Limits, RatePolicy};
use crate::link::LinkState;
use crate::outbox::Outbox;
use crate::shard::{Fault, Shard};
use alloc::boxed::Box;
use alloc::sync::Arc;
use core::sync::atomic::{AtomicU64, Ordering};
use darter_codec::ReasonCode;

const NANOS: u64 = 1_000_000_000;
const NANOS_PER_MILLI: u64 = 1_000_000;
/// Nobody waits longer for one packet, however large it was, in milliseconds.
const LONGEST: u64 = 60_000;

/// What the clients of one user have published lately, on every shard.
#[derive(Debug, Default)]
pub struct Allowance {
    messages: AtomicU64,
    bytes: AtomicU64,
}

/// What one client has published lately.
#[derive(Debug)]
pub(crate) struct Pace {
    messages: u64,
    bytes: u64,
    shared: Option<Arc<Allowance>>,
}

/// So much in a second, and what a while brings at once.
///
/// Everything that is let through moves a mark on the clock forwards by the time that it is worth. While the mark is no further
/// ahead than the burst, more may come.
#[derive(Debug, Clone, Copy)]
struct Rate {
    per_second: u64,
    burst: u64,
}

impl Rate {
    /// None where there is no limit.
    fn new(per_second: u64, burst: u64) -> Option<Self> {
        (per_second > 0).then_some(Self { per_second, burst: burst * NANOS_PER_MILLI })
    }

    /// Moves the mark; gives the nanoseconds that it is too far ahead then.
    fn charge(self, mark: u64, now: u64, amount: u64) -> (u64, u64) {
        let worth = amount.saturating_mul(NANOS) / self.per_second;
        let most = now.saturating_add(self.burst).saturating_add(LONGEST * NANOS_PER_MILLI);
        let mark = mark.max(now).saturating_add(worth).min(most);
        (mark, mark.saturating_sub(now + self.burst))
    }
}

impl Allowance {
    fn charge(mark: &AtomicU64, rate: Option<Rate>, now: u64, amount: u64) -> u64 {
        let Some(rate) = rate else { return 0 };
        let mut ahead = 0;
        let moved = mark.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |mark| {
            let (mark, wait) = rate.charge(mark, now, amount);
            ahead = wait;
            Some(mark)
        });
        moved.map_or(0, |_| ahead)
    }
}

impl Pace {
    /// None where nothing is limited.
    fn new(limits: &Limits, shared: Option<Arc<Allowance>>) -> Option<Box<Self>> {
        let limited = limits.publish_messages > 0 || limits.publish_bytes > 0 || shared.is_some();
        limited.then(|| Box::new(Self { messages: 0, bytes: 0, shared }))
    }

    /// Takes one PUBLISH into account; gives the milliseconds that its client is too fast then.
    fn charge(&mut self, now: u64, bytes: u64, limits: &Limits) -> u64 {
        let now = now.saturating_mul(NANOS_PER_MILLI);
        let rate = |per_second| Rate::new(per_second, limits.publish_burst);
        let mut ahead = 0;
        if let Some(rate) = rate(limits.publish_messages.into()) {
            let wait;
            (self.messages, wait) = rate.charge(self.messages, now, 1);
            ahead = wait;
        }
        if let Some(rate) = rate(limits.publish_bytes) {
            let wait;
            (self.bytes, wait) = rate.charge(self.bytes, now, bytes);
            ahead = ahead.max(wait);
        }
        if let Some(shared) = &self.shared {
            let messages = rate(limits.user_publish_messages.into());
            ahead = ahead.max(Allowance::charge(&shared.messages, messages, now, 1));
            ahead = ahead.max(Allowance::charge(&shared.bytes, rate(limits.user_publish_bytes), now, bytes));
        }
        ahead.div_ceil(NANOS_PER_MILLI)
    }
}

impl Shard {
    /// What the client of this connection will publish counts for this as well, which the clients of one user share. Called before
    /// the verdict that lets it in.
    pub fn share_allowance(&mut self, id: LinkId, allowance: Arc<Allowance>) {
        let limits = &self.out.limits;
        let limited = limits.user_publish_messages > 0 || limits.user_publish_bytes > 0;
        if limited && let Some(login) = self.out.link_mut(id).and_then(|link| link.login.as_mut()) {
            login.allowance = Some(allowance);
        }
    }

    /// A client is in; what it publishes is counted if that is limited.
    pub(crate) fn begin_pace(&mut self, id: LinkId) {
        let Outbox { links, limits, .. } = &mut self.out;
        if let Some(link) = links.get_mut(id.slot as usize).filter(|link| link.serial == id.serial) {
            let shared = link.login.as_mut().and_then(|login| login.allowance.take());
            link.pace = Pace::new(limits, shared);
        }
    }

    /// A client has sent a PUBLISH of so many bytes. If that was too fast, nothing is read from it for a while.
    #[cold]
    #[inline(never)]
    pub(crate) fn keep_pace(&mut self, now: u64, slot: u32, bytes: usize) -> Result<(), Fault> {
        let link = &mut self.out.links[slot as usize];
        let Some(pace) = link.pace.as_mut() else { return Ok(()) };
        let wait = pace.charge(now, bytes as u64, &self.out.limits);
        if wait == 0 {
            return Ok(());
        }
        self.out.counters.too_fast += 1;
        if self.out.limits.rate_policy == RatePolicy::Disconnect {
            let what = "it publishes faster than it may";
            return Err(Fault { reason: ReasonCode::MessageRateTooHigh, what });
        }
        link.waits_until = now + wait;
        let (at, id) = (link.waits_until, link.id(slot));
        self.waking.insert((at, id));
        Ok(())
    }

    /// A client that was too fast has waited long enough.
    pub(crate) fn end_pause(&mut self, now: u64, at: u64, id: LinkId) {
        let link = self.out.link_mut(id);
        if let Some(link) = link.filter(|link| link.state == LinkState::Open && link.waits_until == at) {
            link.waits_until = 0;
            link.last_seen = now;
            self.out.effects.push_back(Effect::Resume { link: id });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(messages: u32, bytes: u64) -> Limits {
        Limits { publish_messages: messages, publish_bytes: bytes, publish_burst: 1_000, ..Limits::default() }
    }

    #[test]
    fn a_burst_passes_and_the_rate_follows() {
        let limits = limits(10, 0);
        let mut pace = Pace::new(&limits, None).unwrap();
        let waits: [u64; 12] = core::array::from_fn(|_| pace.charge(1_000, 5, &limits));
        assert_eq!(waits, [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 100, 200]);
        assert_eq!(pace.charge(1_200, 5, &limits), 100);
        assert_eq!(pace.charge(60_000, 5, &limits), 0, "who was silent has a burst again");
    }

    #[test]
    fn no_wait_is_longer_than_a_minute() {
        let limits = limits(0, 10);
        let mut pace = Pace::new(&limits, None).unwrap();
        assert_eq!(pace.charge(1_000, 1 << 28, &limits), 60_000);
        assert_eq!(pace.charge(1_000, u64::MAX, &limits), 60_000);
        assert_eq!(pace.charge(31_000, 100, &limits), 40_000);
    }

    #[test]
    fn clients_of_one_user_share_what_they_may() {
        let limits = Limits { user_publish_messages: 10, publish_burst: 1_000, ..Limits::default() };
        let allowance = Arc::new(Allowance::default());
        let mut clients = [0, 1].map(|_| Pace::new(&limits, Some(allowance.clone())).unwrap());
        for round in 0..10 {
            assert_eq!(clients[round % 2].charge(1_000, 5, &limits), 0);
        }
        assert_eq!(clients[0].charge(1_000, 5, &limits), 100);
        assert_eq!(clients[1].charge(1_000, 5, &limits), 200);
    }

    #[test]
    fn without_limits_nothing_is_counted() {
        assert!(Pace::new(&Limits::default(), None).is_none());
    }
}
