//! A publisher with a persistent session: what is not acknowledged goes out again after every crash.

use std::collections::VecDeque;
use std::time::Instant;

use darter_codec::{Packet, PacketId, PubComp, QoS};
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
    under_way: Vec<UnderWay>,
}

/// A message that is sent and not done with.
struct UnderWay {
    packet_id: PacketId,
    id: MessageId,
    release: Release,
    /// It was sent while the disk was at fault.
    excused: bool,
}

/// Whether the server may have had PUBREL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Release {
    /// It cannot have had it.
    Unsent,
    /// It was sent on this connection.
    Sent,
    /// It was sent on an earlier connection: the server may have released the message.
    SentBefore,
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
                for message in self.under_way.iter_mut().filter(|message| message.release != Release::Unsent)
                {
                    message.release = Release::SentBefore;
                }
                if !connack.session_present {
                    self.begin_again(scene);
                }
                scene.ledger.connected(&client.name, connack.session_present);
            }
            Event::Packet(Direction::Sent, packet) => self.sent(&packet, scene),
            Event::Packet(Direction::Received, packet) => self.answered(&packet, client, scene),
            _ => {}
        }
    }

    fn under_way(&mut self, packet_id: PacketId) -> Option<&mut UnderWay> {
        self.under_way.iter_mut().find(|message| message.packet_id == packet_id)
    }

    fn sent(&mut self, packet: &Packet, scene: &mut Scene<'_>) {
        match packet {
            Packet::Publish(publish) if publish.dup => {
                if let Some(message) = publish.packet_id.and_then(|packet_id| self.under_way(packet_id)) {
                    scene.ledger.sent_again(message.id);
                }
            }
            Packet::Publish(publish) => {
                if let Some(packet_id) = publish.packet_id
                    && let Some(id) = self.waiting.pop_front()
                {
                    self.under_way.push(UnderWay {
                        packet_id,
                        id,
                        release: Release::Unsent,
                        excused: scene.excused,
                    });
                }
            }
            Packet::PubRel(ack) if scene.heard => {
                if let Some(message) = self.under_way(ack.packet_id)
                    && message.release == Release::Unsent
                {
                    message.release = Release::Sent;
                }
            }
            _ => {}
        }
    }

    /// The server has released a message, or says that it knows none: that is fine only if it may have released it before.
    fn completed(&mut self, ack: &PubComp, client: &Client, scene: &mut Scene<'_>) {
        let done = |message: &UnderWay| message.packet_id == ack.packet_id;
        let Some(place) = self.under_way.iter().position(done) else { return };
        let UnderWay { id, release, .. } = self.under_way.remove(place);
        if ack.reason.is_error() && release != Release::SentBefore && !scene.excused {
            scene.ledger.blame(&client.name, Fault::Forgotten(id));
        }
    }

    fn answered(&mut self, packet: &Packet, client: &Client, scene: &mut Scene<'_>) {
        let (packet_id, reason) = match packet {
            Packet::PubAck(ack) => (ack.packet_id, ack.reason),
            Packet::PubRec(ack) => (ack.packet_id, ack.reason),
            Packet::PubComp(ack) => return self.completed(ack, client, scene),
            _ => return,
        };
        let answered = |message: &UnderWay| message.packet_id == packet_id;
        let Some(place) = self.under_way.iter().position(answered) else { return };
        let UnderWay { id, excused, .. } = self.under_way[place];
        if reason.is_error() {
            scene.ledger.refused(id);
            if !scene.excused && !excused {
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
        for UnderWay { id, .. } in self.under_way.drain(..).rev() {
            if id.stream.lane.qos() == QoS::AtLeastOnce {
                scene.ledger.sent_again(id);
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

#[cfg(test)]
mod tests {
    use darter_codec::{ConnAck, PubRec, PubRel, ReasonCode, Version};

    use super::*;
    use crate::client::Manner;
    use crate::dice::Dice;
    use crate::ledger::Ledger;

    const EXACTLY: Stream = Stream { publisher: 0, lane: Lane::Exactly };
    const UNKNOWN: ReasonCode = ReasonCode::PacketIdentifierNotFound;

    /// What the judge says of a QoS 2 message with a PUBREC whose release the server does not know, after these events.
    fn judged(heard: bool, excused: bool, between: impl IntoIterator<Item = Event>) -> Vec<Fault> {
        let (mut ledger, mut dice, now) = (Ledger::default(), Dice::new(1), Instant::now());
        let mut client = Client::new("p".to_owned(), Manner::persistent(Version::V5).options("p"), now);
        let mut publisher = Publisher::new(0, 1.0, 1, now);
        let id = ledger.next(EXACTLY);
        publisher.waiting.push_back(id);
        let mut scene = Scene { ledger: &mut ledger, dice: &mut dice, now, load: true, excused, heard };
        let publish = darter_codec::Publish { packet_id: Some(PacketId::MIN), ..id.publish() };
        let first = [
            sent(Packet::Publish(publish)),
            received(Packet::PubRec(PubRec::new(PacketId::MIN, ReasonCode::Success))),
            sent(Packet::PubRel(PubRel::new(PacketId::MIN, ReasonCode::Success))),
        ];
        let last = received(Packet::PubComp(PubComp::new(PacketId::MIN, UNKNOWN)));
        for event in first.into_iter().chain(between).chain([last]) {
            publisher.event(event, &mut client, &mut scene);
        }
        assert!(publisher.under_way.is_empty());
        ledger.violations().iter().map(|violation| violation.fault.clone()).collect()
    }

    fn sent(packet: Packet) -> Event {
        Event::Packet(Direction::Sent, Box::new(packet))
    }

    fn received(packet: Packet) -> Event {
        Event::Packet(Direction::Received, Box::new(packet))
    }

    fn back() -> Event {
        Event::Connected(Box::new(ConnAck::new(true, ReasonCode::Success)))
    }

    #[test]
    fn a_server_that_forgot_an_acknowledged_qos_2_message_is_found_out() {
        let forgotten = [Fault::Forgotten(MessageId { stream: EXACTLY, sequence: 1 })];
        assert_eq!(judged(true, false, []), forgotten);
        assert_eq!(judged(false, false, [back()]), forgotten, "PUBREL reached nobody");
    }

    #[test]
    fn a_server_that_may_have_released_a_message_need_not_know_it() {
        assert_eq!(judged(true, false, [back()]), []);
        assert_eq!(judged(true, true, []), []);
    }
}
