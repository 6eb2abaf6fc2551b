//! `drops`: which messages were not delivered, by client, topic and reason.

use super::{Refusal, Subject};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::time::Duration;

/// How long the shards may take to tell.
const PATIENCE: Duration = Duration::from_secs(5);
/// Rows that are given when nothing else is asked for.
const ROWS: usize = 1_000;

/// Asks which messages were not delivered.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct DropsRequest {
    /// Only those for this client.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<String>,
    /// Most rows of the answer, the largest counts first; 1000 when nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
}

#[expect(clippy::unnecessary_wraps, reason = "as the other answers")]
pub(super) fn answer(subject: &Subject, request: &DropsRequest) -> Result<Value, Refusal> {
    let mut dropped = subject.view.drops(PATIENCE);
    if let Some(client) = &request.client {
        dropped.drops.retain(|drop| *drop.client == **client);
    }
    dropped.drops.sort_by(|a, b| {
        let names = || (&a.client, &a.topic).cmp(&(&b.client, &b.topic));
        b.messages.cmp(&a.messages).then_with(names)
    });
    let rows = dropped.drops.len();
    let shown = dropped.drops.iter().take(request.limit.unwrap_or(ROWS));
    let shown: Vec<_> = shown
        .map(|drop| {
            json!({
                "client": &*drop.client,
                "topic": &*drop.topic,
                "reason": drop.reason.name(),
                "messages": drop.messages,
            })
        })
        .collect();
    Ok(json!({
        "messages": subject.view.status().counters.dropped,
        "rows": rows,
        "complete": dropped.complete,
        "drops": shown,
    }))
}
