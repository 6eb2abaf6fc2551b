//! A connection of any transport.

use crate::filter::{Fault, Layer};
use crate::peer::{CertificateNames, Peer};
use crate::stack::Filters;
use mio::event::Source;
use mio::{Interest, Registry, Token};
use std::io::{self, IoSlice, Read, Write};
use std::net::Shutdown;
use std::sync::Arc;

/// A connected byte stream that never blocks: a socket, and the filters that its bytes go through.
///
/// A read that is shorter than its buffer has emptied a bare socket. With filters it has not: more may be had whenever
/// [`has_buffered`](Self::has_buffered) says so, and bytes of the filters' own wait to be written whenever
/// [`wants_write`](Self::wants_write) says so, until [`flush`](Write::flush) has written them. Without filters both say no.
#[derive(Debug)]
pub struct Stream {
    socket: Socket,
    filters: Option<Box<Filters>>,
    peer: Peer,
}

#[derive(Debug)]
enum Socket {
    Tcp(mio::net::TcpStream),
    #[cfg(unix)]
    Unix(mio::net::UnixStream),
}

/// Does the same with the socket, whichever it is.
macro_rules! socket {
    ($socket:expr, $stream:ident => $does:expr) => {
        match $socket {
            Socket::Tcp($stream) => $does,
            #[cfg(unix)]
            Socket::Unix($stream) => $does,
        }
    };
}

impl Stream {
    /// A TCP connection from `peer`.
    #[must_use]
    pub fn tcp(stream: mio::net::TcpStream, peer: Peer) -> Self {
        Self { socket: Socket::Tcp(stream), filters: None, peer }
    }

    /// A connection through a Unix socket, from `peer`.
    #[cfg(unix)]
    #[must_use]
    pub fn unix(stream: mio::net::UnixStream, peer: Peer) -> Self {
        Self { socket: Socket::Unix(stream), filters: None, peer }
    }

    /// Puts a filter of each layer, from the wire upwards, between the socket and its reader. Before the first byte.
    ///
    /// # Errors
    /// When a layer does not want the connection.
    pub fn put_on(&mut self, layers: &[Arc<dyn Layer>]) -> Result<(), Fault> {
        if !layers.is_empty() {
            let filters = layers.iter().map(|layer| layer.begin(self.peer)).collect::<Result<_, _>>()?;
            self.filters = Some(Box::new(Filters::new(filters)));
        }
        Ok(())
    }

    /// Where the other side is: behind a trusted proxy, what the proxy says, once it has.
    #[must_use]
    pub fn peer(&self) -> Peer {
        self.peer
    }

    /// The names in the other side's certificate, if it has one that was checked.
    #[must_use]
    pub fn certificate(&self) -> Option<&CertificateNames> {
        self.filters.as_ref()?.iter().find_map(|filter| filter.certificate())
    }

    /// What must happen before anything can be read, in plain words, such as the end of a hand-shake; none when it has, or
    /// when a filter has given the connection up.
    #[must_use]
    pub fn waits_for(&self) -> Option<&'static str> {
        self.filters.as_ref()?.waits_for()
    }

    /// True when its bytes go through filters.
    #[must_use]
    pub fn is_filtered(&self) -> bool {
        self.filters.is_some()
    }

    /// Reading may bring something, or an end, though the socket reports nothing new.
    #[must_use]
    pub fn has_buffered(&self) -> bool {
        self.filters.as_ref().is_some_and(|filters| filters.has_buffered())
    }

    /// Bytes of the filters' own, or such that were taken to be written, wait until the socket takes more.
    #[must_use]
    pub fn wants_write(&self) -> bool {
        self.filters.as_ref().is_some_and(|filters| filters.wants_write())
    }

    /// Reports everything that happens to it as `token`, edge-triggered, for as long as it is open.
    ///
    /// # Errors
    /// What the system says.
    pub fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        let both = Interest::READABLE | Interest::WRITABLE;
        socket!(&mut self.socket, stream => stream.register(registry, token, both))
    }

    /// Reports nothing any more.
    ///
    /// # Errors
    /// What the system says.
    pub fn deregister(&mut self, registry: &Registry) -> io::Result<()> {
        socket!(&mut self.socket, stream => stream.deregister(registry))
    }

    /// Says that nothing more will be written, in the words of every filter and of the socket.
    ///
    /// # Errors
    /// `WouldBlock` when the filters' last words could not be written yet: call again when the socket takes more. Or what the
    /// system says.
    pub fn shut_write(&mut self) -> io::Result<()> {
        if let Some(filters) = &mut self.filters {
            filters.close(&mut self.socket)?;
        }
        socket!(&self.socket, stream => stream.shutdown(Shutdown::Write))
    }

    /// Reads from the socket and throws away what came, whatever it means to the filters.
    ///
    /// # Errors
    /// `WouldBlock` when nothing is there, or what the system says.
    pub fn discard(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.socket.read(buffer)
    }

    fn read_filtered(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(filters) = &mut self.filters else { return self.socket.read(buffer) };
        let outcome = filters.read(&mut self.socket, buffer);
        self.peer = filters.take_peer().unwrap_or(self.peer);
        if filters.are_done() {
            self.filters = None;
        }
        outcome
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.filters {
            None => self.socket.read(buffer),
            Some(_) => self.read_filtered(buffer),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.filters {
            None => self.socket.write(bytes),
            Some(filters) => filters.write(&mut self.socket, &[IoSlice::new(bytes)]),
        }
    }

    /// Whatever was taken counts as written. With filters some of it may wait for the socket still.
    fn write_vectored(&mut self, chunks: &[IoSlice<'_>]) -> io::Result<usize> {
        match &mut self.filters {
            None => self.socket.write_vectored(chunks),
            Some(filters) => filters.write(&mut self.socket, chunks),
        }
    }

    /// Writes what waits.
    fn flush(&mut self) -> io::Result<()> {
        match &mut self.filters {
            None => Ok(()),
            Some(filters) => filters.flush(&mut self.socket),
        }
    }
}

impl Read for Socket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        socket!(self, stream => stream.read(buffer))
    }
}

impl Write for Socket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        socket!(self, stream => stream.write(bytes))
    }

    fn write_vectored(&mut self, chunks: &[IoSlice<'_>]) -> io::Result<usize> {
        socket!(self, stream => stream.write_vectored(chunks))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
