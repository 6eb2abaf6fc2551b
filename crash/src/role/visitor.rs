//! A client that comes, looks at retained messages, publishes a little, and goes: politely or not.

use std::time::{Duration, Instant};

use darter_codec::{PacketId, Properties, Publish, QoS, Subscribe, SubscribeFilter, SubscriptionOptions};
use darter_session::client::Event;

use super::Scene;
use crate::client::Client;
use crate::ledger::Snapshot;

/// The longest visit in milliseconds.
const LONGEST: u64 = 250;
/// What a visitor publishes; nobody who is judged subscribes to it.
const NOISE: &str = "noise/visitor";

/// One visit.
#[derive(Default)]
pub(crate) struct Visitor {
    leaves: Option<Instant>,
    snapshot: Snapshot,
    /// The visit is over, and the client closed its connection.
    gone: bool,
}

impl Visitor {
    /// Whether the visit is over.
    pub(crate) fn is_gone(&self) -> bool {
        self.gone
    }

    pub(super) fn event(&mut self, event: Event, client: &mut Client, scene: &mut Scene<'_>) {
        match event {
            Event::Connected(_) => {
                self.leaves = Some(scene.now + Duration::from_millis(scene.dice.below(LONGEST)));
                self.snapshot = scene.ledger.snapshot();
                let qos = scene.dice.pick([QoS::AtLeastOnce, QoS::ExactlyOnce]);
                let filter = SubscribeFilter::new("cleared/#", SubscriptionOptions::new(qos));
                let (packet_id, properties) = (PacketId::MIN, Properties::default());
                let filters = vec![filter];
                // What cannot be sent because the connection is at its end is nothing to a visitor.
                let _ = client.connection.subscribe(Subscribe { packet_id, properties, filters });
                for qos in [QoS::AtLeastOnce, QoS::ExactlyOnce, QoS::AtMostOnce] {
                    let payload = "hello".into();
                    let noise = Publish { qos, topic: NOISE.into(), payload, ..Publish::default() };
                    let _ = client.connection.publish(noise);
                }
            }
            Event::Message(message) => {
                if message.retain {
                    let (topic, payload) = (&message.topic, &message.payload);
                    scene.ledger.seen(&client.name, &self.snapshot, topic, payload);
                }
                if let Some(delivery) = message.delivery {
                    client.connection.acknowledge(delivery);
                }
            }
            _ => {}
        }
    }

    pub(super) fn tick(&mut self, client: &mut Client, scene: &mut Scene<'_>) {
        if self.leaves.is_some_and(|leaves| leaves <= scene.now) || (client.is_connected() && !scene.load) {
            if scene.dice.once_in(2) {
                client.leave();
            } else {
                client.vanish();
            }
            self.gone = true;
        }
    }
}
