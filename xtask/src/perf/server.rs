//! Starts and stops the servers under test.

use std::io::{BufRead, BufReader, Read};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};
use std::{fs, thread};

use serde_json::Value;

use super::data::DataFolder;
use super::rows::Part;

/// How long a server may take to be ready, and to end when it is asked to: one that reads or writes all it has needs time.
const PATIENCE: Duration = Duration::from_secs(120);
/// Files a server may have open; more than any scenario needs.
const FILES: &str = "20000";

/// What mosquitto is told: nothing but what the scenarios cannot do without. The queue limit would throw the offline
/// queue away; TCP_NODELAY is what every other server measured here sets by itself.
const MOSQUITTO_SETTINGS: &str = "allow_anonymous true
max_queued_messages 0
set_tcp_nodelay true
connection_messages false
log_dest stderr
log_type information
log_type error
";

/// What mosquitto is told besides when it keeps state on the disk: what Debian's settings say, with the default's half
/// an hour between two times of saving. Started by root it would become a user that may not write here.
const MOSQUITTO_ON_DISK: &str = "persistence true
autosave_interval 1800
user root
";

/// What Darter is told in the scenarios with state on the disk: one session gets more than the default allows.
const DARTER_ON_DISK: &str = "[limits]
queue_messages = 100000000
queue_bytes = \"16 GiB\"
";

/// A server that can be measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// The one this project builds.
    Darter,
    /// mosquitto, as installed on this machine.
    Mosquitto,
    /// The generator's own server that only copies bytes: what the kernel leaves nobody any choice about.
    KernelLimit,
    /// Another version of Darter, with everything in memory.
    Older,
}

impl Kind {
    /// Its name in the page and on the terminal.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Darter => "Darter",
            Self::Mosquitto => "mosquitto",
            Self::KernelLimit => "kernel limit",
            Self::Older => "older Darter",
        }
    }
}

/// How a server is started.
pub(crate) struct Launch<'a> {
    /// Which one.
    pub(crate) kind: Kind,
    /// Where the programs are that were built here.
    pub(crate) binaries: &'a Path,
    /// The other version of Darter.
    pub(crate) older: Option<&'a Path>,
    /// What it is started for.
    pub(crate) part: Part,
    /// Where it keeps state; in memory if not given.
    pub(crate) folder: Option<&'a DataFolder>,
    /// Shards of Darter; its own choice if not given.
    pub(crate) shards: Option<usize>,
    /// The cores it may use, as `taskset` writes them.
    pub(crate) cores: &'a str,
    /// Its priority.
    pub(crate) nice: i32,
}

/// A server that is ready; dropping it ends it.
pub(crate) struct Server {
    child: Child,
    /// Where it listens.
    pub(crate) address: SocketAddr,
    /// How long it took from the start of the program until it was ready.
    pub(crate) ready_after: Duration,
    scratch: Option<PathBuf>,
    /// What it prints after the line that told where it listens.
    lines: Receiver<String>,
}

impl Server {
    /// Starts the server and waits until it listens.
    pub(crate) fn start(launch: &Launch<'_>) -> Result<Self, String> {
        let start = Instant::now();
        let mut server = match launch.kind {
            Kind::Darter => start_darter(launch, &launch.binaries.join("darter")),
            Kind::Older => start_darter(launch, launch.older.ok_or("no other version was named")?),
            Kind::Mosquitto => start_mosquitto(launch),
            Kind::KernelLimit => start_kernel_limit(launch),
        }?;
        server.ready_after = start.elapsed();
        Ok(server)
    }

    /// Kills it as a crash would.
    pub(crate) fn kill(mut self) -> Result<(), String> {
        self.child.kill().and_then(|()| self.child.wait()).map_err(|error| format!("kill: {error}"))?;
        Ok(())
    }

    /// Asks it to end and waits until it has.
    pub(crate) fn stop(mut self) -> Result<(), String> {
        let asked = Command::new("kill").args(["-TERM", &self.id().to_string()]).status();
        asked.map_err(|error| format!("kill: {error}"))?;
        // Its outputs are closed when it is gone.
        loop {
            match self.lines.recv_timeout(PATIENCE) {
                Ok(_) => {}
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => {
                    return Err("the server does not end when it is asked to".to_owned());
                }
            }
        }
        self.child.wait().map_err(|error| format!("waiting: {error}"))?;
        Ok(())
    }

    /// Its process id; the programs it was started through have become it.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if let Some(file) = &self.scratch {
            let _ = fs::remove_file(file);
        }
    }
}

/// A command under the wanted limit of files, priority and cores. Each program replaces the one before it.
pub(crate) fn bounded(program: &Path, cores: Option<&str>, nice: i32) -> Command {
    let mut command = Command::new("prlimit");
    command.arg(format!("--nofile={FILES}"));
    if nice != 0 {
        command.args(["nice", "-n", &nice.to_string()]);
    }
    if let Some(cores) = cores {
        command.args(["taskset", "-c", cores]);
    }
    command.arg(program);
    command
}

fn start_darter(launch: &Launch<'_>, binary: &Path) -> Result<Server, String> {
    let mut command = bounded(binary, Some(launch.cores), launch.nice);
    command.args(["serve", "--port", "0", "--print-addresses", "json", "--no-console"]);
    match launch.folder {
        Some(folder) => command.arg("--data-dir").arg(folder.state()),
        None => command.arg("--memory"),
    };
    if let (Part::Disk, Some(folder)) = (launch.part, launch.folder) {
        command.arg("--config").arg(folder.settings("darter.toml", DARTER_ON_DISK)?);
    }
    if let Some(shards) = launch.shards {
        command.args(["--shards", &shards.to_string()]);
    }
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().map_err(|error| format!("{}: {error}", binary.display()))?;
    ready(child, None, announced)
}

fn start_kernel_limit(launch: &Launch<'_>) -> Result<Server, String> {
    let binary = launch.binaries.join("darter-perf");
    let mut command = bounded(&binary, Some(launch.cores), launch.nice);
    command.arg("--kernel-limit").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().map_err(|error| format!("{}: {error}", binary.display()))?;
    ready(child, None, announced)
}

/// The IPv4 address in a line like `{"mqtt":["127.0.0.1:1883"]}`.
fn announced(line: &str) -> Option<SocketAddr> {
    let value: Value = serde_json::from_str(line).ok()?;
    let addresses = value.get("mqtt")?.as_array()?;
    addresses.iter().filter_map(|address| address.as_str()?.parse().ok()).find(SocketAddr::is_ipv4)
}

fn start_mosquitto(launch: &Launch<'_>) -> Result<Server, String> {
    let address = free_address().map_err(|error| format!("no free port: {error}"))?;
    let file = std::env::temp_dir().join(format!("perf-mosquitto-{}.conf", address.port()));
    let mut text = format!("listener {} {}\n{MOSQUITTO_SETTINGS}", address.port(), address.ip());
    if let Some(folder) = launch.folder {
        text.push_str(MOSQUITTO_ON_DISK);
        text.push_str(&format!("persistence_location {}/\n", folder.state().display()));
    }
    fs::write(&file, text).map_err(|error| format!("{}: {error}", file.display()))?;
    let mut command = bounded(Path::new("mosquitto"), Some(launch.cores), launch.nice);
    command.arg("-c").arg(&file).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().map_err(|error| format!("mosquitto: {error}"))?;
    ready(child, Some(file), |line| line.contains("running").then_some(address))
}

/// mosquitto cannot choose a port by itself, so the system is asked for one that is free.
fn free_address() -> std::io::Result<SocketAddr> {
    TcpListener::bind("127.0.0.1:0")?.local_addr()
}

/// Waits for the line that tells where the server listens, and keeps reading what it prints afterwards.
fn ready(
    mut child: Child,
    scratch: Option<PathBuf>,
    mut address: impl FnMut(&str) -> Option<SocketAddr>,
) -> Result<Server, String> {
    let (output, complaints) = (child.stdout.take(), child.stderr.take());
    let unset = SocketAddr::from(([0, 0, 0, 0], 0));
    let lines = gather(output, complaints);
    let mut server = Server { child, address: unset, ready_after: Duration::ZERO, scratch, lines };
    let mut seen = Vec::new();
    while let Ok(line) = server.lines.recv_timeout(PATIENCE) {
        if let Some(address) = address(&line) {
            server.address = address;
            return Ok(server);
        }
        seen.push(line);
    }
    Err(format!("the server is not ready; it said: {}", seen.join(" / ")))
}

/// Both of a server's outputs, line by line, until it closes them.
fn gather(
    output: Option<impl Read + Send + 'static>,
    complaints: Option<impl Read + Send + 'static>,
) -> Receiver<String> {
    let (sender, lines) = channel();
    if let Some(output) = output {
        let sender = sender.clone();
        thread::spawn(move || forward(output, |line| drop(sender.send(line))));
    }
    if let Some(complaints) = complaints {
        thread::spawn(move || forward(complaints, |line| drop(sender.send(line))));
    }
    lines
}

fn forward(from: impl Read, to: impl Fn(String)) {
    for line in BufReader::new(from).lines() {
        match line {
            Ok(line) => to(line),
            Err(_) => return,
        }
    }
}
