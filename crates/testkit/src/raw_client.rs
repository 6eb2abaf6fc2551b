//! A client on a real socket, or on what is put over one, that sends and receives packets as they are.

use crate::packets;
use bytes::Bytes;
use darter_codec::frame::{self, Scan};
use darter_codec::{ConnAck, Connect, Packet, Publish, QoS, ReasonCode, Version};
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// How long an answer may take before a test has failed.
const PATIENCE: Duration = Duration::from_secs(20);

/// One blocking connection, over TCP unless something else is said.
#[derive(Debug)]
pub struct RawClient<S = TcpStream> {
    stream: S,
    version: Version,
    partial: Vec<u8>,
}

impl RawClient {
    /// Connects to a server; nothing is sent.
    ///
    /// # Errors
    /// When the connection cannot be made.
    pub fn open(address: SocketAddr, version: Version) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(Self::over(stream, version))
    }

    /// Connects and opens a session; the CONNACK may be a refusal.
    ///
    /// # Errors
    /// When the connection cannot be made or ends first.
    pub fn connect(address: SocketAddr, connect: Connect) -> io::Result<(Self, ConnAck)> {
        let client = Self::open(address, connect.version)?;
        client.greet(connect)
    }

    /// Connects and opens a session that the server accepts.
    ///
    /// # Errors
    /// When it does not.
    pub fn join(address: SocketAddr, connect: Connect) -> io::Result<Self> {
        let (client, connack) = Self::connect(address, connect)?;
        if connack.reason == ReasonCode::Success {
            Ok(client)
        } else {
            Err(io::Error::other(format!("refused: {:?}", connack.reason)))
        }
    }
}

impl<S: Read + Write> RawClient<S> {
    /// Speaks over a stream that is there and whose reads end at some time; nothing is sent.
    pub fn over(stream: S, version: Version) -> Self {
        Self { stream, version, partial: Vec::new() }
    }

    /// Opens a session; the CONNACK may be a refusal.
    ///
    /// # Errors
    /// When the connection ends first.
    pub fn greet(mut self, connect: Connect) -> io::Result<(Self, ConnAck)> {
        self.send(connect)?;
        match self.receive()? {
            Some(Packet::ConnAck(connack)) => Ok((self, connack)),
            other => Err(io::Error::other(format!("{other:?} instead of CONNACK"))),
        }
    }

    /// Sends a packet.
    ///
    /// # Errors
    /// When it cannot be encoded or written.
    pub fn send(&mut self, packet: impl Into<Packet>) -> io::Result<()> {
        let mut bytes = Vec::new();
        packet.into().encode(self.version, &mut bytes).map_err(io::Error::other)?;
        self.send_bytes(&bytes)
    }

    /// Sends bytes as they are.
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn send_bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// Waits for the next packet; none when the server has closed the connection.
    ///
    /// # Errors
    /// When nothing comes for 20 seconds, or what comes is no valid packet.
    pub fn receive(&mut self) -> io::Result<Option<Packet>> {
        loop {
            if let Ok(Scan::Complete(frame)) = frame::scan(&self.partial, usize::MAX) {
                let (first, len, body) = (frame.first, frame.len, Bytes::copy_from_slice(frame.body));
                self.partial.drain(..len);
                return Packet::decode(self.version, first, &body).map(Some).map_err(io::Error::other);
            }
            let mut buffer = vec![0; 64 * 1024];
            match self.stream.read(&mut buffer) {
                Ok(0) => return Ok(None),
                Ok(count) => self.partial.extend_from_slice(&buffer[..count]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return Ok(None),
                Err(error) => return Err(error),
            }
        }
    }

    /// Sends a packet and waits for the next one.
    ///
    /// # Errors
    /// Those of [`send`](Self::send) and [`receive`](Self::receive), and when the server closes the connection.
    pub fn exchange(&mut self, packet: impl Into<Packet>) -> io::Result<Packet> {
        self.send(packet)?;
        self.receive()?.ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }

    /// Waits for the next PUBLISH and acknowledges QoS 1; other packets are thrown away.
    ///
    /// # Errors
    /// Those of [`receive`](Self::receive), and when the server closes the connection.
    pub fn message(&mut self) -> io::Result<Publish> {
        loop {
            match self.receive()? {
                Some(Packet::Publish(publish)) => {
                    if let (QoS::AtLeastOnce, Some(id)) = (publish.qos, publish.packet_id) {
                        self.send(packets::puback(id))?;
                    }
                    return Ok(publish);
                }
                Some(_) => {}
                None => return Err(io::ErrorKind::UnexpectedEof.into()),
            }
        }
    }

    /// The stream.
    pub fn stream(&self) -> &S {
        &self.stream
    }

    /// The stream, to do with it what a client does not.
    pub fn stream_mut(&mut self) -> &mut S {
        &mut self.stream
    }
}
