//! `darter serve`: the server.

#[cfg(unix)]
mod administration;
mod banner;
mod changes;
mod closing;
mod log;
mod open_files;
#[cfg(unix)]
mod ready;
mod reloading;
mod signals;

use anyhow::Context;
use changes::Changes;
use clap::{Args, ValueEnum, builder::PossibleValuesParser};
use darter_broker::admin::explain::Doors;
use darter_broker::{Broker, Watch};
use darter_config::{BadHost, Config, DataDir, Host, Setup};
use reloading::Reloading;
use signals::{Asked, Signals};
use std::fs::File;
use std::io::{self, Write};
use std::path::{self, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::{process, thread};

const NOTES: &str = "\
Without options the server listens on port 1883 for programs on this computer only. Its state (sessions, retained \
messages, queued messages) is kept in the platform's own place for data: $XDG_DATA_HOME/darter or \
~/.local/share/darter, for a service of systemd $STATE_DIRECTORY, on macOS ~/Library/Application Support/darter, on \
Windows %LOCALAPPDATA%\\darter. Ctrl-C or SIGTERM stops it: its clients are told, what is not on the disk yet is \
written, and it exits with 0.

Examples:
  darter serve                         for this computer only
  darter serve --port 1884             the same on another port
  darter serve --bind 0.0.0.0          for users in the network (see docs/access.md)
  darter serve --data-dir /srv/mqtt    with its state in another folder
  darter serve --memory                with nothing written to the disk
  darter serve --config darter.toml    with a configuration file (see docs/config.md)";

/// The options of `darter serve`.
#[derive(Debug, Args)]
#[command(after_help = NOTES)]
pub(crate) struct Arguments {
    /// TCP port for MQTT; 0 lets the system choose a free one [default: 1883]
    #[arg(long, value_name = "N", help_heading = "Where to listen")]
    port: Option<u16>,

    /// Address or host name to listen on, may be repeated; 0.0.0.0 is every IPv4 address, :: every IPv6 address
    /// [default: 127.0.0.1 and ::1]
    #[arg(long, value_name = "ADDR", value_parser = host, help_heading = "Where to listen")]
    bind: Vec<Host>,

    /// Let in clients without a user name and password, wherever they are
    #[arg(long, help_heading = "Where to listen")]
    allow_anonymous: bool,

    /// Threads that serve clients, 1 to 64 [default: by the number of processors]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=64), help_heading = "How to run")]
    shards: Option<u8>,

    /// Folder for sessions and messages, made if it is not there [default: the platform's own place for data]
    #[arg(long, value_name = "DIR", help_heading = "How to run")]
    data_dir: Option<PathBuf>,

    /// Keep all state in memory and write nothing: it is gone when the server stops
    #[arg(long, conflicts_with = "data_dir", help_heading = "How to run")]
    memory: bool,

    /// How much to log on standard error: off, error, warn, info, debug or trace [default: info]
    #[arg(
        long, value_name = "LEVEL", help_heading = "How to run", hide_possible_values = true,
        value_parser = PossibleValuesParser::new(darter_config::Level::WORDS)
    )]
    log_level: Option<String>,

    /// Port of the web console; accepted, but there is no console yet
    #[arg(long, value_name = "N", conflicts_with = "no_console", help_heading = "How to run")]
    console_port: Option<u16>,

    /// Run without the web console; so far there is none
    #[arg(long, help_heading = "How to run")]
    no_console: bool,

    /// Configuration file in TOML; options given here go before it
    #[arg(long, value_name = "FILE", help_heading = "Configuration file")]
    config: Option<PathBuf>,

    /// Say whether the options and the configuration file are right, and exit
    #[arg(long, help_heading = "Configuration file")]
    check_config: bool,

    /// When clients can connect, print the addresses as one line of JSON on standard output instead of the welcome
    #[arg(long, value_name = "json", help_heading = "For scripts", hide_possible_values = true)]
    print_addresses: Option<Format>,

    /// When clients can connect, write that line to this open file descriptor, such as a pipe
    #[cfg(unix)]
    #[arg(long, value_name = "N", help_heading = "For scripts")]
    ready_fd: Option<u32>,
}

/// How addresses are printed.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Format {
    Json,
}

/// Runs the server until somebody stops it.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let mut changes = Changes::of(arguments.config.clone());
    let config = arguments.effective_config()?;
    changes.also(config.files());
    if arguments.check_config {
        let file = arguments.config.as_ref().map_or(String::new(), |file| format!("{}: ", file.display()));
        say(&format!("{file}ok\n"));
        return Ok(ExitCode::SUCCESS);
    }
    // First of all, while no file of the server's own can have that number.
    let ready = arguments.open_ready_file()?;
    log::start(config.log.level);
    open_files::allow_as_many_as_possible();
    let folder = config.storage.data_dir.folder()?;
    let Setup { options, running } = config.set_up()?;
    let signals = Signals::listen().context("cannot watch for signals")?;
    let broker = Broker::start(&options)?;
    end_with_a_shard(broker.watch()).context("cannot watch over the shards")?;
    let doors = Arc::new(Doors::new(running.doors().to_vec()));
    #[cfg(unix)]
    let administration = administration::open(folder.as_deref(), &broker, doors.clone());

    let addresses = banner::json(broker.listening());
    match arguments.print_addresses {
        Some(Format::Json) => say(&addresses),
        None => say(&banner::text(broker.listening(), folder.as_deref(), &banner::program())),
    }
    if let Some(mut ready) = ready {
        ready.write_all(addresses.as_bytes()).context("cannot write to the descriptor of --ready-fd")?;
    }

    serve(&signals, &mut Reloading::new(arguments, running, &broker, doors, changes));
    tracing::info!("stopping: every client is disconnected");
    #[cfg(unix)]
    drop(administration);
    let view = broker.view();
    broker.shutdown();
    let history = view.history().map(|history| history.report());
    closing::log(folder.as_deref(), &view.store_report(), history.as_ref());
    Ok(ExitCode::SUCCESS)
}

/// Until somebody wants the server to stop.
fn serve(signals: &Signals, reloading: &mut Reloading<'_>) {
    loop {
        match signals.next(reloading.patience()) {
            Some(Asked::Stop) => return,
            Some(Asked::Reload) => reloading.reload(),
            None => reloading.look(),
        }
    }
}

/// The exit code for a defect of the program itself, as in BSD's sysexits.
const SOFTWARE_ERROR: i32 = 70;

/// A server without one of its shards would look alive and serve only some: better to end, and to be started again.
fn end_with_a_shard(watch: Watch) -> io::Result<()> {
    thread::Builder::new().name("darter-watch".to_owned()).spawn(move || {
        if watch.wait().is_some() {
            process::exit(SOFTWARE_ERROR);
        }
    })?;
    Ok(())
}

impl Arguments {
    /// The configuration file's values, and the options before them.
    fn effective_config(&self) -> anyhow::Result<Config> {
        let mut config = match &self.config {
            Some(file) => Config::load(file)?,
            None => Config::default(),
        };
        if let Some(port) = self.port {
            config.listener.port = Some(port);
        }
        if self.allow_anonymous {
            config.auth.allow_anonymous = Some(true);
        }
        if !self.bind.is_empty() {
            config.listener.bind.clone_from(&self.bind);
        }
        if self.shards.is_some() {
            config.server.shards = self.shards;
        }
        if self.memory {
            config.storage.data_dir = DataDir::Memory;
        }
        if let Some(folder) = &self.data_dir {
            let folder = path::absolute(folder).context("--data-dir does not name a folder")?;
            config.storage.data_dir = DataDir::Folder(folder);
        }
        if let Some(level) = &self.log_level {
            config.log.level = level.parse()?;
        }
        Ok(config)
    }

    #[cfg(unix)]
    fn open_ready_file(&self) -> anyhow::Result<Option<File>> {
        self.ready_fd.map(ready::open).transpose()
    }

    #[cfg(not(unix))]
    fn open_ready_file(&self) -> anyhow::Result<Option<File>> {
        Ok(None)
    }
}

/// A host for `--bind`; the port has its own option.
fn host(text: &str) -> Result<Host, String> {
    text.parse().map_err(|why: BadHost| why.to_string())
}

/// Prints on standard output. A server does not end because nobody reads what it says.
fn say(text: &str) {
    let mut out = io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}
