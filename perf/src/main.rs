//! The load generator: runs one scenario against one MQTT server and prints what it measured as a line of JSON.
//!
//! It is a single thread around an edge-triggered loop, writes and reads packets by hand and stays on a core of its
//! own, so that the server's CPU time is what limits the rate. Its own share of a core is part of every report.

// The report goes to standard output.
#![allow(clippy::print_stdout, clippy::print_stderr)]

mod bench;
mod copier;
mod latency;
mod probe;
mod scenario;
mod setup;
mod swarm;
mod traffic;
mod wire;

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::process::ExitCode;

use bench::Bench;
use probe::Process;

const USAGE: &str = "\
usage: darter-perf --scenario NAME --address IP:PORT --pid PID [--seconds S] [--divide N] [--core N]
       darter-perf --list
       darter-perf --kernel-limit

  --kernel-limit  be the server that only copies bytes, and print its address

  --pid      the server's process, whose CPU time and memory are measured
  --seconds  length of a timed phase (2)
  --divide   divides every count: connections, subscriptions, stored messages (1)
  --core     the core this program stays on (1)
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments == ["--list"] {
        for (name, _) in scenario::ALL {
            println!("{name}");
        }
        return ExitCode::SUCCESS;
    }
    let outcome = match arguments.as_slice() {
        [only] if only == "--kernel-limit" => {
            probe::raise_file_limit();
            copier::serve(|address| println!("{}", serde_json::json!({ "mqtt": [address.to_string()] })))
                .map(|()| String::new())
        }
        _ => run(&arguments),
    };
    match outcome {
        Ok(report) => {
            println!("{report}");
            ExitCode::SUCCESS
        }
        Err(reason) => {
            eprintln!("darter-perf: {reason}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[String]) -> Result<String, String> {
    let mut name = None;
    let mut address: Option<SocketAddr> = None;
    let mut pid = None;
    let (mut seconds, mut divisor, mut core) = (2.0, NonZeroU32::MIN, 1);
    for pair in arguments.chunks(2) {
        let [option, value] = pair else { return Err(USAGE.to_owned()) };
        match option.as_str() {
            "--scenario" => name = Some(value.as_str()),
            "--address" => address = Some(parse(option, value)?),
            "--pid" => pid = Some(parse(option, value)?),
            "--seconds" => seconds = parse(option, value)?,
            "--divide" => divisor = parse(option, value)?,
            "--core" => core = parse(option, value)?,
            _ => return Err(format!("no option is called {option}\n{USAGE}")),
        }
    }
    let (Some(name), Some(address), Some(pid)) = (name, address, pid) else { return Err(USAGE.to_owned()) };
    let (_, scenario) = scenario::ALL
        .iter()
        .find(|(known, _)| *known == name)
        .ok_or_else(|| format!("no scenario is called {name}; --list names them"))?;
    let pinned = probe::pin(core);
    let files = probe::raise_file_limit();
    let bench = Bench { address, server: Process::new(pid)?, seconds, divisor: divisor.get() };
    let mut report =
        scenario(&bench).map_err(|reason| format!("{name}: {reason} (files allowed: {files})"))?;
    report.figure("pinned", f64::from(u8::from(pinned)));
    Ok(report.into_json(name))
}

fn parse<T: std::str::FromStr>(option: &str, value: &str) -> Result<T, String> {
    value.parse().map_err(|_| format!("{option} cannot be {value:?}\n{USAGE}"))
}
