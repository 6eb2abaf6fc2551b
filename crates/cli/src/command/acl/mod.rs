//! `darter acl`: looks after rules.

mod expectation;
mod test;

use clap::{Args, Subcommand};
use std::process::ExitCode;

/// The options of `darter acl`.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Check a file of expectations: who may do what, and who may not
    Test(test::Arguments),
}

/// Does it.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    match &arguments.action {
        Action::Test(arguments) => test::run(arguments),
    }
}
