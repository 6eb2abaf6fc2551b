use super::deliveries::{Deliveries, Delivery};
use super::event::{Acknowledgement, Direction, End, Event, Failure, PublishError, Token};
use super::options::Options;
use super::outgoing::{Outgoing, Repeat};
use super::server::ServerLimits;
use crate::IncomingAliases;
use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use darter_codec::frame::{self, Scan};
use darter_codec::{
    ByteString, Disconnect, EncodeError, Packet, PacketId, Properties, PubRel, Publish, QoS, ReasonCode,
    Subscribe, Unsubscribe, Version,
};
use thiserror::Error;

/// The client's end of its session, over one network connection after the other.
///
/// See the [module's page](super) for the order in which its methods are called. `now` is milliseconds of any
/// monotonic clock.
#[derive(Debug)]
pub struct Connection {
    pub(super) options: Options,
    /// What CONNECT says next time; the server may have assigned it.
    pub(super) client_id: ByteString,
    /// A session may be waiting at the server.
    pub(super) resumable: bool,
    pub(super) outgoing: Outgoing,
    pub(super) deliveries: Deliveries,
    pub(super) events: VecDeque<Event>,
    pub(super) network: Network,
    next_token: u64,
}

/// What lasts as long as one network connection.
#[derive(Debug)]
pub(super) struct Network {
    pub(super) status: Status,
    pub(super) server: ServerLimits,
    pub(super) aliases: IncomingAliases,
    /// The start of a packet that has not arrived in full.
    partial: Vec<u8>,
    outbox: Vec<u8>,
    /// Milliseconds of silence after which a PINGREQ is due.
    pub(super) ping_interval: Option<u64>,
    last_sent: u64,
    /// When the server must have answered.
    pub(super) answer_deadline: Option<u64>,
}

/// Where the network connection stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// There is none.
    Closed,
    /// CONNECT was sent, CONNACK has not arrived.
    Connecting,
    /// The server accepted the connection.
    Connected,
    /// It is to be closed once everything is transmitted.
    Ending,
}

/// Why a command cannot be carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum CommandError {
    /// Subscribing and unsubscribing need an accepted connection.
    #[error("there is no connection to the server")]
    NotConnected,
    /// The queue has reached [`Options::queue_limit`].
    #[error("too many messages wait to be sent")]
    QueueFull,
    /// All packet identifiers are in use.
    #[error("all packet identifiers are in use")]
    NoPacketId,
    /// The packet cannot be written.
    #[error(transparent)]
    Encode(#[from] EncodeError),
}

impl Connection {
    /// A client that has no network connection yet.
    #[must_use]
    pub fn new(options: Options) -> Self {
        Self {
            client_id: options.client_id.clone(),
            options,
            resumable: false,
            outgoing: Outgoing::default(),
            deliveries: Deliveries::default(),
            events: VecDeque::new(),
            network: Network::closed(),
            next_token: 0,
        }
    }

    /// A network connection stands: CONNECT goes out.
    pub fn handle_open(&mut self, now: u64) {
        self.network = Network {
            status: Status::Connecting,
            aliases: IncomingAliases::new(self.options.topic_alias_maximum()),
            last_sent: now,
            answer_deadline: Some(now.saturating_add(self.options.response_timeout)),
            ..Network::closed()
        };
        let clean_start = self.options.clean_start && !self.resumable;
        let connect = self.options.connect(&self.client_id, clean_start);
        if let Err(error) = self.send(Packet::from(connect)) {
            self.events.push_back(Event::Ended(End::Unsendable(error)));
            self.network.status = Status::Ending;
        }
    }

    /// Bytes arrived. `bytes` may end anywhere in a packet.
    pub fn handle_input(&mut self, bytes: &[u8]) {
        if !self.is_open() {
            return;
        }
        if self.network.status == Status::Connected && !bytes.is_empty() {
            self.network.answer_deadline = None;
        }
        let mut partial = core::mem::take(&mut self.network.partial);
        let consumed = if partial.is_empty() {
            let consumed = self.receive_all(bytes);
            partial.extend_from_slice(bytes.get(consumed..).unwrap_or_default());
            0
        } else {
            partial.extend_from_slice(bytes);
            self.receive_all(&partial)
        };
        partial.drain(..consumed);
        if self.is_open() {
            self.network.partial = partial;
        }
    }

    /// The time that [`Self::poll_timeout`] gave has come; calling it earlier does no harm.
    pub fn handle_timeout(&mut self, now: u64) {
        if self.is_open() && self.network.answer_deadline.is_some_and(|deadline| deadline <= now) {
            self.fail(&Failure::NoAnswer);
        }
        if self.ping_time().is_some_and(|time| time <= now) && self.send(Packet::PingReq).is_ok() {
            self.network.answer_deadline = Some(now.saturating_add(self.options.response_timeout));
        }
    }

    /// The application lets nothing be read for the moment, so silence of the server means nothing.
    pub fn handle_read_pause(&mut self, now: u64) {
        if let (Status::Connected, Some(deadline)) = (self.network.status, &mut self.network.answer_deadline)
        {
            *deadline = now.saturating_add(self.options.response_timeout);
        }
    }

    /// The network connection is gone, for whatever reason. The session state stays.
    pub fn handle_close(&mut self) {
        self.network = Network::closed();
        self.outgoing.connection_closed();
        self.deliveries.connection_closed();
    }

    /// Publishes a message; [`Event::Published`] tells the outcome, after any number of network connections.
    ///
    /// `dup` and `packet_id` of `publish` are not looked at. Messages are sent in the order of these calls.
    ///
    /// # Errors
    /// When [`Options::queue_limit`] messages wait already.
    pub fn publish(&mut self, publish: Publish) -> Result<Token, CommandError> {
        if self.outgoing.queued() >= self.options.queue_limit {
            return Err(CommandError::QueueFull);
        }
        let token = self.token();
        self.outgoing.enqueue(token, publish);
        self.send_waiting();
        Ok(token)
    }

    /// Sends SUBSCRIBE; its `packet_id` is chosen here. [`Event::Subscribed`] tells the outcome, on this network
    /// connection only.
    ///
    /// # Errors
    /// Without an accepted connection, and when it cannot be encoded.
    pub fn subscribe(&mut self, subscribe: Subscribe) -> Result<Token, CommandError> {
        self.request(|packet_id| Packet::from(Subscribe { packet_id, ..subscribe }))
    }

    /// Sends UNSUBSCRIBE; its `packet_id` is chosen here. [`Event::Unsubscribed`] tells the outcome, on this network
    /// connection only.
    ///
    /// # Errors
    /// Without an accepted connection, and when it cannot be encoded.
    pub fn unsubscribe(&mut self, unsubscribe: Unsubscribe) -> Result<Token, CommandError> {
        self.request(|packet_id| Packet::from(Unsubscribe { packet_id, ..unsubscribe }))
    }

    /// The application is done with a message: the server is told, in the order in which the messages arrived.
    pub fn acknowledge(&mut self, delivery: Delivery) {
        self.deliveries.take(delivery);
        self.send_answers();
    }

    /// Ends the connection as section 3.14 wants it. Before version 5 `reason` and `properties` cannot be sent.
    pub fn disconnect(&mut self, reason: ReasonCode, properties: Properties) {
        if !self.is_open() {
            return;
        }
        if self.network.status == Status::Connected {
            // A DISCONNECT that cannot be encoded is left out: the connection ends in any case.
            let _ = self.send(Disconnect { reason, properties });
        }
        self.network.status = Status::Ending;
        self.events.push_back(Event::Ended(End::Requested));
    }

    /// Appends what is to be written to the network now; false when there is nothing.
    pub fn poll_transmit(&mut self, now: u64, out: &mut Vec<u8>) -> bool {
        if self.network.outbox.is_empty() {
            return false;
        }
        self.network.last_sent = now;
        if out.is_empty() {
            core::mem::swap(out, &mut self.network.outbox);
        } else {
            out.append(&mut self.network.outbox);
        }
        true
    }

    /// The next event.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// When [`Self::handle_timeout`] must be called at the latest.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<u64> {
        let answer = if self.is_open() { self.network.answer_deadline } else { None };
        answer.into_iter().chain(self.ping_time()).min()
    }

    /// Where the network connection stands.
    #[must_use]
    pub fn status(&self) -> Status {
        self.network.status
    }

    /// What the server allows on this network connection.
    #[must_use]
    pub fn server(&self) -> &ServerLimits {
        &self.network.server
    }

    /// The options given at the start.
    #[must_use]
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// The client identifier: the one of the options, or the one that the server assigned.
    #[must_use]
    pub fn client_id(&self) -> &str {
        &self.client_id
    }

    /// Messages not sent yet.
    #[must_use]
    pub fn queued(&self) -> usize {
        self.outgoing.queued()
    }

    /// Messages and requests that were sent and not answered.
    #[must_use]
    pub fn unacknowledged(&self) -> usize {
        self.outgoing.unacknowledged()
    }

    /// Ends the network connection because of the server.
    pub(super) fn fail(&mut self, failure: &Failure) {
        if self.options.version == Version::V5 && self.network.status == Status::Connected {
            let disconnect = Disconnect { reason: failure.reason_code(), properties: Properties::default() };
            // The connection ends in any case.
            let _ = self.send(disconnect);
        }
        self.network.status = Status::Ending;
        self.events.push_back(Event::Ended(End::Failed(failure.clone())));
    }

    /// Writes a packet behind the others.
    pub(super) fn send(&mut self, packet: impl Into<Packet>) -> Result<(), EncodeError> {
        let packet = packet.into();
        let start = self.network.outbox.len();
        if let Err(error) = packet.encode(self.options.version, &mut self.network.outbox) {
            self.network.outbox.truncate(start);
            return Err(error);
        }
        if self.options.trace {
            self.events.push_back(Event::Packet(Direction::Sent, Box::new(packet)));
        }
        Ok(())
    }

    /// Sends repetitions and queued messages, as far as the server's Receive Maximum goes.
    pub(super) fn send_waiting(&mut self) {
        if self.network.status != Status::Connected {
            return;
        }
        while let Some(repeat) = self.outgoing.next_repeat() {
            match repeat {
                Repeat::Publish(publish) => {
                    // It could be encoded once already, so it can be again.
                    let _ = self.send(publish);
                }
                Repeat::Release(id) => self.send_release(id, ReasonCode::Success),
            }
        }
        while let Some((token, publish)) = self.outgoing.next_publish() {
            let (qos, id) = (publish.qos, publish.packet_id);
            match self.send_publish(publish) {
                Ok(()) if qos == QoS::AtMostOnce => {
                    let done = Acknowledgement {
                        packet_id: None,
                        reason: ReasonCode::Success,
                        properties: Properties::default(),
                    };
                    self.events.push_back(Event::Published(token, Ok(done)));
                }
                Ok(()) => {}
                Err(error) => {
                    if let Some(id) = id {
                        self.outgoing.abandon(id);
                    }
                    self.events.push_back(Event::Published(token, Err(error)));
                }
            }
        }
    }

    /// Sends the PUBACK and PUBREC packets that are due.
    pub(super) fn send_answers(&mut self) {
        if self.network.status != Status::Connected {
            return;
        }
        while let Some((qos, id)) = self.deliveries.next_answer() {
            self.send_answer(qos, id);
        }
    }

    /// PUBREL; like every acknowledgement without properties it can always be encoded.
    pub(super) fn send_release(&mut self, packet_id: PacketId, reason: ReasonCode) {
        let _ = self.send(PubRel { packet_id, reason, properties: Properties::default() });
    }

    fn send_publish(&mut self, publish: Publish) -> Result<(), PublishError> {
        self.network.server.check(&publish)?;
        let start = self.network.outbox.len();
        let traced = self.events.len();
        self.send(publish)?;
        let size = self.network.outbox.len() - start;
        match self.network.server.maximum_packet_size {
            Some(limit) if usize::try_from(limit).is_ok_and(|limit| size > limit) => {
                self.network.outbox.truncate(start);
                self.events.truncate(traced);
                Err(PublishError::PacketTooLarge { size, limit })
            }
            _ => Ok(()),
        }
    }

    fn request(&mut self, packet: impl FnOnce(PacketId) -> Packet) -> Result<Token, CommandError> {
        if self.network.status != Status::Connected {
            return Err(CommandError::NotConnected);
        }
        let token = self.token();
        let id = self.outgoing.request(token).ok_or(CommandError::NoPacketId)?;
        if let Err(error) = self.send(packet(id)) {
            self.outgoing.abandon(id);
            return Err(error.into());
        }
        Ok(token)
    }

    /// Handles every whole packet at the front of `bytes` and returns how many bytes that took.
    fn receive_all(&mut self, bytes: &[u8]) -> usize {
        let mut consumed = 0;
        while self.is_open() {
            let rest = bytes.get(consumed..).unwrap_or_default();
            match frame::scan(rest, self.options.incoming_limit()) {
                Ok(Scan::Complete(frame)) => {
                    consumed += frame.len;
                    if let Err(failure) = self.receive(&frame) {
                        self.fail(&failure);
                    }
                }
                Ok(Scan::Partial { .. }) => break,
                Err(error) => self.fail(&Failure::Decode(error)),
            }
        }
        consumed
    }

    pub(super) fn is_open(&self) -> bool {
        matches!(self.network.status, Status::Connecting | Status::Connected)
    }

    /// When a PINGREQ is due: one at a time.
    fn ping_time(&self) -> Option<u64> {
        if self.network.status != Status::Connected || self.network.answer_deadline.is_some() {
            return None;
        }
        Some(self.network.last_sent.saturating_add(self.network.ping_interval?))
    }

    fn token(&mut self) -> Token {
        self.next_token += 1;
        Token(self.next_token)
    }
}

impl Network {
    fn closed() -> Self {
        Self {
            status: Status::Closed,
            server: ServerLimits::default(),
            aliases: IncomingAliases::default(),
            partial: Vec::new(),
            outbox: Vec::new(),
            ping_interval: None,
            last_sent: 0,
            answer_deadline: None,
        }
    }
}
