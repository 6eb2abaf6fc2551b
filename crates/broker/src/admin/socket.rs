//! The Unix socket that the questions come through, and the thread that answers them.
//!
//! Only the user whom the server belongs to (and root) can connect, because of the mode of the socket file; nobody is
//! asked for a name. The thread never touches what serves MQTT, but for the questions that the handlers put to the
//! shards. Everything is bounded: connections, the length of a request, and the time that a client may take.

use super::{Reply, Subject, place, reply};
use crate::Following;
use darter_net::owner_only::OwnerListener;
use mio::net::UnixStream;
use mio::{Events, Interest, Poll, Token, Waker};
use serde_json::json;
use slab::Slab;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::task::{self, Wake};
use std::time::{Duration, Instant};
use std::{fs, iter, thread};

/// Connections at once.
const CONNECTIONS: usize = 16;
/// Bytes of the longest request.
const REQUEST: usize = 64 * 1024;
/// How long a client may take for its next request, and how long to read its answer.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long the end of the server waits for an answer that is being made.
const LAST_ANSWER: Duration = Duration::from_secs(1);

const LISTENER: Token = Token(usize::MAX - 1);
/// The server stops, or what is followed has something new.
const WAKER: Token = Token(usize::MAX - 2);
/// Lines of it that are written at once.
const LINES: usize = 64;

/// The open socket. Dropping it closes it and removes its file; requests that are not begun are not answered any more, and
/// an answer that takes longer than a second is not waited for.
#[derive(Debug)]
pub struct Socket {
    path: PathBuf,
    pointer: Option<PathBuf>,
    waker: Arc<Bell>,
    stopping: Arc<AtomicBool>,
    /// Gives nothing, and is closed when the thread has ended.
    ended: Receiver<()>,
}

impl Socket {
    /// Opens the socket for a server with this data folder, or without one, and answers from now on.
    ///
    /// # Errors
    /// When there is no place for a socket, another server has it, or the system gives no thread.
    pub fn open(data_folder: Option<&Path>, subject: Subject) -> io::Result<Self> {
        Self::open_with(data_folder, subject, PATIENCE)
    }

    pub(crate) fn open_with(
        data_folder: Option<&Path>,
        subject: Subject,
        patience: Duration,
    ) -> io::Result<Self> {
        let port = subject.view.addresses().first().map_or(0, std::net::SocketAddr::port);
        let poll = Poll::new()?;
        let waker = Arc::new(Bell(Waker::new(poll.registry(), WAKER)?));
        let place::Opened { mut listener, pointer } = place::open(data_folder, port)?;
        listener.register(poll.registry(), LISTENER)?;
        let path = listener.path().to_owned();
        let stopping = Arc::new(AtomicBool::new(false));
        let serving = Serving {
            poll,
            listener,
            subject,
            patience,
            stopping: stopping.clone(),
            waker: waker.clone().into(),
            clients: Slab::new(),
            eager: Vec::new(),
        };
        let (alive, ended) = mpsc::channel::<()>();
        thread::Builder::new().name("darter-admin".to_owned()).spawn(move || {
            // Goes last, also in a panic.
            let _alive = alive;
            if let Err(error) = serving.run() {
                tracing::error!(%error, "live administration has ended; MQTT goes on");
            }
        })?;
        Ok(Self { path, pointer, waker, stopping, ended })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        if let Some(pointer) = &self.pointer {
            let _ = fs::remove_file(pointer);
        }
        self.stopping.store(true, Ordering::Release);
        self.waker.wake_by_ref();
        if self.ended.recv_timeout(LAST_ANSWER) == Err(RecvTimeoutError::Timeout) {
            // The thread still has its listener, so nobody else can have opened one there.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Wakes the thread.
#[derive(Debug)]
struct Bell(Waker);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // It wakes up by itself when a client's time is over.
        let _ = self.0.wake();
    }
}

/// What the thread has.
struct Serving {
    poll: Poll,
    listener: OwnerListener,
    subject: Subject,
    patience: Duration,
    stopping: Arc<AtomicBool>,
    waker: task::Waker,
    clients: Slab<Client>,
    /// Clients from which more may come without another event.
    eager: Vec<usize>,
}

struct Client {
    stream: UnixStream,
    input: Vec<u8>,
    /// The answer, as far as it was not written.
    output: Vec<u8>,
    written: usize,
    /// What it follows.
    following: Option<Following>,
    /// Nothing more comes from it, or is wanted.
    ending: bool,
    deadline: Instant,
}

/// How it goes on with a client.
#[derive(Debug, PartialEq, Eq)]
enum Next {
    /// When its socket reports something.
    Wait,
    /// At once.
    Again,
    /// Not at all.
    Gone,
}

impl Serving {
    fn run(mut self) -> io::Result<()> {
        let mut events = Events::with_capacity(CONNECTIONS + 2);
        loop {
            match self.poll.poll(&mut events, self.timeout()) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                outcome => outcome?,
            }
            for key in std::mem::take(&mut self.eager) {
                self.serve(key);
            }
            for event in &events {
                match event.token() {
                    WAKER => self.bring_news(),
                    LISTENER => self.accept(),
                    Token(key) => self.serve(key),
                }
            }
            if self.is_stopping() {
                return Ok(());
            }
            let now = Instant::now();
            self.clients.retain(|_, client| client.deadline > now || client.is_following());
        }
    }

    fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }

    fn timeout(&self) -> Option<Duration> {
        if !self.eager.is_empty() {
            return Some(Duration::ZERO);
        }
        let waiting = self.clients.iter().filter(|(_, client)| !client.is_following());
        let next = waiting.map(|(_, client)| client.deadline).min()?;
        // The poller counts in milliseconds and rounds down.
        Some(next.saturating_duration_since(Instant::now()) + Duration::from_millis(1))
    }

    fn accept(&mut self) {
        loop {
            match self.listener.accept() {
                Ok(stream) => self.add(stream),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) => {
                    tracing::warn!(%error, "a connection for live administration cannot be accepted");
                    return;
                }
            }
        }
    }

    fn add(&mut self, mut stream: UnixStream) {
        if self.clients.len() >= CONNECTIONS {
            let refusal = json!({ "error": format!("there are {CONNECTIONS} connections already") });
            // It is the first thing written: it fits, or the client is gone.
            let _ = writeln!(stream, "{refusal}");
            return;
        }
        let entry = self.clients.vacant_entry();
        let (token, both) = (Token(entry.key()), Interest::READABLE | Interest::WRITABLE);
        if self.poll.registry().register(&mut stream, token, both).is_ok() {
            entry.insert(Client {
                stream,
                input: Vec::new(),
                output: Vec::new(),
                written: 0,
                following: None,
                ending: false,
                deadline: Instant::now() + self.patience,
            });
        }
    }

    /// Somebody who follows something may have more to read.
    fn bring_news(&mut self) {
        let following = self.clients.iter().filter(|(_, client)| client.is_following());
        let keys: Vec<_> = following.map(|(key, _)| key).collect();
        keys.into_iter().for_each(|key| self.serve(key));
    }

    fn serve(&mut self, key: usize) {
        if self.is_stopping() {
            return;
        }
        let Some(client) = self.clients.get_mut(key) else { return };
        match client.go_on(&self.subject, self.patience, &self.waker) {
            Next::Wait => {}
            Next::Again => self.eager.push(key),
            Next::Gone => drop(self.clients.remove(key)),
        }
    }
}

impl Client {
    /// It waits for news of what it follows, as long as it wants.
    fn is_following(&self) -> bool {
        self.following.is_some() && self.output.is_empty()
    }

    /// Writes what is to be written, then reads, and answers one request at most.
    fn go_on(&mut self, subject: &Subject, patience: Duration, waker: &task::Waker) -> Next {
        let outcome = self.flush().and_then(|written| if written { self.read() } else { Ok(false) });
        match outcome {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Next::Again,
            Err(_) => return Next::Gone,
            Ok(false) if self.take_news(patience) => return Next::Again,
            Ok(false) => return Next::Wait,
            Ok(true) => {}
        }
        match self.take_request() {
            Some(request) if request.trim_ascii().is_empty() => {}
            Some(request) => match reply(subject, &request, waker) {
                Reply::Once(answer) => self.reply(&answer, patience),
                Reply::Feed(answer, following) => {
                    self.reply(&answer, patience);
                    self.following = Some(following);
                }
            },
            None if self.input.len() > REQUEST => {
                self.input = Vec::new();
                self.ending = true;
                self.reply(&json!({ "error": format!("a request has at most {REQUEST} bytes") }), patience);
            }
            None if self.ending => return Next::Gone,
            None => {}
        }
        Next::Again
    }

    /// Whether there was something new of what it follows, which is to be written now.
    fn take_news(&mut self, patience: Duration) -> bool {
        let Some(following) = &mut self.following else { return false };
        if !self.output.is_empty() {
            return false;
        }
        for line in iter::from_fn(|| following.next_line()).take(LINES) {
            self.output.extend_from_slice(line.to_string().as_bytes());
            self.output.push(b'\n');
        }
        self.deadline = Instant::now() + patience;
        !self.output.is_empty()
    }

    /// Whether everything is written.
    fn flush(&mut self) -> io::Result<bool> {
        while self.written < self.output.len() {
            match self.stream.write(&self.output[self.written..]) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => self.written += count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(error),
            }
        }
        self.output = Vec::new();
        self.written = 0;
        Ok(true)
    }

    /// Whether there is something to look at: more input, a request that waits, or the end.
    fn read(&mut self) -> io::Result<bool> {
        if self.ending || self.input.contains(&b'\n') || self.input.len() > REQUEST {
            return Ok(true);
        }
        let mut buffer = [0; 4096];
        match self.stream.read(&mut buffer) {
            Ok(0) => self.ending = true,
            Ok(count) => self.input.extend_from_slice(&buffer[..count]),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
            Err(error) => return Err(error),
        }
        Ok(true)
    }

    /// The next line, or what stands before the end.
    fn take_request(&mut self) -> Option<Vec<u8>> {
        let line = self.input.iter().position(|byte| *byte == b'\n');
        let end = match line {
            Some(end) if end <= REQUEST => end + 1,
            None if self.ending && !self.input.is_empty() => self.input.len(),
            _ => return None,
        };
        Some(self.input.drain(..end).collect())
    }

    fn reply(&mut self, answer: &serde_json::Value, patience: Duration) {
        self.output = answer.to_string().into_bytes();
        self.output.push(b'\n');
        self.deadline = Instant::now() + patience;
    }
}
