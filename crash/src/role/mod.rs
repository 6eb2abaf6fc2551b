//! What clients do, one file for each kind.

mod inspector;
mod mortal;
mod probe;
mod publisher;
mod subscriber;
mod visitor;

use std::time::Instant;

use darter_session::client::Event;

pub(crate) use inspector::Inspector;
pub(crate) use mortal::Mortal;
pub(crate) use probe::Probe;
pub(crate) use publisher::Publisher;
pub(crate) use subscriber::{Subscriber, Wish};
pub(crate) use visitor::Visitor;

use crate::client::Client;
use crate::dice::Dice;
use crate::ledger::Ledger;

/// What every role may look at and write into.
pub(crate) struct Scene<'a> {
    /// The judge.
    pub(crate) ledger: &'a mut Ledger,
    /// Chance.
    pub(crate) dice: &'a mut Dice,
    /// The time.
    pub(crate) now: Instant,
    /// Whether there is load: new messages, changes of subscriptions, rude clients.
    pub(crate) load: bool,
    /// Whether a fault of the disk excuses refusals.
    pub(crate) excused: bool,
    /// Whether there is a server that reads what is sent now.
    pub(crate) heard: bool,
}

/// One client's business.
pub(crate) enum Role {
    /// Publishes, with a persistent session.
    Publisher(Publisher),
    /// Has a persistent session and is subscribed.
    Subscriber(Subscriber),
    /// Comes, looks, publishes a little, and goes.
    Visitor(Visitor),
    /// Has a will, and ends.
    Mortal(Mortal),
    /// Looks at all retained messages.
    Inspector(Inspector),
    /// Sees whether QoS 0 flows.
    Probe(Probe),
}

impl Role {
    /// Something happened on the connection.
    pub(crate) fn event(&mut self, event: Event, client: &mut Client, scene: &mut Scene<'_>) {
        match self {
            Self::Publisher(role) => role.event(event, client, scene),
            Self::Subscriber(role) => role.event(event, client, scene),
            Self::Visitor(role) => role.event(event, client, scene),
            Self::Mortal(role) => role.event(&event, scene),
            Self::Inspector(role) => role.event(event, client, scene),
            Self::Probe(role) => role.event(event, client),
        }
    }

    /// Time has passed.
    pub(crate) fn tick(&mut self, client: &mut Client, scene: &mut Scene<'_>) {
        match self {
            Self::Publisher(role) => role.tick(client, scene),
            Self::Subscriber(role) => role.tick(client, scene),
            Self::Visitor(role) => role.tick(client, scene),
            Self::Mortal(role) => role.tick(client, scene),
            Self::Inspector(role) => role.tick(client, scene),
            Self::Probe(role) => role.tick(client, scene.now),
        }
    }
}
