//! A TCP connection in memory: two streams of bytes that can be cut anywhere.

use darter_engine::LinkId;

/// One direction of a connection.
#[derive(Debug, Default)]
pub(crate) struct Stream {
    bytes: Vec<u8>,
    /// Bytes that still come through; what follows is lost.
    cut: Option<usize>,
    /// The writer has closed its end.
    pub(crate) ended: bool,
}

impl Stream {
    pub(crate) fn write(&mut self, bytes: &[u8]) {
        let through = self.cut.map_or(bytes.len(), |left| left.min(bytes.len()));
        self.bytes.extend_from_slice(&bytes[..through]);
        if let Some(left) = &mut self.cut {
            *left -= through;
        }
    }

    pub(crate) fn read(&mut self, most: usize) -> Vec<u8> {
        let rest = self.bytes.split_off(most.min(self.bytes.len()));
        core::mem::replace(&mut self.bytes, rest)
    }

    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Loses everything after the next `bytes` bytes that are written.
    pub(crate) fn cut_after(&mut self, bytes: usize) {
        self.cut = Some(self.cut.map_or(bytes, |left| left.min(bytes)));
    }

    /// Nothing comes through any more, and everything that did was read.
    pub(crate) fn is_dead(&self) -> bool {
        self.bytes.is_empty() && self.cut == Some(0)
    }

    /// The writer has closed its end, and everything before that was read.
    pub(crate) fn is_over(&self) -> bool {
        self.bytes.is_empty() && self.ended
    }

    /// Loses what is on the way and what will be written.
    pub(crate) fn silence(&mut self) {
        self.bytes.clear();
        self.cut = Some(0);
    }
}

/// Who holds the client's end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Holder {
    Raw(usize),
    Client(usize),
}

/// The server's end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ServerEnd {
    pub(crate) node: usize,
    pub(crate) link: LinkId,
}

/// A connection.
#[derive(Debug)]
pub(crate) struct Wire {
    pub(crate) holder: Holder,
    pub(crate) server: Option<ServerEnd>,
    /// To the server.
    pub(crate) up: Stream,
    /// To the client.
    pub(crate) down: Stream,
    /// Bytes that the server read and its engine did not consume.
    pub(crate) input: Vec<u8>,
    /// Most bytes that are on their way to the client.
    pub(crate) window: usize,
    /// The client reads nothing.
    pub(crate) unread: bool,
    /// Neither end learns that nothing comes through.
    pub(crate) unnoticed: bool,
    /// The client's end is closed.
    pub(crate) hung_up: bool,
}

impl Wire {
    pub(crate) fn new(holder: Holder, server: ServerEnd) -> Self {
        Self {
            holder,
            server: Some(server),
            up: Stream::default(),
            down: Stream::default(),
            input: Vec::new(),
            window: usize::MAX,
            unread: false,
            unnoticed: false,
            hung_up: false,
        }
    }

    /// Something for the server to read.
    pub(crate) fn has_up(&self) -> bool {
        self.server.is_some()
            && (self.up.len() > 0 || self.up.ended || (self.up.is_dead() && !self.unnoticed))
    }

    /// Something for the client to read.
    pub(crate) fn has_down(&self) -> bool {
        !self.hung_up
            && !self.unread
            && (self.down.len() > 0 || self.down.ended || (self.down.is_dead() && !self.unnoticed))
    }
}
