//! The table of QoS 0 beside an older version.

use std::fmt::Write;

use super::{number, word};
use crate::perf::laboratory::Laboratory;
use crate::perf::rows::Part;
use crate::perf::server::Kind;

/// The most that this version may cost, as a multiple of the older one.
const GOAL: f64 = 1.05;

/// What stands above it.
pub(super) const INTRODUCTION: &str = "\
Messages of QoS 0 have nothing to do with the disk and must not pay for it. The older version runs with `--memory`, this
one with its defaults: a data folder, `durability = \"always\"`, and the history of every topic. Figures are microseconds of
CPU time per delivered message, medians; both run in turn, and the ratio is the median of the ratios of each round.
";

/// Every scenario that was measured.
pub(super) fn results(page: &mut String, laboratory: &Laboratory) {
    page.push_str("| scenario | older | this version | ratio | goal | goal met |\n");
    page.push_str("|---|---:|---:|---:|---:|---|\n");
    for run in Part::Beside.runs() {
        let of = |kind| super::median(laboratory.figures(run, kind, FIGURE));
        let ratio = laboratory.ratio(run, Kind::Darter, Kind::Older, FIGURE);
        if of(Kind::Darter).or(of(Kind::Older)).is_none() {
            continue;
        }
        let _ = writeln!(
            page,
            "| {} | {} | {} | {} | <= {GOAL} | {} |",
            run.scenario,
            number(of(Kind::Older)),
            number(of(Kind::Darter)),
            number(ratio),
            word(ratio.map(|ratio| ratio <= GOAL)),
        );
    }
}

/// The figure that is compared.
pub(super) const FIGURE: &str = "cpu_us";
