//! What a test is given: the server, the version, and names nobody else uses.

use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use crate::client::Client;
use crate::outcome::Outcome;
use crate::packet::{Connect, Publish, Version};
use crate::property::Properties;
use crate::received::ConnAck;

/// What a test knows: where the server is, which version to speak, and names nobody else uses.
#[derive(Debug)]
pub struct Context {
    /// The server under test.
    pub address: SocketAddr,
    /// The version to speak.
    pub version: Version,
    /// How long an answer may take.
    pub patience: Duration,
    unique: String,
    counter: AtomicU32,
    kept: Mutex<Vec<String>>,
    retained: Mutex<Vec<String>>,
}

impl Context {
    /// A context whose client identifiers and topic names begin with `unique` (at most 12 letters and digits), and which
    /// waits for an answer as long as `patience`.
    pub fn new(address: SocketAddr, version: Version, unique: String, patience: Duration) -> Self {
        Self {
            address,
            version,
            patience,
            unique,
            counter: AtomicU32::new(0),
            kept: Mutex::default(),
            retained: Mutex::default(),
        }
    }

    /// Whether the test speaks version 5.
    pub fn v5(&self) -> bool {
        self.version.is_v5()
    }

    /// A client identifier nobody uses: letters and digits, at most 23.
    pub fn id(&self) -> String {
        format!("{}x{}", self.unique, self.counter.fetch_add(1, Ordering::Relaxed))
    }

    /// A client identifier whose session will be kept; it is removed from the server after the test.
    pub fn kept_id(&self) -> String {
        let id = self.id();
        remember(&self.kept, &id);
        id
    }

    /// A topic name nobody uses.
    pub fn topic(&self, name: &str) -> String {
        format!("conformance/{}{}/{name}", self.unique, self.counter.fetch_add(1, Ordering::Relaxed))
    }

    /// A topic name for a retained message; it is cleared after the test.
    pub fn retained_topic(&self, name: &str) -> String {
        let topic = self.topic(name);
        remember(&self.retained, &topic);
        topic
    }

    /// A TCP connection on which nothing was sent.
    pub fn open(&self) -> Outcome<Client> {
        Client::open(self)
    }

    /// Sends this CONNECT and waits for the CONNACK that accepts it.
    pub fn connect(&self, connect: &Connect) -> Outcome<Client> {
        let mut client = self.open()?;
        client.send(&connect.bytes())?;
        let connack = client.connack()?;
        if connack.code != 0 {
            return client.wrong("a CONNACK that accepts", &format!("{connack:?}"));
        }
        client.connack = connack;
        Ok(client)
    }

    /// A connected client with a clean session.
    pub fn client(&self) -> Outcome<Client> {
        self.connect(&Connect::new(self.version, &self.id()))
    }

    /// A connected client that makes or continues the session of this client identifier.
    pub fn kept_client(&self, id: &str) -> Outcome<Client> {
        self.connect(&Connect::kept(self.version, id))
    }

    /// A connected client with a clean session and properties of version 5.
    pub fn client_with(&self, properties: Properties) -> Outcome<Client> {
        self.connect(&Connect::new(self.version, &self.id()).with(properties))
    }

    /// Sends a CONNECT and expects it to be refused: the connection ends, at most after a CONNACK that says no.
    pub fn refused(&self, connect: &Connect) -> Outcome<Option<ConnAck>> {
        let mut client = self.open()?;
        client.send(&connect.bytes())?;
        client.refusal()
    }

    /// Sends raw bytes after a normal connect and expects the server to end the connection.
    pub fn ends_connection(&self, bytes: &[u8]) -> Outcome {
        let mut client = self.client()?;
        client.send(bytes)?;
        client.closed()
    }

    /// Removes what the test left on the server.
    pub fn clean_up(&self) {
        for id in drain(&self.kept) {
            if let Ok(client) = self.connect(&Connect::new(self.version, &id)) {
                drop(client.disconnect());
            }
        }
        let topics = drain(&self.retained);
        if topics.is_empty() {
            return;
        }
        if let Ok(mut client) = self.client() {
            for topic in topics {
                drop(client.publish(&Publish::new(&topic, "").qos(1, 1).retained()));
            }
        }
    }
}

fn remember(list: &Mutex<Vec<String>>, name: &str) {
    if let Ok(mut list) = list.lock() {
        list.push(name.to_owned());
    }
}

fn drain(list: &Mutex<Vec<String>>) -> Vec<String> {
    list.lock().map(|mut list| list.drain(..).collect()).unwrap_or_default()
}
