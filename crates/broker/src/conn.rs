//! One connection's socket and the bytes around it.

use crate::large::{LARGE_FROM, Large, Pool};
use bytes::Bytes;
use darter_codec::frame::{self, Scan};
use darter_engine::{LinkId, Output};
use darter_net::Stream;
use std::io::{self, IoSlice, Read, Write};
use std::net::SocketAddr;

#[derive(Debug)]
pub(crate) struct Conn {
    pub(crate) stream: Stream,
    pub(crate) address: SocketAddr,
    pub(crate) link: LinkId,
    /// Bytes of an unfinished packet, or of packets that must wait.
    pub(crate) input: Vec<u8>,
    /// A packet larger than a read, while it arrives; `input` is empty then.
    pub(crate) large: Option<Box<Large>>,
    /// How long `input` must be before it is worth looking at.
    pub(crate) wanted: usize,
    /// The socket takes no more until it reports that it is writable.
    pub(crate) blocked: bool,
    /// Reading waits until the client has read what it was sent.
    pub(crate) paused: bool,
    /// The other side has ended its direction, or an error was reported.
    pub(crate) ending: bool,
}

/// What reading once brought.
pub(crate) enum ReadOutcome {
    /// This many bytes; `more` when the socket may hold others.
    Bytes { count: usize, more: bool },
    /// Nothing now.
    Empty,
    /// The connection is over.
    Over,
}

impl Conn {
    pub(crate) fn new(stream: Stream, address: SocketAddr, link: LinkId) -> Self {
        let input = Vec::new();
        Self {
            stream,
            address,
            link,
            input,
            large: None,
            wanted: 0,
            blocked: false,
            paused: false,
            ending: false,
        }
    }

    /// Reads once: the rest of a large packet into its own buffer, everything else into `buffer`.
    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> ReadOutcome {
        let space = self.large.as_mut().map_or(buffer, |large| large.space());
        let wanted = space.len();
        let count = loop {
            match self.stream.read(space) {
                Ok(0) => return ReadOutcome::Over,
                Ok(count) => break count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return ReadOutcome::Empty,
                Err(_) => return ReadOutcome::Over,
            }
        };
        if let Some(large) = &mut self.large {
            large.fill(count);
        }
        ReadOutcome::Bytes { count, more: count == wanted || self.ending }
    }

    /// Keeps what was not consumed because it must wait.
    pub(crate) fn keep_whole(&mut self, rest: &[u8]) {
        self.input.extend_from_slice(rest);
        self.wanted = 0;
    }

    /// Keeps the start of a packet that is no larger than it may be.
    pub(crate) fn keep_start(&mut self, rest: &[u8], pool: &Pool) {
        self.input.extend_from_slice(rest);
        self.wanted = match frame::scan(&self.input, usize::MAX) {
            Ok(Scan::Partial { total: Some(total) }) => total,
            Ok(Scan::Partial { total: None }) => self.input.len() + 1,
            Ok(Scan::Complete(_)) | Err(_) => 0,
        };
        if self.wanted >= LARGE_FROM {
            self.large = Some(Box::new(pool.begin(self.wanted, &self.input)));
            self.input = Vec::new();
        }
    }

    /// All kept bytes, if there are enough for a whole packet.
    pub(crate) fn take_input(&mut self) -> Option<Bytes> {
        if let Some(large) = self.large.take_if(|large| large.is_whole()) {
            return Some(large.into_bytes());
        }
        let enough = !self.input.is_empty() && self.input.len() >= self.wanted;
        enough.then(|| Bytes::from(std::mem::take(&mut self.input)))
    }

    /// Writes as much of `output` as the socket takes; returns bytes written.
    pub(crate) fn write(&mut self, output: &mut Output) -> io::Result<usize> {
        let mut total = 0;
        while !output.is_empty() {
            match write_once(&mut self.stream, output) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => {
                    total += count;
                    output.advance(count);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.blocked = true;
                    break;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(total)
    }
}

/// Chunks handed to the system in one call.
const CHUNKS: usize = 64;

fn write_once(stream: &mut Stream, output: &Output) -> io::Result<usize> {
    let mut slices = [IoSlice::new(&[]); CHUNKS];
    let mut count = 0;
    for (slice, chunk) in slices.iter_mut().zip(output.chunks()) {
        *slice = IoSlice::new(chunk);
        count += 1;
    }
    match &slices[..count] {
        [one] => stream.write(one),
        several => stream.write_vectored(several),
    }
}
