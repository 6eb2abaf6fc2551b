//! The page of results: parts that are measured and replaced on their own, each with a table against the goals and one
//! about the runs themselves.

mod beside;
mod disk;
mod memory;

use std::fmt::Write;
use std::process::Command;

use super::data::DataFolder;
use super::laboratory::{Laboratory, median};
use super::machine;
use super::rows::{DISK_ROWS, Part, ROWS, Run, Value};

const TITLE: &str = "# What the laboratory measured\n";
/// How the later parts begin; they stand in this order.
const HEADINGS: [(Part, &str); 2] =
    [(Part::Disk, "## With state on the disk\n"), (Part::Beside, "## QoS 0 beside an older version\n")];

/// One part after so many rounds.
pub(crate) fn write(laboratory: &Laboratory, part: Part, rounds: usize) -> String {
    let (beginning, introduction, command) = match part {
        Part::Memory => (TITLE, memory::INTRODUCTION, "--against mosquitto --write"),
        Part::Disk => (HEADINGS[0].1, disk::INTRODUCTION, "--durable --against mosquitto --write"),
        Part::Beside => (HEADINGS[1].1, beside::INTRODUCTION, "--baseline PATH --write"),
    };
    let mut page = format!("{beginning}\nWritten by `cargo xtask perf {command}`; do not edit.\n\n");
    facts(&mut page, laboratory, part, rounds);
    let _ = writeln!(page, "\n{introduction}");
    match part {
        Part::Memory => memory::results(&mut page, laboratory),
        Part::Disk => disk::results(&mut page, laboratory),
        Part::Beside => beside::results(&mut page, laboratory),
    }
    // Parts behind the first are sections of the page themselves.
    let level = if part == Part::Memory { "##" } else { "###" };
    complaints(&mut page, laboratory, part, level);
    conditions(&mut page, laboratory, part, level);
    page
}

/// The page with one part of it new and the others as they were.
pub(crate) fn replace(page: &str, part: Part, text: &str) -> String {
    let mut parts = vec![(Part::Memory, String::new())];
    for line in page.split_inclusive('\n') {
        match HEADINGS.iter().find(|(_, heading)| *heading == line) {
            Some((part, _)) => parts.push((*part, line.to_owned())),
            None => parts.last_mut().into_iter().for_each(|(_, text)| text.push_str(line)),
        }
    }
    parts.retain(|(other, text)| *other != part && !text.is_empty());
    parts.push((part, text.to_owned()));
    if parts.iter().all(|(part, _)| *part != Part::Memory) {
        parts.push((Part::Memory, TITLE.to_owned()));
    }
    parts.sort_by_key(|(part, _)| *part);
    let texts: Vec<_> = parts.iter().map(|(_, text)| text.trim_end()).collect();
    texts.join("\n\n") + "\n"
}

fn facts(page: &mut String, laboratory: &Laboratory, part: Part, rounds: usize) {
    let darter = machine::first_line(Command::new(laboratory.binaries().join("darter")).arg("--version"));
    let darter = format!("{darter} (sources {})", machine::commit());
    let mut fact = |name: &str, value: &str| {
        let _ = writeln!(page, "- {name}: {value}");
    };
    fact("date", &machine::date());
    fact("machine", &machine::processor());
    fact("kernel", &machine::kernel());
    if part != Part::Memory {
        fact("disk", &machine::disk(&DataFolder::place()));
    }
    let other = match (part, laboratory.older()) {
        (Part::Beside, Some(older)) => {
            format!("older {}", machine::first_line(Command::new(older).arg("--version")))
        }
        _ => machine::first_line(Command::new("mosquitto").arg("-h")),
    };
    fact("servers", &format!("{darter}; {other}"));
    fact("rounds", &rounds.to_string());
    if laboratory.nice() != 0 {
        fact("priority", &format!("server and generator ran with nice {}", laboratory.nice()));
    }
}

fn complaints(page: &mut String, laboratory: &Laboratory, part: Part, level: &str) {
    let _ = writeln!(page, "\n{level} Lost, out of order, failed\n");
    let complaints = laboratory.complaints(part);
    if complaints.is_empty() {
        page.push_str("Nothing: every message of every run arrived once and in order.\n");
    }
    for complaint in complaints {
        let _ = writeln!(page, "- {complaint}");
    }
}

fn conditions(page: &mut String, laboratory: &Laboratory, part: Part, level: &str) {
    let _ = writeln!(page, "\n{level} The runs themselves\n");
    page.push_str(
        "Shares are of one core. Where the server's share is near 1, it and not the generator \
         limited the rate. `others` is everything else that ran on the machine meanwhile: the smaller, the more the \
         figures are worth.\n\n",
    );
    page.push_str("| scenario | server | figure | lowest | median | highest | per second | server's share | generator's share | others |\n");
    page.push_str("|---|---|---|---:|---:|---:|---:|---:|---:|---:|\n");
    for (run, kind) in laboratory.measured(part) {
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
    let of_rows = ROWS.iter().filter(|row| row.value.runs().any(|other| other == run)).map(|row| {
        let (Value::Figure(_, figure) | Value::Quotient(_, _, figure)) = row.value;
        figure
    });
    // Rates stand beside the figures that cost CPU time.
    let of_disk_rows = DISK_ROWS.iter().filter(|row| row.run() == run).map(|row| row.figure);
    let of_disk_rows = of_disk_rows.filter(|figure| !figure.starts_with("per_second"));
    let beside = (run.part == Part::Beside).then_some(beside::FIGURE);
    let mut figures = Vec::new();
    for figure in of_rows.chain(of_disk_rows).chain(beside) {
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

    #[test]
    fn a_part_is_replaced_and_the_others_stay() {
        let page = format!("{TITLE}\nmemory\n\n## The runs themselves\n\nruns\n");
        let disk = format!("{}\ndisk\n\n### The runs themselves\n", HEADINGS[0].1);
        let both = replace(&page, Part::Disk, &disk);
        assert_eq!(both, format!("{page}\n{disk}"));
        let beside = format!("{}\nbeside\n", HEADINGS[1].1);
        let all = replace(&both, Part::Beside, &beside);
        assert_eq!(all, format!("{page}\n{disk}\n{beside}"));
        assert_eq!(replace(&all, Part::Disk, &disk), all);
        let again = format!("{TITLE}\nmeasured again\n");
        assert_eq!(replace(&all, Part::Memory, &again), format!("{again}\n{disk}\n{beside}"));
    }

    #[test]
    fn a_later_part_alone_has_the_title_above_it() {
        let disk = format!("{}\ndisk\n", HEADINGS[0].1);
        assert_eq!(replace("", Part::Disk, &disk), format!("{TITLE}\n{disk}"));
    }
}
