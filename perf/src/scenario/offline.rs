//! A subscriber that is away: messages queue for its session, and reach it when it comes back.

use std::time::{Duration, Instant};

use super::{AT_ONCE, PAYLOAD};
use crate::bench::{Bench, Report, settle};
use crate::setup::{Client, establish};
use crate::swarm::{Deaf, Listener, Outbox, Swarm};
use crate::traffic::{FixedTopics, Shape, Traffic};
use crate::wire::{self, Delivery, Packet, Stamp, Template};

/// Messages queued.
const MESSAGES: u32 = 200_000;
/// Messages on their way to be stored, from one publisher.
const WINDOW: u64 = 100;
/// The client that is away.
pub(super) const AWAY: &str = "away";
/// The topic that it has subscribed to.
pub(super) const TOPIC: &str = "offline/queue";
/// How long nothing may arrive before what is missing counts as lost.
const STALLED: Duration = Duration::from_secs(2);
/// Seconds in which the server reads the last acknowledgements.
const REST: f64 = 0.1;

/// QoS 1 throughout.
pub(super) fn run(bench: &Bench) -> Result<Report, String> {
    let count = bench.scaled(MESSAGES);
    leave_sessions(bench, &[AWAY.to_owned()], TOPIC)?;
    // A swarm of its own: the first one has seen the server end a connection.
    let mut swarm = Swarm::new().map_err(|error| error.to_string())?;
    establish(&mut swarm, bench.address, &[Client::new("pub".to_owned())], AT_ONCE)?;
    let shape = Shape {
        subscribers: 0,
        publishers: 1,
        window: WINDOW,
        limit: count as u64,
        qos: 1,
        closed_loop: true,
        latency: false,
    };
    let mut storing = Traffic::new(unheard(TOPIC), shape);
    let mut report = Report::new();
    let before = bench.private_bytes()?;
    let start = bench.moment()?;
    storing.begin(swarm.outbox());
    settle(&mut swarm, &mut storing)?;
    report.phase("_store", count as f64, bench.since(start)?);
    if !storing.is_quiet() {
        return Err("not every message was acknowledged".to_owned());
    }
    report.figure("bytes", (bench.private_bytes()? - before) / count as f64);
    drain(bench, count, 1, &mut report)?;
    Ok(report)
}

/// QoS 1 messages for a topic that only sessions hear whose clients are gone.
pub(super) fn unheard(topic: &str) -> FixedTopics {
    let template = Template::new(topic, PAYLOAD, Delivery { qos: 1, retain: false });
    FixedTopics { templates: vec![template], receivers: 0 }
}

/// Makes a session with a QoS 1 subscription for each of these client ids, and lets their clients go.
pub(super) fn leave_sessions(bench: &Bench, ids: &[String], topic: &str) -> Result<(), String> {
    let away = |id: &String| Client { id: id.clone(), clean: false, filters: vec![topic.to_owned()], qos: 1 };
    let clients: Vec<_> = ids.iter().map(away).collect();
    let mut swarm = Swarm::new().map_err(|error| error.to_string())?;
    let first = establish(&mut swarm, bench.address, &clients, AT_ONCE)?;
    for link in first..first + clients.len() {
        wire::disconnect(swarm.outbox().to(link));
    }
    let mut progress = (0, Instant::now());
    while swarm.closed() < clients.len() {
        swarm.turn(&mut Deaf, Duration::from_millis(50)).map_err(|error| error.to_string())?;
        if swarm.closed() != progress.0 {
            progress = (swarm.closed(), Instant::now());
        } else if progress.1.elapsed() > STALLED {
            return Err("the server keeps a connection open after DISCONNECT".to_owned());
        }
    }
    Ok(())
}

/// Lets the client that is away come back and take `count` messages of so many publishers.
pub(super) fn drain(
    bench: &Bench,
    count: usize,
    publishers: usize,
    report: &mut Report,
) -> Result<(), String> {
    let mut swarm = Swarm::new().map_err(|error| error.to_string())?;
    let mut drain =
        Drain { next: vec![0; publishers], received: 0, misordered: 0, strange: 0, present: false };
    let start = bench.moment()?;
    let link = swarm.open(bench.address).map_err(|error| error.to_string())?;
    wire::connect(AWAY, false, swarm.outbox().to(link));
    let mut progress = (0, Instant::now());
    while drain.received < count && progress.1.elapsed() < STALLED {
        swarm.turn(&mut drain, Duration::from_millis(50)).map_err(|error| error.to_string())?;
        if drain.received != progress.0 {
            progress = (drain.received, Instant::now());
        }
    }
    report.phase("_drain", drain.received as f64, bench.since(start)?);
    if !drain.present {
        return Err("the server did not keep the session".to_owned());
    }
    // The last acknowledgements shall not be lost with the connection.
    bench.rest(&mut swarm, &mut drain, REST)?;
    report.figure("lost", count.saturating_sub(drain.received) as f64);
    report.figure("misordered", drain.misordered as f64);
    report.figure("strange", drain.strange as f64);
    Ok(())
}

/// The subscriber that came back: acknowledges everything and checks the order.
struct Drain {
    /// The next sequence number from each publisher.
    next: Vec<u64>,
    received: usize,
    misordered: usize,
    strange: usize,
    present: bool,
}

impl Listener for Drain {
    fn packet(&mut self, link: usize, packet: Packet<'_>, out: &mut Outbox) {
        match packet.kind() {
            wire::CONNACK => self.present = packet.body == [1, 0],
            wire::PUBLISH => {
                let Some((_, identifier, payload)) = packet.publish() else { return };
                wire::acknowledge(wire::PUBACK, identifier, out.to(link));
                let stamp = Stamp::read(payload);
                let known = stamp.and_then(|stamp| {
                    Some((self.next.get_mut(usize::try_from(stamp.publisher).ok()?)?, stamp.sequence))
                });
                let Some((next, sequence)) = known else {
                    self.strange += 1;
                    return;
                };
                self.misordered += usize::from(sequence != *next);
                *next = sequence + 1;
                self.received += 1;
            }
            _ => {}
        }
    }
}
