//! Where a listener can be.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

/// A place to listen at.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Address {
    /// A TCP port. Port 0 lets the system choose one.
    Inet(SocketAddr),
    /// A Unix socket, for programs on this computer.
    Unix {
        /// Its file, in a folder that is there.
        path: PathBuf,
        /// Who may connect, as the mode of the file: 0o600 is its owner only, 0o666 is everybody.
        mode: u32,
    },
}

impl Address {
    /// The TCP address; none for a Unix socket.
    #[must_use]
    pub fn inet(&self) -> Option<SocketAddr> {
        match self {
            Self::Inet(address) => Some(*address),
            Self::Unix { .. } => None,
        }
    }

    /// True when only programs on this computer can connect.
    #[must_use]
    pub fn is_here(&self) -> bool {
        self.inet().is_none_or(|address| address.ip().to_canonical().is_loopback())
    }
}

impl From<SocketAddr> for Address {
    fn from(address: SocketAddr) -> Self {
        Self::Inet(address)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Inet(address) => address.fmt(f),
            Self::Unix { path, .. } => path.display().fmt(f),
        }
    }
}
