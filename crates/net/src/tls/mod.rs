//! TLS 1.2 and 1.3, by rustls.
//!
//! [`Acceptor`] is the listener's part: certificate, key, authorities and revocation lists, which it can read again while
//! connections are there. `session.rs` is one connection's part.

mod files;
mod names;
mod session;
mod stamp;
mod words;

pub use files::{ClientCertificates, Files, Version};

use crate::file_error::FileError;
use crate::filter::{Fault, Filter, Layer, LayerKind};
use crate::peer::Peer;
use rustls::ServerConfig;
use session::Session;
use stamp::Stamp;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

/// TLS for a listener.
#[derive(Debug)]
pub struct Acceptor {
    files: Files,
    current: Arc<Current>,
    watch: Mutex<Watch>,
}

/// What new connections begin with.
#[derive(Debug)]
struct Current(RwLock<Arc<ServerConfig>>);

/// What the files looked like.
#[derive(Debug)]
struct Watch {
    /// When they were read, successfully or not.
    read: Stamp,
    /// When they were last looked at and had changed.
    changed: Option<Stamp>,
}

impl Acceptor {
    /// Reads the files.
    ///
    /// # Errors
    /// When one of them cannot be read, is not what it should be, or does not fit the others.
    pub fn open(files: Files) -> Result<Self, FileError> {
        let read = Stamp::of(&files);
        let current = Arc::new(Current(RwLock::new(files.load()?)));
        Ok(Self { files, current, watch: Mutex::new(Watch { read, changed: None }) })
    }
}

impl Layer for Acceptor {
    fn kind(&self) -> LayerKind {
        LayerKind::Tls
    }

    fn begin(&self, _: Peer) -> Result<Box<dyn Filter>, Fault> {
        Ok(Box::new(Session::new(self.current.clone())))
    }

    /// Files that have changed are read when they look the same twice in a row: they may be half written, or one of them may be
    /// new and the other not yet.
    fn reload(&self, always: bool) -> Result<bool, FileError> {
        let mut watch = self.watch.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Stamp::of(&self.files);
        if !always {
            let is_settled = watch.changed.as_ref() == Some(&now);
            watch.changed = (now != watch.read).then(|| now.clone());
            if watch.changed.is_none() || !is_settled {
                return Ok(false);
            }
        }
        *watch = Watch { read: now, changed: None };
        self.current.replace(self.files.load()?);
        Ok(true)
    }
}

impl Current {
    fn get(&self) -> Arc<ServerConfig> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn replace(&self, config: Arc<ServerConfig>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = config;
    }
}
