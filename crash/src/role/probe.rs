//! A client that sees whether QoS 0 flows while the disk is at fault.

use std::time::{Duration, Instant};

use darter_codec::{PacketId, Properties, Publish, QoS, Subscribe, SubscribeFilter, SubscriptionOptions};
use darter_session::client::Event;

use crate::client::Client;

/// What it sends and wants to see again.
const TOPIC: &str = "probe/echo";
/// Time between two messages.
const BETWEEN: Duration = Duration::from_millis(50);

/// Sends QoS 0 messages to itself.
#[derive(Default)]
pub(crate) struct Probe {
    subscribed: bool,
    number: u64,
    /// The first message that would prove that QoS 0 flows now.
    wanted: u64,
    seen: u64,
    sent: Option<Instant>,
}

impl Probe {
    /// From now on only messages that are sent later count.
    pub(crate) fn ask(&mut self) {
        self.wanted = self.number + 1;
    }

    /// Whether a message has come back that was sent after the question.
    pub(crate) fn is_answered(&self) -> bool {
        self.seen >= self.wanted
    }

    pub(super) fn event(&mut self, event: Event, client: &mut Client) {
        match event {
            Event::Connected(_) => {
                self.subscribed = false;
                let options = SubscriptionOptions::new(QoS::AtMostOnce);
                let (packet_id, properties) = (PacketId::MIN, Properties::default());
                let filters = vec![SubscribeFilter::new(TOPIC, options)];
                // Without a connection nothing comes back, and whoever waits for it notices.
                let _ = client.connection.subscribe(Subscribe { packet_id, properties, filters });
            }
            Event::Subscribed(..) => self.subscribed = true,
            Event::Message(message) => {
                let number = std::str::from_utf8(&message.payload).ok().and_then(|text| text.parse().ok());
                self.seen = self.seen.max(number.unwrap_or(0));
            }
            _ => {}
        }
    }

    pub(super) fn tick(&mut self, client: &mut Client, now: Instant) {
        if !self.subscribed
            || !client.is_connected()
            || self.sent.is_some_and(|at| now.duration_since(at) < BETWEEN)
        {
            return;
        }
        self.sent = Some(now);
        self.number += 1;
        let payload = self.number.to_string().into_bytes().into();
        let _ = client.connection.publish(Publish { topic: TOPIC.into(), payload, ..Publish::default() });
    }
}
