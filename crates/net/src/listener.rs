//! Listening sockets.

use crate::stream::Stream;
use mio::event::Source;
use mio::{Interest, Registry, Token};
use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::SocketAddr;
use thiserror::Error;

/// Connections that may wait to be accepted; the system may allow fewer.
const BACKLOG: i32 = 4096;

/// A listening TCP socket that never blocks.
#[derive(Debug)]
pub struct Listener {
    inner: mio::net::TcpListener,
    address: SocketAddr,
}

/// Why an address cannot be listened on.
#[derive(Debug, Error)]
pub enum BindError {
    /// Another program has the port.
    #[error("port {port} on {ip} is in use by another program; stop it, or choose another port with --port", port = .0.port(), ip = .0.ip())]
    InUse(SocketAddr),
    /// The address is not one of this computer.
    #[error("{} is not an address of this computer; --bind takes one that is, or 0.0.0.0 for all", .0.ip())]
    NotHere(SocketAddr),
    /// The system does not let this user have the port.
    #[error("no permission to listen on {0}; ports below 1024 need more rights, 1883 does not")]
    Denied(SocketAddr),
    /// Anything else that the system says.
    #[error("cannot listen on {address}: {source}")]
    Other {
        /// The address asked for.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
}

impl Listener {
    /// Listens on `address`; port 0 lets the system choose one.
    ///
    /// # Errors
    /// When the system refuses the address or the port.
    pub fn bind(address: SocketAddr) -> Result<Self, BindError> {
        Self::open(address).map_err(|source| match source.kind() {
            io::ErrorKind::AddrInUse => BindError::InUse(address),
            io::ErrorKind::AddrNotAvailable => BindError::NotHere(address),
            io::ErrorKind::PermissionDenied => BindError::Denied(address),
            _ => BindError::Other { address, source },
        })
    }

    fn open(address: SocketAddr) -> io::Result<Self> {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        if address.is_ipv6() {
            socket.set_only_v6(true)?;
        }
        #[cfg(unix)]
        socket.set_reuse_address(true)?;
        socket.set_nonblocking(true)?;
        socket.bind(&address.into())?;
        socket.listen(BACKLOG)?;
        Self::from_std(socket.into())
    }

    fn from_std(inner: std::net::TcpListener) -> io::Result<Self> {
        let address = inner.local_addr()?;
        Ok(Self { inner: mio::net::TcpListener::from_std(inner), address })
    }

    /// The address it listens on, with the port the system chose.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The next connection, if one waits.
    ///
    /// # Errors
    /// `WouldBlock` when none waits; whatever else accepting can fail with, such as too many open files.
    pub fn accept(&self) -> io::Result<(Stream, SocketAddr)> {
        let (stream, peer) = self.inner.accept()?;
        stream.set_nodelay(true)?;
        Ok((Stream::from(stream), peer))
    }

    /// Tells `registry` to report connections that wait as `token`.
    ///
    /// # Errors
    /// What the system says.
    pub fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        self.inner.register(registry, token, Interest::READABLE)
    }
}

#[cfg(unix)]
impl Listener {
    /// The same listening socket for another thread.
    ///
    /// # Errors
    /// What the system says.
    pub fn try_clone(&self) -> io::Result<Self> {
        use std::os::fd::AsFd;
        let fd = self.inner.as_fd().try_clone_to_owned()?;
        Self::from_std(std::net::TcpListener::from(fd))
    }
}

#[cfg(windows)]
impl Listener {
    /// The same listening socket for another thread.
    ///
    /// # Errors
    /// What the system says.
    pub fn try_clone(&self) -> io::Result<Self> {
        use std::os::windows::io::AsSocket;
        let socket = self.inner.as_socket().try_clone_to_owned()?;
        Self::from_std(std::net::TcpListener::from(socket))
    }
}
