//! `darter trace`: one client's packets, live.

use super::plain::{harmless, print};
use super::running_server::ServerFlags;
use clap::Args;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Value, json};
use std::fmt::Write;
use std::process::ExitCode;

const NOTES: &str = "\
Each line is a packet: the time, > from the client or < from the server, the packet's name and what is in it. Payloads are \
shortened to 64 bytes; passwords and authentication data are never shown. A client that is away is waited for. Ctrl-C ends it.

Examples:
  darter trace --client board-7            what board-7 sends and gets
  darter trace --client board-7 --json     the same as one line of JSON for each packet";

/// The options of `darter trace`.
#[derive(Debug, Args)]
#[command(after_help = NOTES)]
pub(crate) struct Arguments {
    #[command(flatten)]
    server: ServerFlags,

    /// Client identifier
    #[arg(long, value_name = "ID", help_heading = "What to show")]
    client: String,

    /// Print each packet as a line of JSON
    #[arg(long, help_heading = "Output")]
    json: bool,
}

/// Follows and prints until the server ends, or nobody reads on.
#[cfg(unix)]
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let mut connection = arguments.server.connect()?;
    connection.ask("trace", json!({ "client": arguments.client }))?;
    let zone = TimeZone::system();
    while let Some(line) = connection.next_line()? {
        print(&if arguments.json { format!("{line}\n") } else { text(&line, &zone) })?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Never works: this system has no Unix sockets.
#[cfg(not(unix))]
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    arguments.server.connect().map(|_| ExitCode::FAILURE)
}

fn text(line: &Value, zone: &TimeZone) -> String {
    if let Some(missed) = line["missed"].as_u64() {
        return format!(
            "             ... {missed} lines were missed: they came faster than they were read\n"
        );
    }
    let at = line["at"].as_i64().and_then(|at| Timestamp::from_millisecond(at).ok());
    let at = at.map_or_else(String::new, |at| at.to_zoned(zone.clone()).strftime("%H:%M:%S%.3f").to_string());
    if let Some(event) = line["event"].as_str() {
        return format!("{at} - {}\n", harmless(event));
    }
    let arrow = if line["from"] == "client" { '>' } else { '<' };
    let mut text = format!("{at} {arrow} {:<11}", line["packet"].as_str().unwrap_or("?"));
    for (name, value) in line.as_object().into_iter().flatten() {
        if !["at", "from", "packet", "bytes", "shortened", "payload_bytes"].contains(&name.as_str()) {
            let _ = write!(text, " {}", field(name, value));
        }
    }
    if let Some(bytes) = line["payload_bytes"].as_u64() {
        let more = if line["shortened"] == true { "... " } else { "" };
        let _ = write!(text, " {more}({bytes} bytes)");
    }
    format!("{}\n", text.trim_end())
}

/// What matters most needs no name.
fn field(name: &str, value: &Value) -> String {
    let shown = match value {
        Value::String(text) => harmless(text),
        other => harmless(&other.to_string()),
    };
    match (name, value) {
        ("topic" | "reason", _) => shown,
        ("payload", _) => format!("\"{shown}\""),
        (_, Value::Bool(true)) => name.to_owned(),
        (_, Value::Bool(false)) => format!("no-{name}"),
        _ => format!("{name}={shown}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packet_is_a_line_that_can_be_read() {
        let line = json!({
            "at": 1_000, "from": "client", "packet": "PUBLISH", "bytes": 20, "topic": "home/door\u{7}", "qos": 1,
            "retain": false, "id": 7, "payload": "open", "payload_bytes": 104, "shortened": true,
        });
        let text = text(&line, &TimeZone::UTC);
        assert!(text.starts_with("00:00:01.000 > PUBLISH"), "{text}");
        assert!(
            text.contains("home/door\\u{7}") && text.contains("\"open\"") && text.contains("id=7"),
            "{text}"
        );
        assert!(text.ends_with("... (104 bytes)\n"), "{text}");
    }

    #[test]
    fn what_is_missed_and_what_ends_a_connection_is_said() {
        assert!(text(&json!({ "missed": 3 }), &TimeZone::UTC).contains("3 lines were missed"));
        let gone = json!({ "at": 0, "event": "the connection closed without DISCONNECT" });
        assert_eq!(text(&gone, &TimeZone::UTC), "00:00:00.000 - the connection closed without DISCONNECT\n");
    }
}
