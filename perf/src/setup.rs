//! Brings connections into the state a scenario begins with: connected, subscribed, nothing under way.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::swarm::{Listener, Outbox, Swarm};
use crate::wire::{self, Packet};

/// Topic filters per SUBSCRIBE.
const FILTERS_PER_PACKET: usize = 100;
/// How long nothing may happen before a server is said to be stuck.
const PATIENCE: Duration = Duration::from_secs(10);

/// One connection as a scenario wants it.
#[derive(Clone)]
pub(crate) struct Client {
    /// Its client id.
    pub(crate) id: String,
    /// Clean session flag.
    pub(crate) clean: bool,
    /// Its topic filters.
    pub(crate) filters: Vec<String>,
    /// Quality of service asked for with each of them.
    pub(crate) qos: u8,
}

impl Client {
    /// A client with a clean session and no subscription.
    pub(crate) fn new(id: String) -> Self {
        Self { id, clean: true, filters: Vec::new(), qos: 0 }
    }

    /// The same with one subscription.
    pub(crate) fn subscribed(id: String, filter: &str, qos: u8) -> Self {
        Self { id, clean: true, filters: vec![filter.to_owned()], qos }
    }
}

/// Connects and subscribes all clients, at most `at_once` of them under way, and returns the first's number.
///
/// Clients are numbered one after the other. A refused connection or subscription is an error.
pub(crate) fn establish(
    swarm: &mut Swarm,
    address: SocketAddr,
    clients: &[Client],
    at_once: usize,
) -> Result<usize, String> {
    let first = swarm.len();
    drive(swarm, first, clients, at_once, |swarm, setup, client| {
        let link = swarm.open(address).map_err(|error| format!("connecting to {address}: {error}"))?;
        let wanted = &setup.clients[client];
        wire::connect(&wanted.id, wanted.clean, swarm.outbox().to(link));
        Ok(())
    })?;
    Ok(first)
}

/// Makes the subscriptions of clients that are connected already, the first of them as connection `first`.
pub(crate) fn subscribe(
    swarm: &mut Swarm,
    first: usize,
    clients: &[Client],
    at_once: usize,
) -> Result<(), String> {
    drive(swarm, first, clients, at_once, |swarm, setup, client| {
        setup.advance(client, first + client, swarm.outbox());
        Ok(())
    })
}

/// Starts every client, at most `at_once` of them under way, and turns until all are ready.
fn drive(
    swarm: &mut Swarm,
    first: usize,
    clients: &[Client],
    at_once: usize,
    mut start: impl FnMut(&mut Swarm, &mut Setup<'_>, usize) -> Result<(), String>,
) -> Result<(), String> {
    let mut setup = Setup { first, clients, progress: vec![0; clients.len()], ready: 0, refused: None };
    let mut started = 0;
    let mut last = (0, Instant::now());
    let closed_before = swarm.closed();
    while setup.ready < clients.len() {
        while started < clients.len() && started < setup.ready + at_once {
            start(swarm, &mut setup, started)?;
            started += 1;
        }
        swarm.turn(&mut setup, Duration::from_millis(200)).map_err(|error| error.to_string())?;
        if let Some(reason) = setup.refused {
            return Err(reason);
        }
        let progress: usize = setup.progress.iter().sum();
        if progress != last.0 {
            last = (progress, Instant::now());
        } else if last.1.elapsed() > PATIENCE || swarm.closed() > closed_before {
            let (ready, wanted) = (setup.ready, clients.len());
            let closed = swarm.closed() - closed_before;
            return Err(format!(
                "{ready} of {wanted} clients are connected and subscribed; {closed} were closed"
            ));
        }
    }
    Ok(())
}

struct Setup<'a> {
    first: usize,
    clients: &'a [Client],
    /// Acknowledgements seen, by client.
    progress: Vec<usize>,
    ready: usize,
    refused: Option<String>,
}

impl Setup<'_> {
    /// Sends the next SUBSCRIBE or counts the client as ready.
    fn advance(&mut self, client: usize, link: usize, out: &mut Outbox) {
        let done = self.progress[client];
        self.progress[client] += 1;
        let wanted = &self.clients[client];
        match wanted.filters.chunks(FILTERS_PER_PACKET).nth(done) {
            Some(filters) => {
                let identifier = u16::try_from(done % 65_535 + 1).unwrap_or(1);
                wire::subscribe(identifier, filters, wanted.qos, out.to(link));
            }
            None => self.ready += 1,
        }
    }
}

impl Listener for Setup<'_> {
    fn packet(&mut self, link: usize, packet: Packet<'_>, out: &mut Outbox) {
        let Some(client) = link.checked_sub(self.first).filter(|client| *client < self.clients.len()) else {
            return;
        };
        match (packet.kind(), packet.body) {
            (wire::CONNACK, [_, 0]) | (wire::SUBACK, [_, _, 0..=2, ..]) => self.advance(client, link, out),
            (wire::CONNACK | wire::SUBACK, body) => {
                let id = &self.clients[client].id;
                self.refused = Some(format!("client {id} was refused: {} {body:02x?}", packet.kind()));
            }
            _ => {}
        }
    }
}
