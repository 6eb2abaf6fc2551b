//! The subcommands, one file each.

mod connection_flags;
mod debug;
mod format;
mod outcome;
mod property_flags;
mod publish;
mod serve;
mod subscribe;
pub(crate) mod usage;

use clap::Subcommand;
use std::process::ExitCode;

/// What `darter` can do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the server (also when no command is given)
    Serve(serve::Arguments),
    /// Publish messages, as mosquitto_pub does
    Pub(Box<publish::Arguments>),
    /// Subscribe and print messages, as mosquitto_sub does
    Sub(Box<subscribe::Arguments>),
}

impl Command {
    /// Does it. An error is for the one who called, as one line for each thing that is wrong.
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        match self {
            Self::Serve(arguments) => serve::run(&arguments),
            Self::Pub(arguments) => publish::run(&arguments),
            Self::Sub(arguments) => subscribe::run(&arguments),
        }
    }
}
