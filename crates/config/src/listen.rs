//! From hosts to the addresses that the server listens on.

use crate::host::Host;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use thiserror::Error;

/// Why the name of a host cannot be turned into addresses.
#[derive(Debug, Error)]
pub enum ResolveError {
    /// The system does not know the name.
    #[error("cannot listen on {name}: no address is known for that name")]
    Unknown {
        /// The name.
        name: String,
        /// What the system said.
        source: io::Error,
    },
    /// The name has no addresses.
    #[error("cannot listen on {name}: no address is known for that name")]
    NoAddress {
        /// The name.
        name: String,
    },
}

/// All addresses of `hosts`, each once, and those of them that a computer may lack: IPv6 where the same host is there
/// with IPv4 too.
pub(crate) fn addresses(hosts: &[Host], port: u16) -> Result<(Vec<SocketAddr>, Vec<IpAddr>), ResolveError> {
    let (mut found, mut optional) = (Vec::new(), Vec::new());
    for host in hosts {
        let of_host = resolve(host, port)?;
        let both = of_host.iter().any(SocketAddr::is_ipv4);
        optional.extend(of_host.iter().map(SocketAddr::ip).filter(|ip| both && ip.is_ipv6()));
        found.extend(of_host);
    }
    let has = |ip: IpAddr| found.iter().any(|address| address.ip() == ip);
    if has(Ipv4Addr::LOCALHOST.into()) {
        optional.push(Ipv6Addr::LOCALHOST.into());
    }
    if has(Ipv4Addr::UNSPECIFIED.into()) {
        optional.push(Ipv6Addr::UNSPECIFIED.into());
    }
    Ok((distinct(found), optional))
}

/// Each address once, IPv4 first so that IPv6 shares a port that the system chooses. "Every address" covers the others of
/// its protocol: the system would refuse them beside it.
fn distinct(found: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let mut distinct: Vec<SocketAddr> = Vec::new();
    for address in found {
        let covers = |by: &SocketAddr, it: &SocketAddr| {
            by == it || by.ip().is_unspecified() && by.is_ipv4() == it.is_ipv4()
        };
        if !distinct.iter().any(|known| covers(known, &address)) {
            distinct.retain(|known| !covers(&address, known));
            distinct.push(address);
        }
    }
    distinct.sort_by_key(SocketAddr::is_ipv6);
    distinct
}

fn resolve(host: &Host, port: u16) -> Result<Vec<SocketAddr>, ResolveError> {
    let name = match host {
        Host::Ip(address) => return Ok(vec![SocketAddr::new(*address, port)]),
        Host::Name(name) => name.clone(),
    };
    match (name.as_str(), port).to_socket_addrs() {
        Err(source) => Err(ResolveError::Unknown { name, source }),
        Ok(found) => {
            let found: Vec<_> = found.collect();
            if found.is_empty() { Err(ResolveError::NoAddress { name }) } else { Ok(found) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts(names: &[&str]) -> Vec<Host> {
        names.iter().map(|name| name.parse().unwrap()).collect()
    }

    #[test]
    fn the_second_protocol_of_the_same_reach_is_optional() {
        let (all, optional) = addresses(&hosts(&["::1", "127.0.0.1"]), 1883).unwrap();
        assert_eq!(all, ["127.0.0.1:1883".parse().unwrap(), "[::1]:1883".parse().unwrap()]);
        assert_eq!(optional, ["::1".parse::<IpAddr>().unwrap()]);
        let (_, optional) = addresses(&hosts(&["::1"]), 1883).unwrap();
        assert_eq!(optional, Vec::<IpAddr>::new(), "what was asked for alone must be there");
    }

    #[test]
    fn a_name_that_is_an_address_already_listed_adds_nothing() {
        let (all, _) = addresses(&hosts(&["127.0.0.1", "::1", "localhost", "127.0.0.1"]), 7).unwrap();
        assert_eq!(all.len(), 2, "{all:?}");
    }

    #[test]
    fn every_address_covers_those_of_its_protocol() {
        let (all, optional) = addresses(&hosts(&["127.0.0.1", "::1", "0.0.0.0"]), 7).unwrap();
        assert_eq!(all, ["0.0.0.0:7".parse().unwrap(), "[::1]:7".parse().unwrap()]);
        assert!(optional.contains(&"::1".parse().unwrap()), "{optional:?}");
        let (all, _) = addresses(&hosts(&["::", "::1", "0.0.0.0", "127.0.0.1"]), 7).unwrap();
        assert_eq!(all, ["0.0.0.0:7".parse().unwrap(), "[::]:7".parse().unwrap()]);
    }

    #[test]
    fn a_name_that_has_no_address_is_named() {
        // The system refuses this one without asking the network.
        let error = addresses(&[Host::Name("no\0name".into())], 1883).unwrap_err();
        assert!(error.to_string().starts_with("cannot listen on no\0name: "), "{error}");
    }
}
