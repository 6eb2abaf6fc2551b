//! One scenario's surroundings: the server under test, the clocks, and the figures that come out.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};

use crate::probe::{Process, machine_busy};
use crate::swarm::{Listener, Swarm};
use crate::traffic::{Counts, Load, Traffic};

/// Share of the measured time spent on warming up before it.
const WARM_UP: f64 = 0.15;
/// How long nothing may arrive before what is missing counts as lost.
const STALLED: Duration = Duration::from_secs(2);

/// The server under test and how much of it is asked.
pub(crate) struct Bench {
    /// Where it listens.
    pub(crate) address: SocketAddr,
    /// The server's process.
    pub(crate) server: Process,
    /// Length of a timed phase.
    pub(crate) seconds: f64,
    /// Divides every count: connections, subscriptions, stored messages. At least 1.
    pub(crate) divisor: u32,
}

/// The clocks at one moment.
#[derive(Clone, Copy)]
pub(crate) struct Moment {
    wall: Instant,
    server: u64,
    own: u64,
    machine: f64,
}

/// What passed between two moments.
#[derive(Clone, Copy)]
pub(crate) struct Spent {
    /// Seconds by the wall clock.
    pub(crate) seconds: f64,
    /// The server's CPU time in microseconds.
    pub(crate) server: f64,
    /// The generator's CPU time in microseconds.
    pub(crate) own: f64,
    /// CPU time of everything else on this machine, in microseconds.
    pub(crate) others: f64,
}

impl Bench {
    /// `full` divided as asked, at least 1.
    pub(crate) fn scaled(&self, full: u32) -> usize {
        (full / self.divisor).max(1) as usize
    }

    /// Reads the clocks.
    pub(crate) fn moment(&self) -> Result<Moment, String> {
        Ok(Moment {
            wall: Instant::now(),
            server: self.server.cpu()?,
            own: Process::own().cpu()?,
            machine: machine_busy()?,
        })
    }

    /// What passed since `start`.
    pub(crate) fn since(&self, start: Moment) -> Result<Spent, String> {
        let now = self.moment()?;
        let server = (now.server - start.server) as f64 / 1000.0;
        let own = (now.own - start.own) as f64 / 1000.0;
        let others = (now.machine - start.machine - server - own).max(0.0);
        Ok(Spent { seconds: (now.wall - start.wall).as_secs_f64(), server, own, others })
    }

    /// The server's private memory now, in bytes.
    pub(crate) fn private_bytes(&self) -> Result<f64, String> {
        Ok(self.server.memory()?.private_dirty as f64)
    }

    /// Turns the loop for so many seconds of rest, in which the server may tidy up.
    pub(crate) fn rest(
        &self,
        swarm: &mut Swarm,
        listener: &mut impl Listener,
        seconds: f64,
    ) -> Result<(), String> {
        let start = Instant::now();
        while start.elapsed().as_secs_f64() < seconds {
            turn(swarm, listener, Duration::from_millis(20))?;
        }
        Ok(())
    }

    /// Warms up, measures closed-loop traffic for the bench's time, and waits until everything has arrived.
    pub(crate) fn traffic<L: Load>(
        &self,
        swarm: &mut Swarm,
        traffic: &mut Traffic<L>,
    ) -> Result<Report, String> {
        traffic.begin(swarm.outbox());
        run_for(self.seconds * WARM_UP, swarm, traffic)?;
        traffic.latency.clear();
        let (before, start) = (traffic.counts, self.moment()?);
        run_for(self.seconds, swarm, traffic)?;
        let (after, spent) = (traffic.counts, self.since(start)?);
        traffic.stop();
        settle(swarm, traffic)?;
        let mut report = Report::new();
        report.traffic(before, after, spent);
        report.faults(traffic.counts);
        Ok(report)
    }
}

fn run_for<L: Load>(seconds: f64, swarm: &mut Swarm, traffic: &mut Traffic<L>) -> Result<(), String> {
    let start = Instant::now();
    let mut progress = (0, start);
    loop {
        turn(swarm, traffic, Duration::from_millis(50))?;
        let now = Instant::now();
        if (now - start).as_secs_f64() >= seconds {
            return Ok(());
        }
        if traffic.counts.done() != progress.0 {
            progress = (traffic.counts.done(), now);
        } else if now - progress.1 > STALLED {
            return Err(format!("nothing arrives any more after {} messages", progress.0));
        }
    }
}

/// Turns until everything published has arrived, or nothing comes any more.
pub(crate) fn settle<L: Load>(swarm: &mut Swarm, traffic: &mut Traffic<L>) -> Result<(), String> {
    let mut progress = (traffic.counts, Instant::now());
    while !traffic.is_quiet() && progress.1.elapsed() < STALLED {
        turn(swarm, traffic, Duration::from_millis(50))?;
        if traffic.counts.done() != progress.0.done() || traffic.counts.sent != progress.0.sent {
            progress = (traffic.counts, Instant::now());
        }
    }
    Ok(())
}

/// One turn of the loop; a connection that the server ended fails the scenario.
pub(crate) fn turn(
    swarm: &mut Swarm,
    listener: &mut impl Listener,
    patience: Duration,
) -> Result<(), String> {
    swarm.turn(listener, patience).map_err(|error| format!("polling: {error}"))?;
    match swarm.closed() {
        0 => Ok(()),
        closed => Err(format!("the server ended {closed} connections")),
    }
}

/// The figures of one run, in the order they were found.
pub(crate) struct Report {
    figures: Map<String, Value>,
}

impl Report {
    /// A report without figures.
    pub(crate) fn new() -> Self {
        Self { figures: Map::new() }
    }

    /// Adds one figure.
    pub(crate) fn figure(&mut self, name: &str, value: f64) {
        self.figures.insert(name.to_owned(), json!((value * 1000.0).round() / 1000.0));
    }

    /// Adds what a phase of `count` things cost, as `cpu_us<suffix>` with rate and CPU shares beside it.
    pub(crate) fn phase(&mut self, suffix: &str, count: f64, spent: Spent) {
        self.figure(&format!("cpu_us{suffix}"), spent.server / count.max(1.0));
        self.figure(&format!("per_second{suffix}"), count / spent.seconds);
        self.figure(&format!("server_share{suffix}"), spent.server / spent.seconds / 1e6);
        self.figure(&format!("generator_share{suffix}"), spent.own / spent.seconds / 1e6);
        self.figure(&format!("others_share{suffix}"), spent.others / spent.seconds / 1e6);
    }

    /// Adds what was lost or came in the wrong order in the whole run.
    pub(crate) fn faults(&mut self, counts: Counts) {
        self.figure("lost", counts.expected.saturating_sub(counts.received) as f64);
        self.figure("misordered", counts.misordered as f64);
        self.figure("strange", counts.strange as f64);
    }

    /// Adds a measured phase of traffic.
    pub(crate) fn traffic(&mut self, before: Counts, after: Counts, spent: Spent) {
        self.figure("elapsed_s", spent.seconds);
        self.figure("sent", (after.sent - before.sent) as f64);
        self.figure("received", (after.received - before.received) as f64);
        self.phase("", (after.done() - before.done()) as f64, spent);
    }

    /// The report as one line of JSON.
    pub(crate) fn into_json(mut self, scenario: &str) -> String {
        self.figures.insert("scenario".to_owned(), json!(scenario));
        Value::Object(self.figures).to_string()
    }
}
