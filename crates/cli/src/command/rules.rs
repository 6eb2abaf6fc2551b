//! The rules that a question is about: those of a running server, or of a configuration file.

use super::running_server::{Connection, ServerFlags};
use clap::Args;
use darter_broker::access::Policy;
use darter_broker::admin::explain::{ExplainRequest, explain};
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
    /// Those of a file.
    Written(Policy),
    /// Those that a server goes by.
    Live(Connection),
}

impl RulesFlags {
    /// Reads the rules, or finds the server.
    pub(crate) fn open(&self) -> anyhow::Result<Rules> {
        match &self.config {
            Some(file) => Ok(Rules::Written(Config::load(file)?.policy()?)),
            None => self.server.connect().map(Rules::Live),
        }
    }
}

impl Rules {
    /// The explanation, as the running server gives it.
    pub(crate) fn explain(&mut self, request: &ExplainRequest) -> anyhow::Result<Value> {
        match self {
            Self::Written(policy) => Ok(json!(explain(policy, &request.question()?))),
            Self::Live(server) => Ok(server.ask("explain", json!(request))?),
        }
    }
}

/// The question as a statement, which is true or, with `not`, false.
pub(crate) fn statement(request: &ExplainRequest, allowed: bool) -> String {
    let who = match (&request.user, request.client.as_str()) {
        (None, "") => "a client without a user name".to_owned(),
        (None, client) => format!("client {client} without a user name"),
        (Some(user), "") => user.clone(),
        (Some(user), client) => format!("{user} as client {client}"),
    };
    let may = if allowed { "may" } else { "may not" };
    let (action, topic) = (request.action, &request.topic);
    format!("{who} {may} {} {topic}", action.in_words())
}
