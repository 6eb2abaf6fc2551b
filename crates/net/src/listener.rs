//! Listening sockets.

use crate::address::Address;
use crate::peer::Peer;
#[cfg(unix)]
use crate::socket_file::SocketFile;
use crate::stream::Stream;
use mio::event::Source;
use mio::{Interest, Registry, Token};
use socket2::{Domain, Protocol, Type};
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
#[cfg(unix)]
use std::{path::Path, sync::Arc};
use thiserror::Error;

/// Connections that may wait to be accepted; the system may allow fewer.
const BACKLOG: i32 = 4096;

/// A listening socket that never blocks. The file of a Unix socket goes with the last of its clones.
#[derive(Debug)]
pub struct Listener {
    socket: Socket,
    address: Address,
}

#[derive(Debug)]
enum Socket {
    Tcp(mio::net::TcpListener),
    #[cfg(unix)]
    Unix(mio::net::UnixListener, Arc<SocketFile>),
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
    /// Another program has the Unix socket.
    #[error("{} is the socket of another program that runs; stop it, or choose another path", .0.display())]
    SocketInUse(PathBuf),
    /// Anything else that the system says.
    #[error("cannot listen on {address}: {source}")]
    Other {
        /// The address asked for.
        address: Address,
        /// What the system said.
        source: io::Error,
    },
}

impl Listener {
    /// Listens at `address`.
    ///
    /// A Unix socket that a program left behind when it died is replaced; any other file is left alone.
    ///
    /// # Errors
    /// When the system refuses the address, the port or the file.
    pub fn bind(address: &Address) -> Result<Self, BindError> {
        match address {
            Address::Inet(inet) => Self::bind_inet(*inet),
            #[cfg(unix)]
            Address::Unix { path, mode } => Self::bind_unix(path, *mode),
            #[cfg(not(unix))]
            Address::Unix { .. } => {
                Err(BindError::Other { address: address.clone(), source: io::ErrorKind::Unsupported.into() })
            }
        }
    }

    fn bind_inet(address: SocketAddr) -> Result<Self, BindError> {
        Self::open(address).map_err(|source| match source.kind() {
            io::ErrorKind::AddrInUse => BindError::InUse(address),
            io::ErrorKind::AddrNotAvailable => BindError::NotHere(address),
            io::ErrorKind::PermissionDenied => BindError::Denied(address),
            _ => BindError::Other { address: address.into(), source },
        })
    }

    fn open(address: SocketAddr) -> io::Result<Self> {
        let socket = socket2::Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
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

    fn from_std(socket: std::net::TcpListener) -> io::Result<Self> {
        let address = socket.local_addr()?.into();
        Ok(Self { socket: Socket::Tcp(mio::net::TcpListener::from_std(socket)), address })
    }

    /// The address it listens on, with the port that the system chose.
    #[must_use]
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// The next connection, if one waits.
    ///
    /// # Errors
    /// `WouldBlock` when none waits; whatever else accepting can fail with, such as too many open files.
    pub fn accept(&self) -> io::Result<Stream> {
        match &self.socket {
            Socket::Tcp(socket) => {
                let (stream, peer) = socket.accept()?;
                stream.set_nodelay(true)?;
                Ok(Stream::tcp(stream, peer.into()))
            }
            #[cfg(unix)]
            Socket::Unix(socket, _) => {
                let (stream, _) = socket.accept()?;
                let user = user_of(&stream);
                Ok(Stream::unix(stream, Peer::Local { user }))
            }
        }
    }

    /// Tells `registry` to report connections that wait as `token`.
    ///
    /// # Errors
    /// What the system says.
    pub fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        match &mut self.socket {
            Socket::Tcp(socket) => socket.register(registry, token, Interest::READABLE),
            #[cfg(unix)]
            Socket::Unix(socket, _) => socket.register(registry, token, Interest::READABLE),
        }
    }
}

#[cfg(unix)]
impl Listener {
    fn bind_unix(path: &Path, mode: u32) -> Result<Self, BindError> {
        let address = Address::Unix { path: path.into(), mode };
        match SocketFile::listen(path, mode) {
            Ok((socket, file)) => {
                let socket = mio::net::UnixListener::from_std(socket);
                Ok(Self { socket: Socket::Unix(socket, Arc::new(file)), address })
            }
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
                Err(BindError::SocketInUse(path.into()))
            }
            Err(source) => Err(BindError::Other { address, source }),
        }
    }

    /// The same listening socket for another thread.
    ///
    /// # Errors
    /// What the system says.
    pub fn try_clone(&self) -> io::Result<Self> {
        use std::os::fd::AsFd;
        match &self.socket {
            Socket::Tcp(socket) => Self::from_std(socket.as_fd().try_clone_to_owned()?.into()),
            Socket::Unix(socket, file) => {
                let socket = std::os::unix::net::UnixListener::from(socket.as_fd().try_clone_to_owned()?);
                let socket = Socket::Unix(mio::net::UnixListener::from_std(socket), file.clone());
                Ok(Self { socket, address: self.address.clone() })
            }
        }
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
        let Socket::Tcp(socket) = &self.socket;
        Self::from_std(socket.as_socket().try_clone_to_owned()?.into())
    }
}

/// Whose program the other end of a Unix socket is.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn user_of(stream: &mio::net::UnixStream) -> Option<u32> {
    use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};
    getsockopt(stream, PeerCredentials).ok().map(|credentials| credentials.uid())
}

/// Whose program the other end of a Unix socket is: asked for on Linux only.
#[cfg(all(unix, not(any(target_os = "linux", target_os = "android"))))]
fn user_of(_stream: &mio::net::UnixStream) -> Option<u32> {
    None
}
