//! `[listener]`: where clients connect.

use crate::host::{BadHost, Host};
use crate::key::{Key, Kind, List, Number, Section};
use crate::part::Fixed;
use crate::quantity::Unit;
use std::net::{Ipv4Addr, Ipv6Addr};

/// Where clients connect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listener {
    /// Addresses and names to listen on; not empty.
    pub bind: Vec<Host>,
    /// The TCP port; 0 lets the system choose one.
    pub port: u16,
}

impl Default for Listener {
    fn default() -> Self {
        Self {
            bind: vec![Host::Ip(Ipv4Addr::LOCALHOST.into()), Host::Ip(Ipv6Addr::LOCALHOST.into())],
            port: 1883,
        }
    }
}

pub(crate) static PART: Fixed = Fixed { section: SECTION, below: &[] };

const SECTION: Section = Section {
    name: "listener",
    meaning: "Where clients connect. Without it the server is reachable from this computer only.",
    keys: &[
        Key {
            name: "bind",
            meaning: "Addresses of this computer to listen on. \"0.0.0.0\" is every IPv4 address and \"::\" every \
                      IPv6 address, so that the whole network can connect. A name such as \"localhost\" is looked \
                      up when the server starts. A single address needs no list.",
            kind: Kind::List(List {
                takes: "a list of IP addresses and host names",
                each: "an IP address or a host name",
                example: &[],
                may_be_empty: false,
                get: |c| c.listener.bind.iter().map(ToString::to_string).collect(),
                clear: |c| c.listener.bind.clear(),
                add: |c, host| {
                    c.listener.bind.push(host.text.parse().map_err(|why: BadHost| why.to_string())?);
                    Ok(())
                },
            }),
        },
        Key {
            name: "port",
            meaning: "The TCP port for MQTT. With 0 the system chooses a free one.",
            kind: Kind::Number(Number {
                unit: Unit::Count,
                range: 0..=65_535,
                word: None,
                get: |c| Some(c.listener.port.into()),
                set: |c, port| {
                    c.listener.port = port.and_then(|port| port.try_into().ok()).unwrap_or(c.listener.port);
                },
            }),
        },
    ],
    check: |_| Ok(()),
};
