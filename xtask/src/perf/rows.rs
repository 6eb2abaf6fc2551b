//! The numbers to beat, row by row: with everything in memory here, with state on the disk in [`disk`].

mod disk;

pub(crate) use disk::{DISK_ROWS, DiskRow, Goal, RESTART};

/// A part of the laboratory's page: its rows, and where servers keep their state meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Part {
    /// Everything in memory.
    Memory,
    /// State on the disk.
    Disk,
    /// QoS 0 with all defaults, beside an older version with everything in memory.
    Beside,
}

/// Scenarios without anything to store, which must not have become dearer.
const BESIDE: &[&str] = &[
    "p2p-w1",
    "p2p-w10",
    "p2p-w100",
    "fan-out-w1",
    "fan-out-w10",
    "fan-in-1",
    "fan-in-5",
    "subscriptions-100k",
    "paced",
];

/// A run of one scenario: what to start the server with and which scenario to play.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Run {
    /// The generator's name for it.
    pub(crate) scenario: &'static str,
    /// Shards and as many cores, for rows about shards; such rows are Darter's alone.
    pub(crate) shards: Option<usize>,
    /// The part of the page that it is for.
    pub(crate) part: Part,
}

/// Where a row's number comes from.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Value {
    /// A figure of a report.
    Figure(Run, &'static str),
    /// One run's figure divided by the same figure of another run.
    Quotient(Run, Run, &'static str),
}

/// One row of the table.
pub(crate) struct Row {
    /// What is measured, in words.
    pub(crate) label: &'static str,
    /// Where the number comes from.
    pub(crate) value: Value,
    /// Darter must not be above this.
    pub(crate) goal: f64,
    /// What mosquitto 2.1.2 had on the design's machine.
    pub(crate) mosquitto: Option<f64>,
}

const fn plain(scenario: &'static str) -> Run {
    Run { scenario, shards: None, part: Part::Memory }
}

const fn sharded(scenario: &'static str, shards: usize) -> Run {
    Run { scenario, shards: Some(shards), part: Part::Memory }
}

const fn cpu(label: &'static str, scenario: &'static str, goal: f64, mosquitto: f64) -> Row {
    figure(label, scenario, "cpu_us", goal, Some(mosquitto))
}

const fn figure(
    label: &'static str,
    scenario: &'static str,
    figure: &'static str,
    goal: f64,
    mosquitto: Option<f64>,
) -> Row {
    Row { label, value: Value::Figure(plain(scenario), figure), goal, mosquitto }
}

/// Every row, in the design's order.
pub(crate) const ROWS: &[Row] = &[
    cpu("50->50 QoS 0, w1: us", "p2p-w1", 6.8, 7.8),
    cpu("50->50 QoS 0, w10: us", "p2p-w10", 1.0, 6.7),
    cpu("50->50 QoS 0, w100: us", "p2p-w100", 0.25, 6.8),
    cpu("1->1000 fan-out, w10: us", "fan-out-w10", 0.65, 5.6),
    cpu("1->1000 fan-out, w1: us", "fan-out-w1", 5.2, 7.5),
    cpu("1000->1 fan-in, w10: us", "fan-in-1", 0.8, 5.3),
    cpu("1000->5 fan-in, w10: us", "fan-in-5", 0.25, 5.2),
    cpu("50->50 QoS 1, w20: us", "qos1-w20", 1.1, 11.3),
    figure("50->50 QoS 1, w20: latency p99, us", "qos1-w20", "p99_us", 5000.0, None),
    cpu("50->50 QoS 2, w20: us", "qos2-w20", 1.8, 31.7),
    cpu("10->10, 100 KiB payloads, w2: us", "large", 38.0, 92.0),
    figure("offline QoS 1 queue, store: us", "offline", "cpu_us_store", 1.3, Some(8.2)),
    figure("offline QoS 1 queue, drain: us", "offline", "cpu_us_drain", 0.6, Some(8.4)),
    figure("retained, store: us", "retained", "cpu_us_store", 1.9, Some(8.5)),
    figure("retained, deliver: us", "retained", "cpu_us_deliver", 0.7, Some(5.7)),
    cpu("100k subscriptions, one or two match: us", "subscriptions-100k", 5.0, 8.9),
    cpu("500k subscriptions, one or two match: us", "subscriptions-500k", 5.75, 10.1),
    Row {
        label: "500k subscriptions against 100k: factor",
        value: Value::Quotient(plain("subscriptions-500k"), plain("subscriptions-100k"), "cpu_us"),
        goal: 1.15,
        mosquitto: None,
    },
    cpu("one CONNECT + SUBSCRIBE: us", "connect", 24.0, 28.0),
    figure("idle connection with a subscription: bytes", "idle", "bytes", 1500.0, Some(5314.0)),
    figure(
        "subscription, 100k distinct, one shard: bytes",
        "subscriptions-100k",
        "bytes",
        250.0,
        Some(706.0),
    ),
    Row {
        label: "subscription, 100k distinct, four shards: bytes",
        value: Value::Figure(sharded("subscriptions-100k", 4), "bytes"),
        goal: 450.0,
        mosquitto: None,
    },
    figure("retained message: bytes", "retained", "bytes", 250.0, Some(513.0)),
    figure("queued QoS 1 message: bytes", "offline", "bytes", 200.0, Some(533.0)),
    cpu("5000 msg/s paced: us", "paced", 17.5, 20.0),
    figure("5000 msg/s paced: latency p50, us", "paced", "p50_us", 24.0, Some(25.0)),
    figure("5000 msg/s paced: latency p99, us", "paced", "p99_us", 46.0, Some(46.0)),
    Row {
        label: "two shards against one, w100: factor",
        value: Value::Quotient(sharded("p2p-w100", 2), plain("p2p-w100"), "cpu_us"),
        goal: 1.3,
        mosquitto: None,
    },
];

impl Part {
    /// Every run that this part needs, in the order of its rows.
    pub(crate) fn runs(self) -> Vec<Run> {
        let plain = |scenario: &&'static str| Run { part: self, ..plain(scenario) };
        let all: Vec<Run> = match self {
            Self::Memory => ROWS.iter().flat_map(|row| row.value.runs()).collect(),
            Self::Disk => DISK_ROWS.iter().map(DiskRow::run).collect(),
            Self::Beside => BESIDE.iter().map(plain).collect(),
        };
        let mut runs = Vec::new();
        for run in all {
            if !runs.contains(&run) {
                runs.push(run);
            }
        }
        runs
    }
}

impl Value {
    /// The runs this number needs.
    pub(crate) fn runs(self) -> impl Iterator<Item = Run> {
        match self {
            Self::Figure(run, _) => [Some(run), None],
            Self::Quotient(above, below, _) => [Some(above), Some(below)],
        }
        .into_iter()
        .flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_has_a_goal_and_a_name_of_its_own() {
        for (index, row) in ROWS.iter().enumerate() {
            assert!(row.goal > 0.0, "{}", row.label);
            assert!(ROWS[..index].iter().all(|other| other.label != row.label), "{}", row.label);
        }
    }

    #[test]
    fn every_row_on_the_disk_has_a_name_of_its_own() {
        for (index, row) in DISK_ROWS.iter().enumerate() {
            assert!(DISK_ROWS[..index].iter().all(|other| other.label != row.label), "{}", row.label);
        }
    }

    #[test]
    fn no_run_is_played_twice_in_a_round() {
        for part in [Part::Memory, Part::Disk, Part::Beside] {
            let runs = part.runs();
            assert!(!runs.is_empty() && runs.iter().all(|run| run.part == part));
            for (index, run) in runs.iter().enumerate() {
                assert!(!runs[..index].contains(run), "{run:?}");
            }
        }
    }
}
