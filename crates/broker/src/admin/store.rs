//! `store`: how the store is.

use super::{Refusal, Subject};
use darter_store::{Lost, Report};
use serde::Deserialize;
use serde_json::{Value, json};

/// Asks how the store is.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Request {}

#[expect(clippy::unnecessary_wraps, reason = "as the other answers")]
pub(super) fn answer(subject: &Subject, _: &Request) -> Result<Value, Refusal> {
    Ok(report(&subject.view.store_report()))
}

/// A report as JSON; `folder` is null for a store in memory.
#[must_use]
pub fn report(report: &Report) -> Value {
    let Report { folder, lost, lost_since, trouble, bytes, live_bytes, .. } = report;
    let Report { sessions, subscriptions, retained, queued, mending, syncs, full, .. } = report;
    json!({
        "folder": folder.as_ref().map(|folder| folder.display().to_string()),
        "bytes": bytes,
        "live_bytes": live_bytes,
        "sessions": sessions,
        "subscriptions": subscriptions,
        "retained": retained,
        "queued": queued,
        "syncs": syncs,
        "full": full,
        "trouble": trouble,
        "mending": mending,
        "lost": losses(lost),
        "lost_since": losses(lost_since),
    })
}

fn losses(lost: &Lost) -> Value {
    let Lost { sessions, subscriptions, retained, queued, other, at_least, at_most } = lost;
    json!({
        "sessions": sessions,
        "subscriptions": subscriptions,
        "retained": retained,
        "queued": queued,
        "other": other,
        "at_least": at_least,
        "at_most": at_most,
        "words": lost.to_string(),
    })
}
