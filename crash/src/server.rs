//! The server under test: starts it, and ends it the hard way.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

/// How long a server may take to be ready, whatever happened to it before.
pub(crate) const READY: Duration = Duration::from_secs(10);

/// Small files, so that most kills fall into their rotation and compaction.
const CONFIGURATION: &str = "[storage]\nsegment_size = \"1 MiB\"\nballast = \"1 MiB\"\n";

/// How the server is started, every time in the same way.
pub(crate) struct Launch {
    binary: PathBuf,
    arguments: Vec<String>,
    environment: Vec<(&'static str, PathBuf)>,
    log: PathBuf,
}

/// A server that runs; dropping it kills it.
pub(crate) struct Server {
    child: Child,
    started: Instant,
    lines: Receiver<String>,
}

/// What came of a start.
pub(crate) enum Start {
    /// It listens at this address, after so long.
    Ready(SocketAddr, Duration),
    /// It is still starting.
    NotYet,
    /// It never will.
    Failed(String),
}

impl Launch {
    /// The server on `data`, with its configuration and its log in `folder`; without `data` in memory.
    ///
    /// # Errors
    /// When the configuration cannot be written.
    pub(crate) fn new(
        binary: &Path,
        folder: &Path,
        data: Option<&Path>,
        shards: Option<u8>,
    ) -> Result<Self, String> {
        let mut arguments: Vec<String> =
            ["serve", "--port", "0", "--bind", "127.0.0.1", "--print-addresses", "json", "--no-console"]
                .map(str::to_owned)
                .into();
        match data {
            Some(data) => {
                let file = folder.join("darter.toml");
                std::fs::write(&file, CONFIGURATION)
                    .map_err(|error| format!("{}: {error}", file.display()))?;
                arguments.extend(["--data-dir".to_owned(), data.display().to_string()]);
                arguments.extend(["--config".to_owned(), file.display().to_string()]);
            }
            None => arguments.push("--memory".to_owned()),
        }
        if let Some(shards) = shards {
            arguments.extend(["--shards".to_owned(), shards.to_string()]);
        }
        let log = folder.join("server.log");
        Ok(Self { binary: binary.to_owned(), arguments, environment: Vec::new(), log })
    }

    /// Variables that the server is started with.
    pub(crate) fn set_environment(&mut self, environment: Vec<(&'static str, PathBuf)>) {
        self.environment = environment;
    }

    /// Where the server's log is.
    pub(crate) fn log(&self) -> &Path {
        &self.log
    }

    /// Starts it.
    ///
    /// # Errors
    /// When the program cannot be started or its log not be written.
    pub(crate) fn start(&self, cycle: u32) -> Result<Server, String> {
        let log = self.open_log(cycle).map_err(|error| format!("{}: {error}", self.log.display()))?;
        let mut child = Command::new(&self.binary)
            .args(&self.arguments)
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .map_err(|error| format!("{}: {error}", self.binary.display()))?;
        let (sender, lines) = channel();
        if let Some(stdout) = child.stdout.take() {
            thread::spawn(move || {
                for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                    if sender.send(line).is_err() {
                        return;
                    }
                }
            });
        }
        Ok(Server { child, started: Instant::now(), lines })
    }

    fn open_log(&self, cycle: u32) -> std::io::Result<File> {
        let mut log = OpenOptions::new().create(true).append(true).open(&self.log)?;
        writeln!(log, "---- cycle {cycle} ----")?;
        Ok(log)
    }
}

impl Server {
    /// Waits until it is ready, for so long since its start at most.
    pub(crate) fn wait(&mut self, patience: Duration) -> Start {
        loop {
            let left = patience.saturating_sub(self.started.elapsed());
            match self.lines.recv_timeout(left) {
                Ok(line) => {
                    if let Some(address) = announced(&line) {
                        return Start::Ready(address, self.started.elapsed());
                    }
                }
                Err(RecvTimeoutError::Timeout) => return Start::NotYet,
                Err(RecvTimeoutError::Disconnected) => {
                    let status = self.child.wait().map_or_else(|error| error.to_string(), |s| s.to_string());
                    return Start::Failed(format!("it ended by itself ({status}) before it was ready"));
                }
            }
        }
    }

    /// How it ended, if it did so by itself.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// Asks it to stop, with SIGTERM as a service manager does.
    ///
    /// # Errors
    /// When it cannot be asked.
    pub(crate) fn ask_to_stop(&self) -> Result<(), String> {
        let asked = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status();
        match asked {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => Err(format!("kill -TERM ended with {status}")),
            Err(error) => Err(format!("kill could not be started: {error}")),
        }
    }

    /// `kill -9`, and waits until the process is gone.
    pub(crate) fn kill(mut self) {
        self.end();
    }

    fn end(&mut self) {
        // It may have ended by itself, which is noticed elsewhere.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.end();
    }
}

/// The IPv4 address in a line like `{"mqtt":["127.0.0.1:1883"]}`.
fn announced(line: &str) -> Option<SocketAddr> {
    let value: Value = serde_json::from_str(line).ok()?;
    let addresses = value.get("mqtt")?.as_array()?;
    addresses.iter().filter_map(|address| address.as_str()?.parse().ok()).find(SocketAddr::is_ipv4)
}
