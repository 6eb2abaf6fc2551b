//! A client that sends and receives packets as they are.

use super::Pair;
use super::wire::{Holder, ServerEnd};
use crate::packets;
use bytes::Bytes;
use darter_codec::frame::{self, Scan};
use darter_codec::{
    ConnAck, Connect, Packet, Properties, Publish, QoS, ReasonCode, SubAck, Subscribe, SubscribeFilter,
    Version,
};

/// Names a raw client: one connection and what arrived on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RawId(pub(super) usize);

#[derive(Debug)]
pub(super) struct Raw {
    wire: usize,
    version: Version,
    partial: Vec<u8>,
    packets: Vec<Packet>,
    pub(super) is_closed: bool,
}

impl Pair {
    /// A new connection on which nothing was sent.
    pub fn open(&mut self, version: Version) -> RawId {
        let index = self.raws.len();
        let wire = self.connect_wire(Holder::Raw(index));
        self.raws.push(Raw { wire, version, partial: Vec::new(), packets: Vec::new(), is_closed: false });
        RawId(index)
    }

    /// Opens a connection, sends CONNECT and lets everything flow. The CONNACK is among what was received.
    pub fn dial(&mut self, connect: Connect) -> RawId {
        let raw = self.open(connect.version);
        self.send(raw, connect);
        self.run();
        raw
    }

    /// Opens a connection and a session on it.
    ///
    /// # Panics
    /// When the answer is not CONNACK.
    pub fn connect(&mut self, connect: Connect) -> (RawId, ConnAck) {
        let raw = self.dial(connect);
        let packets = &mut self.raws[raw.0].packets;
        assert!(!packets.is_empty(), "no answer to CONNECT");
        match packets.remove(0) {
            Packet::ConnAck(connack) => (raw, connack),
            other => panic!("{other:?} instead of CONNACK"),
        }
    }

    /// Opens a connection and a session on it that the server must accept.
    ///
    /// # Panics
    /// When it does not.
    pub fn join(&mut self, connect: Connect) -> RawId {
        let (raw, connack) = self.connect(connect);
        assert_eq!(connack.reason, ReasonCode::Success);
        raw
    }

    /// Puts a packet on its way.
    ///
    /// # Panics
    /// When it cannot be encoded.
    pub fn send(&mut self, raw: RawId, packet: impl Into<Packet>) {
        let mut bytes = Vec::new();
        packet.into().encode(self.raws[raw.0].version, &mut bytes).expect("a packet that can be sent");
        self.send_bytes(raw, &bytes);
    }

    /// Puts bytes on their way.
    pub fn send_bytes(&mut self, raw: RawId, bytes: &[u8]) {
        let wire = self.raws[raw.0].wire;
        self.wires[wire].up.write(bytes);
    }

    /// Sends a packet, lets everything flow and takes what arrived for this client.
    pub fn exchange(&mut self, raw: RawId, packet: impl Into<Packet>) -> Vec<Packet> {
        self.send(raw, packet);
        self.run();
        self.received(raw)
    }

    /// Takes what has arrived for this client, oldest first.
    pub fn received(&mut self, raw: RawId) -> Vec<Packet> {
        std::mem::take(&mut self.raws[raw.0].packets)
    }

    /// Takes the PUBLISH packets that have arrived; everything else stays.
    pub fn messages(&mut self, raw: RawId) -> Vec<Publish> {
        let mut messages = Vec::new();
        self.raws[raw.0].packets.retain(|packet| match packet {
            Packet::Publish(publish) => {
                messages.push(publish.clone());
                false
            }
            _ => true,
        });
        messages
    }

    /// Lets everything flow, answers every PUBLISH and PUBREL, and takes the PUBLISH packets; until nothing comes.
    pub fn drain(&mut self, raw: RawId) -> Vec<Publish> {
        let mut messages = Vec::new();
        loop {
            self.run();
            let packets = self.received(raw);
            if packets.is_empty() {
                return messages;
            }
            for packet in packets {
                match packet {
                    Packet::Publish(publish) => {
                        match (publish.qos, publish.packet_id) {
                            (QoS::AtLeastOnce, Some(id)) => self.send(raw, packets::puback(id)),
                            (QoS::ExactlyOnce, Some(id)) => self.send(raw, packets::pubrec(id)),
                            _ => {}
                        }
                        messages.push(publish);
                    }
                    Packet::PubRel(release) => self.send(raw, packets::pubcomp(release.packet_id)),
                    _ => {}
                }
            }
        }
    }

    /// The payloads of [`drain`](Self::drain) as text.
    pub fn drain_texts(&mut self, raw: RawId) -> Vec<String> {
        let messages = self.drain(raw);
        messages.iter().map(|publish| String::from_utf8_lossy(&publish.payload).into_owned()).collect()
    }

    /// Subscribes and gives the SUBACK; whatever else arrived stays.
    ///
    /// # Panics
    /// When no SUBACK came.
    pub fn subscribe(&mut self, raw: RawId, subscribe: Subscribe) -> SubAck {
        let wanted = subscribe.packet_id;
        self.send(raw, subscribe);
        self.run();
        let packets = &mut self.raws[raw.0].packets;
        let place = packets
            .iter()
            .position(|packet| matches!(packet, Packet::SubAck(ack) if ack.packet_id == wanted));
        match packets.remove(place.expect("a SUBACK")) {
            Packet::SubAck(ack) => ack,
            other => panic!("{other:?} instead of SUBACK"),
        }
    }

    /// Subscribes to filters with their options in one packet.
    pub fn subscribe_all(
        &mut self,
        raw: RawId,
        filters: Vec<SubscribeFilter>,
        properties: Properties,
    ) -> SubAck {
        self.subscribe(raw, Subscribe { packet_id: packets::id(9), properties, filters })
    }

    /// The connection is lost: both ends learn it, and what was on its way is gone.
    pub fn lose(&mut self, raw: RawId) {
        let wire = self.raws[raw.0].wire;
        self.lose_wire(wire);
    }

    /// The client closes its end after everything that it sent.
    pub fn hang_up(&mut self, raw: RawId) {
        let wire = self.raws[raw.0].wire;
        self.wires[wire].up.ended = true;
    }

    /// The client is lost without a word: nothing comes through, and the server does not learn it.
    pub fn vanish(&mut self, raw: RawId) {
        let wire = &mut self.wires[self.raws[raw.0].wire];
        wire.unnoticed = true;
        wire.up.silence();
        wire.down.silence();
    }

    /// Of what the client sends from now on, only `bytes` bytes come through; then the connection is lost.
    pub fn cut_up(&mut self, raw: RawId, bytes: usize) {
        let wire = self.raws[raw.0].wire;
        self.wires[wire].up.cut_after(bytes);
    }

    /// Of what the server writes from now on, only `bytes` bytes come through; then the connection is lost.
    pub fn cut_down(&mut self, raw: RawId, bytes: usize) {
        let wire = self.raws[raw.0].wire;
        self.wires[wire].down.cut_after(bytes);
    }

    /// The client reads nothing, and at most `window` bytes are on their way to it.
    pub fn stop_reading(&mut self, raw: RawId, window: usize) {
        let wire = &mut self.wires[self.raws[raw.0].wire];
        wire.unread = true;
        wire.window = window;
    }

    /// The client reads again; the window stays as small as it is.
    pub fn read_again(&mut self, raw: RawId) {
        let wire = self.raws[raw.0].wire;
        self.wires[wire].unread = false;
    }

    /// True when the connection is over for the client.
    #[must_use]
    pub fn is_closed(&self, raw: RawId) -> bool {
        self.raws[raw.0].is_closed
    }

    /// The reason of the DISCONNECT that the server sent before it closed the connection.
    ///
    /// # Panics
    /// When the connection is open, or its last packet was another one.
    pub fn farewell(&mut self, raw: RawId) -> ReasonCode {
        assert!(self.is_closed(raw), "the connection is open");
        match self.raws[raw.0].packets.pop() {
            Some(Packet::Disconnect(disconnect)) => disconnect.reason,
            other => panic!("{other:?} instead of DISCONNECT"),
        }
    }

    /// The client's end of a wire reads at most `most` bytes.
    pub(super) fn read_down(&mut self, wire: usize, most: usize) {
        if let Some(ServerEnd { node, link }) = self.wires[wire].server
            && self.wires[wire].window != usize::MAX
        {
            self.nodes[node].touched = true;
            self.nodes[node].writable.push(link);
        }
        let bytes = self.wires[wire].down.read(most);
        let over = self.wires[wire].down.is_over();
        let lost = self.wires[wire].down.is_dead() && !self.wires[wire].unnoticed;
        match self.wires[wire].holder {
            Holder::Raw(index) => self.raws[index].read(&bytes),
            Holder::Client(index) => self.client_reads(index, &bytes),
        }
        if lost {
            self.lose_wire(wire);
        } else if over {
            self.client_loses(wire);
        }
    }
}

impl Raw {
    fn read(&mut self, bytes: &[u8]) {
        self.partial.extend_from_slice(bytes);
        let all = Bytes::from(std::mem::take(&mut self.partial));
        let mut consumed = 0;
        while let Ok(Scan::Complete(frame)) = frame::scan(&all[consumed..], usize::MAX) {
            let body = all.slice_ref(frame.body);
            let packet =
                Packet::decode(self.version, frame.first, &body).expect("the server sends valid packets");
            self.packets.push(packet);
            consumed += frame.len;
        }
        self.partial.extend_from_slice(&all[consumed..]);
    }
}
