//! The perf laboratory: every scenario of the design's table, Darter and mosquitto in turn, medians, one page.

mod laboratory;
mod machine;
mod page;
mod rows;
mod server;

use std::fs;
use std::path::PathBuf;

use crate::step;
use laboratory::{Effort, Laboratory};
use server::Kind;

const USAGE: &str = "\
usage: cargo xtask perf [options]

  --against SERVER      measure another server beside Darter, run by run: mosquitto, or kernel-limit, which only
                        copies bytes and is as cheap as this machine allows; may be given twice
  --no-darter           leave Darter out
  --runs N              runs of each scenario (5; with --quick 1)
  --scenario NAME ...   only these scenarios
  --shards N            shards of Darter, where a row does not ask for its own number
  --nice N              priority of server and generator on a machine that is not quiet
  --quick               a few seconds in all: shows that the laboratory works, the figures mean nothing
  --no-build            use the release binaries that are there
  --write               write the page to perf/RESULTS.md
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
    let runs = laboratory.plan(&options.servers, &options.scenarios)?;
    for round in 1..=options.runs {
        laboratory.round(round, &runs);
        if options.write {
            let path = step::root().join("perf/RESULTS.md");
            let text = page::write(&laboratory, round);
            fs::write(&path, text).map_err(|error| format!("{}: {error}", path.display()))?;
        }
    }
    if options.runs > 0 {
        println!("\n{}", page::write(&laboratory, options.runs));
    }
    let complaints = laboratory.complaints();
    if options.quick && !complaints.is_empty() {
        return Err(format!("the laboratory does not work:\n  {}", complaints.join("\n  ")));
    }
    Ok(())
}

struct Options {
    servers: Vec<Kind>,
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
