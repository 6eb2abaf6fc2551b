//! Messages flowing as fast as the server lets them: pairs, fan-out, fan-in, large payloads.

use super::{AT_ONCE, ENDLESS, PAYLOAD};
use crate::bench::{Bench, Report};
use crate::setup::{Client, establish};
use crate::swarm::Swarm;
use crate::traffic::{FixedTopics, Shape, Traffic};
use crate::wire::{Delivery, Template};

/// Pairs of one publisher and one subscriber each in the 50 -> 50 scenarios.
pub(super) const PAIRS: usize = 50;
/// Subscribers of a fan-out, publishers of a fan-in.
const MANY: u32 = 1000;
/// Messages in flight per publisher of a fan-in: enough that the server always finds work when it looks.
const FAN_IN_WINDOW: u64 = 10;
/// Pairs, window and payload of the scenario with large messages.
const LARGE: (usize, u64, usize) = (10, 2, 100 * 1024);

/// Fifty publishers with a topic and a subscriber each.
pub(super) fn pairs(bench: &Bench, qos: u8, window: u64) -> Result<Report, String> {
    paired(bench, qos, window, PAIRS, PAYLOAD)
}

/// Ten pairs that exchange 100 KiB payloads.
pub(super) fn large(bench: &Bench) -> Result<Report, String> {
    let (pairs, window, size) = LARGE;
    paired(bench, 0, window, pairs, size)
}

fn paired(bench: &Bench, qos: u8, window: u64, pairs: usize, size: usize) -> Result<Report, String> {
    let mut swarm = Swarm::new().map_err(|error| error.to_string())?;
    connect_pairs(bench, &mut swarm, pairs, qos)?;
    let shape = Shape {
        subscribers: pairs,
        publishers: pairs,
        window,
        limit: ENDLESS,
        qos,
        closed_loop: true,
        latency: qos == 1,
    };
    let mut traffic = Traffic::new(pair_topics(pairs, size, qos), shape);
    let mut report = bench.traffic(&mut swarm, &mut traffic)?;
    if shape.latency {
        report.figure("p50_us", traffic.latency.percentile(0.5));
        report.figure("p99_us", traffic.latency.percentile(0.99));
    }
    Ok(report)
}

/// Connects `pairs` subscribers, each with its own topic, and behind them as many publishers.
pub(super) fn connect_pairs(bench: &Bench, swarm: &mut Swarm, pairs: usize, qos: u8) -> Result<(), String> {
    let subscribers: Vec<_> =
        (0..pairs).map(|pair| Client::subscribed(format!("sub-{pair}"), &pair_topic(pair), qos)).collect();
    let publishers: Vec<_> = (0..pairs).map(|pair| Client::new(format!("pub-{pair}"))).collect();
    establish(swarm, bench.address, &subscribers, AT_ONCE)?;
    establish(swarm, bench.address, &publishers, AT_ONCE)?;
    Ok(())
}

/// The messages of the publishers in pairs.
pub(super) fn pair_topics(pairs: usize, size: usize, qos: u8) -> FixedTopics {
    let delivery = Delivery { qos, retain: false };
    let templates = (0..pairs).map(|pair| Template::new(&pair_topic(pair), size, delivery)).collect();
    FixedTopics { templates, receivers: 1 }
}

fn pair_topic(pair: usize) -> String {
    format!("pair/{pair}/data")
}

/// One publisher, a thousand subscribers of its topic.
pub(super) fn fan_out(bench: &Bench, window: u64) -> Result<Report, String> {
    shared_topic(bench, bench.scaled(MANY), 1, window)
}

/// A thousand publishers on one topic that `subscribers` clients hear.
pub(super) fn fan_in(bench: &Bench, subscribers: usize) -> Result<Report, String> {
    shared_topic(bench, subscribers, bench.scaled(MANY), FAN_IN_WINDOW)
}

fn shared_topic(bench: &Bench, subscribers: usize, publishers: usize, window: u64) -> Result<Report, String> {
    let mut swarm = Swarm::new().map_err(|error| error.to_string())?;
    let hearing: Vec<_> = (0..subscribers)
        .map(|number| Client::subscribed(format!("sub-{number}"), "shared/data", 0))
        .collect();
    let sending: Vec<_> = (0..publishers).map(|number| Client::new(format!("pub-{number}"))).collect();
    establish(&mut swarm, bench.address, &hearing, AT_ONCE)?;
    establish(&mut swarm, bench.address, &sending, AT_ONCE)?;
    let template = Template::new("shared/data", PAYLOAD, Delivery { qos: 0, retain: false });
    let receivers = u32::try_from(subscribers).unwrap_or(u32::MAX);
    let load = FixedTopics { templates: vec![template], receivers };
    let shape =
        Shape { subscribers, publishers, window, limit: ENDLESS, qos: 0, closed_loop: true, latency: false };
    bench.traffic(&mut swarm, &mut Traffic::new(load, shape))
}
