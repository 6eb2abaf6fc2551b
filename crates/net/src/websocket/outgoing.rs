//! What goes to a client: frames around the stream's bytes, which are not copied, and answers of our own between them.

use super::frame::{self, Kind};

/// The longest payload of a frame of ours. Answers of our own have to wait for the end of a frame.
const LONGEST_FRAME: usize = 256 * 1024;
/// Memory that is kept for the next answers and headers.
const ROOM_KEPT: usize = 64;

/// The server's side of a connection.
#[derive(Debug, Default)]
pub(super) struct Outgoing {
    /// What goes out before anything else: answers, and the header of the frame that is under way.
    own: Vec<u8>,
    /// Bytes of the frame under way that have not been written.
    announced: usize,
    /// The answer to the last ping, while something is in its way. Older ones need none (section 5.5.3).
    pong: Option<Vec<u8>>,
    /// The close frame's payload, while something is in its way.
    close: Option<Vec<u8>>,
    phase: Phase,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Phase {
    /// The request is not answered.
    #[default]
    Upgrade,
    Open,
    /// The last bytes are in `own` or written, or will be when the frame under way is out.
    Closed,
}

impl Outgoing {
    /// The connection is a WebSocket from now on.
    pub(super) fn open(&mut self, answer: Vec<u8>) {
        self.own = answer;
        self.phase = Phase::Open;
    }

    /// The connection is none, and this is said about it.
    pub(super) fn refuse(&mut self, answer: Vec<u8>) {
        self.own = answer;
        self.phase = Phase::Closed;
    }

    /// Answers a ping.
    pub(super) fn pong(&mut self, payload: Vec<u8>) {
        if self.phase == Phase::Open {
            self.pong = Some(payload);
            self.settle();
        }
    }

    /// Says that nothing follows.
    pub(super) fn close(&mut self, code: Option<u16>) {
        if self.phase == Phase::Open {
            self.close = Some(code.map(|code| code.to_be_bytes().to_vec()).unwrap_or_default());
            self.phase = Phase::Closed;
            self.settle();
        }
    }

    pub(super) fn has_own(&self) -> bool {
        !self.own.is_empty()
    }

    pub(super) fn is_closed(&self) -> bool {
        self.phase == Phase::Closed && self.announced == 0
    }

    pub(super) fn announce(&mut self, length: usize) -> (&[u8], usize) {
        if self.announced == 0 && self.phase == Phase::Open && length > 0 {
            self.announced = length.min(LONGEST_FRAME);
            frame::write_header(&mut self.own, self.announced);
        }
        (&self.own, length.min(self.announced))
    }

    pub(super) fn written(&mut self, count: usize) -> usize {
        let own = count.min(self.own.len());
        self.own.drain(..own);
        if self.own.is_empty() && self.own.capacity() > ROOM_KEPT {
            self.own = Vec::new();
        }
        let payload = (count - own).min(self.announced);
        self.announced -= payload;
        self.settle();
        payload
    }

    /// Lets out what waited for the end of a frame. One pong at a time: who sends pings and reads nothing gets no more.
    /// Nothing follows the close frame, so a pong that still waits then goes before it.
    fn settle(&mut self) {
        if self.announced > 0 {
            return;
        }
        if (self.own.is_empty() || self.close.is_some())
            && let Some(payload) = self.pong.take()
        {
            frame::write_control(&mut self.own, Kind::Pong, &payload);
        }
        if let Some(payload) = self.close.take() {
            frame::write_control(&mut self.own, Kind::Close, &payload);
        }
    }
}
