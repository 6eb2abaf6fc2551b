//! What is in a data folder, as JSON and as text.

use crate::command::plain::{counted, number, size};
use darter_broker::store::log::inspect::{Findings, Stats};
use serde_json::{Value, json};
use std::fmt::Write;
use std::path::Path;

/// How much is kept.
pub(super) fn stats(folder: &Path, stats: &Stats) -> Value {
    let Stats { sessions, subscriptions, retained, queued, segments, bytes, live_bytes } = stats;
    json!({
        "folder": folder.display().to_string(),
        "running": false,
        "sessions": sessions,
        "subscriptions": subscriptions,
        "retained": retained,
        "queued": queued,
        "files": segments,
        "bytes": bytes,
        "live_bytes": live_bytes,
    })
}

/// The same from the status of a running server.
pub(super) fn live_stats(status: &Value) -> Value {
    json!({
        "folder": status["store"]["folder"],
        "running": true,
        "sessions": status["store"]["sessions"],
        "subscriptions": status["store"]["subscriptions"],
        "retained": status["store"]["retained"],
        "queued": status["store"]["queued"],
        "bytes": status["store"]["bytes"],
        "live_bytes": status["store"]["live_bytes"],
    })
}

/// What was found, and how much is kept.
pub(super) fn findings(findings: &Findings) -> Value {
    let damaged: Vec<_> = findings
        .damaged
        .iter()
        .map(|(file, what)| json!({ "file": file.display().to_string(), "what": what }))
        .collect();
    let Stats { sessions, subscriptions, retained, queued, bytes, .. } = findings.stats;
    json!({
        "damaged": damaged,
        "lost": findings.lost.to_string(),
        "sessions": sessions,
        "subscriptions": subscriptions,
        "retained": retained,
        "queued": queued,
        "bytes": bytes,
    })
}

/// Whether nothing is damaged and nothing lost.
pub(super) fn is_clean(findings: &Findings) -> bool {
    findings.damaged.is_empty() && findings.lost.is_nothing()
}

pub(super) fn stats_text(stats: &Value) -> String {
    let count = |name: &str| stats[name].as_u64().unwrap_or_default();
    let mut text = String::new();
    if let Some(folder) = stats["folder"].as_str() {
        let _ = writeln!(text, "{folder}\n");
    }
    let subscriptions = counted(count("subscriptions"), "subscription");
    let _ = writeln!(text, "  Sessions  {} with {subscriptions}", number(count("sessions")));
    let _ = writeln!(text, "  Queued    {}", counted(count("queued"), "message"));
    let _ = writeln!(text, "  Retained  {}", counted(count("retained"), "message"));
    let (bytes, live) = (size(count("bytes")), size(count("live_bytes")));
    let _ = writeln!(text, "  Disk      {bytes}, of which {live} are still wanted");
    text
}

pub(super) fn findings_text(findings: &Value) -> String {
    let damaged = findings["damaged"].as_array().map(Vec::as_slice).unwrap_or_default();
    let lost = findings["lost"].as_str().unwrap_or_default();
    let mut text = listed(damaged);
    let _ = match (damaged.is_empty(), lost) {
        (true, "" | "nothing") => writeln!(text, "Everything can be read: {}.", kept(findings)),
        _ => writeln!(text, "It costs: {lost}. What can be read: {}.", kept(findings)),
    };
    text
}

pub(super) fn repaired_text(findings: &Value) -> String {
    let damaged = findings["damaged"].as_array().map(Vec::as_slice).unwrap_or_default();
    let lost = findings["lost"].as_str().unwrap_or_default();
    let mut text = listed(damaged);
    let _ = match (damaged.is_empty(), lost) {
        (true, "" | "nothing") => writeln!(text, "Nothing had to be repaired: {}.", kept(findings)),
        _ => writeln!(
            text,
            "Damaged files are set aside, in messages/damaged. Lost: {lost}. Kept: {}.",
            kept(findings)
        ),
    };
    text
}

fn listed(damaged: &[Value]) -> String {
    let mut text = String::new();
    for file in damaged {
        let word = |name: &str| file[name].as_str().unwrap_or_default();
        let _ = writeln!(text, "{}: {}", word("file"), word("what"));
    }
    text
}

fn kept(findings: &Value) -> String {
    let count = |name: &str, what: &str| counted(findings[name].as_u64().unwrap_or_default(), what);
    [
        count("sessions", "session"),
        count("subscriptions", "subscription"),
        count("queued", "queued message"),
        count("retained", "retained message"),
    ]
    .join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use darter_broker::store::Lost;

    #[test]
    fn damage_is_told_with_what_it_costs() {
        let stats = Stats { sessions: 1, queued: 5, ..Stats::default() };
        let fine = Findings { stats: stats.clone(), ..Findings::default() };
        let kept = "1 session, 0 subscriptions, 5 queued messages, 0 retained messages";
        assert!(is_clean(&fine));
        assert_eq!(findings_text(&findings(&fine)), format!("Everything can be read: {kept}.\n"));
        assert_eq!(repaired_text(&findings(&fine)), format!("Nothing had to be repaired: {kept}.\n"));
        let lost = Lost { queued: 2, at_least: true, ..Lost::default() };
        let bad = Findings {
            stats,
            damaged: vec![("/d/1.log".into(), "cut short".into())],
            lost,
            ..Findings::default()
        };
        assert!(!is_clean(&bad));
        let text = findings_text(&findings(&bad));
        assert_eq!(
            text,
            format!("/d/1.log: cut short\nIt costs: at least 2 queued messages. What can be read: {kept}.\n")
        );
        assert!(repaired_text(&findings(&bad)).contains("set aside"));
    }

    #[test]
    fn a_running_server_and_a_folder_are_told_alike() {
        let of_folder = stats(Path::new("/d"), &Stats { sessions: 2, bytes: 1024, ..Stats::default() });
        let of_server = live_stats(&json!({
            "store": {
                "folder": "/d", "sessions": 2, "subscriptions": 0, "retained": 0, "queued": 0, "bytes": 1024,
                "live_bytes": 0,
            },
            // With the server's own topics, which are not kept.
            "sessions": { "now": 3, "subscriptions": 4 }, "retained": { "messages": 62 },
        }));
        assert_eq!(stats_text(&of_folder), stats_text(&of_server));
        assert!(stats_text(&of_folder).contains("  Sessions  2 with 0 subscriptions\n"));
    }
}
