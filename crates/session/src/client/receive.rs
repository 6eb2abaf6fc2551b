//! What each packet from the server does.

use super::connection::{Connection, Status};
use super::deliveries::Arrival;
use super::event::{Acknowledgement, Direction, End, Event, Failure, Message, PublishError, Token};
use super::server::ServerLimits;
use alloc::boxed::Box;
use bytes::Bytes;
use darter_codec::frame::Frame;
use darter_codec::{
    ByteString, ConnAck, Disconnect, Packet, PacketId, Properties, PubAck, PubComp, PubRec, PubRel, Publish,
    QoS, ReasonCode, Version,
};

impl Connection {
    pub(super) fn receive(&mut self, frame: &Frame<'_>) -> Result<(), Failure> {
        let packet = Packet::decode(self.options.version, frame.first, &Bytes::copy_from_slice(frame.body))?;
        if self.options.trace {
            self.events.push_back(Event::Packet(Direction::Received, Box::new(packet.clone())));
        }
        match (self.network.status, packet) {
            (Status::Connecting, Packet::ConnAck(connack)) => self.receive_connack(connack),
            (Status::Connecting, Packet::Auth(_)) => {
                return Err(Failure::Unexpected("AUTH without an authentication method"));
            }
            (Status::Connecting, _) => return Err(Failure::Unexpected("another packet before CONNACK")),
            (_, Packet::Publish(publish)) => self.receive_publish(publish)?,
            (_, Packet::PubAck(ack)) => self.receive_puback(ack),
            (_, Packet::PubRec(ack)) => self.receive_pubrec(ack),
            (_, Packet::PubRel(release)) => self.receive_pubrel(&release),
            (_, Packet::PubComp(ack)) => self.receive_pubcomp(ack),
            (_, Packet::SubAck(ack)) => {
                if let Ok(token) = self.outgoing.answered(ack.packet_id) {
                    self.events.push_back(Event::Subscribed(token, Box::new(ack)));
                }
            }
            (_, Packet::UnsubAck(ack)) => {
                if let Ok(token) = self.outgoing.answered(ack.packet_id) {
                    self.events.push_back(Event::Unsubscribed(token, Box::new(ack)));
                }
            }
            (_, Packet::PingResp) => {}
            (_, Packet::Disconnect(disconnect)) if self.options.version == Version::V5 => {
                self.receive_disconnect(disconnect);
            }
            (_, Packet::ConnAck(_)) => return Err(Failure::Unexpected("a second CONNACK")),
            (_, Packet::Auth(_)) => return Err(Failure::Unexpected("AUTH without an authentication method")),
            (_, _) => return Err(Failure::Unexpected("a packet that only clients send")),
        }
        self.send_waiting();
        Ok(())
    }

    fn receive_connack(&mut self, connack: ConnAck) {
        self.network.answer_deadline = None;
        if connack.reason != ReasonCode::Success {
            self.network.status = Status::Ending;
            self.events.push_back(Event::Ended(End::Refused(Box::new(connack))));
            return;
        }
        let server = ServerLimits::from_connack(self.options.version, &connack);
        let keep_alive = server.keep_alive.unwrap_or(self.options.keep_alive);
        self.network.ping_interval = (keep_alive > 0).then_some(u64::from(keep_alive) * 1000);
        let quota = server.receive_maximum.min(self.options.max_in_flight.max(1));
        self.network.server = server;
        self.network.status = Status::Connected;
        if let Some(assigned) = connack.properties.assigned_client_identifier() {
            self.client_id = assigned.clone();
        }
        // MQTT 3.1 has no Session Present flag.
        let asked_for = self.options.version == Version::V31 && !self.options.clean_start;
        let session_present = connack.session_present || asked_for;
        self.events.push_back(Event::Connected(Box::new(connack)));
        if !session_present {
            self.forget_session();
        }
        self.resumable = self.options.version == Version::V5 && self.options.session_expiry() > 0;
        self.outgoing.opened(quota);
    }

    /// The server has no session state, so this side must have none either (section 3.2.2.1.1).
    fn forget_session(&mut self) {
        self.deliveries.session_lost();
        let (complete, unknown) = self.outgoing.session_lost();
        for token in complete {
            let done = Acknowledgement {
                packet_id: None,
                reason: ReasonCode::Success,
                properties: Properties::default(),
            };
            self.events.push_back(Event::Published(token, Ok(done)));
        }
        for token in unknown {
            self.events.push_back(Event::Published(token, Err(PublishError::SessionLost)));
        }
    }

    fn receive_publish(&mut self, publish: Publish) -> Result<(), Failure> {
        let topic = match publish.properties.topic_alias() {
            Some(alias) => ByteString::from(self.network.aliases.resolve(alias, &publish.topic)?),
            None => publish.topic,
        };
        let delivery = match publish.packet_id {
            None => None,
            Some(id) => match self.deliveries.arrived(publish.qos, id) {
                Arrival::New(delivery) => Some(delivery),
                Arrival::Repeated => {
                    self.send_answers();
                    return Ok(());
                }
            },
        };
        if let Some(maximum) = self.options.receive_maximum()
            && self.deliveries.unfinished() > usize::from(maximum)
        {
            return Err(Failure::ReceiveMaximumExceeded(maximum));
        }
        self.events.push_back(Event::Message(Box::new(Message {
            topic,
            payload: publish.payload,
            qos: publish.qos,
            retain: publish.retain,
            dup: publish.dup,
            packet_id: publish.packet_id,
            properties: publish.properties,
            delivery,
        })));
        Ok(())
    }

    fn receive_puback(&mut self, ack: PubAck) {
        if let Ok(token) = self.outgoing.acknowledged(ack.packet_id) {
            self.published(token, ack.packet_id, ack.reason, ack.properties);
        }
    }

    fn receive_pubrec(&mut self, ack: PubRec) {
        if ack.reason.is_error() {
            if let Ok(token) = self.outgoing.refused(ack.packet_id) {
                self.published(token, ack.packet_id, ack.reason, ack.properties);
            }
            return;
        }
        let reason = match self.outgoing.received(ack.packet_id) {
            Ok(()) => ReasonCode::Success,
            // The server waits for a PUBREL all the same, or it would never be rid of the identifier.
            Err(_) => ReasonCode::PacketIdentifierNotFound,
        };
        self.send_release(ack.packet_id, reason);
    }

    fn receive_pubrel(&mut self, release: &PubRel) {
        let known = self.deliveries.released(release.packet_id);
        let reason = if known { ReasonCode::Success } else { ReasonCode::PacketIdentifierNotFound };
        let complete = PubComp { packet_id: release.packet_id, reason, properties: Properties::default() };
        // Without properties it can always be encoded.
        let _ = self.send(complete);
        self.send_answers();
    }

    fn receive_pubcomp(&mut self, ack: PubComp) {
        if let Ok(token) = self.outgoing.completed(ack.packet_id) {
            self.published(token, ack.packet_id, ReasonCode::Success, ack.properties);
        }
    }

    fn receive_disconnect(&mut self, disconnect: Disconnect) {
        self.network.status = Status::Ending;
        self.events.push_back(Event::Ended(End::Disconnected(Box::new(disconnect))));
    }

    fn published(&mut self, token: Token, id: PacketId, reason: ReasonCode, properties: Properties) {
        let acknowledgement = Acknowledgement { packet_id: Some(id), reason, properties };
        let outcome = if reason.is_error() {
            Err(PublishError::Refused(Box::new(acknowledgement)))
        } else {
            Ok(acknowledgement)
        };
        self.events.push_back(Event::Published(token, outcome));
    }

    /// PUBACK or PUBREC.
    pub(super) fn send_answer(&mut self, qos: QoS, packet_id: PacketId) {
        let (reason, properties) = (ReasonCode::Success, Properties::default());
        // Without properties they can always be encoded.
        if qos == QoS::AtLeastOnce {
            let _ = self.send(PubAck { packet_id, reason, properties });
        } else {
            let _ = self.send(PubRec { packet_id, reason, properties });
        }
    }
}
