//! The subcommands, one file each.

mod serve;

use clap::Subcommand;
use std::process::ExitCode;

/// What `darter` can do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the server (also when no command is given)
    Serve(serve::Arguments),
}

impl Command {
    /// Does it. An error is for the one who called, as one line for each thing that is wrong.
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        match self {
            Self::Serve(arguments) => serve::run(&arguments),
        }
    }
}
