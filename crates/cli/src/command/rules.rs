//! The rules that a question is about: those of a running server, or of a configuration file.

use super::running_server::{Connection, ServerFlags};
use clap::Args;
use darter_broker::access::Policy;
use darter_broker::admin::explain::{ConnectRequest, Door, ExplainRequest, Spoken, explain};
use darter_config::Config;
use serde_json::{Value, json};
use std::path::PathBuf;

/// Whose rules.
#[derive(Debug, Args)]
pub(crate) struct RulesFlags {
    /// Look at the rules of this configuration file, and not of the server that runs
    #[arg(long, value_name = "FILE", conflicts_with_all = ["data_dir", "port"], help_heading = "Which rules")]
    config: Option<PathBuf>,

    #[command(flatten)]
    server: ServerFlags,
}

/// Rules that can be asked.
pub(crate) enum Rules {
    /// Those of a file, and its listeners.
    Written(Policy, Vec<Door>),
    /// Those that a server goes by.
    Live(Connection),
}

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Question {
    /// Whether a client may do something.
    Do(ExplainRequest),
    /// Whether it may connect.
    Connect(ConnectRequest),
}

impl RulesFlags {
    /// Reads the rules, or finds the server.
    pub(crate) fn open(&self) -> anyhow::Result<Rules> {
        match &self.config {
            Some(file) => {
                let config = Config::load(file)?;
                Ok(Rules::Written(config.policy()?, config.doors()?))
            }
            None => self.server.connect().map(Rules::Live),
        }
    }
}

impl Rules {
    /// The explanation, as the running server gives it.
    pub(crate) fn explain(&mut self, question: &Question) -> anyhow::Result<Value> {
        match (self, question) {
            (Self::Written(policy, _), Question::Do(request)) => {
                Ok(json!(explain(policy, &request.question()?)))
            }
            (Self::Written(_, doors), Question::Connect(request)) => Ok(json!(request.explain(doors)?)),
            (Self::Live(server), question) => Ok(server.ask("explain", question.request())?),
        }
    }
}

impl Question {
    /// The request to the running server.
    pub(crate) fn request(&self) -> Value {
        match self {
            Self::Do(request) => json!(request),
            Self::Connect(request) => json!(request),
        }
    }

    /// The question as a statement, that the client may or may not.
    pub(crate) fn statement(&self, allowed: bool) -> String {
        let may = if allowed { "may" } else { "may not" };
        match self {
            Self::Do(request) => {
                let who = who(request.user.as_deref(), &request.client);
                format!("{who} {may} {} {}", request.action.in_words(), request.topic)
            }
            Self::Connect(request) => {
                let mut text = format!("{} {may} connect", who(request.user.as_deref(), ""));
                if let Some(listener) = &request.listener {
                    text += &format!(" to listener {listener}");
                }
                if let Some(address) = request.address {
                    text += &format!(" from {address}");
                }
                if let Some(version) = request.version {
                    let version = match version {
                        Spoken::V31 => "3.1",
                        Spoken::V311 => "3.1.1",
                        Spoken::V5 => "5",
                    };
                    text += &format!(" with MQTT {version}");
                }
                text
            }
        }
    }
}

fn who(user: Option<&str>, client: &str) -> String {
    match (user, client) {
        (None, "") => "a client without a user name".to_owned(),
        (None, client) => format!("client {client} without a user name"),
        (Some(user), "") => user.to_owned(),
        (Some(user), client) => format!("{user} as client {client}"),
    }
}
