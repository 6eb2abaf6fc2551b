//! The kernel's limit: a server that knows no more of MQTT than it must to copy bytes to the right sockets.
//!
//! One epoll loop, exact topics, QoS 0. No real server can be cheaper on this machine, so its figures show how much of a
//! server's cost is the kernel's, and that the generator keeps up with rates no server reaches.

use std::collections::HashMap;
use std::time::Duration;

use crate::swarm::{Listener, Outbox, Swarm};
use crate::wire::{self, Packet};

/// Serves until the process is ended; `announce` gets the address.
pub(crate) fn serve(announce: impl FnOnce(std::net::SocketAddr)) -> Result<(), String> {
    let mut swarm = Swarm::new().map_err(|error| error.to_string())?;
    let address = swarm.listen().map_err(|error| format!("listening: {error}"))?;
    announce(address);
    let mut copier = Copier::default();
    loop {
        swarm.turn(&mut copier, Duration::from_secs(60)).map_err(|error| error.to_string())?;
    }
}

#[derive(Default)]
struct Copier {
    subscribers: HashMap<Vec<u8>, Vec<usize>>,
    /// The topic each connection published to last, and who gets it.
    routes: Vec<Route>,
}

#[derive(Clone, Default)]
struct Route {
    topic: Vec<u8>,
    to: Vec<usize>,
}

impl Copier {
    fn subscribe(&mut self, link: usize, body: &[u8], out: &mut Outbox) {
        let mut granted = 0;
        let mut at = 2;
        while let Some(topic) = text(body, at) {
            at += 2 + topic.len() + 1;
            granted += 1;
            self.subscribers.entry(topic.to_vec()).or_default().push(link);
        }
        self.routes.clear();
        wire::subscribed(&body[..2], granted, out.to(link));
    }

    fn copy(&mut self, link: usize, packet: Packet<'_>, out: &mut Outbox) {
        let Some(topic) = text(packet.body, 0) else { return };
        if self.routes.len() <= link {
            self.routes.resize(link + 1, Route::default());
        }
        let route = &mut self.routes[link];
        if route.topic != topic {
            route.topic = topic.to_vec();
            route.to = self.subscribers.get(topic).cloned().unwrap_or_default();
        }
        for to in &route.to {
            wire::copy(packet, out.to(*to));
        }
    }
}

impl Listener for Copier {
    const WHOLE: bool = true;

    fn packet(&mut self, link: usize, packet: Packet<'_>, out: &mut Outbox) {
        match packet.kind() {
            wire::CONNECT => out.to(link).extend_from_slice(&wire::ACCEPTED),
            wire::SUBSCRIBE if packet.body.len() > 2 => self.subscribe(link, packet.body, out),
            wire::PUBLISH => self.copy(link, packet, out),
            _ => {}
        }
    }
}

/// The length-prefixed text at `at`.
fn text(body: &[u8], at: usize) -> Option<&[u8]> {
    let length = u16::from_be_bytes(body.get(at..at + 2)?.try_into().ok()?);
    body.get(at + 2..at + 2 + usize::from(length))
}
