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
/// The topic that the absent client has subscribed to.
const TOPIC: &str = "offline/queue";
/// How long nothing may arrive before what is missing counts as lost.
const STALLED: Duration = Duration::from_secs(2);

/// QoS 1 throughout.
pub(super) fn run(bench: &Bench) -> Result<Report, String> {
    let count = bench.scaled(MESSAGES);
    let mut swarm = Swarm::new().map_err(|error| error.to_string())?;
    let away = Client { id: "away".to_owned(), clean: false, filters: vec![TOPIC.to_owned()], qos: 1 };
    let link = establish(&mut swarm, bench.address, std::slice::from_ref(&away), AT_ONCE)?;
    leave(&mut swarm, link)?;

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
    let template = Template::new(TOPIC, PAYLOAD, Delivery { qos: 1, retain: false });
    let mut storing = Traffic::new(FixedTopics { templates: vec![template], receivers: 0 }, shape);
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

    let mut drain = Drain { next: 0, received: 0, misordered: 0, present: false };
    let start = bench.moment()?;
    let link = swarm.open(bench.address).map_err(|error| error.to_string())?;
    wire::connect(&away.id, away.clean, swarm.outbox().to(link));
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
    report.figure("lost", (count - drain.received) as f64);
    report.figure("misordered", drain.misordered as f64);
    Ok(report)
}

/// Disconnects and waits until the server has seen it.
fn leave(swarm: &mut Swarm, link: usize) -> Result<(), String> {
    wire::disconnect(swarm.outbox().to(link));
    let start = Instant::now();
    while swarm.closed() == 0 {
        swarm.turn(&mut Deaf, Duration::from_millis(50)).map_err(|error| error.to_string())?;
        if start.elapsed() > STALLED {
            return Err("the server keeps a connection open after DISCONNECT".to_owned());
        }
    }
    Ok(())
}

/// The subscriber that came back: acknowledges everything and checks the order.
struct Drain {
    next: u64,
    received: usize,
    misordered: usize,
    present: bool,
}

impl Listener for Drain {
    fn packet(&mut self, link: usize, packet: Packet<'_>, out: &mut Outbox) {
        match packet.kind() {
            wire::CONNACK => self.present = packet.body == [1, 0],
            wire::PUBLISH => {
                let Some((_, identifier, payload)) = packet.publish() else { return };
                wire::acknowledge(wire::PUBACK, identifier, out.to(link));
                let Some(stamp) = Stamp::read(payload) else { return };
                self.misordered += usize::from(stamp.sequence != self.next);
                self.next = stamp.sequence + 1;
                self.received += 1;
            }
            _ => {}
        }
    }
}
