//! New connections.

use super::{ACCEPT_PAUSE, ACCEPTS, COMPLAINT_PAUSE, Running};
use crate::conn::Conn;
use crate::entrance::{Entrance, Entry};
use crate::event;
use darter_engine::Event;
use darter_net::{Listener, Stream};
use mio::Token;
use std::io;
use std::sync::Arc;

/// One listening socket, and what applies to those who come in there.
#[derive(Debug)]
pub(crate) struct Door {
    pub(crate) listener: Listener,
    pub(crate) entrance: Arc<Entrance>,
}

impl Door {
    /// The same for another thread.
    pub(crate) fn try_clone(&self) -> io::Result<Self> {
        Ok(Self { listener: self.listener.try_clone()?, entrance: self.entrance.clone() })
    }
}

impl Running {
    pub(super) fn accept(&mut self, door: usize) {
        for _ in 0..ACCEPTS {
            let Some(Door { listener, entrance }) = self.driver.doors.get(door) else { return };
            match listener.accept() {
                Ok(mut stream) => {
                    self.status.sockets += 1;
                    match entrance.enter(&mut stream) {
                        Ok(Some(entry)) => self.add(stream, entry, Vec::new()),
                        Ok(None) => {
                            let event = event::TooManyConnections {
                                listener: entrance.name(),
                                address: stream.peer(),
                            };
                            event.emit();
                        }
                        Err(fault) => {
                            let (listener, address) = (entrance.name(), stream.peer());
                            event::TransportFailed { listener, address, fault: &fault }.emit();
                        }
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    if self.now >= self.complain_after {
                        self.complain_after = self.now + COMPLAINT_PAUSE;
                        event::AcceptFailed { error: &error }.emit();
                    }
                    self.accept_after = Some(self.now + ACCEPT_PAUSE);
                    return;
                }
            }
        }
        // More may wait; the listener is edge-triggered.
        self.accept_after = Some(self.now);
    }

    /// Serves a connection from now on. `input` is what was read from it on another thread.
    pub(super) fn add(&mut self, mut stream: Stream, entry: Entry, input: Vec<u8>) {
        let link = self.driver.shard.accept(self.now);
        let slot = link.slot as usize;
        if let Err(error) = stream.register(self.driver.poll.registry(), Token(slot)) {
            event::AcceptFailed { error: &error }.emit();
            self.driver.shard.lost(self.now, link);
            return;
        }
        if self.conns.len() <= slot {
            self.conns.resize_with(slot + 1, || None);
        }
        let has_input = !input.is_empty();
        let mut conn = Conn::new(stream, entry, link);
        conn.input = input;
        self.conns[slot] = Some(conn);
        if has_input {
            self.resume(link);
            // What arrived while the socket was between two pollers is not reported again.
            self.read_again(link);
        }
    }

    /// A connection may have ended before MQTT could begin on it.
    pub(super) fn tell_of_transport(&self, event: &Event) {
        if let Event::Disconnected { link, client: None, ending } = event
            && let Some(Some(conn)) = self.conns.get(*link as usize)
            && let Some(waits_for) = conn.stream.waits_for()
        {
            let (listener, address) = (conn.entry.name(), conn.stream.peer());
            event::TransportUnfinished { listener, address, waits_for, ending }.emit();
        }
    }
}
