//! A hundred thousand retained messages: storing them, keeping them, and handing them to one subscriber.

use std::time::{Duration, Instant};

use super::{AT_ONCE, PAYLOAD};
use crate::bench::{Bench, Report, settle, turn};
use crate::setup::{Client, establish};
use crate::swarm::{Listener, Outbox, Swarm};
use crate::traffic::{Load, Shape, Traffic};
use crate::wire::{self, Delivery, Packet, Stamp, Template};

/// Topics with a retained message.
const TOPICS: u32 = 100_000;
/// Messages on their way to be stored, from one publisher.
const WINDOW: u64 = 100;
/// How long nothing may arrive before what is missing counts as lost.
const STALLED: Duration = Duration::from_secs(2);

/// Stores with QoS 1, so that the end of the work is known, and delivers with QoS 0.
pub(super) fn run(bench: &Bench) -> Result<Report, String> {
    let count = bench.scaled(TOPICS);
    let mut swarm = Swarm::new().map_err(|error| error.to_string())?;
    establish(&mut swarm, bench.address, &[Client::new("pub".to_owned())], AT_ONCE)?;
    let mut report = Report::new();

    let shape = Shape {
        subscribers: 0,
        publishers: 1,
        window: WINDOW,
        limit: count as u64,
        qos: 1,
        closed_loop: true,
        latency: false,
    };
    let mut storing = Traffic::new(Values::new(), shape);
    let before = bench.private_bytes()?;
    let start = bench.moment()?;
    storing.begin(swarm.outbox());
    settle(&mut swarm, &mut storing)?;
    report.phase("_store", count as f64, bench.since(start)?);
    if !storing.is_quiet() {
        return Err("not every retained message was acknowledged".to_owned());
    }
    report.figure("bytes", (bench.private_bytes()? - before) / count as f64);

    let link = establish(&mut swarm, bench.address, &[Client::new("sub".to_owned())], AT_ONCE)?;
    let mut hearing = Hearing { seen: vec![false; count], received: 0, strange: 0 };
    let start = bench.moment()?;
    wire::subscribe(1, &["retained/+".to_owned()], 0, swarm.outbox().to(link));
    let mut progress = (0, Instant::now());
    while hearing.received < count && progress.1.elapsed() < STALLED {
        turn(&mut swarm, &mut hearing, Duration::from_millis(50))?;
        if hearing.received != progress.0 {
            progress = (hearing.received, Instant::now());
        }
    }
    report.phase("_deliver", hearing.received as f64, bench.since(start)?);
    report.figure("lost", (count - hearing.received) as f64);
    report.figure("strange", hearing.strange as f64);
    Ok(report)
}

/// One retained value for each topic, by the message's number.
struct Values {
    template: Template,
}

impl Values {
    fn new() -> Self {
        let delivery = Delivery { qos: 1, retain: true };
        Self { template: Template::new("retained/000000", PAYLOAD, delivery) }
    }
}

impl Load for Values {
    const GAPLESS: bool = true;

    fn append(&mut self, stamp: Stamp, out: &mut Vec<u8>) -> u32 {
        self.template.append_numbered(stamp, stamp.sequence, out);
        0
    }
}

struct Hearing {
    seen: Vec<bool>,
    received: usize,
    strange: usize,
}

impl Listener for Hearing {
    fn packet(&mut self, _link: usize, packet: Packet<'_>, _out: &mut Outbox) {
        if packet.kind() != wire::PUBLISH {
            return;
        }
        let stamp = packet.publish().and_then(|(_, _, payload)| Stamp::read(payload));
        let place = stamp.and_then(|stamp| self.seen.get_mut(usize::try_from(stamp.sequence).ok()?));
        match place {
            Some(seen) if !*seen && packet.first & 1 == 1 => {
                *seen = true;
                self.received += 1;
            }
            _ => self.strange += 1,
        }
    }
}
