//! `darter store`: looks into the data folder.

mod told;

use super::plain::print;
use super::running_server::FolderFlag;
use crate::command::plain::counted;
use anyhow::bail;
use clap::{Args, Subcommand};
use darter_broker::store::OpenError;
use darter_broker::store::log::inspect;
use serde_json::{Value, json};
use std::io::{self, BufWriter, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

const NOTES: &str = "\
'stats' asks the server when one runs. The others need the folder for themselves: stop the server first.

Exit codes: 0 when all is well, 1 when something could not be done, 3 when 'check' has found damage.

Examples:
  darter store stats                               how many sessions and messages are kept
  darter store check --data-dir /srv/mqtt          read everything and say what is damaged; nothing is changed
  darter store export > kept.jsonl                 everything that is kept, one JSON object on each line
  darter store repair                              set damaged files aside and keep the rest";

/// Exit code of a check that was made and has found damage.
const DAMAGED: u8 = 3;

/// The options of `darter store`.
#[derive(Debug, Args)]
#[command(after_help = NOTES)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Read everything and say what is damaged; changes nothing
    ///
    /// The exit code is 0 when all is well, 3 when something is damaged, 1 when it could not be checked.
    Check(Options),
    /// Say how much is kept
    Stats(Options),
    /// Write what is kept as JSON lines: sessions, subscriptions, queued and retained messages
    Export(Options),
    /// Set damaged files aside and keep the rest; the server does the same when it starts
    Repair(Options),
}

#[derive(Debug, Args)]
struct Options {
    #[command(flatten)]
    server: FolderFlag,

    /// Print one line of JSON
    #[arg(long, help_heading = "Output")]
    json: bool,
}

/// Does it.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    match &arguments.action {
        Action::Check(options) => options.check(),
        Action::Stats(options) => options.stats(),
        Action::Export(options) => options.export(),
        Action::Repair(options) => options.repair(),
    }
}

impl Options {
    fn check(&self) -> anyhow::Result<ExitCode> {
        let folder = self.folder_of_a_stopped_server("check")?;
        let findings = inspect::check(&folder).map_err(|error| explained(error, "check"))?;
        self.print(&told::findings(&findings), told::findings_text)?;
        Ok(if told::is_clean(&findings) { ExitCode::SUCCESS } else { ExitCode::from(DAMAGED) })
    }

    fn repair(&self) -> anyhow::Result<ExitCode> {
        let folder = self.folder_of_a_stopped_server("repair")?;
        let findings = inspect::repair(&folder).map_err(|error| explained(error, "repair"))?;
        self.print(&told::findings(&findings), told::repaired_text)?;
        Ok(ExitCode::SUCCESS)
    }

    fn stats(&self) -> anyhow::Result<ExitCode> {
        if let Some(mut server) = self.server.running()? {
            let status = server.ask("status", json!({}))?;
            self.print(&told::live_stats(&status), told::stats_text)?;
        } else {
            let folder = self.existing_folder()?;
            let stats = inspect::stats(&folder).map_err(|error| explained(error, "stats"))?;
            self.print(&told::stats(&folder, &stats), told::stats_text)?;
        }
        Ok(ExitCode::SUCCESS)
    }

    fn export(&self) -> anyhow::Result<ExitCode> {
        let folder = self.folder_of_a_stopped_server("export")?;
        let mut out = BufWriter::new(io::stdout().lock());
        let (lines, findings) = match inspect::export(&folder, &mut out) {
            Err(OpenError::Output { source }) if source.kind() == ErrorKind::BrokenPipe => {
                return Ok(ExitCode::SUCCESS);
            }
            outcome => outcome.map_err(|error| explained(error, "export"))?,
        };
        // Standard output has the lines themselves. Nobody is left to tell when standard error is closed.
        let found = told::findings(&findings);
        let damage = if told::is_clean(&findings) { String::new() } else { told::findings_text(&found) };
        let lines = counted(lines, "line");
        let _ = writeln!(io::stderr(), "{damage}{lines} from {}", folder.display());
        Ok(if damage.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(DAMAGED) })
    }

    fn print(&self, value: &Value, text: fn(&Value) -> String) -> io::Result<()> {
        print(&if self.json { format!("{value}\n") } else { text(value) })
    }

    fn existing_folder(&self) -> anyhow::Result<PathBuf> {
        let folder = self.server.folder()?;
        match folder.read_dir() {
            Ok(_) => Ok(folder),
            Err(error) if error.kind() == ErrorKind::NotFound => {
                bail!("there is no data folder {}; no server has run with it", folder.display())
            }
            Err(source) => Err(OpenError::Folder { folder, source }.into()),
        }
    }

    fn folder_of_a_stopped_server(&self, action: &str) -> anyhow::Result<PathBuf> {
        let folder = self.existing_folder()?;
        if let Some(mut server) = self.server.running()? {
            let process = server.ask("status", json!({}))?["process"].to_string();
            bail!(in_use(&folder, &process, action));
        }
        Ok(folder)
    }
}

fn in_use(folder: &Path, process: &str, action: &str) -> String {
    format!(
        "a server runs with the data folder {} (process {process}); stop it, then run 'darter store {action}' again",
        folder.display()
    )
}

/// What a command that wants a folder for itself says when it does not get it.
fn explained(error: OpenError, action: &str) -> anyhow::Error {
    match error {
        OpenError::InUse { folder, process } => anyhow::Error::msg(in_use(&folder, &process, action)),
        other => other.into(),
    }
}
