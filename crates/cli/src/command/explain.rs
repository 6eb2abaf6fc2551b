//! `darter explain`: may a client do something, what decides, and what would change it.

use super::plain::{harmless, print};
use super::rules::{RulesFlags, statement};
use clap::{Args, ValueEnum};
use darter_broker::admin::explain::{ExplainRequest, Wish};
use serde_json::Value;
use std::fmt::Write;
use std::process::ExitCode;

const NOTES: &str = "\
The answer comes from the rules; the client need not be connected, and nothing is changed.

Exit codes: 0 when it is allowed, 1 when it is denied, 2 when that cannot be told.

Examples:
  darter explain publish --user ann --topic home/door           by the rules of the server that runs
  darter explain subscribe --topic 'home/#'                     for a client without a user name
  darter explain receive --user ann --topic home/door --config darter.toml
  darter explain publish --user board-1 --client board-1 --topic home/board-1/state --json";

/// The options of `darter explain`.
#[derive(Debug, Args)]
#[command(after_help = NOTES)]
pub(crate) struct Arguments {
    /// What the client wants to do
    #[arg(value_enum)]
    action: Action,

    /// User name of the client [default: a client without one]
    #[arg(short, long, value_name = "NAME", help_heading = "Who and what")]
    user: Option<String>,

    /// Its client identifier, for rules with %c
    #[arg(
        short = 'i',
        long,
        value_name = "ID",
        default_value = "",
        hide_default_value = true,
        help_heading = "Who and what"
    )]
    client: String,

    /// A role that its login brings, such as one from a token; may be repeated
    #[arg(long, value_name = "NAME", help_heading = "Who and what")]
    role: Vec<String>,

    /// Topic name, or topic filter for subscribe
    #[arg(short, long, value_name = "TOPIC", help_heading = "Who and what")]
    topic: String,

    #[command(flatten)]
    rules: RulesFlags,

    /// Print one line of JSON
    #[arg(long, help_heading = "Output")]
    json: bool,
}

/// What can be asked about.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Action {
    /// To publish a message
    Publish,
    /// To subscribe to a filter
    Subscribe,
    /// To be sent a message that was published
    Receive,
    /// To publish a message that is retained
    Retain,
}

/// Asks and prints.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let request = arguments.request();
    let answer = arguments.rules.open()?.explain(&request)?;
    print(&if arguments.json { format!("{answer}\n") } else { text(&request, &answer) })?;
    Ok(if answer["allowed"] == Value::Bool(true) { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

impl Arguments {
    fn request(&self) -> ExplainRequest {
        ExplainRequest {
            action: match self.action {
                Action::Publish => Wish::Publish,
                Action::Subscribe => Wish::Subscribe,
                Action::Receive => Wish::Receive,
                Action::Retain => Wish::Retain,
            },
            user: self.user.clone(),
            client: self.client.clone(),
            roles: self.role.clone(),
            topic: self.topic.clone(),
        }
    }
}

fn text(request: &ExplainRequest, answer: &Value) -> String {
    let allowed = answer["allowed"] == Value::Bool(true);
    let mut text = format!("{}.\n\n", harmless(&statement(request, allowed)));
    row(&mut text, "Why", answer["why"].as_str().unwrap_or_default());
    for note in answer["notes"].as_array().into_iter().flatten() {
        row(&mut text, "Note", note.as_str().unwrap_or_default());
    }
    if let Some(change) = answer["change"]["text"].as_str() {
        row(&mut text, if allowed { "To deny" } else { "To allow" }, change);
    }
    text
}

/// A heading, and a text of one or several lines beside it.
fn row(text: &mut String, heading: &str, value: &str) {
    for (index, line) in value.lines().enumerate() {
        let _ = writeln!(text, "  {:<8}  {}", if index == 0 { heading } else { "" }, harmless(line));
    }
}
