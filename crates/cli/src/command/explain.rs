//! `darter explain`: may a client do something, what decides, and what would change it.

use super::plain::{harmless, print};
use super::rules::{Question, RulesFlags};
use clap::error::ErrorKind;
use clap::{Args, CommandFactory, ValueEnum};
use darter_broker::admin::explain::{ConnectRequest, Connecting, ExplainRequest, Spoken, Wish};
use serde_json::Value;
use std::fmt::Write;
use std::net::IpAddr;
use std::process::ExitCode;

const NOTES: &str = "\
The answer comes from the rules; the client need not be connected, and nothing is changed. 'connect' does not ask for a \
password: it says whether the client may come in when it proves who it is.

Exit codes: 0 when it is allowed, 1 when it is denied, 2 when that cannot be told.

Examples:
  darter explain publish --user ann --topic home/door           by the rules of the server that runs
  darter explain subscribe --topic 'home/#'                     for a client without a user name
  darter explain receive --user ann --topic home/door --config darter.toml
  darter explain publish --user board-1 --client board-1 --topic home/board-1/state --json
  darter explain connect --address 192.0.2.7                    without a user name, from that address
  darter explain connect --user ann --listener web";

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

    /// Topic name, or topic filter for subscribe; needed for everything but connect
    #[arg(short, long, value_name = "TOPIC", help_heading = "Who and what")]
    topic: Option<String>,

    /// For connect: name of the listener [default: the first one]
    #[arg(long, value_name = "NAME", help_heading = "Who and what")]
    listener: Option<String>,

    /// For connect: address of the client [default: as far away as the listener can be reached from]
    #[arg(long, value_name = "IP", help_heading = "Who and what")]
    address: Option<IpAddr>,

    /// For connect: version of MQTT
    #[arg(long, value_enum, value_name = "VERSION", help_heading = "Who and what")]
    mqtt: Option<Version>,

    #[command(flatten)]
    rules: RulesFlags,

    /// Print one line of JSON
    #[arg(long, help_heading = "Output")]
    json: bool,
}

/// What can be asked about.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Action {
    /// To connect
    Connect,
    /// To publish a message
    Publish,
    /// To subscribe to a filter
    Subscribe,
    /// To be sent a message that was published
    Receive,
    /// To publish a message that is retained
    Retain,
}

/// Versions of MQTT.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Version {
    #[value(name = "3.1")]
    V31,
    #[value(name = "3.1.1")]
    V311,
    #[value(name = "5")]
    V5,
}

/// Asks and prints.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let question = arguments.question();
    let answer = arguments.rules.open()?.explain(&question)?;
    print(&if arguments.json { format!("{answer}\n") } else { text(&question, &answer) })?;
    Ok(if answer["allowed"] == Value::Bool(true) { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

impl Arguments {
    /// The question; ends the program where options are missing or too many, as it does for other wrong uses.
    fn question(&self) -> Question {
        let action = match self.action {
            Action::Connect => return self.connecting(),
            Action::Publish => Wish::Publish,
            Action::Subscribe => Wish::Subscribe,
            Action::Receive => Wish::Receive,
            Action::Retain => Wish::Retain,
        };
        if self.listener.is_some() || self.address.is_some() || self.mqtt.is_some() {
            wrong(ErrorKind::ArgumentConflict, "--listener, --address and --mqtt are for connect");
        }
        let Some(topic) = self.topic.clone() else {
            wrong(ErrorKind::MissingRequiredArgument, "--topic is missing");
        };
        let (user, client, roles) = (self.user.clone(), self.client.clone(), self.role.clone());
        Question::Do(ExplainRequest { action, user, client, roles, topic })
    }

    fn connecting(&self) -> Question {
        if self.topic.is_some() || !self.role.is_empty() {
            wrong(ErrorKind::ArgumentConflict, "--topic and --role do not matter for connect");
        }
        Question::Connect(ConnectRequest {
            action: Connecting::Connect,
            user: self.user.clone(),
            listener: self.listener.clone(),
            address: self.address,
            version: self.mqtt.map(|version| match version {
                Version::V31 => Spoken::V31,
                Version::V311 => Spoken::V311,
                Version::V5 => Spoken::V5,
            }),
        })
    }
}

fn wrong(kind: ErrorKind, what: &str) -> ! {
    crate::Cli::command().error(kind, what).exit()
}

fn text(question: &Question, answer: &Value) -> String {
    let allowed = answer["allowed"] == Value::Bool(true);
    let mut text = format!("{}.\n\n", harmless(&question.statement(allowed)));
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
