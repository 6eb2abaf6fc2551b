//! One client: its side of the session, which outlives every network connection, and its socket while there is one.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::time::{Duration, Instant};

use darter_codec::{Properties, Property, ReasonCode, Version};
use darter_session::client::{Connection, Event, Options, Status};
use mio::net::TcpStream;
use mio::{Interest, Registry, Token};

/// How long the kernel may take to connect two sockets of one machine.
const CONNECT_PATIENCE: Duration = Duration::from_millis(500);
/// Milliseconds that the server may take for CONNACK.
const ANSWER_PATIENCE: u64 = 10_000;
/// Sessions outlive every run.
const DAY: u32 = 86_400;

/// A client and its network connection.
pub(crate) struct Client {
    /// Its client identifier.
    pub(crate) name: String,
    /// Its protocol; the session state stays in it.
    pub(crate) connection: Connection,
    socket: Option<TcpStream>,
    out: Vec<u8>,
    epoch: Instant,
}

/// What a client asks for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Manner {
    /// Version to speak.
    pub(crate) version: Version,
    /// Whether the session outlives the connection.
    pub(crate) persistent: bool,
    /// Whether the first connection starts a new session.
    pub(crate) clean_start: bool,
    /// Most messages that it wants to have unacknowledged; all there can be if none.
    pub(crate) receive_maximum: Option<u16>,
}

impl Manner {
    /// A persistent session.
    pub(crate) fn persistent(version: Version) -> Self {
        Self { version, persistent: true, clean_start: false, receive_maximum: None }
    }

    /// A session that ends with its connection.
    pub(crate) fn passing(version: Version) -> Self {
        Self { version, persistent: false, clean_start: true, receive_maximum: None }
    }

    pub(crate) fn options(self, name: &str) -> Options {
        let mut properties = Properties::default();
        if self.persistent {
            properties.push(Property::SessionExpiryInterval(DAY));
        }
        if let Some(maximum) = self.receive_maximum {
            properties.push(Property::ReceiveMaximum(maximum));
        }
        Options {
            clean_start: self.clean_start,
            keep_alive: 0,
            properties,
            response_timeout: ANSWER_PATIENCE,
            trace: true,
            ..Options::new(self.version, name)
        }
    }
}

impl Client {
    /// A client that has no connection yet.
    pub(crate) fn new(name: String, options: Options, epoch: Instant) -> Self {
        Self { name, connection: Connection::new(options), socket: None, out: Vec::new(), epoch }
    }

    /// Connects and sends CONNECT. False when nobody listens.
    pub(crate) fn open(&mut self, address: SocketAddr, registry: &Registry, token: Token) -> bool {
        let Ok(stream) = std::net::TcpStream::connect_timeout(&address, CONNECT_PATIENCE) else {
            return false;
        };
        if stream.set_nonblocking(true).and_then(|()| stream.set_nodelay(true)).is_err() {
            return false;
        }
        let mut socket = TcpStream::from_std(stream);
        if registry.register(&mut socket, token, Interest::READABLE | Interest::WRITABLE).is_err() {
            return false;
        }
        self.socket = Some(socket);
        self.out.clear();
        self.connection.handle_open(self.now());
        true
    }

    /// Whether there is a network connection, accepted or not.
    pub(crate) fn is_open(&self) -> bool {
        self.socket.is_some()
    }

    /// Whether the server accepted the connection.
    pub(crate) fn is_connected(&self) -> bool {
        self.connection.status() == Status::Connected
    }

    /// Whether something that was sent is not answered.
    pub(crate) fn waits(&self) -> bool {
        self.connection.unacknowledged() > 0 || self.connection.queued() > 0
    }

    /// Reads what is there. False when the server has closed the connection.
    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> bool {
        let Some(socket) = &mut self.socket else { return true };
        loop {
            match socket.read(buffer) {
                Ok(0) => return false,
                Ok(count) => self.connection.handle_input(buffer.get(..count).unwrap_or_default()),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return true,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return false,
            }
        }
    }

    /// Writes as much as the socket takes. A broken connection is noticed when it is read.
    pub(crate) fn write(&mut self) {
        self.connection.handle_timeout(self.now());
        self.connection.poll_transmit(self.now(), &mut self.out);
        let Some(socket) = &mut self.socket else { return };
        while !self.out.is_empty() {
            match socket.write(&self.out) {
                Ok(count) => drop(self.out.drain(..count)),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return,
            }
        }
    }

    /// The next event, after what was to be sent is under way.
    pub(crate) fn event(&mut self) -> Option<Event> {
        self.connection.poll_event()
    }

    /// Goes away with a DISCONNECT.
    pub(crate) fn leave(&mut self) {
        self.connection.disconnect(ReasonCode::Success, Properties::default());
        self.write();
        self.vanish();
    }

    /// Goes away without a word.
    pub(crate) fn vanish(&mut self) {
        if let Some(socket) = self.socket.take() {
            let _ = socket.shutdown(Shutdown::Both);
        }
        self.out.clear();
        self.connection.handle_close();
    }

    fn now(&self) -> u64 {
        u64::try_from(self.epoch.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}
