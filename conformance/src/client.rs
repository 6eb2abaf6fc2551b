//! One connection of a test: a blocking socket, every wait bounded, every failure told with what was sent and what came.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use crate::context::Context;
use crate::outcome::{Outcome, fail, not_applicable};
use crate::packet::{self, PINGREQ, PUBACK, PUBCOMP, PUBREC, PUBREL, Publish, Version};
use crate::property::{Properties, RETAIN_AVAILABLE};
use crate::received::{self, Ack, Codes, ConnAck, Packet};

/// How long an answer may take. Long, so that a busy machine is not taken for a broken server.
pub const PATIENCE: Duration = Duration::from_secs(8);

/// What can happen on a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A packet came.
    Packet(Packet),
    /// The server closed the connection.
    Closed,
}

/// One connection to the server.
#[derive(Debug)]
pub struct Client {
    stream: TcpStream,
    version: Version,
    patience: Duration,
    buffer: Vec<u8>,
    stash: VecDeque<Packet>,
    sent: String,
    next_id: u16,
    /// The CONNACK that accepted the connection.
    pub connack: ConnAck,
    /// Size in bytes of the largest packet that came.
    pub largest: usize,
}

impl Client {
    /// A TCP connection to the server of the test on which nothing was sent.
    pub fn open(context: &Context) -> Outcome<Self> {
        let stream = match TcpStream::connect_timeout(&context.address, context.patience) {
            Ok(stream) => stream,
            Err(error) => fail!("no TCP connection to {}: {error}", context.address),
        };
        drop(stream.set_nodelay(true));
        Ok(Self {
            stream,
            version: context.version,
            patience: context.patience,
            buffer: Vec::new(),
            stash: VecDeque::new(),
            sent: "nothing".into(),
            next_id: 100,
            connack: ConnAck::default(),
            largest: 0,
        })
    }

    /// A packet identifier this client has not used.
    pub fn packet_id(&mut self) -> u16 {
        self.next_id += 1;
        self.next_id
    }

    /// Sends bytes. A connection the server already closed is no error here: the next read tells.
    pub fn send(&mut self, bytes: &[u8]) -> Outcome {
        self.sent = shorten(bytes);
        match self.stream.write_all(bytes) {
            Err(error) if !is_closed(&error) => fail!("sending {}: {error}", self.sent),
            _ => Ok(()),
        }
    }

    /// Ends the test as failed, telling what was sent last.
    pub fn wrong<T>(&self, expected: &str, got: &str) -> Outcome<T> {
        fail!("sent {}; expected {expected}; got {got}", self.sent)
    }

    /// The next event that is not stashed, within the given time; `None` when nothing happened.
    fn read_for(&mut self, time: Duration) -> Outcome<Option<Event>> {
        let deadline = Instant::now() + time;
        loop {
            match received::take(self.version, &mut self.buffer) {
                Ok(Some((packet, size))) => {
                    self.largest = self.largest.max(size);
                    return Ok(Some(Event::Packet(packet)));
                }
                Ok(None) => {}
                Err(error) => return self.wrong("a packet in the standard's format", &error.0),
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(None);
            }
            drop(self.stream.set_read_timeout(Some(left.max(Duration::from_millis(1)))));
            let mut chunk = [0; 16384];
            match self.stream.read(&mut chunk) {
                Ok(0) => return Ok(Some(Event::Closed)),
                Ok(count) => self.buffer.extend(&chunk[..count]),
                Err(error) if is_closed(&error) => return Ok(Some(Event::Closed)),
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                Err(error) => fail!("reading: {error}"),
            }
        }
    }

    /// The next event, stashed packets first.
    pub fn event(&mut self) -> Outcome<Event> {
        match self.event_within(self.patience)? {
            Some(event) => Ok(event),
            None => self.wrong("an answer", "nothing in time"),
        }
    }

    /// The next event within the given time, stashed packets first.
    pub fn event_within(&mut self, time: Duration) -> Outcome<Option<Event>> {
        match self.stash.pop_front() {
            Some(packet) => Ok(Some(Event::Packet(packet))),
            None => self.read_for(time),
        }
    }

    /// The next packet as its first byte and what follows the remaining length, whatever it is; `None` when the
    /// connection ended instead.
    pub fn event_raw(&mut self) -> Outcome<Option<(u8, Vec<u8>)>> {
        drop(self.stream.set_read_timeout(Some(self.patience)));
        loop {
            match received::extent(&self.buffer) {
                Ok(Some((header, total))) => {
                    let bytes: Vec<u8> = self.buffer.drain(..total).collect();
                    return Ok(Some((bytes[0], bytes[header..].to_vec())));
                }
                Ok(None) => {}
                Err(error) => return self.wrong("a packet", &error.0),
            }
            let mut chunk = [0; 1024];
            match self.stream.read(&mut chunk) {
                Ok(0) => return Ok(None),
                Ok(count) => self.buffer.extend(&chunk[..count]),
                Err(error) if is_closed(&error) => return Ok(None),
                Err(error) => return self.wrong("an answer", &error.to_string()),
            }
        }
    }

    /// The next CONNACK.
    pub fn connack(&mut self) -> Outcome<ConnAck> {
        match self.event()? {
            Event::Packet(Packet::ConnAck(connack)) => Ok(connack),
            other => self.wrong("CONNACK", &format!("{other:?}")),
        }
    }

    /// A CONNECT was sent that must be refused: at most a CONNACK that says no, and the end of the connection.
    pub fn refusal(&mut self) -> Outcome<Option<ConnAck>> {
        match self.event()? {
            Event::Closed => Ok(None),
            Event::Packet(Packet::ConnAck(connack)) if connack.code != 0 => match self.event()? {
                Event::Closed => Ok(Some(connack)),
                other => self
                    .wrong("the connection to be closed after a CONNACK that refuses", &format!("{other:?}")),
            },
            other => self.wrong("a refusal", &format!("{other:?}")),
        }
    }

    /// Expects the server to end the connection now; in version 5 a DISCONNECT may come first.
    pub fn closed(&mut self) -> Outcome {
        self.closed_with().map(drop)
    }

    /// The same, with the DISCONNECT if one came.
    pub fn closed_with(&mut self) -> Outcome<Option<received::Reason>> {
        let mut reason = None;
        loop {
            match self.event()? {
                Event::Closed => return Ok(reason),
                Event::Packet(Packet::Disconnect(disconnect)) if reason.is_none() => {
                    reason = Some(disconnect);
                }
                other => return self.wrong("the server to end the connection", &format!("{other:?}")),
            }
        }
    }

    /// Waits for a packet that `wanted` takes; PUBLISH and PUBREL packets that come before it are kept for later.
    fn wait_for<T>(&mut self, what: &str, wanted: impl Fn(&Packet) -> Option<T>) -> Outcome<T> {
        loop {
            match self.read_for(self.patience)? {
                Some(Event::Packet(packet)) => match wanted(&packet) {
                    Some(found) => return Ok(found),
                    None if is_delivery(&packet) => self.stash.push_back(packet),
                    None => return self.wrong(what, &format!("{packet:?}")),
                },
                Some(Event::Closed) => return self.wrong(what, "the end of the connection"),
                None => return self.wrong(what, "nothing in time"),
            }
        }
    }

    /// Waits for an acknowledgement of this kind and packet identifier.
    pub fn ack(&mut self, first: u8, id: u16) -> Outcome<Ack> {
        let what = format!("the packet {first:#04x} with identifier {id}");
        self.wait_for(&what, |packet| match packet {
            Packet::Ack(ack) if ack.first == first && ack.id == id => Some(ack.clone()),
            _ => None,
        })
    }

    /// Sends a PUBLISH and completes its handshake, with the packet identifier it carries.
    pub fn publish(&mut self, publish: &Publish) -> Outcome<u8> {
        self.send(&publish.bytes(self.version))?;
        match publish.qos {
            0 => Ok(0),
            1 => Ok(self.ack(PUBACK, publish.id)?.reason),
            _ => {
                let reason = self.ack(PUBREC, publish.id)?.reason;
                if reason < 0x80 {
                    self.send(&packet::acknowledge(self.version, PUBREL, publish.id, 0))?;
                    self.ack(PUBCOMP, publish.id)?;
                }
                Ok(reason)
            }
        }
    }

    /// Publishes text with a fresh packet identifier and completes the handshake.
    pub fn say(&mut self, topic: &str, payload: &str, qos: u8) -> Outcome {
        let id = self.packet_id();
        self.publish(&Publish::new(topic, payload).qos(qos, id)).map(drop)
    }

    /// Publishes a retained message with QoS 1 and waits for its acknowledgement.
    pub fn retain(&mut self, topic: &str, payload: &str) -> Outcome {
        if self.connack.properties.number(RETAIN_AVAILABLE) == Some(0) {
            not_applicable!("the server says that it keeps no retained messages");
        }
        let id = self.packet_id();
        self.publish(&Publish::new(topic, payload).qos(1, id).retained()).map(drop)
    }

    /// Sends a SUBSCRIBE and returns its SUBACK.
    pub fn subscribe_raw(&mut self, filters: &[(&str, u8)], properties: &Properties) -> Outcome<Codes> {
        let id = self.packet_id();
        let filters: Vec<_> = filters.iter().map(|(f, o)| (f.as_bytes(), *o)).collect();
        self.send(&packet::subscribe(self.version, id, &filters, properties))?;
        self.codes(0x90, id)
    }

    /// Subscribes to one filter, which must be granted; the options byte is the QoS in 3.1.1.
    pub fn subscribe(&mut self, filter: &str, options: u8) -> Outcome<u8> {
        self.subscribe_with(filter, options, &Properties::none())
    }

    /// The same with properties.
    pub fn subscribe_with(&mut self, filter: &str, options: u8, properties: &Properties) -> Outcome<u8> {
        let suback = self.subscribe_raw(&[(filter, options)], properties)?;
        match suback.codes[..] {
            [granted @ 0..=2] => Ok(granted),
            _ => self.wrong("a granted subscription", &format!("{suback:?}")),
        }
    }

    /// Sends an UNSUBSCRIBE and returns its UNSUBACK.
    pub fn unsubscribe(&mut self, filters: &[&str]) -> Outcome<Codes> {
        let id = self.packet_id();
        let filters: Vec<_> = filters.iter().map(|f| f.as_bytes()).collect();
        self.send(&packet::unsubscribe(self.version, id, &filters))?;
        self.codes(0xB0, id)
    }

    /// Waits for the SUBACK or UNSUBACK with this packet identifier.
    pub fn codes(&mut self, first: u8, id: u16) -> Outcome<Codes> {
        let what = format!("the packet {first:#04x} with identifier {id}");
        self.wait_for(&what, |packet| match packet {
            Packet::Codes(codes) if codes.first == first && codes.id == id => Some(codes.clone()),
            _ => None,
        })
    }

    /// The next packet, which must be a PUBLISH; it is not acknowledged.
    pub fn delivery(&mut self) -> Outcome<Publish> {
        match self.event()? {
            Event::Packet(Packet::Publish(publish)) => Ok(publish),
            other => self.wrong("PUBLISH", &format!("{other:?}")),
        }
    }

    /// The next packet, which must be a PUBLISH; its handshake is completed.
    pub fn take(&mut self) -> Outcome<Publish> {
        let publish = self.delivery()?;
        self.accept(&publish)?;
        Ok(publish)
    }

    /// The same, and the payload must be this.
    pub fn take_text(&mut self, payload: &str) -> Outcome<Publish> {
        let publish = self.take()?;
        if publish.text() == payload {
            return Ok(publish);
        }
        self.wrong(&format!("the message {payload:?}"), &format!("{publish:?}"))
    }

    /// Completes the handshake of a received PUBLISH.
    pub fn accept(&mut self, publish: &Publish) -> Outcome {
        match publish.qos {
            0 => Ok(()),
            1 => self.send(&packet::acknowledge(self.version, PUBACK, publish.id, 0)),
            _ => {
                self.send(&packet::acknowledge(self.version, PUBREC, publish.id, 0))?;
                self.pubrel(publish.id)?;
                self.send(&packet::acknowledge(self.version, PUBCOMP, publish.id, 0))
            }
        }
    }

    /// Waits for the PUBREL with this packet identifier.
    pub fn pubrel(&mut self, id: u16) -> Outcome<Ack> {
        let is_it = |p: &Packet| matches!(p, Packet::Ack(ack) if ack.first == PUBREL && ack.id == id);
        if let Some(at) = self.stash.iter().position(is_it)
            && let Some(Packet::Ack(ack)) = self.stash.remove(at)
        {
            return Ok(ack);
        }
        self.ack(PUBREL, id)
    }

    /// Sends PINGREQ and returns every packet that comes before the PINGRESP.
    pub fn barrier(&mut self) -> Outcome<Vec<Packet>> {
        self.send(&PINGREQ)?;
        self.wait_for("PINGRESP", |packet| (*packet == Packet::PingResp).then_some(()))?;
        Ok(self.stash.drain(..).collect())
    }

    /// Proves with a PINGREQ that nothing has come.
    pub fn nothing(&mut self) -> Outcome {
        let packets = self.barrier()?;
        if packets.is_empty() { Ok(()) } else { self.wrong("nothing but PINGRESP", &format!("{packets:?}")) }
    }

    /// Lets this much time pass; whatever comes meanwhile is an error.
    pub fn quiet_for(&mut self, time: Duration) -> Outcome {
        match self.event_within(time)? {
            None => Ok(()),
            Some(event) => self.wrong(&format!("nothing for {time:?}"), &format!("{event:?}")),
        }
    }

    /// Ends the connection with a normal DISCONNECT and waits until the server has closed its side.
    pub fn disconnect(self) -> Outcome {
        self.disconnect_with(0, &Properties::none())
    }

    /// The same with a reason code and properties.
    pub fn disconnect_with(mut self, reason: u8, properties: &Properties) -> Outcome {
        self.send(&packet::disconnect(self.version, reason, properties))?;
        self.cut()
    }

    /// Ends the connection without DISCONNECT and waits until the server has closed its side.
    pub fn cut(mut self) -> Outcome {
        drop(self.stream.shutdown(Shutdown::Write));
        let deadline = Instant::now() + self.patience;
        while Instant::now() < deadline {
            match self.read_for(Duration::from_millis(500))? {
                Some(Event::Closed) => return Ok(()),
                Some(Event::Packet(_)) | None => {}
            }
        }
        Ok(())
    }
}

fn is_delivery(packet: &Packet) -> bool {
    match packet {
        Packet::Publish(_) => true,
        Packet::Ack(ack) => ack.first == PUBREL,
        _ => false,
    }
}

fn is_closed(error: &std::io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::ConnectionReset
            | ErrorKind::BrokenPipe
            | ErrorKind::ConnectionAborted
            | ErrorKind::NotConnected
    )
}

fn shorten(bytes: &[u8]) -> String {
    let head: Vec<String> = bytes.iter().take(48).map(|b| format!("{b:02x}")).collect();
    let more = if bytes.len() > 48 { format!(" .. ({} bytes)", bytes.len()) } else { String::new() };
    format!("[{}{more}]", head.join(" "))
}
