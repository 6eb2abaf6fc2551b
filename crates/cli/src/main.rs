//! The binary `darter`: an MQTT server and its command-line tools.

mod command;

use clap::Parser;
use command::Command;
use std::ffi::OsString;
use std::io::{self, Write};
use std::process::ExitCode;

const ABOUT: &str = "Darter is an MQTT server and its command-line tools: MQTT 3.1, 3.1.1 and 5.";

const FIRST_STEPS: &str = "\
First steps, each in a terminal of its own:
  darter                         start a server for this computer, on port 1883
  darter sub -t '#' -v           show every message
  darter pub -t hello -m world   send one
  darter status                  ask the server how it is

'darter COMMAND --help' explains a command; 'darter serve' may be written as 'darter'.";

/// The command line.
#[derive(Debug, Parser)]
#[command(name = "darter", version, about = ABOUT, after_help = FIRST_STEPS)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Command,
}

fn main() -> ExitCode {
    let arguments = with_default_command(std::env::args_os().collect());
    let cli = match Cli::try_parse_from(&arguments) {
        Ok(cli) => cli,
        Err(error) => return command::usage::report(&error, arguments.get(1).and_then(|word| word.to_str())),
    };
    let error_code = cli.command.error_code();
    match cli.command.run() {
        Ok(code) => code,
        Err(error) => {
            for line in whole(&error).lines() {
                // Nobody is left to tell when standard error is closed.
                let _ = writeln!(io::stderr(), "darter: {line}");
            }
            error_code
        }
    }
}

/// An error with its causes; some say their cause themselves.
pub(crate) fn whole(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if text.is_empty() {
            text = cause;
        } else if !text.ends_with(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    text
}

/// `serve` is what `darter` does when no command is given, with and without options.
fn with_default_command(mut arguments: Vec<OsString>) -> Vec<OsString> {
    let of_darter_itself = ["-h", "--help", "-V", "--version"];
    let serve = match arguments.get(1).and_then(|first| first.to_str()) {
        None => arguments.len() < 2,
        Some(first) => first.starts_with('-') && !of_darter_itself.contains(&first),
    };
    if serve {
        arguments.insert(arguments.len().min(1), "serve".into());
    }
    arguments
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    fn completed(line: &str) -> String {
        let arguments = with_default_command(line.split(' ').map(OsString::from).collect());
        arguments.join(&OsString::from(" ")).into_string().unwrap()
    }

    #[test]
    fn without_a_command_the_server_is_meant() {
        assert_eq!(completed("darter"), "darter serve");
        assert_eq!(completed("darter --port 1884"), "darter serve --port 1884");
        assert_eq!(completed("darter --check-config"), "darter serve --check-config");
        for line in ["darter pub -t a", "darter --help", "darter -V", "darter serve", "darter hepl"] {
            assert_eq!(completed(line), line);
        }
    }

    #[test]
    fn a_cause_is_said_once() {
        let cause = || io::Error::other("the disk is gone");
        assert_eq!(whole(&anyhow::Error::new(cause()).context("no")), "no: the disk is gone");
        assert_eq!(
            whole(&anyhow::Error::new(cause()).context("no: the disk is gone")),
            "no: the disk is gone"
        );
    }

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
