//! What stands between a socket and the protocol that is spoken over it: TLS, WebSocket, a proxy's header.

use crate::file_error::FileError;
use crate::peer::{CertificateNames, Peer};
use std::borrow::Cow;
use std::fmt;
use thiserror::Error;

/// One transport of a listener, such as TLS with its certificate: makes a [`Filter`] for each connection. All of a listener's
/// connections on all threads share it.
pub trait Layer: fmt::Debug + Send + Sync {
    /// Which transport it is.
    fn kind(&self) -> LayerKind;

    /// The filter of a connection that was just accepted from `peer`. Called on the shards' threads, for strangers too: it should
    /// take little memory and time until the first bytes have come.
    ///
    /// # Errors
    /// When the connection is not to be had, such as a proxy's from an address that is not trusted.
    fn begin(&self, peer: Peer) -> Result<Box<dyn Filter>, Fault>;

    /// Reads again what it has from files; connections that are there keep what they began with. Unless `always`, only
    /// if the files have changed. True when something new counts from now on.
    ///
    /// # Errors
    /// When the files cannot be used. What was there before goes on to count.
    fn reload(&self, always: bool) -> Result<bool, FileError> {
        let _ = always;
        Ok(false)
    }
}

/// The transports there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum LayerKind {
    /// The PROXY protocol's header.
    Proxy,
    /// TLS.
    Tls,
    /// WebSocket.
    WebSocket,
}

/// One connection's part of a [`Layer`]: a codec that never does IO.
///
/// "Below" is the side of the socket, "above" the side of MQTT. Bytes go through all filters of a connection in their order,
/// from the wire: the PROXY header, then TLS, then WebSocket. Where a method takes `up` or `down`, it appends to what is in there
/// and leaves what it finds. Whoever calls takes care of buffers, of the socket and of slow readers.
///
/// The life of a filter:
/// 1. [`receive`](Self::receive) for whatever arrives, in pieces of any size, from one byte on; a hand-shake is done there, with
///    the filter's own answers in `down`.
/// 2. [`send`](Self::send) for whatever is to be written; never before `receive` has put something into `up`, because the
///    server's side of MQTT speaks second.
/// 3. [`close`](Self::close) once, at any time, when this side has no more to say.
///
/// After an error a filter is not called any more. One that goes with its connection to another thread is simply moved.
pub trait Filter: fmt::Debug + Send {
    /// Takes all of `bytes`, which came from below and may be changed in place (decrypted, unmasked). What the layer above
    /// shall get is appended to `up`, what the filter has to say itself (a hand-shake, a pong, an alert) to `down`.
    ///
    /// What is not whole yet the filter keeps for the next call. It bounds that itself, whatever lengths the other side announces.
    /// It should not make many more bytes in `up` and `down` than there are in `bytes`.
    ///
    /// # Errors
    /// When the connection cannot go on. What was appended before counts: `up` is handed on first, and `down` is written
    /// before the connection is closed.
    fn receive(&mut self, bytes: &mut [u8], up: &mut Vec<u8>, down: &mut Vec<u8>) -> Result<Received, Fault>;

    /// Wraps all of `bytes`, which the layer above sends, and appends the result to `down`. Pieces of one message may come in
    /// several calls, and several messages in one: the boundaries mean nothing.
    ///
    /// # Errors
    /// When the connection cannot go on.
    fn send(&mut self, bytes: &[u8], down: &mut Vec<u8>) -> Result<(), Fault>;

    /// Appends the good-bye, such as TLS's `close_notify` or a closing frame of WebSocket; nothing if there is none, or if it
    /// is too early for one.
    fn close(&mut self, down: &mut Vec<u8>);

    /// Where the other side really is, if this filter has learned that.
    fn peer(&self) -> Option<Peer> {
        None
    }

    /// The names in the other side's certificate, if this filter has checked one.
    fn certificate(&self) -> Option<&CertificateNames> {
        None
    }

    /// What it waits for before anything can go through, in plain words, such as "the end of the TLS hand-shake"; none when it
    /// is done with that.
    fn waits_for(&self) -> Option<&'static str> {
        None
    }
}

/// How it goes on after [`Filter::receive`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Received {
    /// More may come.
    More,
    /// The other side has said that nothing follows.
    End,
    /// From now on this filter would only hand bytes through, both ways: it can be taken out. What was behind its own part
    /// is in `up`.
    Done,
}

/// Why a connection cannot go on, in plain words, for the log: "it speaks MQTT without TLS". An [`std::io::Error`] of a
/// [`Stream`](crate::Stream) that has such a cause holds it as its inner error.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct Fault(Cow<'static, str>);

impl Fault {
    /// A cause in plain words. What the other side wrote must not be in it as it came.
    #[must_use]
    pub fn new(what: impl Into<Cow<'static, str>>) -> Self {
        Self(what.into())
    }
}
