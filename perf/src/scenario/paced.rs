//! Fifty pairs at 5000 messages a second in all: what a mostly sleeping server costs, and how soon it answers.

use std::time::{Duration, Instant};

use super::flow::{PAIRS, connect_pairs, pair_topics};
use super::{ENDLESS, PAYLOAD};
use crate::bench::{Bench, Report, settle, turn};
use crate::swarm::{Listener, Outbox, Swarm};
use crate::traffic::{Load, Shape, Traffic};

/// Time between two messages.
pub(super) const GAP: Duration = Duration::from_micros(200);
/// Messages a publisher may have under way before its turn is left out.
const WINDOW: u64 = 1024;

/// Sends by the clock, spinning in between, so that only the server ever sleeps.
pub(super) fn run(bench: &Bench) -> Result<Report, String> {
    let mut swarm = Swarm::new().map_err(|error| error.to_string())?;
    connect_pairs(bench, &mut swarm, PAIRS, 0)?;
    let shape = Shape {
        subscribers: PAIRS,
        publishers: PAIRS,
        window: WINDOW,
        limit: ENDLESS,
        qos: 0,
        closed_loop: false,
        latency: true,
    };
    let mut traffic = Traffic::new(pair_topics(PAIRS, PAYLOAD, 0), shape);
    let mut clock = Metronome::new(PAIRS, GAP);
    clock.run(&mut swarm, &mut traffic, bench.seconds / 5.0)?;
    traffic.latency.clear();
    clock.skipped = 0;
    let (before, start) = (traffic.counts, bench.moment()?);
    clock.run(&mut swarm, &mut traffic, bench.seconds)?;
    let (after, spent) = (traffic.counts, bench.since(start)?);
    settle(&mut swarm, &mut traffic)?;
    let mut report = Report::new();
    report.traffic(before, after, spent);
    report.faults(traffic.counts);
    report.figure("not_sent_in_time", clock.skipped as f64);
    report.figure("p50_us", traffic.latency.percentile(0.5));
    report.figure("p99_us", traffic.latency.percentile(0.99));
    Ok(report)
}

/// Who sends when the clock says so.
pub(super) trait Paced: Listener {
    /// Lets one publisher send one message now; false when too many of its messages are under way.
    fn send(&mut self, publisher: usize, out: &mut Outbox) -> bool;
}

impl<L: Load> Paced for Traffic<L> {
    fn send(&mut self, publisher: usize, out: &mut Outbox) -> bool {
        Self::send(self, publisher, out)
    }
}

/// Lets publishers send in turn, one each time a gap has passed.
pub(super) struct Metronome {
    due: Instant,
    gap: Duration,
    publisher: usize,
    publishers: usize,
    /// Messages left out because the publisher's window was full.
    pub(super) skipped: u64,
}

impl Metronome {
    /// A clock for so many publishers.
    pub(super) fn new(publishers: usize, gap: Duration) -> Self {
        Self { due: Instant::now(), gap, publisher: 0, publishers, skipped: 0 }
    }

    /// Sends for so many seconds.
    pub(super) fn run(
        &mut self,
        swarm: &mut Swarm,
        traffic: &mut impl Paced,
        seconds: f64,
    ) -> Result<(), String> {
        let start = Instant::now();
        self.due = start;
        loop {
            let now = Instant::now();
            if (now - start).as_secs_f64() >= seconds {
                return Ok(());
            }
            while self.due <= now {
                self.due += self.gap;
                self.publisher = (self.publisher + 1) % self.publishers;
                self.skipped += u64::from(!traffic.send(self.publisher, swarm.outbox()));
            }
            turn(swarm, traffic, Duration::ZERO)?;
        }
    }
}
