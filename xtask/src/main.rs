//! The project's chores: every check behind one command, `cargo xtask <command>`.

// This program's purpose is to print to a terminal.
#![allow(clippy::print_stdout, clippy::print_stderr)]

mod check_layers;
mod check_style;
mod crash;
mod fuzz_smoke;
mod perf;
mod sources;
mod step;
mod test;

use std::process::ExitCode;

const USAGE: &str = "\
usage: cargo xtask <command> [options]

  test            every check and every test; --fast leaves out the slow steps, --keep-going does not end at a failure
  check-layers    who imports whom, against the table of the design
  check-style     file lengths, module names and unwraps
  fuzz-smoke      a short run of every fuzz target
  perf            the perf laboratory: every row of the design's table, Darter and mosquitto side by side
  crash           the crash laboratory: load, kill -9 or power loss, restart, and everything acknowledged must be there
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let Some((command, options)) = arguments.split_first() else {
        eprint!("{USAGE}");
        return ExitCode::from(2);
    };
    let outcome = match command.as_str() {
        "test" => test::run(options),
        "check-layers" => check_layers::run(options),
        "check-style" => check_style::run(options),
        "fuzz-smoke" => fuzz_smoke::run(options),
        "perf" => perf::run(options),
        "crash" => crash::run(options),
        "help" | "--help" | "-h" => {
            print!("{USAGE}");
            Ok(())
        }
        other => Err(format!("no command is called {other:?}\n\n{USAGE}")),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            eprintln!("xtask: {reason}");
            ExitCode::FAILURE
        }
    }
}

/// Fails with a usage error when a command that takes no options was given some.
fn refuse_options(options: &[String]) -> Result<(), String> {
    match options.first() {
        None => Ok(()),
        Some(option) => Err(format!("this command takes no option {option:?}\n\n{USAGE}")),
    }
}
