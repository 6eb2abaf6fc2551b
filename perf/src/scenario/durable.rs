//! State that a server keeps on the disk: messages for sessions that are away and for one that is there, and two million
//! that outlive a restart.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::offline::{self, AWAY, TOPIC, leave_sessions, unheard};
use super::paced::{GAP, Metronome, Paced};
use super::{AT_ONCE, ENDLESS, PAYLOAD};
use crate::bench::{Bench, Report, settle, turn};
use crate::latency::Histogram;
use crate::setup::{Client, establish};
use crate::swarm::{Deaf, Listener, Outbox, Swarm};
use crate::traffic::{FixedTopics, Shape, Traffic};
use crate::wire::{self, Delivery, Packet, Stamp, Template};

/// Messages in flight per publisher.
const WINDOW: u64 = 20;
/// Publishers, unless the scenario is about their number.
const PUBLISHERS: usize = 50;
/// Messages that are queued for one session before the restart.
const QUEUED: u32 = 2_000_000;
/// Sessions that are away and get a message each.
const AWAY_TOGETHER: u32 = 1000;
/// Time between two messages for all of them.
const FAN_OUT_GAP: Duration = Duration::from_millis(10);
/// Messages one publisher of a paced scenario may have under way before its turn is left out.
const PACED_WINDOW: usize = 1024;
/// How long the last acknowledgements may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// Seconds in which a server may tidy up before its memory is read.
const REST: f64 = 0.5;
/// Time in which it may give back room on the disk, as a multiple of a phase's: five seconds.
const TIDYING: f64 = 2.5;

/// Stores for one session that is away.
pub(super) fn store(bench: &Bench, publishers: usize) -> Result<Report, String> {
    leave_sessions(bench, &[AWAY.to_owned()], TOPIC)?;
    let mut swarm = connect(bench, publishers)?;
    let mut traffic = Traffic::new(unheard(TOPIC), shape(publishers, ENDLESS));
    let report = bench.traffic(&mut swarm, &mut traffic)?;
    if traffic.is_quiet() { Ok(report) } else { Err("not every message was acknowledged".to_owned()) }
}

/// Stores, delivers and deletes: the client of the session is there.
pub(super) fn deliver(bench: &Bench) -> Result<Report, String> {
    let mut swarm = Swarm::new().map_err(|error| error.to_string())?;
    let there = Client { id: "there".to_owned(), clean: false, filters: vec![TOPIC.to_owned()], qos: 1 };
    establish(&mut swarm, bench.address, &[there], AT_ONCE)?;
    establish(&mut swarm, bench.address, &publishers(PUBLISHERS), AT_ONCE)?;
    let template = Template::new(TOPIC, PAYLOAD, Delivery { qos: 1, retain: false });
    let load = FixedTopics { templates: vec![template], receivers: 1 };
    let shape = Shape { subscribers: 1, ..shape(PUBLISHERS, ENDLESS) };
    bench.traffic(&mut swarm, &mut Traffic::new(load, shape))
}

/// How soon the server acknowledges 5000 messages a second for one session that is away.
pub(super) fn paced(bench: &Bench) -> Result<Report, String> {
    leave_sessions(bench, &[AWAY.to_owned()], TOPIC)?;
    acknowledgements(bench, PUBLISHERS, GAP)
}

/// How soon the server acknowledges a message that a thousand sessions get, all of them away.
pub(super) fn fan_out(bench: &Bench) -> Result<Report, String> {
    let ids: Vec<_> = (0..bench.scaled(AWAY_TOGETHER)).map(|number| format!("{AWAY}-{number}")).collect();
    leave_sessions(bench, &ids, TOPIC)?;
    acknowledgements(bench, 1, FAN_OUT_GAP)
}

fn acknowledgements(bench: &Bench, publishers: usize, gap: Duration) -> Result<Report, String> {
    let mut swarm = connect(bench, publishers)?;
    let mut waiting = Waiting::new(publishers);
    let mut clock = Metronome::new(publishers, gap);
    clock.run(&mut swarm, &mut waiting, bench.seconds / 5.0)?;
    waiting.latency.clear();
    clock.skipped = 0;
    let (before, start) = (waiting.acknowledged, bench.moment()?);
    clock.run(&mut swarm, &mut waiting, bench.seconds)?;
    let mut report = Report::new();
    report.phase("", (waiting.acknowledged - before) as f64, bench.since(start)?);
    let start = Instant::now();
    while waiting.under_way() > 0 && start.elapsed() < PATIENCE {
        turn(&mut swarm, &mut waiting, Duration::from_millis(10))?;
    }
    report.figure("lost", waiting.under_way() as f64);
    report.figure("strange", waiting.strange as f64);
    report.figure("not_sent_in_time", clock.skipped as f64);
    report.figure("p50_us", waiting.latency.percentile(0.5));
    report.figure("p99_us", waiting.latency.percentile(0.99));
    Ok(report)
}

/// Queues two million messages for one session that is away, for a server that is stopped after it.
pub(super) fn fill(bench: &Bench) -> Result<Report, String> {
    leave_sessions(bench, &[AWAY.to_owned()], TOPIC)?;
    let mut swarm = connect(bench, PUBLISHERS)?;
    let mut traffic = Traffic::new(unheard(TOPIC), shape(PUBLISHERS, each(bench) as u64));
    let start = bench.moment()?;
    traffic.begin(swarm.outbox());
    settle(&mut swarm, &mut traffic)?;
    let mut report = Report::new();
    report.phase("_fill", traffic.counts.acknowledged as f64, bench.since(start)?);
    if !traffic.is_quiet() {
        return Err("not every message was acknowledged".to_owned());
    }
    bench.rest(&mut swarm, &mut Deaf, REST)?;
    report.figure("private_mb", bench.private_bytes()? / 1e6);
    report.figure("peak_mb", bench.server.peak()? as f64 / 1e6);
    Ok(report)
}

/// Takes what [`fill`] queued from the server that was started after it, and lets the server tidy up.
pub(super) fn drain(bench: &Bench) -> Result<Report, String> {
    let mut report = Report::new();
    offline::drain(bench, each(bench) * PUBLISHERS, PUBLISHERS, &mut report)?;
    report.figure("drain_peak_mb", bench.server.peak()? as f64 / 1e6);
    let mut swarm = Swarm::new().map_err(|error| error.to_string())?;
    bench.rest(&mut swarm, &mut Deaf, bench.seconds * TIDYING)?;
    Ok(report)
}

/// Messages of each publisher in the queue that outlives the restart.
fn each(bench: &Bench) -> usize {
    (bench.scaled(QUEUED) / PUBLISHERS).max(1)
}

fn connect(bench: &Bench, count: usize) -> Result<Swarm, String> {
    let mut swarm = Swarm::new().map_err(|error| error.to_string())?;
    establish(&mut swarm, bench.address, &publishers(count), AT_ONCE)?;
    Ok(swarm)
}

fn publishers(count: usize) -> Vec<Client> {
    (0..count).map(|number| Client::new(format!("pub-{number}"))).collect()
}

fn shape(publishers: usize, limit: u64) -> Shape {
    Shape { subscribers: 0, publishers, window: WINDOW, limit, qos: 1, closed_loop: true, latency: false }
}

/// Publishers that wait for acknowledgements, which come in the order of their messages.
struct Waiting {
    template: Template,
    publishers: Vec<Publisher>,
    latency: Histogram,
    acknowledged: u64,
    /// Acknowledgements of something else than the message whose turn it was.
    strange: u64,
}

#[derive(Default)]
struct Publisher {
    sent: u64,
    /// When the messages under way were handed to the connection.
    since: VecDeque<Instant>,
}

impl Waiting {
    fn new(publishers: usize) -> Self {
        Self {
            template: Template::new(TOPIC, PAYLOAD, Delivery { qos: 1, retain: false }),
            publishers: (0..publishers).map(|_| Publisher::default()).collect(),
            latency: Histogram::new(),
            acknowledged: 0,
            strange: 0,
        }
    }

    fn under_way(&self) -> usize {
        self.publishers.iter().map(|publisher| publisher.since.len()).sum()
    }
}

impl Paced for Waiting {
    fn send(&mut self, publisher: usize, out: &mut Outbox) -> bool {
        let state = &mut self.publishers[publisher];
        if state.since.len() >= PACED_WINDOW {
            return false;
        }
        let number = u32::try_from(publisher).unwrap_or(u32::MAX);
        self.template.append(Stamp { publisher: number, sequence: state.sent, sent: 0 }, out.to(publisher));
        state.sent += 1;
        state.since.push_back(Instant::now());
        true
    }
}

impl Listener for Waiting {
    fn packet(&mut self, link: usize, packet: Packet<'_>, _out: &mut Outbox) {
        let state = &mut self.publishers[link];
        let due = wire::identifier(state.sent - state.since.len() as u64);
        match state.since.pop_front() {
            Some(since) if packet.kind() == wire::PUBACK && packet.identifier() == due => {
                self.latency.record(u64::try_from(since.elapsed().as_nanos()).unwrap_or(u64::MAX));
                self.acknowledged += 1;
            }
            _ => self.strange += 1,
        }
    }
}
