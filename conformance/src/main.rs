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
use darter_conformance::server::Server;

/// Runs the conformance suite against an MQTT server: the one at --host and --port, or a Darter started for the run
#[derive(Debug, Parser)]
struct Arguments {
    /// Host name or address of the server [default: 127.0.0.1 when --port is given]
    #[arg(long)]
    host: Option<String>,
    /// Port of the server [default: 1883 when --host is given]
    #[arg(long)]
    port: Option<u16>,
    /// Start this darter binary for the run [default: the one beside this program]
    #[arg(long, conflicts_with_all = ["host", "port"])]
    start: Option<PathBuf>,
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
    let (address, _server) = target(arguments)?;
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

/// The address to test, and the server behind it if it was started for this run.
fn target(arguments: &Arguments) -> Result<(SocketAddr, Option<Server>), Box<dyn std::error::Error>> {
    if arguments.host.is_none() && arguments.port.is_none() {
        let beside = || std::env::current_exe().map(|own| own.with_file_name("darter"));
        let binary = arguments.start.clone().map_or_else(beside, Ok)?;
        let server = Server::start(&binary)?;
        return Ok((server.address(), Some(server)));
    }
    let host = arguments.host.as_deref().unwrap_or("127.0.0.1");
    let address =
        (host, arguments.port.unwrap_or(1883)).to_socket_addrs()?.next().ok_or("the host has no address")?;
    Ok((address, None))
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
