//! One connection's socket and the bytes around it.

use crate::auth::Exchange;
use crate::driver::READ_SIZE;
use crate::entrance::Entry;
use crate::large::{LARGE_FROM, Large, Pool};
use crate::trace::Tracer;
use bytes::Bytes;
use darter_codec::frame::{self, Scan};
use darter_engine::{LinkId, Output};
use darter_net::{Fault, Stream};
use std::io::{self, IoSlice, Read, Write};

#[derive(Debug)]
pub(crate) struct Conn {
    pub(crate) stream: Stream,
    pub(crate) entry: Entry,
    pub(crate) link: LinkId,
    /// Enhanced authentication that is going on.
    pub(crate) exchange: Option<Box<dyn Exchange>>,
    /// The start of an unfinished packet, smaller than [`LARGE_FROM`]; or bytes that must wait, and reading with them.
    pub(crate) input: Vec<u8>,
    /// A packet larger than a read, while it arrives; `input` is empty then.
    pub(crate) large: Option<Box<Large>>,
    /// How long `input` must be before it is worth looking at.
    pub(crate) wanted: usize,
    /// The socket takes no more until it reports that it is writable.
    pub(crate) blocked: bool,
    /// Reading waits until the client has read what it was sent.
    pub(crate) paused: bool,
    /// In the shard's list of connections to read from again.
    pub(crate) listed: bool,
    /// Looks at what comes and goes, while somebody follows the client.
    pub(crate) tracer: Option<Box<Tracer>>,
    /// The other side has ended its direction, or an error was reported.
    pub(crate) ending: bool,
}

/// What reading once brought.
pub(crate) enum ReadOutcome {
    /// This many bytes; `more` when the socket may hold others.
    Bytes { count: usize, more: bool },
    /// Nothing now.
    Empty,
    /// Nothing yet, but reading again may bring something.
    Again,
    /// The connection is over; a filter may have said why.
    Over(Option<Fault>),
}

/// What the engine can be given after a read.
pub(crate) enum Arrived<'a> {
    /// Nothing yet: a packet has grown.
    Part,
    /// What was kept and what was read.
    Bytes(&'a [u8]),
    /// One large packet, whole, to be shared by its receivers.
    Packet(Bytes),
}

/// What reading for nothing brought.
pub(crate) enum Discarded {
    /// Bytes.
    Some,
    /// Nothing now.
    Nothing,
    /// The other side sends no more.
    End,
    /// The connection is broken.
    Failed,
}

impl Conn {
    pub(crate) fn new(stream: Stream, entry: Entry, link: LinkId) -> Self {
        let blocked = stream.wants_write();
        Self {
            stream,
            entry,
            link,
            exchange: None,
            input: Vec::new(),
            large: None,
            wanted: 0,
            blocked,
            paused: false,
            listed: false,
            tracer: None,
            ending: false,
        }
    }

    /// Reads once: the rest of a large packet into its own buffer, everything else into `buffer`, behind the place
    /// where the bytes kept from earlier reads may go.
    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> ReadOutcome {
        let start = self.input.len();
        let space = match &mut self.large {
            Some(large) => large.space(),
            None => &mut buffer[start..start + READ_SIZE],
        };
        let wanted = space.len();
        let outcome = read_some(&mut self.stream, space);
        if self.stream.is_filtered() {
            return self.filtered(outcome);
        }
        match outcome {
            Ok(0) => ReadOutcome::Over(None),
            Ok(count) => ReadOutcome::Bytes { count, more: count == wanted || self.ending },
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => ReadOutcome::Empty,
            Err(_) => ReadOutcome::Over(None),
        }
    }

    /// What reading through filters brought. They may have something to write themselves, and may have more to read.
    fn filtered(&mut self, outcome: io::Result<usize>) -> ReadOutcome {
        let more = self.stream.has_buffered();
        if self.stream.wants_write() {
            self.blocked = true;
            // Where so much of it waits that nothing is read, reading goes on when it is written.
            self.paused |= !more;
        }
        match outcome {
            Ok(0) => ReadOutcome::Over(None),
            Ok(count) => ReadOutcome::Bytes { count, more: more || self.ending },
            Err(error) if error.kind() == io::ErrorKind::WouldBlock && more => ReadOutcome::Again,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => ReadOutcome::Empty,
            Err(error) => {
                let cause = error.get_ref().and_then(|cause| cause.downcast_ref());
                ReadOutcome::Over(cause.cloned())
            }
        }
    }

    /// What the engine can be given after `count` bytes were read with [`read`](Self::read).
    pub(crate) fn arrived<'a>(&mut self, buffer: &'a mut [u8], count: usize) -> Arrived<'a> {
        if let Some(large) = &mut self.large {
            large.fill(count);
            let whole = self.large.take_if(|large| large.is_whole());
            return whole.map_or(Arrived::Part, |large| Arrived::Packet(large.into_bytes()));
        }
        let start = self.input.len();
        let end = start + count;
        if end < self.wanted {
            self.input.extend_from_slice(&buffer[start..end]);
            return Arrived::Part;
        }
        buffer[..start].copy_from_slice(&self.input);
        Arrived::Bytes(&buffer[..end])
    }

    /// Everything was consumed: whatever comes next is worth looking at.
    pub(crate) fn keep_nothing(&mut self) {
        self.input = Vec::new();
        self.wanted = 0;
    }

    /// Keeps what was not consumed because it must wait.
    pub(crate) fn keep_whole(&mut self, rest: &[u8]) {
        self.input.clear();
        self.input.extend_from_slice(rest);
        self.wanted = 0;
    }

    /// Keeps the start of a packet that is no larger than it may be; what was kept before is part of `rest`.
    pub(crate) fn keep_start(&mut self, rest: &[u8], pool: &Pool) {
        self.wanted = match frame::scan(rest, usize::MAX) {
            Ok(Scan::Partial { total: Some(total) }) => total,
            Ok(Scan::Partial { total: None }) => rest.len() + 1,
            Ok(Scan::Complete(_)) | Err(_) => 0,
        };
        if self.wanted >= LARGE_FROM {
            self.large = Some(Box::new(pool.begin(self.wanted, rest)));
            self.input = Vec::new();
            self.wanted = 0;
        } else {
            self.input.clear();
            self.input.extend_from_slice(rest);
        }
    }

    /// Reads once and throws away what came.
    pub(crate) fn discard(&mut self, buffer: &mut [u8]) -> Discarded {
        loop {
            match self.stream.discard(buffer) {
                Ok(0) => return Discarded::End,
                Ok(_) => return Discarded::Some,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Discarded::Nothing,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return Discarded::Failed,
            }
        }
    }

    /// Writes as much of `output` as the socket takes; returns bytes written.
    pub(crate) fn write(&mut self, output: &mut Output) -> io::Result<usize> {
        if !self.stream.is_filtered() {
            return self.write_out(output);
        }
        match self.stream.flush() {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.blocked = true;
                return Ok(0);
            }
            Err(error) => return Err(error),
        }
        let total = self.write_out(output)?;
        self.blocked |= self.stream.wants_write();
        Ok(total)
    }

    fn write_out(&mut self, output: &mut Output) -> io::Result<usize> {
        let mut total = 0;
        while !output.is_empty() {
            match write_once(&mut self.stream, output) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => {
                    total += count;
                    if let Some(tracer) = &mut self.tracer {
                        trace_sent(tracer, output, count);
                    }
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
        if let Some(tracer) = &mut self.tracer
            && output.is_empty()
        {
            tracer.all_sent();
        }
        Ok(total)
    }
}

/// Shows the tracer the first `count` bytes of the output, which were written.
fn trace_sent(tracer: &mut Tracer, output: &Output, mut count: usize) {
    for chunk in output.chunks() {
        let written = &chunk[..chunk.len().min(count)];
        tracer.sent(written);
        count -= written.len();
        if count == 0 {
            return;
        }
    }
}

fn read_some(stream: &mut Stream, space: &mut [u8]) -> io::Result<usize> {
    loop {
        match stream.read(space) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            outcome => return outcome,
        }
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
