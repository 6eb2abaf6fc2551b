//! `darter drops`: which messages were not delivered.

use super::plain::{harmless, number, print};
use super::running_server::ServerFlags;
use clap::Args;
use serde_json::{Value, json};
use std::fmt::Write;
use std::process::ExitCode;

const NOTES: &str = "\
Each line is a client, a topic and a reason, with the number of messages since the server has started; the largest numbers \
come first. Reasons: queue-full (the session's queue had no room), slow-reader (QoS 0 for a client that reads too slowly), \
packet-too-large (for what the client accepts), expired, offline (QoS 0 while the client was away), no-member (a shared \
subscription without a member that could take it), session-ended (before its queue was sent), refused (clients may not \
publish there), store-full (the disk had no room), denied (by the rules). A topic # stands for a queue's messages on any topics.

Examples:
  darter drops                       of all clients
  darter drops --client board-7      of one
  darter drops --json                for a script";

/// The options of `darter drops`.
#[derive(Debug, Args)]
#[command(after_help = NOTES)]
pub(crate) struct Arguments {
    #[command(flatten)]
    server: ServerFlags,

    /// Only what this client did not get
    #[arg(long, value_name = "ID", help_heading = "What to show")]
    client: Option<String>,

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
    if let Some(client) = &arguments.client {
        request["client"] = json!(client);
    }
    let answer = arguments.server.connect()?.ask("drops", request)?;
    print(&if arguments.json { format!("{answer}\n") } else { text(&answer) })?;
    Ok(ExitCode::SUCCESS)
}

fn text(answer: &Value) -> String {
    let rows: Vec<_> = answer["drops"].as_array().into_iter().flatten().collect();
    let mut text = String::new();
    if rows.is_empty() {
        text.push_str("No message was dropped.\n");
    } else {
        let _ = writeln!(text, "{:>12}  {:<17} {:<24} topic", "messages", "reason", "client");
    }
    for row in &rows {
        let word = |name: &str| harmless(row[name].as_str().unwrap_or_default());
        let messages = number(row["messages"].as_u64().unwrap_or_default());
        let (reason, client, topic) = (word("reason"), word("client"), word("topic"));
        let _ = writeln!(text, "{messages:>12}  {reason:<17} {client:<24} {topic}");
    }
    let more = answer["rows"].as_u64().unwrap_or_default().saturating_sub(rows.len() as u64);
    if more > 0 {
        let _ = writeln!(text, "{} more; --limit shows more of them", number(more));
    }
    if answer["complete"] == Value::Bool(false) {
        text.push_str("A part of the server did not answer in time; its drops are missing here.\n");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use darter_broker::DropReason;

    #[test]
    fn every_reason_is_explained() {
        for reason in DropReason::ALL {
            assert!(
                NOTES.contains(&format!("{} (", reason.name()))
                    || NOTES.contains(&format!("{}, ", reason.name())),
                "{}",
                reason.name()
            );
        }
    }

    #[test]
    fn drops_are_a_table_and_what_is_missing_is_said() {
        let none = json!({ "drops": [], "rows": 0, "complete": true });
        assert_eq!(text(&none), "No message was dropped.\n");
        let drop = json!({ "client": "a\u{7}", "topic": "t/1", "reason": "offline", "messages": 1234 });
        let some = text(&json!({ "drops": [drop], "rows": 3, "complete": false }));
        let row = format!("{:>12}  {:<17} {:<24} t/1", "1,234", "offline", "a\\u{7}");
        let lines: Vec<_> = some.lines().collect();
        assert_eq!((lines.len(), lines[1]), (4, row.as_str()));
        assert!(lines[2].starts_with("2 more") && lines[3].contains("did not answer"), "{some}");
    }
}
