//! The rows with state on the disk.

use super::{Part, Run};

/// The run in which the server ends and starts again between two scenarios of the generator.
pub(crate) const RESTART: &str = "durable-restart";

/// What a row's number must be.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Goal {
    /// Not above this.
    AtMost(f64),
    /// Not below this.
    AtLeast(f64),
    /// Anything: the number is told beside others.
    Told,
}

/// One row of the table with state on the disk.
pub(crate) struct DiskRow {
    /// What is measured, in words.
    pub(crate) label: &'static str,
    /// The generator's name for the scenario, or [`RESTART`].
    pub(crate) scenario: &'static str,
    /// The figure of the scenario's report.
    pub(crate) figure: &'static str,
    /// What Darter's number must be.
    pub(crate) goal: Goal,
}

impl DiskRow {
    /// The run that its number comes from.
    pub(crate) fn run(&self) -> Run {
        Run { scenario: self.scenario, shards: None, part: Part::Disk }
    }
}

const fn row(label: &'static str, scenario: &'static str, figure: &'static str, goal: Goal) -> DiskRow {
    DiskRow { label, scenario, figure, goal }
}

use Goal::{AtLeast, AtMost, Told};

/// Every row of the table.
pub(crate) const DISK_ROWS: &[DiskRow] = &[
    row("store for a session that is away, 1 publisher: us", "durable-store-1", "cpu_us", AtMost(8.0)),
    row("the same: messages/s", "durable-store-1", "per_second", Told),
    row("store for a session that is away, 50 publishers: us", "durable-store-50", "cpu_us", AtMost(8.0)),
    row("50 publishers: messages/s", "durable-store-50", "per_second", Told),
    row("store for a session that is away, 500 publishers: us", "durable-store-500", "cpu_us", AtMost(8.0)),
    row("500 publishers: messages/s", "durable-store-500", "per_second", Told),
    row("store, deliver and delete, 50 publishers: us", "durable-deliver", "cpu_us", AtMost(12.0)),
    row("store, deliver and delete: messages/s", "durable-deliver", "per_second", Told),
    row("5000 msg/s paced: us", "durable-paced", "cpu_us", Told),
    row("5000 msg/s paced: acknowledgement p50, us", "durable-paced", "p50_us", Told),
    row("5000 msg/s paced: acknowledgement p99, us", "durable-paced", "p99_us", AtMost(5000.0)),
    row("100 msg/s for 1000 sessions each: us for a message", "durable-fan-out", "cpu_us", Told),
    row("100 msg/s for 1000 sessions each: acknowledgement p50, us", "durable-fan-out", "p50_us", Told),
    row("100 msg/s for 1000 sessions each: acknowledgement p99, us", "durable-fan-out", "p99_us", Told),
    row("2 million queued: us to store one", RESTART, "cpu_us_fill", AtMost(8.0)),
    row("2 million queued: private memory, MB", RESTART, "private_mb", AtMost(200.0)),
    row("2 million queued: resident memory at its highest, MB", RESTART, "peak_mb", AtMost(200.0)),
    row("2 million queued: on the disk, MB", RESTART, "disk_mb", Told),
    row("2 million queued: time to end, ms", RESTART, "end_ms", Told),
    row("2 million queued: started again and ready, ms", RESTART, "ready_ms", AtMost(2000.0)),
    row("drain of all of them: messages/s", RESTART, "per_second_drain", AtLeast(300_000.0)),
    row("drain: us", RESTART, "cpu_us_drain", Told),
    row("start and drain: resident memory at its highest, MB", RESTART, "drain_peak_mb", Told),
    row("after the drain: on the disk, MB", RESTART, "disk_after_mb", Told),
];
