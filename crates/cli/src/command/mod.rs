//! The subcommands, one file each.

mod acl;
mod cert;
mod connection_flags;
mod debug;
mod drops;
mod explain;
mod format;
mod history;
mod outcome;
mod plain;
mod property_flags;
mod publish;
mod refusals;
mod rules;
mod running_server;
mod serve;
mod sessions;
mod status;
mod store;
mod subscribe;
mod trace;
pub(crate) mod usage;
mod when;

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
    /// Ask the running server how it is
    Status(status::Arguments),
    /// Ask the running server which messages were not delivered, to whom and why
    Drops(drops::Arguments),
    /// Ask the running server for its sessions: who is there, who is away, what waits
    Sessions(sessions::Arguments),
    /// Ask the running server what clients were refused lately, and why
    Refusals(refusals::Arguments),
    /// Follow one client's packets live
    Trace(trace::Arguments),
    /// Ask whether a client may do something, what decides, and what would change it
    Explain(explain::Arguments),
    /// Check that the rules allow and deny what they should
    Acl(acl::Arguments),
    /// Make certificates of your own for TLS
    Cert(cert::Arguments),
    /// Show what was published on a topic
    History(history::Arguments),
    /// Look into the data folder: check it, count and export what is kept, repair it
    Store(store::Arguments),
}

impl Command {
    /// The exit code for an error. Where 1 is an answer, it is another one.
    pub(crate) fn error_code(&self) -> ExitCode {
        match self {
            Self::Explain(_) | Self::Acl(_) => ExitCode::from(2),
            _ => ExitCode::FAILURE,
        }
    }

    /// Does it. An error is for the one who called, as one line for each thing that is wrong.
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        match self {
            Self::Serve(arguments) => serve::run(&arguments),
            Self::Pub(arguments) => publish::run(&arguments),
            Self::Sub(arguments) => subscribe::run(&arguments),
            Self::Status(arguments) => status::run(&arguments),
            Self::Drops(arguments) => drops::run(&arguments),
            Self::Sessions(arguments) => sessions::run(&arguments),
            Self::Refusals(arguments) => refusals::run(&arguments),
            Self::Trace(arguments) => trace::run(&arguments),
            Self::Explain(arguments) => explain::run(&arguments),
            Self::Acl(arguments) => acl::run(&arguments),
            Self::Cert(arguments) => cert::run(&arguments),
            Self::History(arguments) => history::run(&arguments),
            Self::Store(arguments) => store::run(&arguments),
        }
    }
}
