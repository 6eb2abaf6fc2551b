use crate::{Backoff, Direction, Packet, Version};
use darter_session::client::Options;
use std::fmt;
use std::time::Duration;

/// Where to connect to, and how.
#[derive(Debug)]
pub struct ClientOptions {
    /// Host name or address of the server.
    pub host: String,
    /// TCP port of the server.
    pub port: u16,
    /// Local host name or address to connect from.
    pub bind_address: Option<String>,
    /// What CONNECT asks for, and the limits of the session.
    pub session: Options,
    /// Open the network connection again when it breaks after it was accepted once; none means never.
    pub reconnect: Option<Backoff>,
    /// When the subscriptions are made again after a reconnect.
    pub resubscribe: Resubscribe,
    /// Messages that a stream holds before reading from the network pauses.
    pub stream_capacity: usize,
    /// Longest wait for a network connection.
    pub connect_timeout: Duration,
    /// Sees every packet in both directions; needs [`Options::trace`].
    pub observer: Option<Observer>,
}

/// When the subscriptions are made again after a reconnect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Resubscribe {
    /// When the server has no session for this client any more.
    #[default]
    WhenSessionLost,
    /// After every reconnect; the server sends retained messages again.
    Always,
}

/// Something that is shown every packet.
pub struct Observer(pub(crate) Box<Observe>);

type Observe = dyn FnMut(&str, Direction, &Packet) + Send + Sync;

impl Observer {
    /// `observe` is called with the client identifier, the direction and the packet.
    #[must_use]
    pub fn new(observe: impl FnMut(&str, Direction, &Packet) + Send + Sync + 'static) -> Self {
        Self(Box::new(observe))
    }
}

impl fmt::Debug for Observer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Observer")
    }
}

impl ClientOptions {
    /// The defaults of [`Options::new`], reconnecting as [`Backoff::default`] says.
    #[must_use]
    pub fn new(version: Version, client_id: &str, host: &str, port: u16) -> Self {
        Self {
            host: host.to_owned(),
            port,
            bind_address: None,
            session: Options::new(version, client_id),
            reconnect: Some(Backoff::default()),
            resubscribe: Resubscribe::default(),
            stream_capacity: 64,
            connect_timeout: Duration::from_secs(10),
            observer: None,
        }
    }
}
