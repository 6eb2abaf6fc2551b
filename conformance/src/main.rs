//! `darter-conformance`: runs the suite against a server and prints what it proved.

use std::io::Write as _;
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use darter_conformance::manifest::Manifest;
use darter_conformance::packet::Version;
use darter_conformance::runner::{self, Plan, Report};
use darter_conformance::score::{self, Score};

/// Runs the conformance suite against an MQTT server.
#[derive(Debug, Parser)]
struct Arguments {
    /// Host name or address of the server
    #[arg(long, default_value = "127.0.0.1")]
    host: String,
    /// Port of the server
    #[arg(long, default_value_t = 1883)]
    port: u16,
    /// Version to speak, 3.1.1 or 5; both when left out
    #[arg(long, value_parser = version)]
    version: Option<Version>,
    /// Run only tests whose name, or a statement they prove, contains this
    #[arg(long)]
    filter: Option<String>,
    /// Write the results to this file as JSON
    #[arg(long)]
    json: Option<PathBuf>,
}

fn main() -> ExitCode {
    match execute(&Arguments::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            drop(writeln!(std::io::stderr(), "darter-conformance: {error}"));
            ExitCode::from(2)
        }
    }
}

/// Runs the suite; true when nothing failed.
fn execute(arguments: &Arguments) -> Result<bool, Box<dyn std::error::Error>> {
    let address: SocketAddr = (arguments.host.as_str(), arguments.port)
        .to_socket_addrs()?
        .next()
        .ok_or("the host has no address")?;
    let versions = arguments.version.map_or_else(|| Version::ALL.to_vec(), |version| vec![version]);
    let plan = Plan { address, versions, filter: arguments.filter.clone() };
    let reports = runner::run(&plan, |report| drop(print(report)));
    let mut scores = Vec::new();
    for version in &plan.versions {
        scores.push(Score::of(&Manifest::load(*version)?, *version, &reports));
    }
    let mut out = std::io::stdout().lock();
    writeln!(out, "\n{}", score::table(&scores))?;
    for score in &scores {
        if !score.failing().is_empty() {
            writeln!(out, "{} failing: {}", score.standard, score.failing().join(", "))?;
        }
    }
    if let Some(path) = &arguments.json {
        std::fs::write(path, json(&reports, &scores)?)?;
    }
    Ok(reports.iter().all(|report| report.word() != "FAIL"))
}

fn print(report: &Report) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    let (word, version, name) = (report.word(), report.version.name(), report.test.name);
    writeln!(out, "{word:4} {version:5} {name} ({:.1} s)", report.took.as_secs_f32())?;
    match &report.outcome {
        Ok(()) => Ok(()),
        Err(failure) => writeln!(out, "     {}: {failure}", report.test.statements(report.version).join(" ")),
    }
}

fn json(reports: &[Report], scores: &[Score]) -> serde_json::Result<String> {
    let tests: Vec<_> = reports
        .iter()
        .map(|report| {
            serde_json::json!({
                "test": report.test.name,
                "version": report.version.name(),
                "statements": report.test.statements(report.version),
                "result": report.word(),
                "explanation": report.outcome.as_ref().err().map(ToString::to_string),
                "seconds": report.took.as_secs_f32(),
            })
        })
        .collect();
    serde_json::to_string_pretty(&serde_json::json!({ "tests": tests, "scores": scores }))
}

fn version(text: &str) -> Result<Version, String> {
    match text {
        "3.1.1" | "4" => Ok(Version::V311),
        "5" | "5.0" => Ok(Version::V5),
        _ => Err("3.1.1 or 5 is expected".into()),
    }
}
