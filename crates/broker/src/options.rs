//! How a server is to run.

use crate::auth::{AllowAll, Authenticator, LoginPoolOptions};
use darter_engine::Limits;
use darter_store::Opener;
use darter_store::history::HistoryOptions;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

/// Everything that a [`Broker`](crate::Broker) needs to know before it starts.
#[derive(Clone)]
pub struct Options {
    /// Addresses to listen on. Port 0 lets the system choose a port, the same for every address with port 0.
    pub listen: Vec<SocketAddr>,
    /// Addresses of `listen` that may fail to open without stopping the server, such as IPv6 where there is none.
    pub optional: Vec<IpAddr>,
    /// Threads that serve clients, 1 to 64. `None`: one for two processors or fewer, else one for each but one.
    pub shards: Option<u8>,
    /// What clients are allowed.
    pub limits: Limits,
    /// How often the `$SYS` topics are published; zero turns them off.
    pub status_interval: Duration,
    /// Who decides about each CONNECT.
    pub authenticator: Arc<dyn Authenticator>,
    /// How much may be done for logins beside serving clients.
    pub logins: LoginPoolOptions,
    /// Where sessions and messages are kept; memory unless something else is said.
    pub store: Opener,
    /// What is remembered of the messages on every topic; without it nothing.
    pub history: Option<HistoryOptions>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            listen: vec![
                SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 1883),
                SocketAddr::new(IpAddr::V6(Ipv6Addr::LOCALHOST), 1883),
            ],
            optional: vec![IpAddr::V6(Ipv6Addr::LOCALHOST)],
            shards: None,
            limits: Limits::default(),
            status_interval: Duration::from_secs(10),
            authenticator: Arc::new(AllowAll),
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
        fields.field("listen", &self.listen).field("shards", &self.shards).field("limits", &self.limits);
        fields.field("status_interval", &self.status_interval).finish_non_exhaustive()
    }
}
