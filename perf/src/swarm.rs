//! Many connections on one thread: an edge-triggered loop that reads, hands packets on, and flushes once per turn.

use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::time::Duration;

use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};

use crate::wire::{self, Packet};

/// Size of the one buffer every connection is read into.
const READ_BUFFER: usize = 256 * 1024;
/// Packets longer than this are not gathered: their beginning is kept and the rest only counted.
const GATHER: usize = 8 * 1024;
/// How much of such a packet is kept; enough for topic and stamp.
const KEPT: usize = 256;

/// The listening socket among the events.
const DOOR: Token = Token(usize::MAX);

/// Receives what the connections of a swarm bring.
pub(crate) trait Listener {
    /// Whether it wants long packets whole, and not only their beginning.
    const WHOLE: bool = false;
    /// A connection has brought bytes; its packets follow.
    fn readable(&mut self) {}
    /// One control packet came on connection `link`; answers are appended to `out`.
    fn packet(&mut self, link: usize, packet: Packet<'_>, out: &mut Outbox);
}

/// Listens to nothing; for turns that only write.
pub(crate) struct Deaf;

impl Listener for Deaf {
    fn packet(&mut self, _link: usize, _packet: Packet<'_>, _out: &mut Outbox) {}
}

/// What waits to be written, by connection.
#[derive(Default)]
pub(crate) struct Outbox {
    queues: Vec<Queue>,
    dirty: Vec<usize>,
}

#[derive(Default)]
struct Queue {
    bytes: Vec<u8>,
    written: usize,
    dirty: bool,
}

impl Outbox {
    /// The output of one connection; it is flushed at the end of the turn.
    #[inline]
    pub(crate) fn to(&mut self, link: usize) -> &mut Vec<u8> {
        let queue = &mut self.queues[link];
        if !queue.dirty {
            queue.dirty = true;
            self.dirty.push(link);
        }
        &mut queue.bytes
    }
}

/// All connections of the generator.
pub(crate) struct Swarm {
    poll: Poll,
    events: Events,
    links: Vec<Link>,
    outbox: Outbox,
    buffer: Vec<u8>,
    closed: usize,
    listener: Option<TcpListener>,
}

struct Link {
    stream: Option<TcpStream>,
    partial: Vec<u8>,
    /// Bytes of a long packet that are still to come and are not kept.
    skip: usize,
}

impl Swarm {
    /// A swarm without connections.
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self {
            poll: Poll::new()?,
            events: Events::with_capacity(4096),
            links: Vec::new(),
            outbox: Outbox::default(),
            buffer: vec![0; READ_BUFFER],
            closed: 0,
            listener: None,
        })
    }

    /// Starts a connection and returns its number; numbers count up from 0.
    pub(crate) fn open(&mut self, address: SocketAddr) -> io::Result<usize> {
        self.adopt(TcpStream::connect(address)?)
    }

    /// Lets others connect, on a free port of this computer; their numbers count on like all others.
    pub(crate) fn listen(&mut self) -> io::Result<SocketAddr> {
        let mut listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0)))?;
        self.poll.registry().register(&mut listener, DOOR, Interest::READABLE)?;
        let address = listener.local_addr()?;
        self.listener = Some(listener);
        Ok(address)
    }

    fn admit(&mut self) -> io::Result<()> {
        while let Some(listener) = &self.listener {
            match listener.accept() {
                Ok((stream, _)) => drop(self.adopt(stream)?),
                Err(error) if is_patience(&error) => break,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn adopt(&mut self, mut stream: TcpStream) -> io::Result<usize> {
        let link = self.links.len();
        self.poll.registry().register(&mut stream, Token(link), Interest::READABLE | Interest::WRITABLE)?;
        // Loopback connects at once, but the option may still be refused while the handshake runs.
        let _ = stream.set_nodelay(true);
        self.links.push(Link { stream: Some(stream), partial: Vec::new(), skip: 0 });
        self.outbox.queues.push(Queue::default());
        Ok(link)
    }

    /// How many connections were ever started.
    pub(crate) fn len(&self) -> usize {
        self.links.len()
    }

    /// How many connections the server has ended.
    pub(crate) fn closed(&self) -> usize {
        self.closed
    }

    /// Where output for the next flush goes.
    pub(crate) fn outbox(&mut self) -> &mut Outbox {
        &mut self.outbox
    }

    /// One turn: write what waits, wait at most `patience` for events, read everything, write the answers.
    pub(crate) fn turn(&mut self, listener: &mut impl Listener, patience: Duration) -> io::Result<()> {
        self.flush();
        let mut events = std::mem::replace(&mut self.events, Events::with_capacity(0));
        let polled = self.poll.poll(&mut events, Some(patience));
        if let Err(error) = polled
            && error.kind() != io::ErrorKind::Interrupted
        {
            self.events = events;
            return Err(error);
        }
        for event in &events {
            if event.token() == DOOR {
                self.admit()?;
                continue;
            }
            let Token(link) = event.token();
            if event.is_writable() && !self.outbox.queues[link].bytes.is_empty() {
                self.outbox.to(link);
            }
            if event.is_readable() || event.is_read_closed() || event.is_error() {
                self.read(link, listener);
            }
        }
        self.events = events;
        self.flush();
        Ok(())
    }

    fn flush(&mut self) {
        while let Some(link) = self.outbox.dirty.pop() {
            let queue = &mut self.outbox.queues[link];
            queue.dirty = false;
            let Some(stream) = &mut self.links[link].stream else {
                queue.bytes.clear();
                continue;
            };
            while queue.written < queue.bytes.len() {
                match stream.write(&queue.bytes[queue.written..]) {
                    Ok(count) => queue.written += count,
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    // The writable event brings the connection back here.
                    Err(error) if is_patience(&error) => break,
                    Err(_) => queue.written = queue.bytes.len(),
                }
            }
            if queue.written == queue.bytes.len() {
                queue.bytes.clear();
                queue.written = 0;
            }
        }
    }

    fn read<L: Listener>(&mut self, link: usize, listener: &mut L) {
        loop {
            let Some(stream) = &mut self.links[link].stream else { return };
            match stream.read(&mut self.buffer) {
                Ok(0) => {
                    self.links[link].stream = None;
                    self.closed += 1;
                    return;
                }
                Ok(count) => {
                    listener.readable();
                    let bytes = &self.buffer[..count];
                    let deliver = |packet: Packet<'_>| listener.packet(link, packet, &mut self.outbox);
                    self.links[link].accept(bytes, L::WHOLE, deliver);
                    // A short read of a stream socket has emptied it; the next edge will be reported.
                    if count < self.buffer.len() {
                        return;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if is_patience(&error) => return,
                Err(_) => {
                    self.links[link].stream = None;
                    self.closed += 1;
                    return;
                }
            }
        }
    }
}

fn is_patience(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::NotConnected)
}

impl Link {
    /// Cuts bytes into packets; an unfinished one waits in `partial`.
    fn accept(&mut self, mut bytes: &[u8], whole: bool, mut deliver: impl FnMut(Packet<'_>)) {
        if self.skip > 0 {
            let skipped = self.skip.min(bytes.len());
            self.skip -= skipped;
            bytes = &bytes[skipped..];
            if self.skip > 0 {
                return;
            }
            if let Some((first, head, _)) = wire::header(&self.partial) {
                deliver(Packet { first, body: &self.partial[head..] });
            }
            self.partial.clear();
        }
        if self.partial.is_empty() {
            let used = self.cut(bytes, &mut deliver);
            self.keep(&bytes[used..], whole);
        } else {
            let mut gathered = std::mem::take(&mut self.partial);
            gathered.extend_from_slice(bytes);
            let used = self.cut(&gathered, &mut deliver);
            self.keep(&gathered[used..], whole);
        }
    }

    /// Delivers every whole packet and returns how many bytes they were.
    #[inline]
    fn cut(&mut self, bytes: &[u8], deliver: &mut impl FnMut(Packet<'_>)) -> usize {
        let mut at = 0;
        while let Some((first, head, length)) = wire::header(&bytes[at..]) {
            let Some(body) = bytes.get(at + head..at + head + length) else { break };
            deliver(Packet { first, body });
            at += head + length;
        }
        at
    }

    /// Keeps an unfinished packet, or only the beginning of a long one.
    fn keep(&mut self, rest: &[u8], whole: bool) {
        let long = wire::header(rest)
            .map(|(_, head, length)| head + length)
            .filter(|total| !whole && *total > GATHER && rest.len() >= KEPT);
        match long {
            Some(total) => {
                self.skip = total - rest.len();
                self.partial.extend_from_slice(&rest[..KEPT]);
            }
            None => self.partial.extend_from_slice(rest),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{Delivery, Stamp, Template};

    fn cut_in_pieces(bytes: &[u8], piece: usize, whole: bool) -> Vec<u64> {
        let mut link = Link { stream: None, partial: Vec::new(), skip: 0 };
        let mut sequences = Vec::new();
        for part in bytes.chunks(piece) {
            link.accept(part, whole, |packet| {
                let (_, _, payload) = packet.publish().unwrap();
                sequences.push(Stamp::read(payload).unwrap().sequence);
            });
        }
        assert!(link.partial.is_empty());
        sequences
    }

    #[test]
    fn packets_are_found_however_the_stream_is_cut() {
        let short = Template::new("a", 64, Delivery { qos: 0, retain: false });
        let long = Template::new("b", 100 * 1024, Delivery { qos: 0, retain: false });
        let mut bytes = Vec::new();
        for sequence in 0..6 {
            let template = if sequence % 3 == 1 { &long } else { &short };
            template.append(Stamp { publisher: 0, sequence, sent: 0 }, &mut bytes);
        }
        for piece in [1, 7, 85, 4096, 65_536, bytes.len()] {
            for whole in [false, true] {
                assert_eq!(cut_in_pieces(&bytes, piece, whole), [0, 1, 2, 3, 4, 5], "pieces of {piece}");
            }
        }
    }
}
