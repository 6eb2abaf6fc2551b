//! Fifty pairs at 5000 messages a second in all: what a mostly sleeping server costs, and how soon it answers.

use std::time::{Duration, Instant};

use super::flow::{PAIRS, connect_pairs, pair_topics};
use super::{ENDLESS, PAYLOAD};
use crate::bench::{Bench, Report, settle, turn};
use crate::swarm::Swarm;
use crate::traffic::{Shape, Traffic};

/// Time between two messages.
const GAP: Duration = Duration::from_micros(200);
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
    let mut clock = Metronome { due: Instant::now(), publisher: 0, skipped: 0 };
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

struct Metronome {
    due: Instant,
    publisher: usize,
    /// Messages left out because the publisher's window was full.
    skipped: u64,
}

impl Metronome {
    fn run<L: crate::traffic::Load>(
        &mut self,
        swarm: &mut Swarm,
        traffic: &mut Traffic<L>,
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
                self.due += GAP;
                self.publisher = (self.publisher + 1) % PAIRS;
                self.skipped += u64::from(!traffic.send(self.publisher, swarm.outbox()));
            }
            turn(swarm, traffic, Duration::ZERO)?;
        }
    }
}
