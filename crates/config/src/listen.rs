//! From hosts to the addresses that the server listens on.

use crate::host::Host;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use thiserror::Error;

/// Why the name of a host cannot be turned into addresses.
#[derive(Debug, Error)]
pub enum ResolveError {
    /// The system does not know the name.
    #[error("cannot listen on {name}: no address is known for that name ({source})")]
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
    let (mut all, mut optional) = (Vec::new(), Vec::new());
    for host in hosts {
        let found = resolve(host, port)?;
        let both = found.iter().any(SocketAddr::is_ipv4);
        optional.extend(found.iter().map(SocketAddr::ip).filter(|ip| both && ip.is_ipv6()));
        for address in found {
            if !all.contains(&address) {
                all.push(address);
            }
        }
    }
    let pairs: [(IpAddr, IpAddr); 2] = [
        (Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()),
        (Ipv4Addr::UNSPECIFIED.into(), Ipv6Addr::UNSPECIFIED.into()),
    ];
    for (four, six) in pairs {
        if all.iter().any(|address| address.ip() == four) {
            optional.push(six);
        }
    }
    // A server that listens nowhere is of no use: an address of version 4 comes first, so that IPv6 shares its port.
    all.sort_by_key(SocketAddr::is_ipv6);
    Ok((all, optional))
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
    fn a_name_that_nobody_knows_is_named() {
        let error = addresses(&hosts(&["no-such-host.invalid"]), 1883).unwrap_err();
        assert!(error.to_string().contains("no-such-host.invalid"), "{error}");
    }
}
