//! A server that does what the test says.

use bytes::Bytes;
use darter_client::{ClientOptions, ConnAck, Packet, Properties, ReasonCode, SubAck, Version};
use darter_codec::PubAck;
use darter_codec::frame::{self, Scan};
use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Takes the client's connections.
pub(crate) struct Script {
    listener: TcpListener,
    pub(crate) options: ClientOptions,
    version: Version,
}

/// One network connection of the client.
pub(crate) struct Peer {
    stream: TcpStream,
    input: Vec<u8>,
    version: Version,
}

impl Script {
    /// A server, and options for a client that connects to it and comes back at once.
    pub(crate) async fn new(version: Version) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        Self { listener, options: options(version, port), version }
    }

    pub(crate) fn take_options(&mut self) -> ClientOptions {
        let port = self.options.port;
        std::mem::replace(&mut self.options, options(self.version, port))
    }

    /// The next network connection, after its CONNECT.
    pub(crate) async fn connect(&self) -> Peer {
        let (stream, _) = self.listener.accept().await.unwrap();
        let mut peer = Peer { stream, input: Vec::new(), version: self.version };
        assert!(matches!(peer.next().await, Some(Packet::Connect(_))));
        peer
    }

    /// The next network connection, accepted.
    pub(crate) async fn accept(&self, session_present: bool) -> Peer {
        let mut peer = self.connect().await;
        let properties = Properties::default();
        peer.send(ConnAck { session_present, reason: ReasonCode::Success, properties }).await;
        peer
    }
}

impl Peer {
    /// The next packet; none at the end of the connection.
    pub(crate) async fn next(&mut self) -> Option<Packet> {
        loop {
            if let Scan::Complete(frame) = frame::scan(&self.input, usize::MAX).unwrap() {
                let body = Bytes::copy_from_slice(frame.body);
                let packet = Packet::decode(self.version, frame.first, &body).unwrap();
                let length = frame.len;
                self.input.drain(..length);
                return Some(packet);
            }
            if self.stream.read_buf(&mut self.input).await.ok()? == 0 {
                return None;
            }
        }
    }

    pub(crate) async fn send(&mut self, packet: impl Into<Packet>) {
        let mut bytes = Vec::new();
        packet.into().encode(self.version, &mut bytes).unwrap();
        self.stream.write_all(&bytes).await.unwrap();
    }

    /// Takes a SUBSCRIBE, accepts it and returns its topic filters.
    pub(crate) async fn accept_subscribe(&mut self) -> Vec<String> {
        let Some(Packet::Subscribe(subscribe)) = self.next().await else {
            panic!("no SUBSCRIBE");
        };
        let reasons = subscribe.filters.iter().map(|_| ReasonCode::Success).collect();
        self.send(SubAck { packet_id: subscribe.packet_id, reasons, properties: Properties::default() })
            .await;
        subscribe.filters.iter().map(|filter| filter.filter.to_string()).collect()
    }

    /// Takes a PUBLISH with QoS 1 and acknowledges it.
    pub(crate) async fn acknowledge_publish(&mut self) -> darter_client::Publish {
        let Some(Packet::Publish(publish)) = self.next().await else {
            panic!("no PUBLISH");
        };
        let packet_id = publish.packet_id.expect("QoS 1");
        self.send(PubAck { packet_id, reason: ReasonCode::Success, properties: Properties::default() }).await;
        publish
    }
}

/// What the future has now, without waiting.
pub(crate) fn poll_once<T>(future: impl Future<Output = T>) -> Poll<T> {
    pin!(future).poll(&mut Context::from_waker(Waker::noop()))
}

fn options(version: Version, port: u16) -> ClientOptions {
    let mut options = ClientOptions::new(version, "client", "127.0.0.1", port);
    let wait = std::time::Duration::from_millis(1);
    options.reconnect = Some(darter_client::Backoff { first: wait, longest: wait });
    options
}
