//! Connections that the server has ended: what it still had to say is written, what arrives is thrown away.
//!
//! A socket that is closed with unread bytes resets the connection, and a reset may destroy the DISCONNECT on its way.

use super::reading::READS;
use super::{LINGERING, Running};
use crate::conn::{Conn, Discarded};
use darter_engine::{LinkId, Output};
use mio::Token;
use std::io;

/// How long a closed connection may take to read its last bytes, in milliseconds.
const LINGER: u64 = 2_000;

/// A connection on its way out.
pub(super) struct Lingering {
    conn: Conn,
    last: Output,
    /// The client was told that nothing follows.
    shut: bool,
    /// The client sends no more.
    ended: bool,
    /// In the list of those from which more can be read at once.
    listed: bool,
    until: u64,
}

/// What comes next for a connection on its way out.
enum Next {
    /// The system reports when there is something to do.
    Wait,
    /// More can be read at once.
    Again,
    Over,
}

impl Lingering {
    /// Writes what can be written and reads what has arrived. Adds the bytes written to `sent`.
    fn go_on(&mut self, buffer: &mut [u8], sent: &mut u64) -> Next {
        match self.conn.write(&mut self.last) {
            Ok(count) => *sent += count as u64,
            Err(_) => return Next::Over,
        }
        if self.last.is_empty() && !self.shut {
            let outcome = self.conn.stream.shut_write();
            self.shut = !outcome.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock);
        }
        for _ in 0..READS {
            if self.ended {
                return if self.shut { Next::Over } else { Next::Wait };
            }
            match self.conn.discard(buffer) {
                Discarded::Some => {}
                Discarded::Nothing => return Next::Wait,
                Discarded::End => self.ended = true,
                Discarded::Failed => return Next::Over,
            }
        }
        Next::Again
    }
}

impl Running {
    /// Ends a connection of which the engine knows no more; `last` is what the client shall still get.
    pub(super) fn close(&mut self, link: LinkId, last: Output) {
        let Some(mut conn) = self.take_conn(link) else { return };
        // Filters have last words of their own.
        if last.is_empty() && !conn.stream.is_filtered() {
            return;
        }
        let registry = self.driver.poll.registry();
        let entry = self.lingering.vacant_entry();
        let key = entry.key();
        let registered = conn.stream.deregister(registry);
        if registered.and_then(|()| conn.stream.register(registry, Token(LINGERING + key))).is_err() {
            return;
        }
        entry.insert(Lingering {
            conn,
            last,
            shut: false,
            ended: false,
            listed: false,
            until: self.now + LINGER,
        });
        self.linger(key);
    }

    /// Something happened to a connection on its way out, or more can be read from it.
    pub(super) fn linger(&mut self, key: usize) {
        let Some(one) = self.lingering.get_mut(key) else { return };
        match one.go_on(&mut self.buffer, &mut self.status.bytes_sent) {
            Next::Wait => {}
            Next::Again if one.listed => {}
            Next::Again => {
                one.listed = true;
                self.flooding.push(key);
            }
            Next::Over => drop(self.lingering.remove(key)),
        }
    }

    /// Goes on with those from which more can be read at once.
    pub(super) fn linger_on(&mut self) {
        for key in std::mem::take(&mut self.flooding) {
            if let Some(one) = self.lingering.get_mut(key) {
                one.listed = false;
                self.linger(key);
            }
        }
    }

    /// Closes what has lingered long enough.
    pub(super) fn end_lingering(&mut self) {
        if !self.lingering.is_empty() {
            let now = self.now;
            self.lingering.retain(|_, one| one.until > now);
        }
    }

    pub(super) fn lingering_timeout(&self) -> Option<u64> {
        (!self.lingering.is_empty()).then_some(self.now + LINGER / 2)
    }
}
