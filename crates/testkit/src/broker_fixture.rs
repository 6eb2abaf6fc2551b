//! A server on real sockets, for the length of a test.

use darter_broker::{Broker, Drop, ListenerOptions, Options};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

/// A running server on a port of its own; it stops when this value is dropped.
#[derive(Debug)]
pub struct BrokerFixture {
    broker: Option<Broker>,
    address: SocketAddr,
}

impl BrokerFixture {
    /// A server of `shards` shards with default options, on a port that the system chose.
    ///
    /// # Panics
    /// When it cannot start.
    #[must_use]
    pub fn new(shards: u8) -> Self {
        Self::with(shards, |_| {})
    }

    /// The same with other options. There is one listener to change, and there may be others.
    ///
    /// # Panics
    /// When it cannot start, or listens on no TCP port.
    #[must_use]
    pub fn with(shards: u8, change: impl FnOnce(&mut Options)) -> Self {
        let mut options = Options {
            listeners: vec![ListenerOptions::at(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))],
            shards: Some(shards),
            status_interval: Duration::ZERO,
            ..Options::default()
        };
        change(&mut options);
        let broker = Broker::start(&options).expect("a server that starts");
        let address = broker.addresses()[0];
        Self { broker: Some(broker), address }
    }

    /// Where its first TCP port is.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The server.
    ///
    /// # Panics
    /// After [`shutdown`](Self::shutdown).
    #[must_use]
    pub fn broker(&self) -> &Broker {
        self.broker.as_ref().expect("a running server")
    }

    /// Which messages were not delivered, as far as shards tell that have not failed.
    ///
    /// # Panics
    /// After [`shutdown`](Self::shutdown).
    #[must_use]
    pub fn drops(&self) -> Vec<Drop> {
        self.broker().view().drops(Duration::from_secs(20)).drops
    }

    /// Stops it and waits until it has stopped.
    pub fn shutdown(&mut self) {
        if let Some(broker) = self.broker.take() {
            broker.shutdown();
        }
    }
}
