//! From a socket into the engine.

use super::{BUFFER_REST, Running};
use crate::conn::{Arrived, ReadOutcome};
use crate::event;
use crate::large::LARGE_FROM;
use bytes::Bytes;
use darter_engine::LinkId;

/// Bytes read from one socket at once; a turn reads at most `READS` times from one connection.
pub(crate) const READ_SIZE: usize = 64 * 1024;
pub(super) const READS: usize = 4;
/// The shard's buffer: the start of a packet that an earlier read has cut, and a read behind it.
pub(super) const BUFFER: usize = LARGE_FROM + READ_SIZE;
/// After so many bytes other shards get what is for them, so that a long turn reaches them in pieces.
const SEND_AFTER: usize = 256 * 1024;

impl Running {
    /// Reads from a connection in its next turn, even if nothing new is reported.
    pub(super) fn read_again(&mut self, id: LinkId) {
        if let Some(conn) = self.conn(id)
            && !conn.listed
        {
            conn.listed = true;
            self.ready.push_back(id);
        }
    }

    /// Reads from a connection that was listed for it.
    pub(super) fn read_listed(&mut self, id: LinkId) {
        if let Some(conn) = self.conn(id) {
            conn.listed = false;
            self.read(id);
        }
    }

    /// Reads from a connection of which something was reported, unless it has its turn anyway.
    pub(super) fn read_unlisted(&mut self, id: LinkId) {
        if self.conn(id).is_some_and(|conn| !conn.listed) {
            self.read(id);
        }
    }

    /// Reads what a connection has, within its share of a turn.
    fn read(&mut self, id: LinkId) {
        if self.is_congested() {
            self.read_again(id);
            return;
        }
        for _ in 0..READS {
            let mut buffer = std::mem::take(&mut self.buffer);
            let more = self.read_once(id, &mut buffer);
            self.buffer = buffer;
            self.write_pressing();
            if self.unsent_for >= SEND_AFTER {
                self.settle();
                self.send_outgoing();
            }
            if !more {
                return;
            }
        }
        self.read_again(id);
    }

    /// Reads once and hands the bytes to the engine. True when reading again may bring more.
    fn read_once(&mut self, id: LinkId, buffer: &mut [u8]) -> bool {
        if self.conn(id).is_some_and(|conn| conn.input.len() >= LARGE_FROM) {
            // Bytes that had to wait and may be looked at since this turn; they go first.
            self.resume(id);
        }
        if self.driver.shard.is_paused(id) {
            if let Some(conn) = self.conn(id) {
                conn.paused = true;
            }
            return false;
        }
        let now = self.now;
        let Some(conn) = self.conn(id) else { return false };
        let (count, more) = match conn.read(buffer) {
            ReadOutcome::Bytes { count, more } => (count, more),
            ReadOutcome::Empty => return false,
            ReadOutcome::Again => return true,
            ReadOutcome::Over(fault) => {
                if let Some(fault) = fault {
                    let (listener, address) = (conn.entry.name(), conn.stream.peer());
                    event::TransportFailed { listener, address, fault: &fault }.emit();
                }
                self.driver.shard.lost(now, id);
                return false;
            }
        };
        match conn.arrived(buffer, count) {
            Arrived::Part => self.driver.shard.heard(now, id),
            Arrived::Bytes(bytes) => self.hand_in(id, bytes, None),
            Arrived::Packet(packet) => self.hand_in(id, &packet, Some(&packet)),
        }
        self.status.bytes_received += count as u64;
        self.unsent_for += count;
        more
    }

    /// Hands in the bytes that a connection kept because they had to wait.
    pub(super) fn resume(&mut self, id: LinkId) {
        let Some(conn) = self.conn(id) else { return };
        let input = std::mem::take(&mut conn.input);
        if !input.is_empty() {
            self.hand_in(id, &input, None);
        }
    }

    /// Hands bytes to the engine; the connection keeps what it does not consume.
    fn hand_in(&mut self, id: LinkId, bytes: &[u8], owner: Option<&Bytes>) {
        let consumed = self.driver.shard.receive(self.now, id, bytes, owner);
        self.trace_received(id, &bytes[..consumed]);
        let rest = &bytes[consumed..];
        // Looked up here: `conn` would borrow all of `self`.
        let Some(Some(conn)) = self.conns.get_mut(id.slot as usize) else { return };
        if conn.link != id {
            return;
        }
        if rest.is_empty() {
            conn.keep_nothing();
        } else if self.driver.shard.is_reading(id) {
            conn.keep_start(rest, &self.large);
            if conn.large.is_some() && self.buffers_due.is_none() {
                self.buffers_due = Some(self.now + BUFFER_REST);
            }
        } else {
            conn.keep_whole(rest);
        }
    }
}
