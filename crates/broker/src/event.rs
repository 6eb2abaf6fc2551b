//! What happens, as types: each event writes its log line in one place. The counters were moved where it happened.

use darter_codec::{ReasonCode, Version};
use darter_engine::access::{Action, Why};
use darter_engine::{Drop, DropReason, Ending, Event};
use darter_net::{Address, Fault, FileError, Peer};
use darter_store::Report;
use std::io;
use std::path::Path;
use std::time::Duration;

/// Writes the log line of an event of the engine. `address` knows the address of a connection's slot.
pub(crate) fn emit(event: &Event, address: impl Fn(u32) -> Option<Peer>) {
    match event {
        Event::Connected { link, client, version, clean_start, session_present, keep_alive } => {
            let event = ClientConnected {
                client,
                address: address(*link),
                version: *version,
                clean_start: *clean_start,
                session_present: *session_present,
                keep_alive: *keep_alive,
            };
            event.emit();
        }
        Event::Refused { link, client, reason, what } => {
            ClientRefused { client: client.as_deref(), address: address(*link), reason: *reason, what }
                .emit();
        }
        Event::Fight { client, old, new, takeovers } => {
            ClientsFight { client, old: address(*old), new: address(*new), takeovers: *takeovers }.emit();
        }
        Event::Disconnected { link, client, ending } => {
            ClientDisconnected { client: client.as_deref(), address: address(*link), ending }.emit();
        }
        Event::Dropped(drop) => MessageDropped(drop).emit(),
        Event::Denied { link, client, user, action, topic, why } => {
            let address = link.and_then(address);
            ActionDenied { client, user: user.as_deref(), address, action: *action, topic, why }.emit();
        }
        Event::SessionEnded { client, expired } => SessionEnded { client, expired: *expired }.emit(),
    }
}

/// How a connection was refused or has ended, in words for people.
pub(crate) fn in_words(event: &Event) -> String {
    match event {
        Event::Refused { reason, what, .. } => format!("connection refused: {what} ({reason:?})"),
        Event::Disconnected { ending: Ending::Client(reason), .. } => {
            format!("the client disconnected ({reason:?})")
        }
        Event::Disconnected { ending: Ending::Lost, .. } => "the connection closed without DISCONNECT".into(),
        Event::Disconnected { ending: Ending::Server { reason, what }, .. } => {
            format!("disconnected by the server: {what} ({reason:?})")
        }
        _ => String::new(),
    }
}

/// A client is connected.
struct ClientConnected<'a> {
    client: &'a str,
    address: Option<Peer>,
    version: Version,
    clean_start: bool,
    session_present: bool,
    keep_alive: u16,
}

impl ClientConnected<'_> {
    fn emit(&self) {
        let session = if self.session_present { "resumed" } else { "new" };
        tracing::info!(
            client = ?self.client,
            address = %Shown(self.address),
            version = version(self.version),
            clean = self.clean_start,
            session,
            keep_alive = self.keep_alive,
            "client connected"
        );
    }
}

/// A CONNECT was refused, or something else came first.
struct ClientRefused<'a> {
    client: Option<&'a str>,
    address: Option<Peer>,
    reason: ReasonCode,
    what: &'a str,
}

impl ClientRefused<'_> {
    fn emit(&self) {
        let client = self.client.unwrap_or("");
        tracing::warn!(?client, address = %Shown(self.address), reason = ?self.reason, "connection refused: {}", self.what);
    }
}

/// Several clients use one client identifier.
struct ClientsFight<'a> {
    client: &'a str,
    old: Option<Peer>,
    new: Option<Peer>,
    takeovers: u32,
}

impl ClientsFight<'_> {
    fn emit(&self) {
        let Self { client, takeovers, .. } = *self;
        let (old, new) = (Shown(self.old), Shown(self.new));
        let ip = |peer: Option<Peer>| peer.and_then(|peer| peer.ip());
        if ip(self.old) == ip(self.new) {
            tracing::warn!(
                takeovers,
                "client identifier {client:?} connects again and again, from {old} and from {new}: either two programs there \
                 use it, then give each its own; or one connects anew before its old connection has ended"
            );
        } else {
            tracing::warn!(
                takeovers,
                "two clients use the client identifier {client:?}: {old} and {new}; give each its own"
            );
        }
    }
}

/// A connection ended.
struct ClientDisconnected<'a> {
    client: Option<&'a str>,
    address: Option<Peer>,
    ending: &'a Ending,
}

impl ClientDisconnected<'_> {
    fn emit(&self) {
        let Some(client) = self.client else { return };
        match self.ending {
            Ending::Client(ReasonCode::Success) => tracing::info!(?client, "client disconnected"),
            Ending::Client(reason) => tracing::info!(?client, ?reason, "client disconnected"),
            Ending::Server { reason: ReasonCode::ServerShuttingDown, .. } => {
                tracing::debug!(?client, "client disconnected: the server is shutting down");
            }
            Ending::Lost => tracing::info!(?client, "client gone: the connection closed without DISCONNECT"),
            Ending::Server { reason, what } => {
                tracing::warn!(?client, address = %Shown(self.address), ?reason, "client disconnected by the server: {what}");
            }
        }
    }
}

/// A client did not get a message; told once for each client, topic and reason, counted always.
struct MessageDropped<'a>(&'a Drop);

impl MessageDropped<'_> {
    fn emit(&self) {
        let Drop { client, topic, reason, .. } = self.0;
        if *reason == DropReason::Denied {
            tracing::debug!(?client, ?topic, "messages are not delivered: the rules deny it");
        } else if *reason == DropReason::Offline {
            tracing::debug!(?client, ?topic, "QoS 0 messages are not kept for a client that is away");
        } else {
            tracing::warn!(?client, ?topic, "messages are not delivered: {}", reason.name());
        }
    }
}

/// A client may not do something.
struct ActionDenied<'a> {
    client: &'a str,
    user: Option<&'a str>,
    address: Option<Peer>,
    action: Action,
    topic: &'a str,
    why: &'a Why,
}

impl ActionDenied<'_> {
    fn emit(&self) {
        let user = self.user.unwrap_or_default();
        let (client, topic) = (self.client, self.topic);
        tracing::info!(?client, ?user, address = %Shown(self.address), ?topic, "{} denied: {}", self.action.name(), self.why);
    }
}

/// Refusals came faster than they are logged.
pub(crate) struct RefusalsUntold {
    pub(crate) untold: u64,
}

impl RefusalsUntold {
    pub(crate) fn emit(&self) {
        tracing::info!(
            count = self.untold,
            "more was refused than is logged; 'darter refusals' shows the last ones"
        );
    }
}

/// A session ended.
struct SessionEnded<'a> {
    client: &'a str,
    expired: bool,
}

impl SessionEnded<'_> {
    fn emit(&self) {
        if self.expired {
            tracing::info!(client = ?self.client, "session expired");
        } else {
            tracing::debug!(client = ?self.client, "session ended");
        }
    }
}

/// A connection that waits cannot be accepted.
pub(crate) struct AcceptFailed<'a> {
    pub(crate) error: &'a io::Error,
}

impl AcceptFailed<'_> {
    pub(crate) fn emit(&self) {
        tracing::error!(
            error = %self.error,
            "a new connection cannot be accepted; if files have run out, raise the limit (ulimit -n) before starting"
        );
    }
}

/// A listener has so many connections that more are not answered.
pub(crate) struct TooManyConnections<'a> {
    pub(crate) listener: &'a str,
    pub(crate) address: Peer,
}

impl TooManyConnections<'_> {
    pub(crate) fn emit(&self) {
        tracing::info!(
            listener = self.listener,
            address = %self.address,
            "connection closed: its listener has many more connections than it may have"
        );
    }
}

/// What stands between a connection's socket and MQTT has given it up.
pub(crate) struct TransportFailed<'a> {
    pub(crate) listener: &'a str,
    pub(crate) address: Peer,
    pub(crate) fault: &'a Fault,
}

impl TransportFailed<'_> {
    pub(crate) fn emit(&self) {
        tracing::info!(listener = self.listener, address = %self.address, "connection given up: {}", self.fault);
    }
}

/// A connection ended before MQTT could begin on it, such as in the middle of a hand-shake.
pub(crate) struct TransportUnfinished<'a> {
    pub(crate) listener: &'a str,
    pub(crate) address: Peer,
    pub(crate) waits_for: &'static str,
    pub(crate) ending: &'a Ending,
}

impl TransportUnfinished<'_> {
    pub(crate) fn emit(&self) {
        let Self { listener, address, waits_for, .. } = self;
        match self.ending {
            Ending::Server { what, .. } => {
                tracing::info!(listener, %address, "connection closed before {waits_for}: {what}");
            }
            _ => tracing::info!(listener, %address, "the client closed the connection before {waits_for}"),
        }
    }
}

/// What a listener has in files was read again.
pub(crate) struct FilesRead<'a> {
    pub(crate) listener: &'a str,
}

impl FilesRead<'_> {
    pub(crate) fn emit(&self) {
        tracing::info!(
            listener = self.listener,
            "the listener's files were read again: new connections begin with what they say now"
        );
    }
}

/// What a listener has in files was read again and cannot be used.
pub(crate) struct FilesRefused<'a> {
    pub(crate) listener: &'a str,
    pub(crate) error: &'a FileError,
}

impl FilesRefused<'_> {
    pub(crate) fn emit(&self) {
        tracing::error!(
            listener = self.listener,
            error = %self.error,
            "the listener's files have changed and cannot be used: what they said before goes on to count"
        );
    }
}

/// The disk has not answered for long, or answers again.
pub(crate) struct DiskStalled {
    /// How long; none when it answers again.
    pub(crate) waiting: Option<Duration>,
}

impl DiskStalled {
    pub(crate) fn emit(&self) {
        match self.waiting {
            Some(waiting) => tracing::error!(
                "the disk has not answered for {} s: acknowledgements wait for it, QoS 0 goes on",
                waiting.as_secs()
            ),
            None => tracing::warn!("the disk answers again"),
        }
    }
}

/// The store has no room, or has room again.
pub(crate) struct StoreFull<'a> {
    pub(crate) full: bool,
    pub(crate) report: &'a Report,
}

impl StoreFull<'_> {
    pub(crate) fn emit(&self) {
        let folder = self.report.folder.as_deref().unwrap_or(Path::new("?")).display();
        if self.full {
            tracing::error!(
                %folder,
                error = self.report.trouble.as_deref().unwrap_or("?"),
                "the disk cannot be written: messages that would have to be stored are refused, QoS 0 goes on; \
                 free some space, nothing else has to be done"
            );
        } else {
            tracing::warn!(%folder, "the disk can be written again: messages are stored as before");
        }
    }
}

/// The history cannot be written, or can be written again.
pub(crate) struct HistoryTrouble<'a> {
    /// Why; none when it is over.
    pub(crate) trouble: Option<&'a str>,
}

impl HistoryTrouble<'_> {
    pub(crate) fn emit(&self) {
        match self.trouble {
            Some(error) => tracing::warn!(
                %error,
                "the history cannot be written: points are not kept until it can; messages are delivered as before"
            ),
            None => tracing::info!("the history is written again"),
        }
    }
}

/// The history does not end with the server.
pub(crate) struct HistoryHangs;

impl HistoryHangs {
    pub(crate) fn emit(&self) {
        tracing::error!("the disk does not answer: the server stops without the last points of the history");
    }
}

/// The server listens where others than this computer's programs can reach it, and lets everybody in.
pub(crate) struct OpenToEverybody<'a> {
    pub(crate) address: &'a Address,
}

impl OpenToEverybody<'_> {
    pub(crate) fn emit(&self) {
        tracing::warn!(
            address = %self.address,
            "open to everybody in the network: clients need no password to connect, publish and subscribe"
        );
    }
}

/// What damage to the store has cost, found at the start.
pub(crate) struct StateLost<'a> {
    pub(crate) report: &'a Report,
}

impl StateLost<'_> {
    /// Nothing, when nothing was lost.
    pub(crate) fn emit(&self) {
        let Report { folder, lost, .. } = self.report;
        if !lost.is_nothing() {
            let folder = folder.as_deref().unwrap_or(Path::new(""));
            tracing::warn!(
                folder = %folder.display(),
                "the data folder was damaged, and not everything came back; lost: {lost}"
            );
        }
    }
}

/// The version as its standard is called.
fn version(version: Version) -> &'static str {
    match version {
        Version::V31 => "3.1",
        Version::V311 => "3.1.1",
        Version::V5 => "5",
    }
}

struct Shown(Option<Peer>);

impl std::fmt::Display for Shown {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            Some(address) => address.fmt(f),
            None => f.write_str("?"),
        }
    }
}
