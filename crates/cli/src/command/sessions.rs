//! `darter sessions`: who is there, who is away, and what waits for them.

use super::plain::{harmless, number, print};
use super::running_server::ServerFlags;
use clap::Args;
use darter_broker::admin::SessionsRequest;
use serde_json::{Value, json};
use std::fmt::Write;
use std::process::ExitCode;

const NOTES: &str = "\
Each line is a session: where its client is connected from, or that it is away; its subscriptions; the messages that wait \
for it, and those that were sent to it and not acknowledged.

Examples:
  darter sessions                    of all clients, the first thousand by name
  darter sessions --away             of clients that are not connected
  darter sessions --prefix board-    of clients whose identifiers begin so";

/// The options of `darter sessions`.
#[derive(Debug, Args)]
#[command(after_help = NOTES)]
pub(crate) struct Arguments {
    #[command(flatten)]
    server: ServerFlags,

    /// Only those whose client identifier begins with PREFIX
    #[arg(long, value_name = "PREFIX", help_heading = "What to show")]
    prefix: Option<String>,

    /// Only those whose client is connected
    #[arg(long, conflicts_with = "away", help_heading = "What to show")]
    connected: bool,

    /// Only those whose client is not connected
    #[arg(long, help_heading = "What to show")]
    away: bool,

    /// Most sessions
    #[arg(long, value_name = "COUNT", default_value_t = 1000, help_heading = "What to show")]
    limit: usize,

    /// Print one line of JSON
    #[arg(long, help_heading = "Output")]
    json: bool,
}

/// Asks and prints.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let connected = (arguments.connected || arguments.away).then_some(arguments.connected);
    let request =
        SessionsRequest { prefix: arguments.prefix.clone(), connected, limit: Some(arguments.limit) };
    let answer = arguments.server.connect()?.ask("sessions", json!(request))?;
    print(&if arguments.json { format!("{answer}\n") } else { text(&answer) })?;
    Ok(ExitCode::SUCCESS)
}

fn text(answer: &Value) -> String {
    let sessions = answer["sessions"].as_array().map(Vec::as_slice).unwrap_or_default();
    let mut text = String::new();
    if sessions.is_empty() {
        text.push_str("There is no such session.\n");
    } else {
        let _ = writeln!(
            text,
            "{:<24} {:<22} {:>13} {:>12} {:>14}",
            "client", "address", "subscriptions", "waiting", "unacknowledged"
        );
    }
    for session in sessions {
        let count = |name: &str| number(session[name].as_u64().unwrap_or_default());
        let client = harmless(session["client"].as_str().unwrap_or_default());
        let address = session["address"].as_str().unwrap_or("away");
        let (subscriptions, queued, sent) =
            (count("subscriptions"), count("queued"), count("unacknowledged"));
        let _ = writeln!(text, "{client:<24} {address:<22} {subscriptions:>13} {queued:>12} {sent:>14}");
    }
    if answer["more"] == Value::Bool(true) {
        text.push_str("There are more; --limit and --prefix choose which are shown.\n");
    }
    if answer["complete"] == Value::Bool(false) {
        text.push_str("A part of the server did not answer in time; its sessions are missing here.\n");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_said() {
        let text = text(&json!({ "sessions": [], "more": true, "complete": false }));
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines[0], "There is no such session.");
        assert!(lines[1].starts_with("There are more") && lines[2].contains("did not answer"), "{text}");
    }
}
