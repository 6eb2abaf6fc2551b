//! `darter history`: what was published on a topic.

mod pages;
mod table;

use super::plain::print;
use super::running_server::{Connection, ServerFlags};
use super::when;
use anyhow::bail;
use clap::Args;
use darter_broker::admin::history::{self, Request};
use darter_broker::store::history::{History, HistoryOptions};
use darter_broker::store::log::inspect::{self, Hold};
use darter_config::HISTORY_FOLDER;
use serde_json::{Value, json};
use std::io::{self, Write};
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

const NOTES: &str = "\
The server remembers at most one message of each topic and second, the first that came in it, and drops the oldest when there are too many \
(docs/config.md, [history]). Times are local: \"2026-11-21 14:30\", 14:30 or 2026-11-21; with Z or an offset in that zone; \
or 15min, 2h, 7d for so long ago.

Examples:
  darter history home/kitchen/temp                       the last 20 messages
  darter history home/kitchen/temp --last 1              the last one
  darter history home/kitchen/temp --from 2h --csv       the last two hours, for a spreadsheet
  darter history home/kitchen/temp --from 7d --points 99 the numbers of a week in 99 parts
  darter history --topics home/                          the topics that begin so";

/// Messages that are shown when nothing else is asked for.
const FEW: usize = 20;
/// Most messages or topics that are shown when nothing else is asked for.
const MOST: usize = 1_000;
/// Milliseconds that are divided into parts when nothing else is asked for.
const DAY: u64 = 86_400_000;

/// The options of `darter history`.
#[derive(Debug, Args)]
#[command(after_help = NOTES)]
pub(crate) struct Arguments {
    /// The topic name
    #[arg(value_name = "TOPIC", required_unless_present = "topics", conflicts_with = "topics")]
    topic: Option<String>,

    /// List the topics that begin with PREFIX instead; all of them with ''
    #[arg(long, value_name = "PREFIX", conflicts_with_all = ["last", "from", "to", "points"], help_heading = "What to show")]
    topics: Option<String>,

    /// So many of the last messages [default: 20]
    #[arg(long, value_name = "N", conflicts_with_all = ["from", "to", "points"], help_heading = "What to show")]
    last: Option<usize>,

    /// Messages from this time on
    #[arg(long, value_name = "TIME", value_parser = when::parse, help_heading = "What to show")]
    from: Option<u64>,

    /// Messages before this time [default: now]
    #[arg(long, value_name = "TIME", value_parser = when::parse, help_heading = "What to show")]
    to: Option<u64>,

    /// The numbers in at most N equal parts of the time, each with count, least, mean and most [default time: one day]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..), help_heading = "What to show")]
    points: Option<u32>,

    /// The field of JSON objects whose numbers are wanted, such as temp.inside [default: the payload is the number]
    #[arg(long, value_name = "PATH", requires = "points", help_heading = "What to show")]
    field: Option<String>,

    /// Most messages or topics of a list [default: 1000; with --csv all of them]
    #[arg(long, value_name = "COUNT", help_heading = "What to show")]
    limit: Option<usize>,

    #[command(flatten)]
    server: ServerFlags,

    /// Print one line of JSON
    #[arg(long, help_heading = "Output")]
    json: bool,

    /// Print comma-separated values with a line of names
    #[arg(long, conflicts_with = "json", help_heading = "Output")]
    csv: bool,
}

/// Asks and prints.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let request = arguments.request();
    let mut history = match arguments.server.running()? {
        Some(server) => Asked::Server(server),
        None => arguments.of_a_stopped_server()?,
    };
    if arguments.csv {
        let more = pages::csv(request, arguments.limit.is_none(), |request| history.ask(request), print)?;
        if more {
            // Nobody is left to tell when standard error is closed.
            let _ = writeln!(io::stderr(), "darter: {}", table::MORE);
        }
        return Ok(ExitCode::SUCCESS);
    }
    let answer = history.ask(&request)?;
    print(&if arguments.json {
        format!("{answer}\n")
    } else {
        table::text(&answer, pages::is_cut(&answer, &request))
    })?;
    Ok(ExitCode::SUCCESS)
}

/// Who answers.
enum Asked {
    Server(Connection),
    /// The history in the folder of a stopped server, and what keeps a server from it.
    Folder(History, #[expect(dead_code, reason = "held for the lock")] Hold),
}

impl Asked {
    fn ask(&mut self, request: &Request) -> anyhow::Result<Value> {
        match self {
            Self::Server(server) => Ok(server.ask("history", json!(request))?),
            Self::Folder(history, _) => Ok(history::answer(history, request)?),
        }
    }
}

impl Arguments {
    fn request(&self) -> Request {
        let Self { topic, topics, last, .. } = self;
        let limit = self.limit.unwrap_or(if self.csv { history::MOST } else { MOST });
        let mut request = Request { topic: topic.clone(), prefix: topics.clone(), ..Request::default() };
        request.field.clone_from(&self.field);
        request.points = self.points.and_then(|points| points.try_into().ok());
        if topic.is_none() {
            request.limit = Some(limit);
        } else if self.from.is_some() || self.to.is_some() || request.points.is_some() {
            let to = self.to.unwrap_or_else(now);
            let earliest = if request.points.is_some() { to.saturating_sub(DAY) } else { 0 };
            (request.from, request.to) = (Some(self.from.unwrap_or(earliest)), Some(to));
            request.limit = Some(limit);
        } else {
            request.last = Some(last.unwrap_or(FEW));
        }
        request
    }

    fn of_a_stopped_server(&self) -> anyhow::Result<Asked> {
        if self.server.is_by_port() {
            self.server.connect()?;
        }
        let data = self.server.folder()?;
        let folder = data.join(HISTORY_FOLDER);
        if !folder.is_dir() {
            bail!("no server runs with the data folder {}, and there is no history in it", data.display());
        }
        let hold = inspect::hold(&data)?;
        // As it was left: what is too old or too much is the server's to say.
        let history = History::open(HistoryOptions {
            disk_cap: u64::MAX,
            keep_points_ms: u64::MAX,
            keep_rollups_ms: u64::MAX,
            ..HistoryOptions::in_folder(folder)
        });
        Ok(Asked::Folder(history, hold))
    }
}

/// Milliseconds since 1970, one later than now: what came in this one is shown.
fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX).saturating_add(1)
}
