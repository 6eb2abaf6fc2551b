//! The perf laboratory: every scenario of the design's table, Darter and mosquitto in turn, medians, one page.

mod data;
mod laboratory;
mod machine;
mod page;
mod restart;
mod rows;
mod server;

use std::fs;
use std::path::PathBuf;

use crate::step;
use laboratory::{Effort, Laboratory};
use rows::Part;
use server::Kind;

const USAGE: &str = "\
usage: cargo xtask perf [options]

  --durable             the rows with state on the disk, instead of those with everything in memory
  --baseline PATH       the rows of QoS 0 with all defaults, beside another darter binary with everything in memory, run
                        by run; with --durable both
  --against SERVER      measure another server beside Darter, run by run: mosquitto, or kernel-limit, which only
                        copies bytes and is as cheap as this machine allows; may be given twice
  --no-darter           leave Darter out
  --runs N              runs of each scenario (5; with --quick 1)
  --scenario NAME ...   only these scenarios
  --shards N            shards of Darter, where a row does not ask for its own number
  --nice N              priority of server and generator on a machine that is not quiet
  --quick               a few seconds in all: shows that the laboratory works, the figures mean nothing
  --no-build            use the release binaries that are there
  --write               write the page to perf/RESULTS.md; parts of it that were not measured stay as they are
";

/// Runs the laboratory as the options say and prints its page.
pub(crate) fn run(options: &[String]) -> Result<(), String> {
    if options.iter().any(|option| option == "--help") {
        print!("{USAGE}");
        return Ok(());
    }
    let options = Options::parse(options)?;
    let binaries = if options.build { build(&options)? } else { folder("release") };
    let effort = if options.quick { Effort::quick() } else { Effort::full() };
    if options.nice != 0 {
        // Where Linux groups processes by terminal session, the group's priority counts and not the process's.
        let _ = fs::write("/proc/self/autogroup", options.nice.to_string());
    }
    let mut laboratory = Laboratory::new(binaries, effort, options.nice, options.shards);
    if let Some(older) = &options.older {
        laboratory.beside(older.clone());
    }
    let parts = options.parts();
    let runs = laboratory.plan(&parts, &options.servers, &options.scenarios)?;
    let path = step::root().join("perf/RESULTS.md");
    let mut page = fs::read_to_string(&path).unwrap_or_default();
    for round in 1..=options.runs {
        laboratory.round(round, &runs);
        if options.write {
            for part in &parts {
                page = page::replace(&page, *part, &page::write(&laboratory, *part, round));
            }
            fs::write(&path, &page).map_err(|error| format!("{}: {error}", path.display()))?;
        }
    }
    for part in &parts {
        println!("\n{}", page::write(&laboratory, *part, options.runs));
    }
    let complaints: Vec<String> = parts.iter().flat_map(|part| laboratory.complaints(*part)).collect();
    if options.quick && !complaints.is_empty() {
        return Err(format!("the laboratory does not work:\n  {}", complaints.join("\n  ")));
    }
    Ok(())
}

struct Options {
    servers: Vec<Kind>,
    durable: bool,
    older: Option<PathBuf>,
    scenarios: Vec<String>,
    runs: usize,
    shards: Option<usize>,
    nice: i32,
    quick: bool,
    build: bool,
    write: bool,
}

impl Options {
    fn parse(options: &[String]) -> Result<Self, String> {
        let mut parsed = Self {
            servers: vec![Kind::Darter],
            durable: false,
            older: None,
            scenarios: Vec::new(),
            runs: 0,
            shards: None,
            nice: 0,
            quick: false,
            build: true,
            write: false,
        };
        let mut rest = options.iter().peekable();
        while let Some(option) = rest.next() {
            let mut value = || rest.next().map(String::as_str).unwrap_or_default();
            match option.as_str() {
                "--against" => match value() {
                    "mosquitto" => parsed.servers.push(Kind::Mosquitto),
                    "kernel-limit" => parsed.servers.push(Kind::KernelLimit),
                    other => return Err(format!("cannot measure against {other:?}\n\n{USAGE}")),
                },
                "--durable" => parsed.durable = true,
                "--baseline" => parsed.older = Some(program(value())?),
                "--no-darter" => parsed.servers.retain(|kind| *kind != Kind::Darter),
                "--runs" => parsed.runs = number(option, value())?,
                "--shards" => parsed.shards = Some(number(option, value())?),
                "--nice" => parsed.nice = number(option, value())?,
                "--scenario" => {
                    while let Some(name) = rest.next_if(|word| !word.starts_with("--")) {
                        parsed.scenarios.push(name.clone());
                    }
                }
                "--quick" => parsed.quick = true,
                "--no-build" => parsed.build = false,
                "--write" => parsed.write = true,
                other => return Err(format!("no option is called {other:?}\n\n{USAGE}")),
            }
        }
        if parsed.runs == 0 {
            parsed.runs = if parsed.quick { 1 } else { 5 };
        }
        Ok(parsed)
    }

    /// The parts of the page to measure.
    fn parts(&self) -> Vec<Part> {
        let asked = [(self.durable, Part::Disk), (self.older.is_some(), Part::Beside)];
        let parts: Vec<Part> = asked.iter().filter(|(wanted, _)| *wanted).map(|(_, part)| *part).collect();
        if parts.is_empty() { vec![Part::Memory] } else { parts }
    }
}

/// A program's path that holds wherever it is started from.
fn program(path: &str) -> Result<PathBuf, String> {
    fs::canonicalize(path).map_err(|error| format!("--baseline {path}: {error}"))
}

fn number<T: std::str::FromStr>(option: &str, value: &str) -> Result<T, String> {
    value.parse().map_err(|_| format!("{option} cannot be {value:?}\n\n{USAGE}"))
}

/// Builds the generator, and Darter if it is measured; a quick run does without optimisation.
fn build(options: &Options) -> Result<PathBuf, String> {
    let mut arguments = vec!["build", "-p", "darter-perf"];
    if options.servers.contains(&Kind::Darter) {
        arguments.extend(["-p", "darter"]);
    }
    if !options.quick {
        arguments.push("--release");
    }
    step::execute(&mut step::cargo(&arguments))?;
    Ok(folder(if options.quick { "debug" } else { "release" }))
}

fn folder(profile: &str) -> PathBuf {
    step::target_folder().join(profile)
}
