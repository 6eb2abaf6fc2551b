//! Who is on the other end of a connection.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

/// The other end of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Peer {
    /// A program with this address; behind a trusted proxy the address that the proxy names.
    Inet(SocketAddr),
    /// A program on this computer, through a Unix socket.
    Local {
        /// The user id of its owner, if the system tells.
        user: Option<u32>,
    },
}

impl Peer {
    /// The IP address; none for a Unix socket.
    #[must_use]
    pub fn ip(&self) -> Option<IpAddr> {
        match self {
            Self::Inet(address) => Some(address.ip()),
            Self::Local { .. } => None,
        }
    }

    /// True for programs on this computer.
    #[must_use]
    pub fn is_here(&self) -> bool {
        match self {
            Self::Inet(address) => address.ip().to_canonical().is_loopback(),
            Self::Local { .. } => true,
        }
    }
}

impl From<SocketAddr> for Peer {
    fn from(address: SocketAddr) -> Self {
        Self::Inet(address)
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Inet(address) => address.fmt(f),
            Self::Local { user: Some(user) } => write!(f, "user {user} on this computer"),
            Self::Local { user: None } => f.write_str("this computer"),
        }
    }
}

/// The names in a client certificate that a listener's authorities have vouched for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct CertificateNames {
    /// Common name of the subject.
    pub common_name: Option<String>,
    /// Subject alternative names: DNS names, mail addresses and URIs, in their order.
    pub alternative_names: Vec<String>,
}
