//! mosquitto's clients and darter's, run with the same options against the same servers.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::ffi::OsString;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

/// What takes this long hangs.
const DEADLINE: Duration = Duration::from_secs(30);

/// One of the two programs that are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Maker {
    Mosquitto,
    Darter,
}

pub(crate) const MAKERS: [Maker; 2] = [Maker::Mosquitto, Maker::Darter];

/// What a program did.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
}

impl Maker {
    /// `pub` or `sub` of this maker, with the options in `words`.
    fn command(self, tool: &str, words: &[&str]) -> Command {
        let mut command = match self {
            Self::Mosquitto => Command::new(format!("mosquitto_{tool}")),
            Self::Darter => {
                let mut command = Command::new(env!("CARGO_BIN_EXE_darter"));
                command.arg(tool);
                command
            }
        };
        command.args(words).env("TZ", "UTC");
        command
    }

    /// Runs it to its end.
    #[track_caller]
    pub(crate) fn run(self, tool: &str, words: &[&str], input: &[u8]) -> Outcome {
        let mut command = self.command(tool, words);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = spawned(&mut command);
        // A program that reads nothing may have ended already.
        let _ = child.stdin.take().unwrap().write_all(input);
        let output = ended(child);
        Outcome { code: output.status.code(), out: output.stdout.escape_ascii().to_string() }
    }
}

/// A server for the tests.
pub(crate) struct Server {
    child: Child,
    pub(crate) port: String,
}

impl Server {
    /// A `darter serve` and a mosquitto: what is true of the clients must be so with both.
    pub(crate) fn both() -> [Self; 2] {
        [Self::darter(), Self::mosquitto("allow_anonymous true")]
    }

    pub(crate) fn darter() -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_darter"));
        command.args([
            "serve",
            "--memory",
            "--port",
            "0",
            "--bind",
            "127.0.0.1",
            "--print-addresses",
            "json",
        ]);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = spawned(&mut command);
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let (_, after) = line.split_once("127.0.0.1:").expect("the server prints its address");
        Self { child, port: after.chars().take_while(char::is_ascii_digit).collect() }
    }

    /// mosquitto with a line of configuration. It cannot choose a port by itself: a free one is looked for.
    pub(crate) fn mosquitto(line: &str) -> Self {
        for _ in 0..20 {
            let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
            let name = format!("mosquitto-{port}.conf");
            let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
            std::fs::write(&path, format!("listener {port} 127.0.0.1\n{line}\n")).unwrap();
            let mut command = Command::new("/usr/sbin/mosquitto");
            command.arg("-c").arg(&path).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
            let mut child = spawned(&mut command);
            let mut log = BufReader::new(child.stderr.take().unwrap()).lines();
            // Its last line before it serves; without one another program was faster with the port.
            let ready = log.any(|line| line.is_ok_and(|line| line.ends_with(" running")));
            thread::spawn(move || log.for_each(drop));
            if ready {
                return Self { child, port: port.to_string() };
            }
            let _ = child.wait();
        }
        panic!("mosquitto did not start");
    }

    /// Options that lead to this server, before those in `words`.
    pub(crate) fn at<'a>(&'a self, words: &[&'a str]) -> Vec<&'a str> {
        [&["-h", "127.0.0.1", "-p", &self.port][..], words].concat()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A program that runs while the test goes on.
pub(crate) struct Watched {
    child: Child,
    output: BufReader<ChildStdout>,
    /// What was read of its output so far.
    read: Vec<u8>,
}

impl Watched {
    #[track_caller]
    pub(crate) fn start(maker: Maker, tool: &str, words: &[&str]) -> Self {
        let mut command = maker.command(tool, words);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = spawned(&mut command);
        let output = BufReader::new(child.stdout.take().unwrap());
        Self { child, output, read: Vec::new() }
    }

    /// Reads its output up to a line with these words.
    pub(crate) fn wait_for(&mut self, words: &str) {
        loop {
            let start = self.read.len();
            let count = self.output.read_until(b'\n', &mut self.read).unwrap();
            assert_ne!(count, 0, "the output ended before {words}");
            if String::from_utf8_lossy(&self.read[start..]).contains(words) {
                return;
            }
        }
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id().try_into().unwrap()), signal).unwrap();
    }

    /// Waits for its end.
    #[track_caller]
    pub(crate) fn end(mut self) -> Outcome {
        self.output.read_to_end(&mut self.read).unwrap();
        let out = self.read.escape_ascii().to_string();
        Outcome { code: ended(self.child).status.code(), out }
    }
}

/// Serves the next connection to its end, as [`conversation_with`] does, and returns the packets.
pub(crate) fn serve_one(listener: &TcpListener, hang_up: Option<u8>, more: &[u8]) -> Vec<Vec<u8>> {
    let (stream, _) = listener.accept().unwrap();
    answer_all(stream, &Script { reason: 0, more: more.to_vec(), hang_up })
}

/// A word that no other test uses.
pub(crate) fn unique(stem: &str) -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    format!("{stem}{}", COUNT.fetch_add(1, Ordering::Relaxed))
}

/// Splits at single spaces.
pub(crate) fn words(line: &str) -> Vec<&str> {
    line.split(' ').filter(|word| !word.is_empty()).collect()
}

/// How a server deviates from the plain answers.
#[derive(Debug, Clone)]
pub(crate) struct Script {
    /// The reason code in SUBACK.
    pub(crate) reason: u8,
    /// What it sends behind each SUBACK.
    pub(crate) more: Vec<u8>,
    /// It closes the connection instead of answering this packet type.
    pub(crate) hang_up: Option<u8>,
}

/// Everything that a client sends to a server that answers as it should, byte for byte. `more` is what the server
/// sends behind each SUBACK.
#[track_caller]
pub(crate) fn conversation(
    maker: Maker,
    tool: &str,
    arguments: &[&str],
    more: &[u8],
) -> (Option<i32>, String) {
    let script = Script { reason: 0, more: more.to_vec(), hang_up: None };
    let (outcome, packets) = conversation_with(maker, tool, arguments, script);
    (outcome.code, packets)
}

/// Everything that a client prints, and sends to such a server.
#[track_caller]
pub(crate) fn conversation_with(
    maker: Maker,
    tool: &str,
    arguments: &[&str],
    script: Script,
) -> (Outcome, String) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    let mut command = maker.command(tool, &[&["-h", "127.0.0.1", "-p", &port][..], arguments].concat());
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = spawned(&mut command);
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        let _ = sender.send(answer_all(stream, &script));
    });
    let output = ended(child);
    let outcome = Outcome { code: output.status.code(), out: output.stdout.escape_ascii().to_string() };
    let packets: Vec<String> = receiver
        .recv_timeout(DEADLINE)
        .expect("the client connects")
        .iter()
        .map(|packet| packet.escape_ascii().to_string())
        .collect();
    (outcome, packets.join("\n"))
}

fn answer_all(mut stream: TcpStream, script: &Script) -> Vec<Vec<u8>> {
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    let mut packets = Vec::new();
    let mut version = 4;
    while let Some(packet) = read_packet(&mut stream) {
        if packet[0] == 0x10 {
            let name = usize::from(packet[3]);
            version = packet[4 + name];
        }
        if script.hang_up == Some(packet[0] >> 4) {
            packets.push(packet);
            break;
        }
        let answer = answer(&packet, version, script);
        packets.push(packet);
        if stream.write_all(&answer).is_err() {
            break;
        }
    }
    packets
}

fn answer(packet: &[u8], version: u8, script: &Script) -> Vec<u8> {
    let five = version == 5;
    let id = |at: usize| [packet[at], packet[at + 1]];
    match packet[0] >> 4 {
        1 if five => b"\x20\x03\x00\x00\x00".to_vec(),
        1 => b"\x20\x02\x00\x00".to_vec(),
        3 => {
            let at = 4 + usize::from(packet[3]);
            match (packet[0] >> 1) & 3 {
                0 => Vec::new(),
                1 => [&[0x40, 2][..], &id(at)].concat(),
                _ => [&[0x50, 2][..], &id(at)].concat(),
            }
        }
        5 => [&[0x62, 2][..], &id(2)].concat(),
        6 => [&[0x70, 2][..], &id(2)].concat(),
        8 if five => [&[0x90, 4][..], &id(2), &[0, script.reason], &script.more].concat(),
        8 => [&[0x90, 3][..], &id(2), &[script.reason], &script.more].concat(),
        10 if five => [&[0xb0, 4][..], &id(2), &[0, 0]].concat(),
        10 => [&[0xb0, 2][..], &id(2)].concat(),
        12 => vec![0xd0, 0],
        _ => Vec::new(),
    }
}

/// The next packet, of less than 130 bytes.
fn read_packet(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let mut packet = vec![0; 2];
    stream.read_exact(&mut packet).ok()?;
    assert!(packet[1] < 128, "longer than these tests expect");
    packet.resize(2 + usize::from(packet[1]), 0);
    stream.read_exact(&mut packet[2..]).ok()?;
    Some(packet)
}

#[track_caller]
fn spawned(command: &mut Command) -> Child {
    let program: OsString = command.get_program().to_owned();
    command.spawn().unwrap_or_else(|error| {
        panic!(
            "cannot start {}: {error}; these tests need mosquitto and mosquitto-clients",
            program.display()
        )
    })
}

#[track_caller]
fn ended(child: Child) -> Output {
    let (sender, receiver) = mpsc::channel();
    let id = child.id();
    thread::spawn(move || drop(sender.send(child.wait_with_output())));
    match receiver.recv_timeout(DEADLINE) {
        Ok(output) => output.unwrap(),
        Err(_) => {
            let _ = kill(Pid::from_raw(id.try_into().unwrap()), Signal::SIGKILL);
            panic!("the program does not end");
        }
    }
}
