//! One connection's socket and the bytes around it.

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
        Self { stream, address, link, input, wanted: 0, blocked: false, paused: false, ending: false }
    }

    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> ReadOutcome {
        loop {
            match self.stream.read(buffer) {
                Ok(0) => return ReadOutcome::Over,
                Ok(count) => return ReadOutcome::Bytes { count, more: count == buffer.len() || self.ending },
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return ReadOutcome::Empty,
                Err(_) => return ReadOutcome::Over,
            }
        }
    }

    /// Keeps what was not consumed.
    pub(crate) fn keep(&mut self, rest: &[u8]) {
        self.input.extend_from_slice(rest);
        self.set_wanted();
    }

    /// All kept bytes, if there are enough for a whole packet.
    pub(crate) fn take_input(&mut self) -> Option<Bytes> {
        let enough = !self.input.is_empty() && self.input.len() >= self.wanted;
        enough.then(|| Bytes::from(std::mem::take(&mut self.input)))
    }

    fn set_wanted(&mut self) {
        self.wanted = match frame::scan(&self.input, usize::MAX) {
            Ok(Scan::Partial { total: Some(total) }) => total,
            Ok(Scan::Partial { total: None }) => self.input.len() + 1,
            Ok(Scan::Complete(_)) | Err(_) => 0,
        };
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
