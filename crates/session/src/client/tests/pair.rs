//! A client and a small server of its own in memory, a link between them that can break, and a clock moved by hand.

use crate::client::{Connection, Event, Options, Status};
use crate::{IncomingIds, Phase, Window};
use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;
use bytes::Bytes;
use darter_codec::frame::{self, Scan};
use darter_codec::{
    ConnAck, Packet, PacketId, Properties, PubAck, PubComp, PubRec, PubRel, Publish, QoS, ReasonCode, SubAck,
    UnsubAck, Version,
};

/// The two ends. Nothing moves by itself: see [`Pair::carry`].
pub(super) struct Pair {
    pub(super) client: Connection,
    pub(super) server: Server,
    pub(super) now: u64,
    pub(super) events: VecDeque<Event>,
    /// Bytes that still pass in both directions together before the link breaks.
    pub(super) bytes_left: usize,
}

impl Pair {
    pub(super) fn new(options: Options) -> Self {
        let server = Server::new(options.version);
        Self {
            client: Connection::new(options),
            server,
            now: 0,
            events: VecDeque::new(),
            bytes_left: usize::MAX,
        }
    }

    /// A pair whose connection the server has accepted.
    pub(super) fn connected(options: Options) -> Self {
        let mut pair = Self::new(options);
        pair.open();
        pair.carry();
        assert!(matches!(pair.event(), Some(Event::Connected(_))));
        pair
    }

    pub(super) fn open(&mut self) {
        self.server.input.clear();
        self.server.output.clear();
        self.client.handle_open(self.now);
    }

    /// Carries everything to and fro until both sides are silent or the link breaks. False when it broke.
    pub(super) fn carry(&mut self) -> bool {
        loop {
            match self.step() {
                Step::Busy => {}
                Step::Silent => return true,
                Step::Broken => return false,
            }
        }
    }

    /// Carries what both sides have to say now.
    pub(super) fn step(&mut self) -> Step {
        let mut there = Vec::new();
        self.client.poll_transmit(self.now, &mut there);
        let whole = self.limit(&mut there);
        self.server.handle_input(&there);
        let mut back = core::mem::take(&mut self.server.output);
        let whole = self.limit(&mut back) && whole;
        // Three bytes at a time: packets are split everywhere.
        for part in back.chunks(3) {
            self.client.handle_input(part);
        }
        while let Some(event) = self.client.poll_event() {
            self.events.push_back(event);
        }
        if !whole {
            self.break_link();
            Step::Broken
        } else if there.is_empty() && back.is_empty() {
            Step::Silent
        } else {
            Step::Busy
        }
    }

    pub(super) fn break_link(&mut self) {
        self.client.handle_close();
        self.server.handle_close();
    }

    pub(super) fn event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Moves the clock and lets the client see it.
    pub(super) fn advance(&mut self, milliseconds: u64) {
        self.now += milliseconds;
        if self.client.poll_timeout().is_some_and(|time| time <= self.now) {
            self.client.handle_timeout(self.now);
        }
    }

    fn limit(&mut self, bytes: &mut Vec<u8>) -> bool {
        let whole = bytes.len() <= self.bytes_left;
        bytes.truncate(self.bytes_left);
        self.bytes_left -= bytes.len();
        whole
    }
}

/// How far it got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// Something was carried.
    Busy,
    /// Neither side has anything to say.
    Silent,
    /// The link is gone.
    Broken,
}

/// A server for one client: it keeps the session, and remembers all that it was sent.
pub(super) struct Server {
    version: Version,
    pub(super) input: Vec<u8>,
    pub(super) output: Vec<u8>,
    /// The answer to the next CONNECT.
    pub(super) connack: ConnAck,
    /// Every packet that arrived.
    pub(super) packets: Vec<Packet>,
    /// Messages as a subscriber would get them.
    pub(super) delivered: Vec<Bytes>,
    pub(super) answers: bool,
    received: IncomingIds,
    sent: Window<()>,
    stored: BTreeMap<PacketId, Publish>,
    waiting: VecDeque<Publish>,
    connected: bool,
}

/// Unacknowledged messages that the server has on the way at once.
const SERVER_WINDOW: usize = 5;

impl Server {
    fn new(version: Version) -> Self {
        Self {
            version,
            input: Vec::new(),
            output: Vec::new(),
            connack: connack(),
            packets: Vec::new(),
            delivered: Vec::new(),
            answers: true,
            received: IncomingIds::default(),
            sent: Window::default(),
            stored: BTreeMap::new(),
            waiting: VecDeque::new(),
            connected: false,
        }
    }

    /// Sends a message now or, without a client, as soon as there is one.
    pub(super) fn publish(&mut self, publish: Publish) {
        self.waiting.push_back(publish);
        self.send_waiting();
    }

    pub(super) fn send(&mut self, packet: impl Into<Packet>) {
        packet.into().encode(self.version, &mut self.output).unwrap();
    }

    /// Forgets the session, as after a crash.
    pub(super) fn lose_session(&mut self) {
        self.received.clear();
        self.sent.clear();
        self.stored.clear();
        self.connack.session_present = false;
    }

    /// Packets of one kind that arrived, and forgets all.
    pub(super) fn take<T>(&mut self, pick: impl Fn(Packet) -> Option<T>) -> Vec<T> {
        core::mem::take(&mut self.packets).into_iter().filter_map(pick).collect()
    }

    fn handle_close(&mut self) {
        self.connected = false;
        self.connack.session_present = true;
    }

    fn handle_input(&mut self, bytes: &[u8]) {
        self.input.extend_from_slice(bytes);
        let input = core::mem::take(&mut self.input);
        let mut rest = input.as_slice();
        while let Scan::Complete(frame) = frame::scan(rest, usize::MAX).unwrap() {
            let body = Bytes::copy_from_slice(frame.body);
            let packet = Packet::decode(self.version, frame.first, &body).unwrap();
            rest = &rest[frame.len..];
            self.packets.push(packet.clone());
            if self.answers {
                self.answer(packet);
            }
        }
        self.input = rest.to_vec();
    }

    fn answer(&mut self, packet: Packet) {
        let (reason, properties) = (ReasonCode::Success, Properties::default());
        match packet {
            Packet::Connect(_) => {
                self.send(self.connack.clone());
                self.connected = self.connack.reason == ReasonCode::Success;
                self.resend();
                self.send_waiting();
            }
            Packet::Publish(publish) => match (publish.qos, publish.packet_id) {
                (QoS::AtLeastOnce, Some(packet_id)) => {
                    self.delivered.push(publish.payload);
                    self.send(PubAck { packet_id, reason, properties });
                }
                (QoS::ExactlyOnce, Some(packet_id)) => {
                    if self.received.insert(packet_id) {
                        self.delivered.push(publish.payload);
                    }
                    self.send(PubRec { packet_id, reason, properties });
                }
                _ => self.delivered.push(publish.payload),
            },
            Packet::PubRel(PubRel { packet_id, .. }) => {
                self.received.release(packet_id);
                self.send(PubComp { packet_id, reason, properties });
            }
            Packet::PubAck(ack) => {
                self.sent.acknowledge(ack.packet_id, Phase::Puback).unwrap();
                self.stored.remove(&ack.packet_id);
            }
            Packet::PubRec(PubRec { packet_id, .. }) => {
                self.sent.received(packet_id).unwrap();
                self.stored.remove(&packet_id);
                self.send(PubRel { packet_id, reason, properties });
            }
            Packet::PubComp(ack) => {
                self.sent.acknowledge(ack.packet_id, Phase::Pubcomp).unwrap();
            }
            Packet::Subscribe(subscribe) => {
                let reasons = subscribe.filters.iter().map(|_| ReasonCode::Success).collect();
                self.send(SubAck { packet_id: subscribe.packet_id, reasons, properties });
            }
            Packet::Unsubscribe(unsubscribe) => {
                let reasons = unsubscribe.filters.iter().map(|_| ReasonCode::Success).collect();
                self.send(UnsubAck { packet_id: unsubscribe.packet_id, reasons, properties });
            }
            Packet::PingReq => self.send(Packet::PingResp),
            _ => {}
        }
        self.send_waiting();
    }

    fn resend(&mut self) {
        if !self.connected {
            return;
        }
        let waiting: Vec<_> = self.sent.iter().map(|(id, phase, ())| (id, phase)).collect();
        for (packet_id, phase) in waiting {
            match phase {
                Phase::Pubcomp => {
                    let (reason, properties) = (ReasonCode::Success, Properties::default());
                    self.send(PubRel { packet_id, reason, properties });
                }
                _ => self.send(Publish { dup: true, ..self.stored[&packet_id].clone() }),
            }
        }
    }

    fn send_waiting(&mut self) {
        while self.connected && self.sent.len() < SERVER_WINDOW {
            let Some(mut publish) = self.waiting.pop_front() else {
                return;
            };
            let phase = match publish.qos {
                QoS::AtMostOnce => None,
                QoS::AtLeastOnce => Some(Phase::Puback),
                QoS::ExactlyOnce => Some(Phase::Pubrec),
            };
            if let Some(phase) = phase {
                let id = self.sent.insert(phase, ()).unwrap();
                publish.packet_id = Some(id);
                self.stored.insert(id, publish.clone());
            }
            self.send(publish);
        }
    }
}

pub(super) fn connack() -> ConnAck {
    ConnAck { session_present: false, reason: ReasonCode::Success, properties: Properties::default() }
}

pub(super) fn message(qos: QoS, payload: &str) -> Publish {
    Publish {
        qos,
        topic: "t".into(),
        payload: Bytes::copy_from_slice(payload.as_bytes()),
        ..Publish::default()
    }
}

/// A client that keeps its session.
pub(super) fn options(version: Version) -> Options {
    let mut options = Options { clean_start: false, ..Options::new(version, "client") };
    if version == Version::V5 {
        options.properties.push(darter_codec::Property::SessionExpiryInterval(u32::MAX));
    }
    options
}

/// The messages among the events, acknowledged at once.
pub(super) fn take_messages(pair: &mut Pair) -> Vec<crate::client::Message> {
    let mut messages = Vec::new();
    for event in core::mem::take(&mut pair.events) {
        match event {
            Event::Message(message) => {
                if let Some(delivery) = message.delivery {
                    pair.client.acknowledge(delivery);
                }
                messages.push(*message);
            }
            other => pair.events.push_back(other),
        }
    }
    messages
}

pub(super) fn is_connected(pair: &Pair) -> bool {
    pair.client.status() == Status::Connected
}
