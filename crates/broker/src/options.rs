//! How a server is to run.

use crate::auth::{AllowAll, Authenticator, LoginPoolOptions};
use darter_codec::Version;
use darter_engine::Limits;
use darter_engine::access::Policy;
use darter_net::{Address, Layer};
use darter_store::Opener;
use darter_store::history::HistoryOptions;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

/// MQTT's own port.
const PORT: u16 = 1883;

/// Everything that a [`Broker`](crate::Broker) needs to know before it starts.
#[derive(Clone)]
pub struct Options {
    /// Where clients connect; without any nobody can.
    pub listeners: Vec<ListenerOptions>,
    /// Threads that serve clients, 1 to 64. `None`: one for two processors or fewer, else one for each but one.
    pub shards: Option<u8>,
    /// What clients are allowed.
    pub limits: Limits,
    /// How often the `$SYS` topics are published; zero turns them off.
    pub status_interval: Duration,
    /// What clients may do; everything unless something else is said.
    pub policy: Arc<Policy>,
    /// How much may be done for logins beside serving clients.
    pub logins: LoginPoolOptions,
    /// Where sessions and messages are kept; memory unless something else is said.
    pub store: Opener,
    /// What is remembered of the messages on every topic; without it nothing.
    pub history: Option<HistoryOptions>,
}

/// One way into the server: addresses that share everything else.
#[derive(Clone)]
pub struct ListenerOptions {
    /// Its name in the log and in the configuration.
    pub name: Arc<str>,
    /// Where it listens. Port 0 lets the system choose a port, the same for every address with port 0.
    pub addresses: Vec<Address>,
    /// Addresses that may fail to open without stopping the server, such as IPv6 where there is none.
    pub optional: Vec<IpAddr>,
    /// What the bytes go through, from the wire upwards: the PROXY header, TLS, WebSocket. Empty for plain TCP.
    pub layers: Vec<Arc<dyn Layer>>,
    /// Who decides about each CONNECT.
    pub authenticator: Arc<dyn Authenticator>,
    /// Versions of MQTT that clients may speak. Others are refused with reason 0x84, or return code 1.
    pub versions: Versions,
    /// Most connections at once; `None` is any number. More are refused with reason 0x97, or return code 3; those that are
    /// many more are closed at once.
    pub connections: Option<u32>,
    /// What is put before every topic of its clients, unless their login brings another prefix.
    pub mount: Option<Arc<str>>,
}

impl ListenerOptions {
    /// Plain TCP at one address, or a Unix socket, for everybody.
    pub fn at(address: impl Into<Address>) -> Self {
        Self { addresses: vec![address.into()], optional: Vec::new(), ..Self::default() }
    }
}

impl Default for ListenerOptions {
    /// Plain TCP on port 1883, for programs on this computer.
    fn default() -> Self {
        let (v4, v6) = (IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST));
        Self {
            name: "default".into(),
            addresses: [v4, v6].map(|ip| SocketAddr::new(ip, PORT).into()).to_vec(),
            optional: vec![v6],
            layers: Vec::new(),
            authenticator: Arc::new(AllowAll),
            versions: Versions::default(),
            connections: None,
            mount: None,
        }
    }
}

impl fmt::Debug for ListenerOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut fields = f.debug_struct("ListenerOptions");
        fields.field("name", &self.name).field("addresses", &self.addresses).field("layers", &self.layers);
        fields.field("versions", &self.versions).field("connections", &self.connections);
        fields.field("mount", &self.mount).finish_non_exhaustive()
    }
}

/// A set of versions of MQTT; all of them unless something else is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Versions {
    v31: bool,
    v311: bool,
    v5: bool,
}

impl Versions {
    /// Whether a version is one of them.
    #[must_use]
    pub fn contains(self, version: Version) -> bool {
        match version {
            Version::V31 => self.v31,
            Version::V311 => self.v311,
            Version::V5 => self.v5,
        }
    }
}

impl Default for Versions {
    fn default() -> Self {
        Self { v31: true, v311: true, v5: true }
    }
}

impl FromIterator<Version> for Versions {
    fn from_iter<I: IntoIterator<Item = Version>>(versions: I) -> Self {
        let mut set = Self { v31: false, v311: false, v5: false };
        for version in versions {
            match version {
                Version::V31 => set.v31 = true,
                Version::V311 => set.v311 = true,
                Version::V5 => set.v5 = true,
            }
        }
        set
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            listeners: vec![ListenerOptions::default()],
            shards: None,
            limits: Limits::default(),
            status_interval: Duration::from_secs(10),
            policy: Arc::default(),
            logins: LoginPoolOptions::default(),
            store: darter_store::in_memory(),
            history: None,
        }
    }
}

impl Options {
    /// The number of shards to run.
    pub(crate) fn shard_count(&self) -> u8 {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        let automatic = if processors <= 2 { 1 } else { processors - 1 };
        self.shards.unwrap_or(u8::try_from(automatic).unwrap_or(64)).clamp(1, 64)
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut fields = f.debug_struct("Options");
        fields
            .field("listeners", &self.listeners)
            .field("shards", &self.shards)
            .field("limits", &self.limits);
        fields.field("status_interval", &self.status_interval).finish_non_exhaustive()
    }
}
