//! `refusals`: what clients were refused lately, and why.

use super::{Refusal as Unanswered, Subject};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Refusals that are given when nothing else is asked for.
const ROWS: usize = 100;

/// Asks for the last refusals.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RefusalsRequest {
    /// Only those of this client.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<String>,
    /// Only those of this user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Most of them, the newest first; 100 when nothing is said. The server keeps the last 1,000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
}

#[expect(clippy::unnecessary_wraps, reason = "as the other answers")]
pub(super) fn answer(subject: &Subject, request: &RefusalsRequest) -> Result<Value, Unanswered> {
    let fits =
        |wanted: &Option<String>, is: Option<&str>| wanted.as_deref().is_none_or(|one| is == Some(one));
    let refusals = subject.view.refusals(request.limit.unwrap_or(ROWS), |refusal| {
        fits(&request.client, Some(&refusal.client)) && fits(&request.user, refusal.user.as_deref())
    });
    Ok(json!({ "refusals": refusals }))
}
