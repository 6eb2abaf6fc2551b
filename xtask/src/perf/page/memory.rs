//! The table with everything in memory, against the design's goals.

use std::fmt::Write;

use super::{number, word};
use crate::perf::laboratory::Laboratory;
use crate::perf::rows::{Part, ROWS, Row};
use crate::perf::server::Kind;

/// What stands above it.
pub(super) const INTRODUCTION: &str = "\
CPU figures are microseconds of the server's CPU time per delivered message (per stored message, per connection), user
and system of all its threads. The server has core 0, the generator core 1. Payloads have 64 bytes unless a row says
otherwise; w is the number of messages in flight per publisher, and a publisher sends its next message when an earlier
one has arrived everywhere. Memory is private dirty memory from `/proc/<pid>/smaps_rollup`, divided by how many things
were added. A fresh server is started for every run, Darter with `--memory`, both servers in turn; figures are medians.

mosquitto runs with its defaults, except `max_queued_messages 0` (the offline queue would be thrown away) and
`set_tcp_nodelay true` (all other servers do that by themselves).

The goals were set on another machine, beside mosquitto 2.1.2. What counts is therefore the ratio: Darter's figure
divided by mosquitto's of the same runs must not be above goal divided by the design's mosquitto figure. Whether the goal
is met as an absolute number on this machine stands beside it, and alone where the design gives no mosquitto figure.
Bytes do not depend on the machine: for them the number counts. \"Kernel limit\" is a server of one epoll loop that only
copies bytes to the right sockets (`darter-perf --kernel-limit`): what this machine asks of any server.
";

/// Every row that was measured, and how many goals are met.
pub(super) fn results(page: &mut String, laboratory: &Laboratory) {
    page.push_str("| scenario | goal | kernel limit | Darter | mosquitto | Darter / mosquitto | ratio wanted | goal met as ratio | as number |\n");
    page.push_str("|---|---:|---:|---:|---:|---:|---:|---|---|\n");
    let (mut met, mut judged) = (0, 0);
    for row in ROWS {
        let measured =
            row.value.runs().any(|run| laboratory.measured(Part::Memory).any(|(other, _)| other == run));
        if !measured {
            continue;
        }
        let verdict = Verdict::of(row, laboratory);
        let _ = writeln!(
            page,
            "| {} | <= {} | {} | {} | {} | {} | {} | {} | {} |",
            row.label,
            row.goal,
            number(laboratory.value(row.value, Kind::KernelLimit)),
            number(verdict.darter),
            number(verdict.mosquitto),
            number(verdict.ratio),
            wanted(row),
            word(verdict.as_ratio),
            word(verdict.as_number),
        );
        judged += usize::from(verdict.met().is_some());
        met += usize::from(verdict.met() == Some(true));
    }
    let _ = writeln!(
        page,
        "\n{met} of {judged} goals are met (by ratio where there is one; bytes, and what has no ratio, by number)."
    );
}

struct Verdict {
    darter: Option<f64>,
    mosquitto: Option<f64>,
    ratio: Option<f64>,
    as_ratio: Option<bool>,
    as_number: Option<bool>,
    /// Bytes are the same on every machine, so the number itself counts.
    exact: bool,
}

impl Verdict {
    fn of(row: &Row, laboratory: &Laboratory) -> Self {
        let darter = laboratory.value(row.value, Kind::Darter);
        let mosquitto = laboratory.value(row.value, Kind::Mosquitto);
        let ratio = darter.zip(mosquitto).map(|(darter, mosquitto)| darter / mosquitto);
        let as_ratio = ratio.zip(row.mosquitto).map(|(ratio, design)| ratio <= row.goal / design);
        let as_number = darter.map(|darter| darter <= row.goal);
        Self { darter, mosquitto, ratio, as_ratio, as_number, exact: row.label.ends_with("bytes") }
    }

    fn met(&self) -> Option<bool> {
        if self.exact { self.as_number } else { self.as_ratio.or(self.as_number) }
    }
}

/// The design's goal as a share of its mosquitto figure.
fn wanted(row: &Row) -> String {
    row.mosquitto
        .map_or_else(|| "-".to_owned(), |design| format!("<= {} ({design})", number(Some(row.goal / design))))
}
