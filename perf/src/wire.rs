//! MQTT 3.1.1 by hand: just the packets a load generator needs, written straight into an output buffer.

/// First bytes of the packets this program meets, without their flags.
pub(crate) const PUBLISH: u8 = 3;
pub(crate) const PUBACK: u8 = 4;
pub(crate) const PUBREC: u8 = 5;
pub(crate) const PUBREL: u8 = 6;
pub(crate) const PUBCOMP: u8 = 7;
pub(crate) const CONNACK: u8 = 2;
pub(crate) const SUBACK: u8 = 9;
pub(crate) const CONNECT: u8 = 1;
pub(crate) const SUBSCRIBE: u8 = 8;

/// A CONNACK without a session present.
pub(crate) const ACCEPTED: [u8; 4] = [0x20, 2, 0, 0];

/// Keep alive of every connection, in seconds: longer than any scenario, so no PINGREQ disturbs the figures.
const KEEP_ALIVE: u16 = 600;

/// Bytes of a stamp at the head of every payload.
pub(crate) const STAMP: usize = 20;

/// How a PUBLISH is to be delivered.
#[derive(Clone, Copy)]
pub(crate) struct Delivery {
    /// Quality of service, 0 to 2.
    pub(crate) qos: u8,
    /// Whether the server keeps it as the topic's retained message.
    pub(crate) retain: bool,
}

/// What every payload begins with: who sent it, its number, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    /// Number of the publisher.
    pub(crate) publisher: u32,
    /// Counts this publisher's messages from 0.
    pub(crate) sequence: u64,
    /// Nanoseconds since the generator's start; 0 where the scenario asks for no latency.
    pub(crate) sent: u64,
}

impl Stamp {
    fn write(self, into: &mut [u8]) {
        into[..4].copy_from_slice(&self.publisher.to_be_bytes());
        into[4..12].copy_from_slice(&self.sequence.to_be_bytes());
        into[12..STAMP].copy_from_slice(&self.sent.to_be_bytes());
    }

    /// Reads the stamp at the head of a payload; nothing when the payload is too short.
    pub(crate) fn read(payload: &[u8]) -> Option<Self> {
        let publisher = u32::from_be_bytes(payload.get(..4)?.try_into().ok()?);
        let sequence = u64::from_be_bytes(payload.get(4..12)?.try_into().ok()?);
        let sent = u64::from_be_bytes(payload.get(12..STAMP)?.try_into().ok()?);
        Some(Self { publisher, sequence, sent })
    }
}

/// A control packet as it came: its first byte and what follows the fixed header.
#[derive(Clone, Copy)]
pub(crate) struct Packet<'a> {
    /// Type and flags.
    pub(crate) first: u8,
    /// Everything behind the remaining length; of a long packet only the beginning.
    pub(crate) body: &'a [u8],
}

impl<'a> Packet<'a> {
    /// The packet type, 1 to 15.
    pub(crate) fn kind(self) -> u8 {
        self.first >> 4
    }

    /// The packet identifier of an acknowledgement.
    pub(crate) fn identifier(self) -> u16 {
        read_u16(self.body, 0)
    }

    /// Quality of service, packet identifier (0 for QoS 0) and payload of a PUBLISH.
    pub(crate) fn publish(self) -> Option<(u8, u16, &'a [u8])> {
        let qos = (self.first >> 1) & 3;
        let mut payload = 2 + usize::from(read_u16(self.body, 0));
        let mut identifier = 0;
        if qos > 0 {
            identifier = read_u16(self.body, payload);
            payload += 2;
        }
        Some((qos, identifier, self.body.get(payload..)?))
    }
}

/// The fixed header at the head of `bytes`: first byte, its own length, length of what follows.
pub(crate) fn header(bytes: &[u8]) -> Option<(u8, usize, usize)> {
    let first = *bytes.first()?;
    let mut length = 0;
    for (index, byte) in bytes.iter().skip(1).take(4).enumerate() {
        length |= usize::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return Some((first, index + 2, length));
        }
    }
    None
}

/// Appends a CONNECT of MQTT 3.1.1.
pub(crate) fn connect(client: &str, clean: bool, out: &mut Vec<u8>) {
    out.push(0x10);
    remaining_length(10 + 2 + client.len(), out);
    out.extend_from_slice(b"\x00\x04MQTT\x04");
    out.push(if clean { 2 } else { 0 });
    out.extend_from_slice(&KEEP_ALIVE.to_be_bytes());
    string(client, out);
}

/// Appends a SUBSCRIBE for all these topic filters.
pub(crate) fn subscribe(identifier: u16, filters: &[String], qos: u8, out: &mut Vec<u8>) {
    let length: usize = filters.iter().map(|filter| filter.len() + 3).sum();
    out.push(0x82);
    remaining_length(2 + length, out);
    out.extend_from_slice(&identifier.to_be_bytes());
    for filter in filters {
        string(filter, out);
        out.push(qos);
    }
}

/// Appends a SUBACK that grants so many filters QoS 0.
pub(crate) fn subscribed(identifier: &[u8], granted: usize, out: &mut Vec<u8>) {
    out.push(0x90);
    remaining_length(2 + granted, out);
    out.extend_from_slice(identifier);
    out.resize(out.len() + granted, 0);
}

/// Appends a packet as it came.
#[inline]
pub(crate) fn copy(packet: Packet<'_>, out: &mut Vec<u8>) {
    out.push(packet.first);
    remaining_length(packet.body.len(), out);
    out.extend_from_slice(packet.body);
}

/// Appends an acknowledgement of the given kind.
pub(crate) fn acknowledge(kind: u8, identifier: u16, out: &mut Vec<u8>) {
    let flags = if kind == PUBREL { 2 } else { 0 };
    let [high, low] = identifier.to_be_bytes();
    out.extend_from_slice(&[(kind << 4) | flags, 2, high, low]);
}

/// Appends a DISCONNECT.
pub(crate) fn disconnect(out: &mut Vec<u8>) {
    out.extend_from_slice(&[0xe0, 0]);
}

/// A PUBLISH ready to be copied; only packet identifier and stamp differ from one message to the next.
pub(crate) struct Template {
    frame: Vec<u8>,
    identifier: Option<usize>,
    stamp: usize,
    /// Where the topic's second level begins.
    digits: usize,
}

impl Template {
    /// A message of `size` payload bytes (at least a stamp's) for one topic.
    pub(crate) fn new(topic: &str, size: usize, delivery: Delivery) -> Self {
        let mut frame = Vec::new();
        frame.push((PUBLISH << 4) | (delivery.qos << 1) | u8::from(delivery.retain));
        let size = size.max(STAMP);
        let variable = 2 + topic.len() + if delivery.qos > 0 { 2 } else { 0 };
        remaining_length(variable + size, &mut frame);
        let second_level = topic.find('/').map_or(0, |slash| slash + 1);
        let digits = frame.len() + 2 + second_level;
        string(topic, &mut frame);
        let identifier = (delivery.qos > 0).then_some(frame.len());
        if identifier.is_some() {
            frame.extend_from_slice(&[0, 0]);
        }
        let stamp = frame.len();
        frame.resize(stamp + size, b'.');
        Self { frame, identifier, stamp, digits }
    }

    /// Appends the message with this stamp.
    #[inline]
    pub(crate) fn append(&self, stamp: Stamp, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(&self.frame);
        stamp.write(&mut out[start + self.stamp..start + self.stamp + STAMP]);
        if let Some(at) = self.identifier {
            out[start + at..start + at + 2].copy_from_slice(&identifier(stamp.sequence).to_be_bytes());
        }
    }
}

impl Template {
    /// The same, with the six zeros in the topic's second level replaced by `number` (below a million).
    pub(crate) fn append_numbered(&self, stamp: Stamp, number: u64, out: &mut Vec<u8>) {
        let topic = self.digits + out.len();
        self.append(stamp, out);
        let mut rest = number;
        for digit in out[topic..topic + 6].iter_mut().rev() {
            let [low, ..] = (rest % 10).to_le_bytes();
            *digit = b'0' + low;
            rest /= 10;
        }
    }
}

/// The packet identifier a publisher gives to its message number `sequence`: 1 to 65,535, again and again.
pub(crate) fn identifier(sequence: u64) -> u16 {
    u16::try_from(sequence % 65_535 + 1).unwrap_or(u16::MAX)
}

fn string(text: &str, out: &mut Vec<u8>) {
    let length = u16::try_from(text.len()).unwrap_or(u16::MAX);
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(text.as_bytes());
}

fn remaining_length(mut length: usize, out: &mut Vec<u8>) {
    loop {
        let [low, ..] = (length & 0x7f).to_le_bytes();
        length >>= 7;
        if length == 0 {
            out.push(low);
            return;
        }
        out.push(low | 0x80);
    }
}

#[inline]
fn read_u16(bytes: &[u8], at: usize) -> u16 {
    match bytes.get(at..at + 2) {
        Some(&[high, low]) => u16::from_be_bytes([high, low]),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_published_message_is_read_back_with_its_stamp() {
        for qos in 0..=2 {
            let template = Template::new("a/topic", 300, Delivery { qos, retain: false });
            let stamp = Stamp { publisher: 7, sequence: 65_540, sent: 99 };
            let mut bytes = Vec::new();
            template.append(stamp, &mut bytes);
            let (first, head, length) = header(&bytes).unwrap();
            assert_eq!(head + length, bytes.len());
            let (read_qos, id, payload) = Packet { first, body: &bytes[head..] }.publish().unwrap();
            assert_eq!((read_qos, payload.len()), (qos, 300));
            assert_eq!(id, if qos > 0 { identifier(65_540) } else { 0 });
            assert_eq!(Stamp::read(payload), Some(stamp));
        }
    }

    #[test]
    fn an_unfinished_header_is_waited_for() {
        assert!(header(&[]).is_none());
        assert!(header(&[0x30]).is_none());
        assert!(header(&[0x30, 0x80]).is_none());
        assert_eq!(header(&[0x30, 0x80, 1]), Some((0x30, 3, 128)));
    }

    #[test]
    fn packet_identifiers_are_never_zero() {
        assert_eq!(identifier(0), 1);
        assert_eq!(identifier(65_534), 65_535);
        assert_eq!(identifier(65_535), 1);
    }

    #[test]
    fn a_connect_says_what_the_standard_asks_for() {
        let mut bytes = Vec::new();
        connect("ab", true, &mut bytes);
        assert_eq!(bytes, b"\x10\x0e\x00\x04MQTT\x04\x02\x02\x58\x00\x02ab");
    }
}
