//! `darter status`: how the running server is.

use super::plain::{counted, number, print, size, span};
use super::running_server::ServerFlags;
use clap::Args;
use serde_json::{Value, json};
use std::fmt::Write;
use std::process::ExitCode;

const NOTES: &str = "\
The server is found by its data folder, or, when it was started with --memory, by its port; only the user whom it belongs \
to can ask.

Examples:
  darter status                        the server with the usual data folder, or the only one that runs
  darter status --data-dir /srv/mqtt   the server with that data folder
  darter status --port 1884 --json     a server without one, for a script";

/// The options of `darter status`.
#[derive(Debug, Args)]
#[command(after_help = NOTES)]
pub(crate) struct Arguments {
    #[command(flatten)]
    server: ServerFlags,

    /// Print one line of JSON
    #[arg(long, help_heading = "Output")]
    json: bool,
}

/// Asks and prints.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let status = arguments.server.connect()?.ask("status", json!({}))?;
    print(&if arguments.json { format!("{status}\n") } else { text(&status) })?;
    Ok(ExitCode::SUCCESS)
}

fn text(status: &Value) -> String {
    let count = |path: &str| status.pointer(path).and_then(Value::as_u64).unwrap_or_default();
    let word = |path: &str| status.pointer(path).and_then(Value::as_str).unwrap_or_default();
    let listed = status["addresses"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let addresses: Vec<_> = listed.collect();
    let mut text = format!(
        "Darter {}, process {}, up for {}\n\n",
        word("/version"),
        count("/process"),
        span(count("/uptime"))
    );
    let mut line = |name: &str, what: String| {
        let _ = writeln!(text, "  {name:<10} {what}");
    };
    line("Listening", addresses.join(" and "));
    line("Clients", format!("{} connected", number(count("/clients/connected"))));
    let subscriptions = counted(count("/sessions/subscriptions"), "subscription");
    line("Sessions", format!("{} with {subscriptions}", number(count("/sessions/now"))));
    let dropped = match count("/messages/dropped") {
        0 => "none dropped".to_owned(),
        dropped => format!("{} dropped ('darter drops' says which)", number(dropped)),
    };
    let (received, sent) = (number(count("/messages/received")), number(count("/messages/sent")));
    line("Messages", format!("{received} received, {sent} sent, {dropped}"));
    // Of what is kept, the server's own topics are no part.
    let is_kept = status.pointer("/store/folder").is_some_and(|folder| !folder.is_null());
    let retained = count(if is_kept { "/store/retained" } else { "/retained/messages" });
    line("Retained", counted(retained, "message"));
    match status.pointer("/store/folder").and_then(Value::as_str) {
        None => line("State", "in memory; it is gone when the server stops".into()),
        Some(folder) => {
            let queued = counted(count("/store/queued"), "message");
            let on_disk = size(count("/store/bytes"));
            line("State", format!("kept in {folder}: {queued} queued, {on_disk} on the disk"));
        }
    }
    if let Some(trouble) = status.pointer("/history/trouble").and_then(Value::as_str) {
        line("History", format!("cannot be written, and points are not kept: {trouble}"));
    }
    if status.pointer("/store/full") == Some(&Value::Bool(true)) {
        line("Disk", "full: what would have to be stored is refused until there is room".into());
    }
    if let Some(trouble) = status.pointer("/store/trouble").and_then(Value::as_str) {
        line("Trouble", format!("the disk said last: {trouble}"));
    }
    for (path, when) in [("lost", "when the data folder was opened"), ("lost_since", "since then")] {
        match word(&format!("/store/{path}/words")) {
            "" | "nothing" => {}
            lost => line("Lost", format!("{lost}, {when}")),
        }
    }
    if status.pointer("/store/mending") == Some(&Value::Bool(true)) {
        line("Mending", "damaged files are being replaced".into());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_has_lines_of_its_own() {
        let mut status = json!({
            "version": "1.0.0", "process": 7, "uptime": 61, "addresses": ["127.0.0.1:1883"],
            "messages": { "received": 1000, "sent": 2, "dropped": 0 },
            "store": { "folder": "/data", "queued": 1, "bytes": 2048, "full": false, "lost": { "words": "nothing" } },
        });
        let fine = text(&status);
        assert!(fine.starts_with("Darter 1.0.0, process 7, up for 1 min 1 s\n"), "{fine}");
        assert!(
            fine.contains("\n  State      kept in /data: 1 message queued, 2.0 KiB on the disk\n"),
            "{fine}"
        );
        assert!(fine.contains("1,000 received, 2 sent, none dropped\n"), "{fine}");
        assert!(!fine.contains("History") && !fine.contains("Lost") && !fine.contains("Disk"), "{fine}");
        status["store"]["lost"]["words"] = json!("2 sessions");
        status["store"]["lost_since"] = json!({ "words": "1 queued message" });
        status["store"]["full"] = json!(true);
        status["history"] = json!({ "trouble": "no room" });
        status["store"]["mending"] = json!(true);
        status["store"]["trouble"] = json!("no space left");
        status["messages"]["dropped"] = json!(3);
        let bad = text(&status);
        for part in [
            "  Lost       2 sessions, when the",
            "  Lost       1 queued message, since then",
            "  Mending    ",
            "  Trouble    the disk said last: no space left",
            "  Disk       full",
            "  History    cannot be written, and points are not kept: no room\n",
            "3 dropped ('darter drops'",
        ] {
            assert!(bad.contains(part), "{bad}");
        }
    }
}
