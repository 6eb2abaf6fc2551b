//! A client that looks at all retained messages at a moment when nobody publishes.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use darter_codec::{PacketId, Properties, Publish, QoS, Subscribe, SubscribeFilter, SubscriptionOptions};
use darter_session::client::Event;

use super::Scene;
use crate::client::Client;
use crate::ledger::Snapshot;
use crate::message::Stream;

/// Comes back to the inspector when everything before it has been sent.
const ECHO: &str = "inspection/echo";
/// The silence after it that ends the inspection: messages of another QoS may come later.
const SILENCE: Duration = Duration::from_millis(60);

/// One inspection.
#[derive(Default)]
pub(crate) struct Inspector {
    snapshot: Snapshot,
    found: BTreeMap<Stream, u64>,
    echoed: Option<Instant>,
    done: bool,
}

impl Inspector {
    /// Whether it has seen everything, and told the ledger.
    pub(crate) fn is_done(&self) -> bool {
        self.done
    }

    pub(super) fn event(&mut self, event: Event, client: &mut Client, scene: &mut Scene<'_>) {
        match event {
            Event::Connected(_) => {
                self.snapshot = scene.ledger.snapshot();
                let options = SubscriptionOptions::new(QoS::ExactlyOnce);
                let filters =
                    ["load/#", "cleared/#", ECHO].map(|filter| SubscribeFilter::new(filter, options));
                let (packet_id, properties) = (PacketId::MIN, Properties::default());
                // Without a connection there is no inspection, and whoever waits for it notices.
                let _ = client.connection.subscribe(Subscribe {
                    packet_id,
                    properties,
                    filters: filters.to_vec(),
                });
            }
            Event::Subscribed(..) => {
                let (qos, payload) = (QoS::ExactlyOnce, "echo".into());
                let echo = Publish { qos, topic: ECHO.into(), payload, ..Publish::default() };
                let _ = client.connection.publish(echo);
            }
            Event::Message(message) => {
                if &*message.topic == ECHO {
                    self.echoed = Some(scene.now);
                } else if message.retain {
                    self.echoed = self.echoed.map(|_| scene.now);
                    let (topic, payload) = (&message.topic, &message.payload);
                    self.found.extend(scene.ledger.seen(&client.name, &self.snapshot, topic, payload));
                }
                if let Some(delivery) = message.delivery {
                    client.connection.acknowledge(delivery);
                }
            }
            _ => {}
        }
    }

    pub(super) fn tick(&mut self, client: &mut Client, scene: &mut Scene<'_>) {
        if !self.done && self.echoed.is_some_and(|at| scene.now.duration_since(at) > SILENCE) {
            scene.ledger.inspected(&client.name, &self.snapshot, &self.found);
            self.done = true;
            client.leave();
        }
    }
}
