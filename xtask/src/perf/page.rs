//! The page of results: one table against the goals, one about the runs themselves.

use std::fmt::Write;
use std::process::Command;

use super::laboratory::{Laboratory, median};
use super::machine;
use super::rows::{ROWS, Row, Run, Value};
use super::server::Kind;

const INTRODUCTION: &str = "\
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

/// The whole page after so many rounds.
pub(crate) fn write(laboratory: &Laboratory, rounds: usize) -> String {
    let mut page = String::from("# What the laboratory measured\n\n");
    page.push_str("Written by `cargo xtask perf --against mosquitto --write`; do not edit.\n\n");
    facts(&mut page, laboratory, rounds);
    let _ = writeln!(page, "\n{INTRODUCTION}");
    results(&mut page, laboratory);
    complaints(&mut page, laboratory);
    conditions(&mut page, laboratory);
    page
}

fn facts(page: &mut String, laboratory: &Laboratory, rounds: usize) {
    let darter = machine::first_line(Command::new(laboratory.binaries().join("darter")).arg("--version"));
    let mosquitto = machine::first_line(Command::new("mosquitto").arg("-h"));
    let mut fact = |name: &str, value: &str| {
        let _ = writeln!(page, "- {name}: {value}");
    };
    fact("date", &machine::date());
    fact("machine", &machine::processor());
    fact("kernel", &machine::kernel());
    fact("servers", &format!("{darter} (sources {}); {mosquitto}", machine::commit()));
    fact("rounds", &rounds.to_string());
    if laboratory.nice() != 0 {
        fact("priority", &format!("server and generator ran with nice {}", laboratory.nice()));
    }
}

fn results(page: &mut String, laboratory: &Laboratory) {
    page.push_str("| scenario | goal | kernel limit | Darter | mosquitto | Darter / mosquitto | ratio wanted | goal met as ratio | as number |\n");
    page.push_str("|---|---:|---:|---:|---:|---:|---:|---|---|\n");
    let (mut met, mut judged) = (0, 0);
    for row in ROWS {
        let measured = row.value.runs().any(|run| laboratory.measured().any(|(other, _)| other == run));
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

fn complaints(page: &mut String, laboratory: &Laboratory) {
    page.push_str("\n## Lost, out of order, failed\n\n");
    let complaints = laboratory.complaints();
    if complaints.is_empty() {
        page.push_str("Nothing: every message of every run arrived once and in order.\n");
    }
    for complaint in complaints {
        let _ = writeln!(page, "- {complaint}");
    }
}

fn conditions(page: &mut String, laboratory: &Laboratory) {
    page.push_str(
        "\n## The runs themselves\n\nShares are of one core. Where the server's share is near 1, it and not the generator \
         limited the rate. `others` is everything else that ran on the machine meanwhile: the smaller, the more the \
         figures are worth.\n\n",
    );
    page.push_str("| scenario | server | figure | lowest | median | highest | per second | server's share | generator's share | others |\n");
    page.push_str("|---|---|---|---:|---:|---:|---:|---:|---:|---:|\n");
    for (run, kind) in laboratory.measured() {
        for figure in figures_of(run) {
            let values = laboratory.figures(run, kind, figure);
            let suffix = figure.strip_prefix("cpu_us");
            let beside = |name: &str| {
                let suffix = suffix?;
                median(laboratory.figures(run, kind, &format!("{name}{suffix}")))
            };
            let shards = run.shards.map(|shards| format!(", {shards} shards")).unwrap_or_default();
            let _ = writeln!(
                page,
                "| {}{shards} | {} | {figure} | {} | {} | {} | {} | {} | {} | {} |",
                run.scenario,
                kind.name(),
                number(values.iter().copied().min_by(f64::total_cmp)),
                number(median(values.clone())),
                number(values.iter().copied().max_by(f64::total_cmp)),
                number(beside("per_second")),
                number(beside("server_share")),
                number(beside("generator_share")),
                number(beside("others_share")),
            );
        }
    }
}

/// The figures of this run that any row uses.
fn figures_of(run: Run) -> Vec<&'static str> {
    let mut figures = Vec::new();
    for row in ROWS.iter().filter(|row| row.value.runs().any(|other| other == run)) {
        let (Value::Figure(_, figure) | Value::Quotient(_, _, figure)) = row.value;
        if !figures.contains(&figure) {
            figures.push(figure);
        }
    }
    figures
}

/// About three digits; a dash for what was not measured.
fn number(value: Option<f64>) -> String {
    match value {
        None => "-".to_owned(),
        Some(value) if value.abs() >= 100.0 => format!("{value:.0}"),
        Some(value) if value.abs() >= 10.0 => format!("{value:.1}"),
        Some(value) if value.abs() >= 1.0 => format!("{value:.2}"),
        Some(value) => format!("{value:.3}"),
    }
}

fn word(met: Option<bool>) -> &'static str {
    match met {
        None => "-",
        Some(true) => "yes",
        Some(false) => "**no**",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_about_three_digits() {
        let written: Vec<_> = [5314.2, 92.04, 7.779, 0.0912].map(|value| number(Some(value))).into();
        assert_eq!(written, ["5314", "92.0", "7.78", "0.091"]);
        assert_eq!(number(None), "-");
    }
}
