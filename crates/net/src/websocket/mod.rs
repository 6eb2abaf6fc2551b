//! The server's side of WebSocket (RFC 6455), without sockets: bytes of a client go in, the stream inside its binary
//! frames comes out, and the other way round.
//!
//! 1. [`receive`](WebSocket::receive) takes what came from the socket. It opens the WebSocket first, answers pings and
//!    leaves the stream's bytes in their buffer. A frame's payload goes on as it arrives; only headers and control frames
//!    are kept until they are whole, so an announced length costs nothing.
//! 2. [`announce`](WebSocket::announce) gives what goes to the socket before bytes of the stream, without copying those;
//!    [`written`](WebSocket::written) takes note of what the socket took.
//! 3. [`end`](WebSocket::end) says whether it is over, and why. What `announce` gives then is the last word.
//!
//! No extension is agreed on, compression neither: nothing here grows by being read.

mod frame;
mod incoming;
mod outgoing;
mod refusal;
mod request;
mod rules;
mod upgrade;

pub use frame::Violation;
pub use refusal::{Refusal, Shown};
pub use rules::{Origin, OriginError, Rules};

use incoming::Frames;
use outgoing::Outgoing;
use request::Head;
use std::sync::Arc;
use thiserror::Error;

/// The code of a close frame when all is well (section 7.4.1).
pub const CLOSE_NORMAL: u16 = 1000;

/// One connection's WebSocket.
#[derive(Debug)]
pub struct WebSocket {
    rules: Arc<Rules>,
    incoming: Incoming,
    outgoing: Outgoing,
}

#[derive(Debug)]
enum Incoming {
    Upgrade(Head),
    Open(Frames),
    Over(End),
}

/// How a WebSocket has ended.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum End {
    /// The client has closed it, with this code if it gave one.
    #[error("the client closed the WebSocket{}", .0.map(|code| format!(" (code {code})")).unwrap_or_default())]
    Closed(Option<u16>),
    /// It was never one.
    #[error("no WebSocket was opened: {0}")]
    Refused(Refusal),
    /// The client broke the rules.
    #[error("the client broke the rules of WebSocket: {0}")]
    Violated(Violation),
}

impl WebSocket {
    /// For a connection that has just been accepted.
    #[must_use]
    pub fn new(rules: Arc<Rules>) -> Self {
        Self { rules, incoming: Incoming::Upgrade(Head::default()), outgoing: Outgoing::default() }
    }

    /// Takes bytes from the socket. The bytes of the stream among them are at the start of `bytes` then; returns how many
    /// there are. None does not mean the end: ask [`end`](Self::end).
    pub fn receive(&mut self, bytes: &mut [u8]) -> usize {
        let mut from = 0;
        if let Incoming::Upgrade(head) = &mut self.incoming {
            match open(head, &self.rules, bytes) {
                Ok(None) => return 0,
                Ok(Some((taken, answer))) => {
                    from = taken;
                    self.outgoing.open(answer);
                    self.incoming = Incoming::Open(Frames::default());
                }
                Err(refusal) => {
                    self.outgoing.refuse(refusal.answer());
                    self.incoming = Incoming::Over(End::Refused(refusal));
                    return 0;
                }
            }
        }
        let Incoming::Open(frames) = &mut self.incoming else { return 0 };
        let (count, end) = frames.receive(bytes, from, self.rules.frame_limit, &mut self.outgoing);
        if let Some(end) = end {
            match &end {
                End::Closed(code) => self.outgoing.close(*code),
                End::Violated(violation) => self.outgoing.close(Some(violation.code())),
                End::Refused(_) => {}
            }
            self.incoming = Incoming::Over(end);
        }
        count
    }

    /// How it has ended; none while it goes on. The stream's bytes that `receive` gave before still count.
    #[must_use]
    pub fn end(&self) -> Option<&End> {
        match &self.incoming {
            Incoming::Over(end) => Some(end),
            Incoming::Upgrade(_) | Incoming::Open(_) => None,
        }
    }

    /// Gives the bytes that go to the socket first, and how many of the stream's next `length` bytes may follow them at
    /// once. What was announced must be written before other bytes of the socket's: as many bytes, not necessarily these.
    pub fn announce(&mut self, length: usize) -> (&[u8], usize) {
        self.outgoing.announce(length)
    }

    /// Takes note that the socket took `count` of the bytes that [`announce`](Self::announce) gave and let follow. Returns
    /// how many of them were the stream's.
    pub fn written(&mut self, count: usize) -> usize {
        self.outgoing.written(count)
    }

    /// Whether there are bytes for the socket that are not the stream's.
    #[must_use]
    pub fn wants_write(&self) -> bool {
        self.outgoing.has_own()
    }

    /// True when no byte of the stream can be written any more.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.outgoing.is_closed()
    }

    /// Closes it from this side. Bytes of the stream that were announced may still be written, others not.
    pub fn close(&mut self, code: u16) {
        self.outgoing.close(Some(code));
    }
}

/// Goes on with the opening hand-shake. When the request is whole: how many bytes belonged to it, and the answer.
fn open(head: &mut Head, rules: &Rules, bytes: &[u8]) -> Result<Option<(usize, Vec<u8>)>, Refusal> {
    let (taken, is_whole) = head.fill(bytes)?;
    if !is_whole {
        return Ok(None);
    }
    let answer = upgrade::accept(&head.request()?, rules)?;
    Ok(Some((taken, answer)))
}

#[cfg(test)]
mod tests;
