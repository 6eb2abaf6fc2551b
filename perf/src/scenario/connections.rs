//! Connections that do nothing: what making one costs and what keeping one costs.

use super::AT_ONCE;
use crate::bench::{Bench, Report};
use crate::setup::{Client, establish};
use crate::swarm::{Deaf, Swarm};

/// Connections made and measured.
const CONNECTS: u32 = 10_000;
/// Connections kept idle; with both ends' other files still under 20,000 each.
const IDLE: u32 = 15_000;
/// Seconds in which a server may tidy up before its memory is read.
const REST: f64 = 0.5;

/// CPU time of one CONNECT and one SUBSCRIBE, a few at a time, nothing closed meanwhile.
pub(super) fn connect(bench: &Bench) -> Result<Report, String> {
    let mut swarm = Swarm::new().map_err(|error| error.to_string())?;
    establish(&mut swarm, bench.address, &clients("warm", 100), AT_ONCE)?;
    let clients = clients("client", bench.scaled(CONNECTS));
    let start = bench.moment()?;
    establish(&mut swarm, bench.address, &clients, AT_ONCE)?;
    let spent = bench.since(start)?;
    let mut report = Report::new();
    report.phase("", clients.len() as f64, spent);
    Ok(report)
}

/// Memory of one idle connection with a subscription of its own.
pub(super) fn idle(bench: &Bench) -> Result<Report, String> {
    let mut swarm = Swarm::new().map_err(|error| error.to_string())?;
    establish(&mut swarm, bench.address, &clients("warm", 10), AT_ONCE)?;
    bench.rest(&mut swarm, &mut Deaf, REST)?;
    let before = bench.server.memory()?;
    let clients = clients("client", bench.scaled(IDLE));
    establish(&mut swarm, bench.address, &clients, AT_ONCE)?;
    bench.rest(&mut swarm, &mut Deaf, REST)?;
    let after = bench.server.memory()?;
    let count = clients.len() as f64;
    let mut report = Report::new();
    report.figure("connections", count);
    report.figure("bytes", (after.private_dirty as f64 - before.private_dirty as f64) / count);
    report.figure("resident_bytes", after.resident as f64);
    report.figure("proportional_bytes", after.proportional as f64);
    Ok(report)
}

fn clients(name: &str, count: usize) -> Vec<Client> {
    (0..count)
        .map(|number| Client::subscribed(format!("{name}-{number}"), &format!("{name}/{number}/command"), 0))
        .collect()
}
