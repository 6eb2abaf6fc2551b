//! What this computer is called, and where it can be reached.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// This computer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Machine {
    /// Its host name, without a domain; `localhost` when it has none.
    pub name: String,
    /// Its addresses, loopback and those of one link left out.
    pub addresses: Vec<IpAddr>,
}

impl Machine {
    /// As it is now.
    #[must_use]
    pub fn here() -> Self {
        let name = host_name().filter(|name| is_plain(name)).unwrap_or_else(|| "localhost".into());
        Self { name, addresses: addresses() }
    }

    /// Every name under which a server on it is found: the host name, the same in the local network's own domain, and
    /// `localhost`.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        let mut names = vec![self.name.clone(), format!("{}.local", self.name), "localhost".to_owned()];
        if self.name == "localhost" {
            names.drain(..2);
        }
        names
    }

    /// Every address under which a server on it is found, loopback included.
    #[must_use]
    pub fn all_addresses(&self) -> Vec<IpAddr> {
        let loopback = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];
        self.addresses.iter().copied().chain(loopback).collect()
    }

    /// The address that others in the network use most likely.
    #[must_use]
    pub fn address_in_network(&self) -> Option<IpAddr> {
        let private = |address: &&IpAddr| matches!(address, IpAddr::V4(four) if four.is_private());
        let four = |address: &&IpAddr| address.is_ipv4();
        let all = &self.addresses;
        all.iter().find(private).or_else(|| all.iter().find(four)).or_else(|| all.first()).copied()
    }
}

/// Letters, digits and hyphens, as in a name of the network.
fn is_plain(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '-')
}

#[cfg(unix)]
fn host_name() -> Option<String> {
    let name = nix::unistd::gethostname().ok()?.into_string().ok()?;
    name.split('.').next().map(str::to_owned)
}

#[cfg(not(unix))]
fn host_name() -> Option<String> {
    std::env::var("COMPUTERNAME").ok()
}

#[cfg(unix)]
fn addresses() -> Vec<IpAddr> {
    let Ok(interfaces) = nix::ifaddrs::getifaddrs() else { return Vec::new() };
    let mut addresses = Vec::new();
    for interface in interfaces {
        let Some(address) = interface.address else { continue };
        let four = address.as_sockaddr_in().map(|four| IpAddr::V4(four.ip()));
        let six = address.as_sockaddr_in6().map(|six| IpAddr::V6(six.ip()));
        if let Some(address) = four.or(six)
            && !address.is_loopback()
            && !is_of_one_link(address)
            && !addresses.contains(&address)
        {
            addresses.push(address);
        }
    }
    addresses
}

#[cfg(not(unix))]
fn addresses() -> Vec<IpAddr> {
    Vec::new()
}

#[cfg(unix)]
fn is_of_one_link(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(four) => four.is_link_local(),
        IpAddr::V6(six) => six.is_unicast_link_local(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machine_has_a_name_and_can_be_reached() {
        let here = Machine::here();
        assert!(!here.name.is_empty());
        assert!(here.names().contains(&"localhost".to_owned()));
        assert!(here.all_addresses().contains(&IpAddr::V4(Ipv4Addr::LOCALHOST)));
    }

    #[test]
    fn others_use_the_private_address_first() {
        let addresses = ["2001:db8::1", "203.0.113.5", "192.168.1.7"].map(|text| text.parse().unwrap());
        let machine = Machine { name: "pi".into(), addresses: addresses.into() };
        assert_eq!(machine.address_in_network(), Some("192.168.1.7".parse().unwrap()));
        assert_eq!(machine.names(), ["pi", "pi.local", "localhost"]);
        let alone = Machine { name: "localhost".into(), addresses: Vec::new() };
        assert_eq!((alone.names(), alone.address_in_network()), (vec!["localhost".to_owned()], None));
    }
}
