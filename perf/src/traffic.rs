//! Publishers and subscribers in a closed loop: a publisher sends its next message when an earlier one has arrived.

use std::time::Instant;

use crate::latency::Histogram;
use crate::swarm::{Listener, Outbox};
use crate::wire::{self, Packet, Stamp, Template};

/// What the publishers of a scenario send.
pub(crate) trait Load {
    /// Appends one message and returns to how many subscribers the server must deliver it.
    fn append(&mut self, stamp: Stamp, out: &mut Vec<u8>) -> u32;
    /// Whether a subscriber sees every message of a publisher it hears at all.
    const GAPLESS: bool;
}

/// Every publisher has one topic, and each of its messages the same number of receivers.
pub(crate) struct FixedTopics {
    /// One message per publisher, or one for all.
    pub(crate) templates: Vec<Template>,
    /// Receivers of each message.
    pub(crate) receivers: u32,
}

impl Load for FixedTopics {
    const GAPLESS: bool = true;

    #[inline]
    fn append(&mut self, stamp: Stamp, out: &mut Vec<u8>) -> u32 {
        let own = stamp.publisher as usize;
        self.templates[if self.templates.len() == 1 { 0 } else { own }].append(stamp, out);
        self.receivers
    }
}

/// Numbers of a traffic scenario.
#[derive(Clone, Copy)]
pub(crate) struct Shape {
    /// Connections 0 up to here subscribe.
    pub(crate) subscribers: usize,
    /// The connections behind them publish.
    pub(crate) publishers: usize,
    /// Messages in flight per publisher.
    pub(crate) window: u64,
    /// Messages each publisher sends at most.
    pub(crate) limit: u64,
    /// Quality of service of what is published.
    pub(crate) qos: u8,
    /// Whether publishers send on their own when an earlier message has arrived.
    pub(crate) closed_loop: bool,
    /// Whether messages carry the time.
    pub(crate) latency: bool,
}

/// What was seen so far.
#[derive(Clone, Copy, Default)]
pub(crate) struct Counts {
    /// Messages published.
    pub(crate) sent: u64,
    /// Deliveries that these must cause.
    pub(crate) expected: u64,
    /// Deliveries seen.
    pub(crate) received: u64,
    /// Messages that the server has acknowledged.
    pub(crate) acknowledged: u64,
    /// Deliveries out of order, or a second time.
    pub(crate) misordered: u64,
    /// Packets that make no sense here.
    pub(crate) strange: u64,
}

impl Counts {
    /// What a scenario is about: deliveries, or acknowledgements where nobody is there to hear.
    pub(crate) fn done(&self) -> u64 {
        if self.expected > 0 { self.received } else { self.acknowledged }
    }
}

/// The listener behind every scenario in which messages travel.
pub(crate) struct Traffic<L> {
    load: L,
    shape: Shape,
    publishers: Vec<Publisher>,
    /// The next sequence number from each publisher, by subscriber.
    next: Vec<u64>,
    /// What was seen so far.
    pub(crate) counts: Counts,
    /// Delivery times, when the shape asks for them.
    pub(crate) latency: Histogram,
    started: Instant,
    now: u64,
    stopped: bool,
}

struct Publisher {
    sent: u64,
    /// Everything before this number has arrived everywhere.
    base: u64,
    /// Arrivals and acknowledgements still missing, by sequence number modulo its length (a power of two).
    missing: Vec<u32>,
}

impl<L: Load> Traffic<L> {
    /// Traffic that has not begun.
    pub(crate) fn new(load: L, shape: Shape) -> Self {
        let slots = usize::try_from(shape.window.next_power_of_two()).unwrap_or(1);
        let publishers =
            (0..shape.publishers).map(|_| Publisher { sent: 0, base: 0, missing: vec![0; slots] }).collect();
        Self {
            load,
            shape,
            publishers,
            next: vec![0; shape.subscribers * shape.publishers],
            counts: Counts::default(),
            latency: Histogram::new(),
            started: Instant::now(),
            now: 0,
            stopped: false,
        }
    }

    /// Lets every publisher fill its window.
    pub(crate) fn begin(&mut self, out: &mut Outbox) {
        for publisher in 0..self.publishers.len() {
            self.refill(publisher, out);
        }
    }

    /// No further message is published.
    pub(crate) fn stop(&mut self) {
        self.stopped = true;
    }

    /// Whether everything published has arrived and is acknowledged.
    pub(crate) fn is_quiet(&self) -> bool {
        self.publishers.iter().all(|publisher| publisher.base == publisher.sent)
    }

    /// Lets one publisher send one message now, window or not; false when its window is full.
    pub(crate) fn send(&mut self, publisher: usize, out: &mut Outbox) -> bool {
        let state = &self.publishers[publisher];
        if state.sent - state.base >= self.shape.window {
            return false;
        }
        self.tell_time();
        self.publish(publisher, out);
        true
    }

    fn tell_time(&mut self) {
        self.now = u64::try_from(self.started.elapsed().as_nanos()).unwrap_or(u64::MAX);
    }

    #[inline]
    fn refill(&mut self, publisher: usize, out: &mut Outbox) {
        while !self.stopped {
            let state = &self.publishers[publisher];
            if state.sent - state.base >= self.shape.window || state.sent >= self.shape.limit {
                return;
            }
            self.publish(publisher, out);
        }
    }

    #[inline]
    fn publish(&mut self, publisher: usize, out: &mut Outbox) {
        let state = &mut self.publishers[publisher];
        let number = u32::try_from(publisher).unwrap_or(u32::MAX);
        let stamp = Stamp { publisher: number, sequence: state.sent, sent: self.now };
        let receivers = self.load.append(stamp, out.to(self.shape.subscribers + publisher));
        let slot = slot(&state.missing, state.sent);
        state.missing[slot] = receivers + u32::from(self.shape.qos > 0);
        state.sent += 1;
        self.counts.sent += 1;
        self.counts.expected += u64::from(receivers);
    }

    #[inline]
    fn delivered(&mut self, link: usize, packet: Packet<'_>, out: &mut Outbox) {
        let Some((qos, identifier, payload)) = packet.publish() else {
            self.counts.strange += 1;
            return;
        };
        match qos {
            0 => {}
            1 => wire::acknowledge(wire::PUBACK, identifier, out.to(link)),
            _ => wire::acknowledge(wire::PUBREC, identifier, out.to(link)),
        }
        let stamp = Stamp::read(payload).filter(|stamp| {
            link < self.shape.subscribers && (stamp.publisher as usize) < self.publishers.len()
        });
        let Some(stamp) = stamp else {
            self.counts.strange += 1;
            return;
        };
        let publisher = stamp.publisher as usize;
        let next = &mut self.next[link * self.shape.publishers + publisher];
        let in_order = if L::GAPLESS { stamp.sequence == *next } else { stamp.sequence >= *next };
        if stamp.sequence < *next {
            self.counts.misordered += 1;
            return;
        }
        self.counts.misordered += u64::from(!in_order);
        *next = stamp.sequence + 1;
        self.counts.received += 1;
        if self.shape.latency {
            self.latency.record(self.now.saturating_sub(stamp.sent));
        }
        self.arrived(publisher, stamp.sequence, out);
    }

    /// One of the things message `sequence` waits for has happened.
    #[inline]
    fn arrived(&mut self, publisher: usize, sequence: u64, out: &mut Outbox) {
        let state = &mut self.publishers[publisher];
        if sequence < state.base || sequence >= state.sent {
            self.counts.strange += 1;
            return;
        }
        let slot_of = slot(&state.missing, sequence);
        state.missing[slot_of] = state.missing[slot_of].saturating_sub(1);
        while state.base < state.sent && state.missing[slot(&state.missing, state.base)] == 0 {
            state.base += 1;
        }
        if self.shape.closed_loop {
            self.refill(publisher, out);
        }
    }

    fn acknowledged(&mut self, link: usize, identifier: u16, out: &mut Outbox) {
        let Some(publisher) = link.checked_sub(self.shape.subscribers) else { return };
        self.counts.acknowledged += 1;
        let base = self.publishers[publisher].base;
        let ahead = (u64::from(identifier) + 65_535 - u64::from(wire::identifier(base))) % 65_535;
        self.arrived(publisher, base + ahead, out);
    }
}

#[inline]
fn slot(missing: &[u32], sequence: u64) -> usize {
    usize::try_from(sequence).unwrap_or(0) & (missing.len() - 1)
}

impl<L: Load> Listener for Traffic<L> {
    #[inline]
    fn readable(&mut self) {
        if self.shape.latency {
            self.tell_time();
        }
    }

    #[inline]
    fn packet(&mut self, link: usize, packet: Packet<'_>, out: &mut Outbox) {
        match packet.kind() {
            wire::PUBLISH => self.delivered(link, packet, out),
            wire::PUBACK | wire::PUBCOMP => self.acknowledged(link, packet.identifier(), out),
            wire::PUBREC => wire::acknowledge(wire::PUBREL, packet.identifier(), out.to(link)),
            wire::PUBREL => wire::acknowledge(wire::PUBCOMP, packet.identifier(), out.to(link)),
            _ => self.counts.strange += 1,
        }
    }
}
