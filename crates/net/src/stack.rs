//! The filters of one connection, and the bytes that wait between them and their two ends.

use crate::filter::{Fault, Filter, Received};
use crate::peer::Peer;
use std::cell::RefCell;
use std::io::{self, IoSlice, Read, Write};

/// Bytes read from a socket at once.
const READ_SIZE: usize = 64 * 1024;
/// Fewer are not worth a system call; a whole record of TLS fits.
const LEAST_READ: usize = 17 * 1024;
/// Bytes from above that are wrapped at once. No more are taken before all of them are written.
const WRITE_SIZE: usize = 32 * 1024;
/// Pieces from this size on are wrapped where they are; smaller ones are put together first.
const WRAP_IN_PLACE: usize = 16 * 1024;
/// Nothing is read while so many bytes wait to be written: the other side asks for answers and takes none.
const OWN_MOST: usize = 64 * 1024;
/// Room that each of a thread's buffers keeps.
const SCRATCH_KEPT: usize = 128 * 1024;

/// The filters of one connection. While nothing waits they own no buffers.
#[derive(Debug, Default)]
pub(crate) struct Filters {
    /// From the wire upwards.
    filters: Vec<Box<dyn Filter>>,
    /// For the reader, from `taken` on.
    plain: Vec<u8>,
    taken: usize,
    /// For the socket, from `written` on.
    output: Vec<u8>,
    written: usize,
    /// The last read filled its buffer: the socket may have more and will not say so.
    more: bool,
    /// Nothing more comes from the other side.
    ended: bool,
    /// What a filter found, and where it stood.
    fault: Option<(usize, Fault)>,
    /// Every filter has said good-bye.
    closed: bool,
    /// Where the other side really is, as a filter has learned.
    peer: Option<Peer>,
}

/// Buffers of a thread; what is in them means nothing between two uses.
#[derive(Debug, Default)]
struct Scratch {
    wire: Vec<u8>,
    gathered: Vec<u8>,
    from: Vec<u8>,
    to: Vec<u8>,
    output: Vec<u8>,
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

impl Filters {
    pub(crate) fn new(filters: Vec<Box<dyn Filter>>) -> Self {
        Self { filters, ..Self::default() }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &dyn Filter> {
        self.filters.iter().map(|filter| &**filter)
    }

    /// True when the connection needs no filters any more.
    pub(crate) fn are_done(&self) -> bool {
        self.filters.is_empty() && !self.wants_write() && !self.has_buffered()
    }

    /// What must happen before anything goes through; none when it has, or never will.
    pub(crate) fn waits_for(&self) -> Option<&'static str> {
        if self.fault.is_some() {
            return None;
        }
        self.iter().find_map(|filter| filter.waits_for())
    }

    /// Where the other side really is, when that was learned since the last call.
    pub(crate) fn take_peer(&mut self) -> Option<Peer> {
        self.peer.take()
    }

    /// Reading may bring something, or an end, though the socket reports nothing new.
    pub(crate) fn has_buffered(&self) -> bool {
        let more = self.more && !self.is_stuck();
        self.taken < self.plain.len() || self.ended || self.fault.is_some() || more
    }

    /// Bytes wait for the socket.
    pub(crate) fn wants_write(&self) -> bool {
        self.written < self.output.len()
    }

    fn is_stuck(&self) -> bool {
        self.output.len() - self.written > OWN_MOST
    }

    /// Reads from the socket once at most. `WouldBlock` does not say that the socket is empty: see
    /// [`has_buffered`](Self::has_buffered).
    pub(crate) fn read(&mut self, socket: &mut (impl Read + Write), buffer: &mut [u8]) -> io::Result<usize> {
        if self.taken == self.plain.len() && !self.ended && self.fault.is_none() {
            self.fill(socket, buffer.len())?;
        }
        let waiting = &self.plain[self.taken..];
        let count = waiting.len().min(buffer.len());
        buffer[..count].copy_from_slice(&waiting[..count]);
        self.taken += count;
        if self.taken == self.plain.len() {
            self.plain = Vec::new();
            self.taken = 0;
        }
        match &self.fault {
            _ if count > 0 => Ok(count),
            Some((_, fault)) => Err(broken(fault)),
            None if self.ended => Ok(0),
            None => Err(io::ErrorKind::WouldBlock.into()),
        }
    }

    /// Reads from the socket and hands what came through the filters.
    fn fill(&mut self, socket: &mut (impl Read + Write), wanted: usize) -> io::Result<()> {
        if self.is_stuck() {
            self.flush(socket)?;
        }
        SCRATCH.with_borrow_mut(|scratch| {
            let mut wire = std::mem::take(&mut scratch.wire);
            wire.resize(READ_SIZE, 0);
            let space = &mut wire[..wanted.clamp(LEAST_READ, READ_SIZE)];
            let outcome = socket.read(space);
            self.more = matches!(outcome, Ok(count) if count == space.len());
            match outcome {
                Ok(0) => self.ended = true,
                Ok(count) => self.take_in(&mut space[..count], scratch),
                Err(_) => {}
            }
            scratch.wire = wire;
            scratch.trim();
            outcome.map(|_| ())
        })?;
        match self.flush(socket) {
            // The socket reports when it takes more.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
            // What was said before the connection broke counts; the next read shows that it is broken.
            Err(_) if !self.plain.is_empty() || self.fault.is_some() => Ok(()),
            outcome => outcome,
        }
    }

    /// Hands bytes from the wire up through every filter.
    fn take_in(&mut self, wire: &mut [u8], scratch: &mut Scratch) {
        let Scratch { from, to, output, .. } = scratch;
        let mut wire = Some(wire);
        let mut position = 0;
        while position < self.filters.len() {
            let filter = &mut self.filters[position];
            let bytes = wire.take().unwrap_or(from.as_mut_slice());
            if bytes.is_empty() {
                return;
            }
            to.clear();
            output.clear();
            let outcome = filter.receive(bytes, to, output);
            self.peer = filter.peer().or(self.peer);
            std::mem::swap(from, to);
            self.send_down(position, output, to);
            match outcome {
                Ok(Received::Done) => {
                    self.filters.remove(position);
                    continue;
                }
                Ok(Received::More) => {}
                Ok(Received::End) => self.ended = true,
                Err(fault) => self.fail(position, fault),
            }
            position += 1;
        }
        self.plain.extend_from_slice(wire.unwrap_or(from.as_mut_slice()));
    }

    /// The first fault counts.
    fn fail(&mut self, position: usize, fault: Fault) {
        self.fault.get_or_insert((position, fault));
    }

    /// Sends bytes that the filter at `position` makes through those below it, to the output. `spare` is used for nothing else.
    fn send_down(&mut self, position: usize, bytes: &mut Vec<u8>, spare: &mut Vec<u8>) {
        for below in (0..position).rev() {
            if bytes.is_empty() || self.fault.as_ref().is_some_and(|(broken, _)| *broken == below) {
                return;
            }
            spare.clear();
            let outcome = self.filters[below].send(bytes, spare);
            std::mem::swap(bytes, spare);
            if let Err(fault) = outcome {
                self.fail(below, fault);
            }
        }
        self.output.extend_from_slice(bytes);
    }

    /// Wraps what is in `chunks`, as much as may be taken at once, and writes what the socket takes of that. Gives how much
    /// was taken: it counts as written.
    pub(crate) fn write(
        &mut self,
        socket: &mut (impl Read + Write),
        chunks: &[IoSlice<'_>],
    ) -> io::Result<usize> {
        self.flush(socket)?;
        if let Some((_, fault)) = &self.fault {
            return Err(broken(fault));
        }
        SCRATCH.with_borrow_mut(|scratch| {
            self.output = std::mem::take(&mut scratch.output);
            self.output.clear();
            let taken = self.wrap(chunks, scratch);
            let outcome = self.flush_some(socket);
            let rest = self.output[self.written..].to_vec();
            scratch.output = std::mem::replace(&mut self.output, rest);
            self.written = 0;
            scratch.trim();
            match outcome {
                Err(error) if error.kind() != io::ErrorKind::WouldBlock => Err(error),
                _ => Ok(taken),
            }
        })
    }

    fn wrap(&mut self, chunks: &[IoSlice<'_>], scratch: &mut Scratch) -> usize {
        let Scratch { gathered, from, to, .. } = scratch;
        gathered.clear();
        let top = self.filters.len();
        let mut taken = 0;
        for chunk in chunks {
            let part = &chunk[..chunk.len().min(WRITE_SIZE - taken)];
            taken += part.len();
            if part.len() < WRAP_IN_PLACE {
                gathered.extend_from_slice(part);
                continue;
            }
            for bytes in [&gathered[..], part] {
                self.send_from_top(top, bytes, from, to);
            }
            gathered.clear();
        }
        self.send_from_top(top, gathered, from, to);
        taken
    }

    fn send_from_top(&mut self, top: usize, bytes: &[u8], from: &mut Vec<u8>, to: &mut Vec<u8>) {
        if bytes.is_empty() || self.fault.is_some() {
            return;
        }
        let Some(above) = top.checked_sub(1) else {
            self.output.extend_from_slice(bytes);
            return;
        };
        from.clear();
        // The lowest filter writes where the socket is written from.
        let into = if above == 0 { &mut self.output } else { &mut *from };
        if let Err(fault) = self.filters[above].send(bytes, into) {
            self.fail(above, fault);
        }
        if above > 0 {
            self.send_down(above, from, to);
        }
    }

    /// Writes what waits for the socket.
    ///
    /// # Errors
    /// `WouldBlock` when not all of it could be written, or what the system says.
    pub(crate) fn flush(&mut self, socket: &mut impl Write) -> io::Result<()> {
        if !self.wants_write() {
            return Ok(());
        }
        self.flush_some(socket)?;
        self.output = Vec::new();
        self.written = 0;
        Ok(())
    }

    fn flush_some(&mut self, socket: &mut impl Write) -> io::Result<()> {
        while self.wants_write() {
            match socket.write(&self.output[self.written..]) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => self.written += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Lets every filter say good-bye, and writes that.
    ///
    /// # Errors
    /// `WouldBlock` when not all of it could be written, or what the system says.
    pub(crate) fn close(&mut self, socket: &mut impl Write) -> io::Result<()> {
        if !self.closed {
            self.closed = true;
            let open = self.fault.as_ref().map_or(self.filters.len(), |(broken, _)| *broken);
            let (mut bytes, mut spare) = (Vec::new(), Vec::new());
            for position in (0..open).rev() {
                bytes.clear();
                self.filters[position].close(&mut bytes);
                self.send_down(position, &mut bytes, &mut spare);
            }
        }
        self.flush(socket)
    }
}

impl Scratch {
    /// Gives back what an unusual connection has needed.
    fn trim(&mut self) {
        for buffer in [&mut self.from, &mut self.to, &mut self.output] {
            if buffer.capacity() > SCRATCH_KEPT {
                *buffer = Vec::new();
            }
        }
    }
}

fn broken(fault: &Fault) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, fault.clone())
}
