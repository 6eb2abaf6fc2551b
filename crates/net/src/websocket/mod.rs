//! The server's side of WebSocket (RFC 6455): the stream of a client is what its binary frames hold.
//!
//! A frame's payload goes on as it arrives; only the request's head, the headers of frames and control frames are kept until
//! they are whole, so an announced length costs nothing. No extension is agreed on, compression neither: nothing grows by
//! being read.

mod frame;
mod incoming;
mod refusal;
mod request;
mod rules;
mod upgrade;

pub use rules::{Origin, OriginError, Rules};

use crate::filter::{Fault, Filter, Layer, LayerKind, Received};
use crate::peer::Peer;
use frame::Violation;
use incoming::Frames;
use refusal::Refusal;
use request::Head;
use std::sync::Arc;
use thiserror::Error;

/// The code of a close frame when all is well (section 7.4.1).
const CLOSE_NORMAL: u16 = 1000;

/// WebSocket on a listener.
#[derive(Debug, Clone)]
pub struct WebSocket {
    rules: Arc<Rules>,
}

impl WebSocket {
    /// For clients that keep to these rules.
    #[must_use]
    pub fn new(rules: Rules) -> Self {
        Self { rules: Arc::new(rules) }
    }
}

impl Layer for WebSocket {
    fn kind(&self) -> LayerKind {
        LayerKind::WebSocket
    }

    fn begin(&self, _peer: Peer) -> Result<Box<dyn Filter>, Fault> {
        Ok(Box::new(Connection::new(self.rules.clone())))
    }
}

/// One connection's WebSocket.
#[derive(Debug)]
struct Connection {
    rules: Arc<Rules>,
    stage: Stage,
    /// The last word of this side is said.
    closed: bool,
}

#[derive(Debug)]
enum Stage {
    Upgrade(Head),
    Open(Frames),
}

/// Why it cannot go on.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
enum Failure {
    /// It does not become a WebSocket.
    #[error("no WebSocket was opened: {0}")]
    Refused(#[from] Refusal),
    /// The client broke the rules.
    #[error("the client broke the rules of WebSocket: {0}")]
    Violated(#[from] Violation),
}

impl Connection {
    fn new(rules: Arc<Rules>) -> Self {
        Self { rules, stage: Stage::Upgrade(Head::default()), closed: false }
    }

    fn take(&mut self, bytes: &[u8], up: &mut Vec<u8>, down: &mut Vec<u8>) -> Result<Received, Failure> {
        let mut rest = bytes;
        if let Stage::Upgrade(head) = &mut self.stage {
            let (taken, is_whole) = head.fill(bytes)?;
            if !is_whole {
                return Ok(Received::More);
            }
            down.extend(upgrade::accept(&head.request()?, &self.rules)?);
            rest = &bytes[taken..];
            self.stage = Stage::Open(Frames::default());
        }
        let Stage::Open(frames) = &mut self.stage else { return Ok(Received::More) };
        if self.closed {
            // Answers would be too late.
            return Ok(frames.receive(rest, self.rules.frame_limit, up, &mut Vec::new())?);
        }
        let received = frames.receive(rest, self.rules.frame_limit, up, down)?;
        self.closed |= received == Received::End;
        Ok(received)
    }
}

impl Filter for Connection {
    fn receive(&mut self, bytes: &mut [u8], up: &mut Vec<u8>, down: &mut Vec<u8>) -> Result<Received, Fault> {
        self.take(bytes, up, down).map_err(|failure| {
            match &failure {
                Failure::Refused(refusal) => down.extend(refusal.answer()),
                Failure::Violated(_) if self.closed => {}
                Failure::Violated(violation) => frame::write_close(down, Some(violation.code())),
            }
            self.closed = true;
            Fault::new(failure.to_string())
        })
    }

    fn send(&mut self, bytes: &[u8], down: &mut Vec<u8>) -> Result<(), Fault> {
        if !self.closed {
            frame::write_binary(down, bytes);
        }
        Ok(())
    }

    fn close(&mut self, down: &mut Vec<u8>) {
        if matches!(self.stage, Stage::Open(_)) && !self.closed {
            frame::write_close(down, Some(CLOSE_NORMAL));
        }
        self.closed = true;
    }

    fn waits_for(&self) -> Option<&'static str> {
        matches!(self.stage, Stage::Upgrade(_)).then_some("the whole request that opens a WebSocket")
    }
}

#[cfg(test)]
mod tests;
