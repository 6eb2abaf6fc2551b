//! The real program, started, watched and ended.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc;
use std::time::Duration;
use std::{fs, thread};

/// Nothing here takes a second; what takes this long hangs.
const DEADLINE: Duration = Duration::from_secs(30);

/// A CONNECT of version 5 with clean start, keep alive 60 s and no client id.
const CONNECT: &[u8] = b"\x10\x0d\x00\x04MQTT\x05\x02\x00\x3c\x00\x00\x00";

/// A server that is ready; dropping it ends it.
pub(crate) struct Server {
    child: Option<(Child, BufReader<ChildStdout>)>,
    /// Where its data is, if nobody else wants it.
    _home: Option<Home>,
    /// What was read of its standard error already.
    said: Vec<u8>,
    /// What it printed first, which it does when clients can connect.
    pub(crate) first_line: String,
}

/// How a program ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// The folders of a user who has just come, with paths that are short enough for sockets. They go with this.
pub(crate) struct Home(PathBuf);

impl Home {
    pub(crate) fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = Path::new("/tmp").join(format!("darter-test-{}-{number}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        for folder in ["data", "run"] {
            fs::create_dir_all(path.join(folder)).unwrap();
        }
        Self(path)
    }

    /// Where a program without further options keeps its data.
    pub(crate) fn data(&self) -> PathBuf {
        self.0.join("data/darter")
    }

    /// Where sockets of programs without data are.
    pub(crate) fn runtime(&self) -> PathBuf {
        self.0.join("run/darter")
    }

    /// The program with these arguments, at home here.
    pub(crate) fn darter(&self, arguments: &[&str]) -> Command {
        let mut command = darter(arguments);
        self.lend(&mut command);
        command
    }

    fn lend(&self, command: &mut Command) {
        command.env("XDG_DATA_HOME", self.0.join("data")).env("XDG_RUNTIME_DIR", self.0.join("run"));
        command.env("DARTER_RUNTIME_DIR", self.runtime()).env_remove("STATE_DIRECTORY");
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The program with these arguments.
pub(crate) fn darter(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_darter"));
    command.args(arguments);
    command
}

/// Runs a program that ends by itself.
pub(crate) fn finished(command: Command) -> Ended {
    let (mut child, _home) = spawned(command);
    let out = BufReader::new(child.stdout.take().unwrap());
    ended(child, out)
}

/// A file with this text, which is there while the tests run.
pub(crate) fn file(name: &str, text: &str) -> String {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::write(&path, text).unwrap();
    path.display().to_string()
}

/// A client that the server has accepted.
#[track_caller]
pub(crate) fn connack(address: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    stream.write_all(CONNECT).unwrap();
    let packet = packet(&mut stream).expect("the server answers");
    assert_eq!((packet[0], packet[3]), (0x20, 0), "not a CONNACK of success: {packet:02x?}");
    stream
}

/// Every packet that still comes before the end of the connection.
pub(crate) fn packets(mut stream: TcpStream) -> Vec<Vec<u8>> {
    std::iter::from_fn(|| packet(&mut stream)).collect()
}

/// The next packet, of less than 130 bytes; `None` at the end.
fn packet(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let mut packet = vec![0; 2];
    stream.read_exact(&mut packet).ok()?;
    assert!(packet[1] < 128, "longer than these tests expect");
    packet.resize(2 + usize::from(packet[1]), 0);
    stream.read_exact(&mut packet[2..]).unwrap();
    Some(packet)
}

impl Server {
    /// Returns when it has said that it is ready.
    #[track_caller]
    pub(crate) fn start(command: Command) -> Self {
        let (mut child, home) = spawned(command);
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut first_line = String::new();
        out.read_line(&mut first_line).unwrap();
        if first_line.is_empty() {
            panic!("the server did not start: {:?}", ended(child, out));
        }
        Self { child: Some((child, out)), _home: home, said: Vec::new(), first_line }
    }

    /// The addresses in its line of JSON.
    pub(crate) fn addresses(&self) -> Vec<String> {
        self.first_line
            .split('"')
            .filter(|part| part.contains(':') && !part.starts_with(':'))
            .map(Into::into)
            .collect()
    }

    /// Its process number.
    pub(crate) fn process(&self) -> u32 {
        self.child.as_ref().unwrap().0.id()
    }

    /// The port that it listens on.
    pub(crate) fn port(&self) -> String {
        let address = self.addresses().remove(0);
        address.rsplit_once(':').unwrap().1.to_owned()
    }

    /// Sends the signal.
    pub(crate) fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.process().try_into().unwrap()), signal).unwrap();
    }

    /// Reads its standard error up to the next line with these words.
    pub(crate) fn wait_for_line(&mut self, words: &str) {
        let errors = self.child.as_mut().unwrap().0.stderr.as_mut().unwrap();
        let start = self.said.len();
        loop {
            let mut byte = [0];
            assert_eq!(errors.read(&mut byte).unwrap(), 1, "it ended before it said: {words}");
            self.said.extend(byte);
            if byte == *b"\n" && String::from_utf8_lossy(&self.said[start..]).contains(words) {
                return;
            }
        }
    }

    /// Sends the signal and waits for the end. What it printed then lacks the first line.
    pub(crate) fn stop(mut self, signal: Signal) -> Ended {
        self.signal(signal);
        let (child, out) = self.child.take().unwrap();
        let mut ended = ended(child, out);
        ended.err.insert_str(0, &String::from_utf8_lossy(&self.said));
        ended
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some((child, _)) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Ended {
    /// The one line on standard error.
    #[track_caller]
    pub(crate) fn only_line(&self) -> &str {
        assert_eq!(self.err.lines().count(), 1, "{}", self.err);
        self.err.trim_end()
    }
}

/// A program, with a home of its own unless it has one.
fn spawned(mut command: Command) -> (Child, Option<Home>) {
    let home = command.get_envs().all(|(name, _)| name != "XDG_DATA_HOME").then(Home::new);
    if let Some(home) = &home {
        home.lend(&mut command);
    }
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    (command.spawn().unwrap(), home)
}

#[track_caller]
fn ended(mut child: Child, mut out: BufReader<ChildStdout>) -> Ended {
    let id = Pid::from_raw(child.id().try_into().unwrap());
    let mut errors = child.stderr.take().unwrap();
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let (mut printed, mut err) = (String::new(), String::new());
        errors.read_to_string(&mut err).unwrap();
        out.read_to_string(&mut printed).unwrap();
        let status = child.wait().unwrap();
        let _ = sender.send(Ended { code: status.code(), out: printed, err });
    });
    receiver.recv_timeout(DEADLINE).unwrap_or_else(|_| {
        let _ = kill(id, Signal::SIGKILL);
        panic!("the program did not end");
    })
}
