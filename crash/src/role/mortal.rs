//! A client with a will, which does nothing but come and end: with DISCONNECT or without.

use std::time::{Duration, Instant};

use darter_codec::{Properties, Will};
use darter_session::client::Event;

use super::Scene;
use crate::client::Client;
use crate::message::MessageId;

/// The longest life in milliseconds.
const LONGEST: u64 = 300;

/// One life.
pub(crate) struct Mortal {
    id: MessageId,
    /// It has tried to connect.
    begun: bool,
    ends: Option<Instant>,
    gone: bool,
}

impl Mortal {
    /// One with this message for its will.
    pub(crate) fn new(id: MessageId) -> Self {
        Self { id, begun: false, ends: None, gone: false }
    }

    /// What it leaves.
    pub(crate) fn will(&self) -> Will {
        let publish = self.id.publish();
        Will {
            qos: publish.qos,
            retain: publish.retain,
            topic: publish.topic,
            payload: publish.payload,
            properties: Properties::default(),
        }
    }

    /// Whose will of a stream it is.
    pub(crate) fn number(&self) -> u16 {
        self.id.stream.publisher
    }

    /// It connects. True when it has tried before: a server may have published its will by now, so it must not come again.
    pub(crate) fn begins_again(&mut self) -> bool {
        std::mem::replace(&mut self.begun, true)
    }

    /// Whether it has ended by itself.
    pub(crate) fn is_gone(&self) -> bool {
        self.gone
    }

    pub(super) fn event(&mut self, event: &Event, scene: &mut Scene<'_>) {
        if let Event::Connected(_) = event {
            self.ends = Some(scene.now + Duration::from_millis(scene.dice.below(LONGEST)));
        }
    }

    pub(super) fn tick(&mut self, client: &mut Client, scene: &mut Scene<'_>) {
        let due = self.ends.is_some_and(|ends| ends <= scene.now) || !scene.load;
        if !due || !client.is_connected() {
            return;
        }
        // Nothing is sent to it, so that nothing unread turns the end of its connection into a reset.
        if scene.dice.once_in(3) {
            client.leave();
            scene.ledger.withdrawn(self.id);
        } else {
            client.vanish();
            scene.ledger.died(self.id);
        }
        self.gone = true;
    }
}
