//! Where clients come from, as far as they are counted together.

use darter_net::Peer;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What one household, school or attacker has: an IPv4 address, or 64 bits of an IPv6 address, of which everybody has at
/// least so many to choose from. Unix sockets count as the loopback address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Origin(IpAddr);

impl From<Peer> for Origin {
    fn from(peer: Peer) -> Self {
        let address = peer.ip().unwrap_or(Ipv4Addr::LOCALHOST.into()).to_canonical();
        Self(match address {
            IpAddr::V6(v6) if !v6.is_loopback() => {
                Ipv6Addr::from_bits(v6.to_bits() & (u128::MAX << 64)).into()
            }
            other => other,
        })
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            IpAddr::V6(v6) if !v6.is_loopback() => write!(f, "{v6}/64"),
            other => other.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::SocketAddr;

    fn origin(address: &str) -> Origin {
        Peer::Inet(SocketAddr::new(address.parse().unwrap(), 1)).into()
    }

    #[test]
    fn an_ipv4_address_is_one_origin_in_both_of_its_forms() {
        assert_eq!(origin("10.0.0.1"), origin("::ffff:10.0.0.1"));
        assert_ne!(origin("10.0.0.1"), origin("10.0.0.2"));
        assert_eq!(origin("10.0.0.1").to_string(), "10.0.0.1");
    }

    #[test]
    fn ipv6_addresses_of_one_network_are_one_origin() {
        assert_eq!(origin("2001:db8::1"), origin("2001:db8::ffff:1:2:3"));
        assert_ne!(origin("2001:db8::1"), origin("2001:db8:0:1::1"));
        assert_eq!(origin("2001:db8::1").to_string(), "2001:db8::/64");
    }
}
