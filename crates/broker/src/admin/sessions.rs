//! `sessions`: who is there, who is away, and what waits for them.

use super::{Refusal, Subject};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::time::Duration;

/// How long the shards may take to tell.
const PATIENCE: Duration = Duration::from_secs(5);
/// Sessions that are given when nothing else is asked for, and the most.
const FEW: usize = 1_000;
const MOST: usize = 100_000;

/// Asks for sessions.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct SessionsRequest {
    /// Only those whose client identifier begins so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
    /// Only those whose client is there, or with false only those whose client is away.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connected: Option<bool>,
    /// Most sessions of the answer, the first in the order of their client identifiers; 1000 when nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
}

#[expect(clippy::unnecessary_wraps, reason = "as the other answers")]
pub(super) fn answer(subject: &Subject, request: &SessionsRequest) -> Result<Value, Refusal> {
    let SessionsRequest { prefix, connected, limit } = request;
    let prefix = prefix.as_deref().unwrap_or_default();
    let most = limit.unwrap_or(FEW).min(MOST);
    let found = subject.view.sessions(
        prefix,
        |session| connected.is_none_or(|connected| connected == session.link.is_some()),
        most,
        PATIENCE,
    );
    let sessions: Vec<_> = found
        .sessions
        .iter()
        .map(|(session, address)| {
            json!({
                "client": &*session.client,
                "user": session.user.as_deref(),
                "connected": session.link.is_some(),
                "address": address.map(|address| address.to_string()),
                // Null is never.
                "expiry": Some(session.expiry).filter(|seconds| *seconds != u32::MAX),
                "subscriptions": session.subscriptions,
                "queued": session.waiting,
                "queued_bytes": session.waiting_bytes,
                "unacknowledged": session.unacknowledged,
            })
        })
        .collect();
    Ok(json!({ "sessions": sessions, "more": found.more, "complete": found.complete }))
}
