//! `darter refusals`: what clients were refused lately, and why.

use super::plain::{harmless, print};
use super::running_server::ServerFlags;
use clap::Args;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Value, json};
use std::fmt::Write;
use std::process::ExitCode;

const NOTES: &str = "\
Each line is something that a client tried and was refused: when, what, by which client and user from where, and what \
decided; the newest come first. A client that tries the same again and again is told once. The server keeps the last 1,000.
'darter explain' says what would change an answer.

Examples:
  darter refusals                       of all clients
  darter refusals --client board-7      of one
  darter refusals --json                for a script";

/// The options of `darter refusals`.
#[derive(Debug, Args)]
#[command(after_help = NOTES)]
pub(crate) struct Arguments {
    #[command(flatten)]
    server: ServerFlags,

    /// Only what this client was refused
    #[arg(long, value_name = "ID", help_heading = "What to show")]
    client: Option<String>,

    /// Only what this user was refused
    #[arg(long, value_name = "NAME", help_heading = "What to show")]
    user: Option<String>,

    /// Most lines
    #[arg(long, value_name = "COUNT", default_value_t = 100, help_heading = "What to show")]
    limit: usize,

    /// Print one line of JSON
    #[arg(long, help_heading = "Output")]
    json: bool,
}

/// Asks and prints.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let mut request = json!({ "limit": arguments.limit });
    for (name, value) in [("client", &arguments.client), ("user", &arguments.user)] {
        if let Some(value) = value {
            request[name] = json!(value);
        }
    }
    let answer = arguments.server.connect()?.ask("refusals", request)?;
    print(&if arguments.json { format!("{answer}\n") } else { text(&answer, &TimeZone::system()) })?;
    Ok(ExitCode::SUCCESS)
}

fn text(answer: &Value, zone: &TimeZone) -> String {
    let rows: Vec<_> = answer["refusals"].as_array().into_iter().flatten().collect();
    if rows.is_empty() {
        return "Nothing was refused.\n".into();
    }
    let mut text = String::new();
    for row in rows {
        let word = |name: &str| harmless(row[name].as_str().unwrap_or_default());
        let at = row["at"].as_i64().and_then(|at| Timestamp::from_millisecond(at).ok());
        let at = at.map_or_else(String::new, |at| at.to_zoned(zone.clone()).strftime("%F %T").to_string());
        let _ = write!(text, "{at}  {:<9} {}", word("action"), word("topic"));
        let _ = write!(text, "{}client {}", if row["topic"].is_null() { "" } else { "  " }, word("client"));
        for (name, before) in [("user", "user"), ("address", "from")] {
            if row[name].is_string() {
                let _ = write!(text, ", {before} {}", word(name));
            }
        }
        let _ = writeln!(text, ": {}", word("why"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_a_line() {
        let none = json!({ "refusals": [] });
        assert_eq!(text(&none, &TimeZone::UTC), "Nothing was refused.\n");
        let some = json!({ "refusals": [
            { "at": 0, "client": "a\u{7}", "user": "ann", "address": "127.0.0.1:5", "action": "publish", "topic": "t/x", "why": "no rule allows it" },
            { "at": 1_000, "client": "b", "action": "connect", "why": "wrong password" },
        ] });
        let text = text(&some, &TimeZone::UTC);
        let lines: Vec<_> = text.lines().collect();
        let publish = "1970-01-01 00:00:00  publish   t/x  client a\\u{7}, user ann, from 127.0.0.1:5: no rule allows it";
        assert_eq!(lines, [publish, "1970-01-01 00:00:01  connect   client b: wrong password"]);
    }
}
