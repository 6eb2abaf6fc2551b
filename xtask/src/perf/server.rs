//! Starts and stops the servers under test.

use std::io::{BufRead, BufReader, Read};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;
use std::{fs, thread};

use serde_json::Value;

/// How long a server may take to be ready.
const PATIENCE: Duration = Duration::from_secs(15);
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

/// A server that can be measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// The one this project builds.
    Darter,
    /// mosquitto, as installed on this machine.
    Mosquitto,
    /// The generator's own server that only copies bytes: what the kernel leaves nobody any choice about.
    KernelLimit,
}

impl Kind {
    /// Its name in the page and on the terminal.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Darter => "Darter",
            Self::Mosquitto => "mosquitto",
            Self::KernelLimit => "kernel limit",
        }
    }
}

/// How a server is started.
pub(crate) struct Launch<'a> {
    /// Which one.
    pub(crate) kind: Kind,
    /// Where Darter's binary is.
    pub(crate) binaries: &'a Path,
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
    scratch: Option<PathBuf>,
}

impl Server {
    /// Starts the server and waits until it listens.
    pub(crate) fn start(launch: &Launch<'_>) -> Result<Self, String> {
        match launch.kind {
            Kind::Darter => start_darter(launch),
            Kind::Mosquitto => start_mosquitto(launch),
            Kind::KernelLimit => start_kernel_limit(launch),
        }
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

fn start_darter(launch: &Launch<'_>) -> Result<Server, String> {
    let binary = launch.binaries.join("darter");
    let mut command = bounded(&binary, Some(launch.cores), launch.nice);
    command.args(["serve", "--memory", "--port", "0", "--print-addresses", "json", "--no-console"]);
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
    let text = format!("listener {} {}\n{MOSQUITTO_SETTINGS}", address.port(), address.ip());
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
    let mut server = Server { child, address: unset, scratch };
    let lines = gather(output, complaints);
    let mut seen = Vec::new();
    while let Ok(line) = lines.recv_timeout(PATIENCE) {
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
