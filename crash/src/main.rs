//! The crash laboratory: several publishers and persistent subscribers load a server, which is killed at random moments,
//! or loses its power; after it has started again everything that it acknowledged must be there.
//!
//! `ledger` judges, `fleet` has the clients, `role` says what they do, `server` starts and kills, `power` and the shim
//! beside it forget what was not synced, `lab` leads the run.

// This program's purpose is to print to a terminal.
#![allow(clippy::print_stdout, clippy::print_stderr)]

mod client;
mod dice;
mod fleet;
mod lab;
mod ledger;
mod message;
mod options;
mod plan;
mod power;
mod role;
mod server;
mod trace;

use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.iter().any(|argument| argument == "--help") {
        print!("{}", options::USAGE);
        return ExitCode::SUCCESS;
    }
    // The tests of the shim start this program to do things to files.
    if let [order, folder] = arguments.as_slice()
        && order == "--probe"
    {
        return match darter_crash::probe::serve(folder.as_ref()) {
            Ok(()) => ExitCode::SUCCESS,
            Err(_) => ExitCode::FAILURE,
        };
    }
    let outcome = options::Options::parse(&arguments).and_then(|options| {
        println!("seed {}", options.seed);
        lab::Lab::new(options)?.run()
    });
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(reason) => {
            eprintln!("darter-crash: {reason}");
            ExitCode::from(2)
        }
    }
}
