//! A publisher with a persistent session: what is not acknowledged goes out again after every crash.

use std::collections::VecDeque;
use std::time::Instant;

use darter_codec::{Packet, PacketId, QoS};
use darter_session::client::{Direction, Event};

use super::Scene;
use crate::client::Client;
use crate::ledger::Fault;
use crate::message::{Lane, MessageId, Stream};

/// Which lanes its messages take, as often as they stand here.
const MIX: [Lane; 10] = [
    Lane::Once,
    Lane::Once,
    Lane::Once,
    Lane::Exactly,
    Lane::Exactly,
    Lane::Exactly,
    Lane::OnceRetained,
    Lane::ExactlyRetained,
    Lane::OnceCleared,
    Lane::ExactlyCleared,
];

/// Publishes at a rate, with so many messages unacknowledged at most.
pub(crate) struct Publisher {
    number: u16,
    /// Messages a second.
    rate: f64,
    most: usize,
    allowance: f64,
    topped_up: Instant,
    /// Handed to the connection and not yet sent.
    waiting: VecDeque<MessageId>,
    /// Sent and not done with, in that order.
    under_way: Vec<(PacketId, MessageId)>,
}

impl Publisher {
    /// One that publishes on the streams of this number.
    pub(crate) fn new(number: u16, rate: f64, most: usize, now: Instant) -> Self {
        let (waiting, under_way) = (VecDeque::new(), Vec::new());
        Self { number, rate, most, allowance: 0.0, topped_up: now, waiting, under_way }
    }

    /// Publishes one message to every persistent subscriber.
    pub(crate) fn mark(&mut self, client: &mut Client, scene: &mut Scene<'_>) {
        self.publish(Lane::Mark, client, scene);
    }

    pub(super) fn event(&mut self, event: Event, client: &mut Client, scene: &mut Scene<'_>) {
        match event {
            Event::Connected(connack) => {
                if !connack.session_present {
                    self.begin_again(scene);
                }
                scene.ledger.connected(&client.name, connack.session_present);
            }
            Event::Packet(Direction::Sent, packet) => {
                if let Packet::Publish(publish) = *packet
                    && let (Some(packet_id), false) = (publish.packet_id, publish.dup)
                    && let Some(id) = self.waiting.pop_front()
                {
                    self.under_way.push((packet_id, id));
                }
            }
            Event::Packet(Direction::Received, packet) => self.answered(&packet, client, scene),
            _ => {}
        }
    }

    fn answered(&mut self, packet: &Packet, client: &Client, scene: &mut Scene<'_>) {
        let (packet_id, reason) = match packet {
            Packet::PubAck(ack) => (ack.packet_id, ack.reason),
            Packet::PubRec(ack) => (ack.packet_id, ack.reason),
            Packet::PubComp(ack) => {
                self.under_way.retain(|(used, _)| *used != ack.packet_id);
                return;
            }
            _ => return,
        };
        let Some(place) = self.under_way.iter().position(|(used, _)| *used == packet_id) else { return };
        let (_, id) = self.under_way[place];
        if reason.is_error() {
            scene.ledger.refused(id);
            if !scene.excused {
                let what = format!("{id} with {reason:?}");
                scene.ledger.blame(&client.name, Fault::Refused { what });
            }
        } else {
            scene.ledger.acknowledged(id);
        }
        if reason.is_error() || id.stream.lane.qos() == QoS::AtLeastOnce {
            self.under_way.remove(place);
        }
    }

    /// The server knows nothing: the connection sends QoS 1 messages again as new ones and gives QoS 2 ones up.
    fn begin_again(&mut self, scene: &mut Scene<'_>) {
        for (_, id) in self.under_way.drain(..).rev() {
            if id.stream.lane.qos() == QoS::AtLeastOnce {
                self.waiting.push_front(id);
            } else {
                scene.ledger.refused(id);
            }
        }
    }

    pub(super) fn tick(&mut self, client: &mut Client, scene: &mut Scene<'_>) {
        let passed = scene.now.duration_since(self.topped_up).as_secs_f64();
        self.topped_up = scene.now;
        self.allowance = (self.allowance + passed * self.rate).min(self.rate / 10.0);
        if !scene.load || !client.is_connected() {
            return;
        }
        while self.allowance >= 1.0
            && client.connection.queued() + client.connection.unacknowledged() < self.most
        {
            self.allowance -= 1.0;
            let lane = scene.dice.pick(MIX);
            self.publish(lane, client, scene);
        }
    }

    fn publish(&mut self, lane: Lane, client: &mut Client, scene: &mut Scene<'_>) {
        let id = scene.ledger.next(Stream { publisher: self.number, lane });
        self.waiting.push_back(id);
        // There is no limit to how many may be queued.
        let _ = client.connection.publish(id.publish());
    }
}
