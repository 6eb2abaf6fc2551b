//! Log lines on standard error.

use darter_config::Level;
use std::io::{self, IsTerminal};
use tracing_subscriber::filter::LevelFilter;

/// Writes what is at least as weighty as `level`, with the time in UTC, and with colours on a terminal that wants them.
pub(super) fn start(level: Level) {
    let colours =
        io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    tracing_subscriber::fmt()
        .compact()
        .with_target(false)
        .with_ansi(colours)
        .with_max_level(filter(level))
        .with_writer(io::stderr)
        .log_internal_errors(false)
        .init();
}

fn filter(level: Level) -> LevelFilter {
    match level {
        Level::Off => LevelFilter::OFF,
        Level::Error => LevelFilter::ERROR,
        Level::Warn => LevelFilter::WARN,
        Level::Info => LevelFilter::INFO,
        Level::Debug => LevelFilter::DEBUG,
        Level::Trace => LevelFilter::TRACE,
    }
}
