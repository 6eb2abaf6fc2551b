//! `status`: how the server is.

use super::{Refusal, Subject, history, store};
use darter_engine::DropReason;
use serde::Deserialize;
use serde_json::{Map, Value, json};

/// Asks how the server is.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Request {}

#[expect(clippy::unnecessary_wraps, reason = "as the other answers")]
pub(super) fn answer(subject: &Subject, _: &Request) -> Result<Value, Refusal> {
    let view = &subject.view;
    let status = view.status();
    let counters = &status.counters;
    let dropped: Map<String, Value> = DropReason::ALL
        .into_iter()
        .zip(counters.dropped_for)
        .map(|(reason, messages)| (reason.name().to_owned(), messages.into()))
        .collect();
    Ok(json!({
        "version": env!("CARGO_PKG_VERSION"),
        "process": std::process::id(),
        "uptime": view.uptime().as_secs(),
        "addresses": view.listening().iter().map(|open| open.address.to_string()).collect::<Vec<_>>(),
        "shards": view.shards(),
        "clients": {
            "connected": counters.connected,
            "connections": counters.connections,
        },
        "sessions": {
            "now": counters.sessions,
            "most": counters.sessions_most,
            "expired": counters.expired_sessions,
            "subscriptions": counters.subscriptions,
            "shared_subscriptions": counters.shared_subscriptions,
        },
        "retained": {
            "messages": counters.retained,
            "bytes": counters.retained_bytes,
        },
        "messages": {
            "received": counters.publish_received,
            "sent": counters.publish_sent,
            "bytes_received": counters.publish_bytes_received,
            "bytes_sent": counters.publish_bytes_sent,
            "dropped": counters.dropped,
            "dropped_for": dropped,
        },
        "network": {
            "connections": status.sockets,
            "bytes_received": status.bytes_received,
            "bytes_sent": status.bytes_sent,
            "packets_received": counters.packets_received,
            "packets_sent": counters.packets_sent,
            "bad_packets": counters.bad_packets,
        },
        "store": store::report(&view.store_report()),
        // Null when there is none.
        "history": subject.history.as_ref().map(|history| {
            let mut report = history::report(&history.report());
            report["not_kept"]["skipped"] = counters.history_skipped.into();
            report
        }),
    }))
}
