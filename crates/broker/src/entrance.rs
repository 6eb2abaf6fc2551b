//! What a listener asks of its clients, and how many it has let in.

use crate::auth::{Answer, Authenticator, Login};
use crate::event;
use crate::options::{ListenerOptions, Versions};
use darter_codec::{Connect, ReasonCode};
use darter_engine::Verdict;
use darter_engine::access::Identity;
use darter_net::{Fault, FileError, Layer, LayerKind, Stream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// So many connections beyond the most are answered, so that their clients learn why they are refused.
const ANSWERED: u32 = 64;

/// A listener's settings, for all threads.
pub(crate) struct Entrance {
    name: Arc<str>,
    layers: Vec<Arc<dyn Layer>>,
    authenticator: Arc<dyn Authenticator>,
    versions: Versions,
    connections: Option<u32>,
    mount: Option<Arc<str>>,
    /// Connections that it has let in and that are still there.
    open: AtomicU32,
}

/// A connection's place among those of its listener, free again when this is dropped. It goes with the socket.
#[derive(Debug)]
pub(crate) struct Entry {
    entrance: Arc<Entrance>,
    /// There were as many as there may be already.
    surplus: bool,
}

impl Entrance {
    pub(crate) fn new(options: &ListenerOptions) -> Self {
        let ListenerOptions { name, layers, authenticator, versions, connections, mount, .. } =
            options.clone();
        Self { name, layers, authenticator, versions, connections, mount, open: AtomicU32::new(0) }
    }

    pub(crate) fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// Reads again what its layers have from files. Unless `always`, only what has changed.
    pub(crate) fn reload(&self, always: bool) -> Vec<FileError> {
        let mut errors = Vec::new();
        for layer in &self.layers {
            match layer.reload(always) {
                Ok(true) => event::FilesRead { listener: &self.name }.emit(),
                Ok(false) => {}
                Err(error) => {
                    event::FilesRefused { listener: &self.name, error: &error }.emit();
                    errors.push(error);
                }
            }
        }
        errors
    }

    pub(crate) fn has_layers(&self) -> bool {
        !self.layers.is_empty()
    }

    pub(crate) fn asks_for_logins(&self) -> bool {
        self.authenticator.asks_for_logins()
    }

    /// What addresses of it begin with: `mqtt`, `mqtts`, `ws` or `wss`.
    pub(crate) fn scheme(&self) -> &'static str {
        let has = |kind| self.layers.iter().any(|layer| layer.kind() == kind);
        match (has(LayerKind::WebSocket), has(LayerKind::Tls)) {
            (false, false) => "mqtt",
            (false, true) => "mqtts",
            (true, false) => "ws",
            (true, true) => "wss",
        }
    }

    /// Takes a connection in; none when there are so many that it is not worth an answer.
    ///
    /// # Errors
    /// When one of the layers does not want it.
    pub(crate) fn enter(self: &Arc<Self>, stream: &mut Stream) -> Result<Option<Entry>, Fault> {
        let before = self.open.fetch_add(1, Ordering::Relaxed);
        let most = self.connections.unwrap_or(u32::MAX);
        let entry = Entry { entrance: self.clone(), surplus: before >= most };
        if before >= most.saturating_add(ANSWERED) {
            return Ok(None);
        }
        stream.put_on(&self.layers)?;
        Ok(Some(entry))
    }
}

impl Entry {
    pub(crate) fn name(&self) -> &Arc<str> {
        &self.entrance.name
    }

    /// What the listener's authenticator says of the client of this connection.
    pub(crate) fn answer(&self, stream: &Stream, connect: &Connect, now: u64) -> Answer {
        if let Err(refusal) = self.check(connect) {
            return Answer::Now(refusal);
        }
        self.entrance.authenticator.answer(&Login {
            connect,
            peer: stream.peer(),
            certificate: stream.certificate(),
            listener: &self.entrance.name,
            now,
        })
    }

    /// The identity of a client of this listener, which may have a place for its topics.
    pub(crate) fn mount(&self, identity: Identity) -> Identity {
        let mount = identity.mount.or_else(|| self.entrance.mount.clone());
        Identity { mount, ..identity }
    }

    /// What does not depend on who the client is.
    fn check(&self, connect: &Connect) -> Result<(), Verdict> {
        let refuse = |reason, what| Err(Verdict::Refuse { reason, what });
        if !self.entrance.versions.contains(connect.version) {
            let what = "this listener does not take clients of this version of MQTT";
            return refuse(ReasonCode::UnsupportedProtocolVersion, what);
        }
        // One that came too many may stay if others have left meanwhile.
        let most = self.entrance.connections.unwrap_or(u32::MAX);
        if self.surplus && self.entrance.open.load(Ordering::Relaxed) > most {
            let what = "this listener has as many connections as it may have";
            return refuse(ReasonCode::QuotaExceeded, what);
        }
        Ok(())
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.entrance.open.fetch_sub(1, Ordering::Relaxed);
    }
}

impl std::fmt::Debug for Entrance {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Entrance")
            .field("name", &self.name)
            .field("layers", &self.layers)
            .finish_non_exhaustive()
    }
}
