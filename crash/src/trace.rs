//! What some clients sent and received, written down for whoever looks for the reason of a violation.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::time::Instant;

use darter_codec::Packet;
use darter_session::client::{Direction, Event};

/// A file of packets.
pub(crate) struct Trace {
    clients: Vec<String>,
    file: File,
    epoch: Instant,
}

impl Trace {
    /// Writes down what `clients` do, whose names have commas between them.
    ///
    /// # Errors
    /// When the file cannot be made.
    pub(crate) fn create(path: &Path, clients: &str) -> io::Result<Self> {
        let clients = clients.split(',').map(str::to_owned).collect();
        Ok(Self { clients, file: File::create(path)?, epoch: Instant::now() })
    }

    /// Notes an event, if it is a packet of one of the clients.
    pub(crate) fn note(&mut self, client: &str, event: &Event) {
        if !self.clients.iter().any(|one| one == client) {
            return;
        }
        let line = match event {
            Event::Packet(direction, packet) => {
                let way = if *direction == Direction::Sent { "->" } else { "<-" };
                format!("{way} {}", told(packet))
            }
            Event::Ended(end) => format!("ended: {end:?}"),
            _ => return,
        };
        // A trace with a hole is better than no run.
        let _ = writeln!(self.file, "{:>8.3} {client} {line}", self.epoch.elapsed().as_secs_f64());
    }

    /// Notes that the connection is cut.
    pub(crate) fn cut(&mut self, client: &str) {
        if self.clients.iter().any(|one| one == client) {
            let _ = writeln!(self.file, "{:>8.3} {client} cut", self.epoch.elapsed().as_secs_f64());
        }
    }
}

/// A packet in a few words.
fn told(packet: &Packet) -> String {
    let name = packet.packet_type().name();
    match packet {
        Packet::Publish(publish) => {
            let number = publish.payload.split(|byte| *byte == b'#').nth(1).unwrap_or_default();
            let id = publish.packet_id.map_or(0, darter_codec::PacketId::get);
            let (number, topic) = (String::from_utf8_lossy(number), &publish.topic);
            let (dup, retain) = (u8::from(publish.dup), u8::from(publish.retain));
            format!("{name} {id} q{} dup{dup} retain{retain} {topic} number {number}", publish.qos.to_u8())
        }
        Packet::PubAck(ack) => format!("{name} {}", ack.packet_id.get()),
        Packet::PubRec(ack) => format!("{name} {}", ack.packet_id.get()),
        Packet::PubRel(ack) => format!("{name} {}", ack.packet_id.get()),
        Packet::PubComp(ack) => format!("{name} {}", ack.packet_id.get()),
        other => format!("{other:?}"),
    }
}
