//! Very many subscriptions, of which a message matches one or two.

use super::{AT_ONCE, ENDLESS, PAYLOAD};
use crate::bench::{Bench, Report};
use crate::setup::{Client, establish, subscribe};
use crate::swarm::{Deaf, Swarm};
use crate::traffic::{Load, Shape, Traffic};
use crate::wire::{Delivery, Stamp, Template};

/// Clients that share the subscriptions.
const SUBSCRIBERS: usize = 100;
/// Publishers, each with one message in flight.
const PUBLISHERS: usize = 50;
/// Seconds in which a server may tidy up before its memory is read.
const REST: f64 = 0.3;

/// Two thirds of the filters name one device, a third covers every second device with a `+`.
pub(super) fn run(bench: &Bench, full: u32) -> Result<Report, String> {
    let total = bench.scaled(full);
    let devices = (total * 2 / 3).max(2);
    let mut clients: Vec<_> = (0..SUBSCRIBERS).map(|number| Client::new(format!("sub-{number}"))).collect();
    let bare = clients.clone();
    for device in 0..devices {
        clients[device % SUBSCRIBERS].filters.push(format!("dev/{device:06}/state"));
        if device.is_multiple_of(2) {
            // Never the client with the exact filter: it would get one copy for both.
            clients[(device + 37) % SUBSCRIBERS].filters.push(format!("dev/{device:06}/+"));
        }
    }
    let mut swarm = Swarm::new().map_err(|error| error.to_string())?;
    let first = establish(&mut swarm, bench.address, &bare, AT_ONCE)?;
    let publishers: Vec<_> = (0..PUBLISHERS).map(|number| Client::new(format!("pub-{number}"))).collect();
    establish(&mut swarm, bench.address, &publishers, AT_ONCE)?;

    let before = bench.private_bytes()?;
    let start = bench.moment()?;
    subscribe(&mut swarm, first, &clients, AT_ONCE)?;
    let spent = bench.since(start)?;
    bench.rest(&mut swarm, &mut Deaf, REST)?;
    let after = bench.private_bytes()?;
    let made: usize = clients.iter().map(|client| client.filters.len()).sum();

    let load = Devices::new(devices);
    let shape = Shape {
        subscribers: SUBSCRIBERS,
        publishers: PUBLISHERS,
        window: 1,
        limit: ENDLESS,
        qos: 0,
        closed_loop: true,
        latency: false,
    };
    let mut report = bench.traffic(&mut swarm, &mut Traffic::new(load, shape))?;
    report.figure("subscriptions", made as f64);
    report.figure("bytes", (after - before) / made as f64);
    report.phase("_subscribe", made as f64, spent);
    Ok(report)
}

/// Publishes to any device, in no order a cache could learn.
struct Devices {
    template: Template,
    devices: u64,
    random: u64,
}

impl Devices {
    fn new(devices: usize) -> Self {
        let template = Template::new(DEVICE_TOPIC, PAYLOAD, Delivery { qos: 0, retain: false });
        Self { template, devices: devices as u64, random: 0x9e37_79b9_7f4a_7c15 }
    }
}

/// The topic whose digits are replaced.
const DEVICE_TOPIC: &str = "dev/000000/state";

impl Load for Devices {
    const GAPLESS: bool = false;

    fn append(&mut self, stamp: Stamp, out: &mut Vec<u8>) -> u32 {
        // xorshift64: any fixed sequence will do, the same for every server.
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        let device = self.random % self.devices;
        self.template.append_numbered(stamp, device, out);
        if device.is_multiple_of(2) { 2 } else { 1 }
    }
}
