//! The scenarios by name, one per group of rows in the table of results.

mod connections;
mod durable;
mod flow;
mod offline;
mod paced;
mod retained;
mod subscriptions;

use crate::bench::{Bench, Report};

/// A scenario's code.
type Run = fn(&Bench) -> Result<Report, String>;

/// Every scenario with its name.
pub(crate) const ALL: &[(&str, Run)] = &[
    ("p2p-w1", |bench| flow::pairs(bench, 0, 1)),
    ("p2p-w10", |bench| flow::pairs(bench, 0, 10)),
    ("p2p-w100", |bench| flow::pairs(bench, 0, 100)),
    ("fan-out-w1", |bench| flow::fan_out(bench, 1)),
    ("fan-out-w10", |bench| flow::fan_out(bench, 10)),
    ("fan-in-1", |bench| flow::fan_in(bench, 1)),
    ("fan-in-5", |bench| flow::fan_in(bench, 5)),
    ("qos1-w20", |bench| flow::pairs(bench, 1, 20)),
    ("qos2-w20", |bench| flow::pairs(bench, 2, 20)),
    ("large", flow::large),
    ("offline", offline::run),
    ("retained", retained::run),
    ("subscriptions-100k", |bench| subscriptions::run(bench, 100_000)),
    ("subscriptions-500k", |bench| subscriptions::run(bench, 500_000)),
    ("connect", connections::connect),
    ("idle", connections::idle),
    ("paced", paced::run),
    ("durable-store-1", |bench| durable::store(bench, 1)),
    ("durable-store-50", |bench| durable::store(bench, 50)),
    ("durable-store-500", |bench| durable::store(bench, 500)),
    ("durable-deliver", durable::deliver),
    ("durable-paced", durable::paced),
    ("durable-fan-out", durable::fan_out),
    ("durable-fill", durable::fill),
    ("durable-drain", durable::drain),
];

/// Payload size unless a scenario says otherwise, in bytes.
const PAYLOAD: usize = 64;
/// Connections being set up at the same time.
const AT_ONCE: usize = 50;
/// No limit on the messages of a publisher.
const ENDLESS: u64 = u64::MAX;
