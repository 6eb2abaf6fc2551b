//! The last line of a server that keeps its state.

use crate::command::plain::{counted, size};
use darter_broker::store::Report;
use darter_broker::store::history::HistoryReport;
use std::path::Path;

/// Says what is kept, and what was lost at the start and since.
pub(super) fn log(folder: Option<&Path>, report: &Report, history: Option<&HistoryReport>) {
    let Some(folder) = folder else { return };
    let text = text(folder, report, history);
    let trouble = history.is_some_and(|history| history.trouble.is_some() || history.not_kept.error > 0);
    let fine = !trouble && report.lost.is_nothing() && report.lost_since.is_nothing() && !report.full;
    if fine { tracing::info!("{text}") } else { tracing::warn!("{text}") }
}

fn text(folder: &Path, report: &Report, history: Option<&HistoryReport>) -> String {
    let what = format!("{} queued, {} on the disk", counted(report.queued, "message"), size(report.bytes));
    let mut text = format!("stored and closed: {}, {what}", folder.display());
    if !report.lost.is_nothing() {
        text += &format!("; lost when it was opened: {}", report.lost);
    }
    if !report.lost_since.is_nothing() {
        text += &format!("; lost since: {}", report.lost_since);
    }
    if report.full {
        text += "; there was no room for more on the disk, and clients were refused what could not be stored";
    }
    if let Some(history) = history {
        let lost = history.not_kept.error;
        if lost > 0 {
            text += &format!("; the history could not be written, and lost {}", counted(lost, "point"));
        }
        if let Some(trouble) = &history.trouble {
            text += &format!("; the history said last: {trouble}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use darter_broker::store::Lost;

    #[test]
    fn what_was_lost_and_a_full_disk_are_said_and_nothing_else() {
        let folder = Path::new("/data");
        let mut report = Report { queued: 1, bytes: 3 << 20, ..Report::default() };
        assert_eq!(
            text(folder, &report, Some(&HistoryReport::default())),
            "stored and closed: /data, 1 message queued, 3.0 MiB on the disk"
        );
        report.lost = Lost { sessions: 2, queued: 5, at_least: true, ..Lost::default() };
        let lost = text(folder, &report, None);
        assert!(
            lost.ends_with("; lost when it was opened: at least 2 sessions, 5 queued messages"),
            "{lost}"
        );
        report.lost_since = Lost { queued: 1, ..Lost::default() };
        report.full = true;
        let mut history = HistoryReport { trouble: Some("no room".into()), ..HistoryReport::default() };
        history.not_kept.error = 2;
        let all = text(folder, &report, Some(&history));
        assert!(all.contains("; lost since: 1 queued message; there was no room"), "{all}");
        assert!(
            all.ends_with(
                "; the history could not be written, and lost 2 points; the history said last: no room"
            ),
            "{all}"
        );
    }
}
