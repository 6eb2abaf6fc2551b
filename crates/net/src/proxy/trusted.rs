//! Which proxies are believed.

use crate::peer::Peer;
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;
use thiserror::Error;

/// The proxies that are believed: networks, single addresses, and `unix` for programs that come through a Unix socket.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Trusted {
    networks: Vec<Network>,
    unix: bool,
}

/// What is no network, address or `unix`.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TrustedError {
    /// No address, such as a name.
    #[error("{0:?} is no address: write a network such as 10.0.0.0/8 or fd00::/8, one address, or unix")]
    Address(String),
    /// The prefix is no number or too long.
    #[error("{text:?}: the number behind / is 0 to {most}, such as {ip}/{most} for one address")]
    Prefix {
        /// What was written.
        text: String,
        /// The address before the prefix.
        ip: IpAddr,
        /// The longest prefix of such an address.
        most: u8,
    },
    /// Bits behind the prefix.
    #[error("{text:?} is more than a network: write {network} for the network, or {ip} for the one address")]
    Host {
        /// What was written.
        text: String,
        /// The network that it is in.
        network: String,
        /// The address in it.
        ip: IpAddr,
    },
    /// Nobody at all.
    #[error(
        "no proxy is named; write the addresses of those that stand before this server, such as 10.0.0.5"
    )]
    Nobody,
}

impl Trusted {
    /// Reads a list of networks, addresses and the word `unix`.
    ///
    /// # Errors
    /// The first of them that is none, with what to write instead; or that there is none at all.
    pub fn parse<'a>(list: impl IntoIterator<Item = &'a str>) -> Result<Self, TrustedError> {
        let mut trusted = Self::default();
        for text in list {
            match text.trim() {
                "unix" => trusted.unix = true,
                text => trusted.networks.push(text.parse()?),
            }
        }
        if trusted == Self::default() { Err(TrustedError::Nobody) } else { Ok(trusted) }
    }

    /// Whether a header from `peer` is believed.
    #[must_use]
    pub fn contains(&self, peer: Peer) -> bool {
        match peer {
            Peer::Inet(address) => {
                let ip = address.ip().to_canonical();
                self.networks.iter().any(|network| network.contains(ip))
            }
            Peer::Local { .. } => self.unix,
        }
    }
}

impl fmt::Display for Trusted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unix = self.unix.then_some("unix".to_owned());
        let all: Vec<String> = self.networks.iter().map(ToString::to_string).chain(unix).collect();
        f.write_str(&all.join(", "))
    }
}

/// All addresses that begin alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Network {
    ip: IpAddr,
    prefix: u8,
}

impl Network {
    fn contains(self, ip: IpAddr) -> bool {
        ip.is_ipv4() == self.ip.is_ipv4() && masked(ip, self.prefix) == self.ip
    }
}

impl FromStr for Network {
    type Err = TrustedError;

    fn from_str(text: &str) -> Result<Self, TrustedError> {
        let (ip, prefix) = text.split_once('/').map_or((text, None), |(ip, prefix)| (ip, Some(prefix)));
        let ip: IpAddr = ip.parse().map_err(|_| TrustedError::Address(text.into()))?;
        let most = if ip.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            None => most,
            Some(digits) => number(digits)
                .filter(|prefix| *prefix <= most)
                .ok_or_else(|| TrustedError::Prefix { text: text.into(), ip, most })?,
        };
        let network = Self { ip: masked(ip, prefix), prefix };
        if network.ip != ip {
            return Err(TrustedError::Host { text: text.into(), network: network.to_string(), ip });
        }
        Ok(network.canonical())
    }
}

impl Network {
    /// A network of IPv4 written in the form of IPv6 means the same.
    fn canonical(self) -> Self {
        match self.ip.to_canonical() {
            ip if ip != self.ip && self.prefix >= 96 => Self { ip, prefix: self.prefix - 96 },
            _ => self,
        }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.ip, self.prefix)
    }
}

fn number(digits: &str) -> Option<u8> {
    digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())?
}

/// An address without the bits behind the prefix.
fn masked(ip: IpAddr, prefix: u8) -> IpAddr {
    match ip {
        IpAddr::V4(ip) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0);
            IpAddr::V4((u32::from(ip) & mask).into())
        }
        IpAddr::V6(ip) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(prefix)).unwrap_or(0);
            IpAddr::V6((u128::from(ip) & mask).into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inet(ip: &str) -> Peer {
        Peer::Inet((ip.parse::<IpAddr>().unwrap(), 1).into())
    }

    #[test]
    fn addresses_and_networks_are_believed_and_no_others() {
        let trusted = Trusted::parse(["10.0.0.0/8", " 192.0.2.5 ", "fd00::/8", "2001:db8::1/128"]).unwrap();
        for ip in ["10.0.0.0", "10.255.255.255", "192.0.2.5", "fd12::1", "2001:db8::1", "::ffff:10.1.1.1"] {
            assert!(trusted.contains(inet(ip)), "{ip}");
        }
        for ip in
            ["11.0.0.0", "9.255.255.255", "192.0.2.4", "fe80::1", "2001:db8::2", "::ffff:11.1.1.1", "::"]
        {
            assert!(!trusted.contains(inet(ip)), "{ip}");
        }
        assert!(!trusted.contains(Peer::Local { user: Some(0) }));
        assert_eq!(trusted.to_string(), "10.0.0.0/8, 192.0.2.5/32, fd00::/8, 2001:db8::1/128");
    }

    #[test]
    fn unix_means_whoever_comes_through_a_unix_socket() {
        let trusted = Trusted::parse(["unix"]).unwrap();
        assert!(trusted.contains(Peer::Local { user: None }));
        assert!(!trusted.contains(inet("127.0.0.1")));
    }

    #[test]
    fn a_prefix_of_nothing_means_every_address_of_its_kind() {
        let trusted = Trusted::parse(["0.0.0.0/0"]).unwrap();
        assert!(trusted.contains(inet("203.0.113.9")));
        assert!(!trusted.contains(inet("2001:db8::1")));
        assert!(Trusted::parse(["::/0"]).unwrap().contains(inet("2001:db8::1")));
        assert!(Trusted::parse(["::ffff:10.0.0.0/104"]).unwrap().contains(inet("10.9.9.9")));
    }

    #[test]
    fn what_is_wrong_is_said_with_what_to_write() {
        let said = |text: &str| Trusted::parse([text]).unwrap_err().to_string();
        assert_eq!(
            said("proxy.example"),
            "\"proxy.example\" is no address: write a network such as 10.0.0.0/8 or fd00::/8, one address, or unix"
        );
        for text in ["10.0.0.0/33", "10.0.0.0/", "10.0.0.0/+8", "10.0.0.0/8/8", "10.0.0.0/300"] {
            let expected =
                format!("{text:?}: the number behind / is 0 to 32, such as 10.0.0.0/32 for one address");
            assert_eq!(said(text), expected);
        }
        assert!(said("fd00::/129").contains("0 to 128"));
        assert_eq!(
            said("10.0.0.5/8"),
            "\"10.0.0.5/8\" is more than a network: write 10.0.0.0/8 for the network, or 10.0.0.5 for the one address"
        );
        for text in ["", "10.0.0", "10.0.0.0:1883", "[fd00::1]", "fe80::1%eth0"] {
            assert!(matches!(Trusted::parse([text]), Err(TrustedError::Address(_))), "{text}");
        }
        assert_eq!(Trusted::parse([]), Err(TrustedError::Nobody));
    }
}
