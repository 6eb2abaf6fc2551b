//! Publications on their way to another shard: frames one behind the other in one buffer.

use crate::link::NONE;
use crate::outbox::Routed;
use crate::output::SHARED_FROM;
use alloc::vec::Vec;
use bytes::Bytes;
use darter_codec::record::PublicationId;
use darter_codec::{PacketId, QoS};

/// Publications in the order they were published. Small ones cost no allocation of their own; large payloads are shared.
#[derive(Debug, Clone, Default)]
pub struct Frames {
    bytes: Vec<u8>,
    bodies: Vec<Bytes>,
}

/// What goes with a publication beside the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Note {
    /// To be answered when it is not 0.
    pub(crate) number: u64,
    /// Not 0: it changes the retained message, and this decides which of two changes is newer.
    pub(crate) stamp: u64,
}

/// Fixed part of a frame: flags, number, stamp, expiry, then the lengths of topic name, properties and payload.
const HEADER: usize = 1 + 8 + 8 + 8 + 2 + 4 + 4;
const RETAIN: u8 = 0b100;
const SHARED: u8 = 0b1000;
/// Behind the fixed part follow the session, the packet identifier and the serial of its publication.
const NAMED: u8 = 0b1_0000;
const AGAIN: u8 = 0b10_0000;
const NEVER: u64 = u64::MAX;

impl Frames {
    pub(crate) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Bytes of all of it.
    pub(crate) fn size(&self) -> usize {
        self.bytes.len() + self.bodies.iter().map(Bytes::len).sum::<usize>()
    }

    pub(crate) fn push(&mut self, routed: &mut Routed<'_>, note: Note) {
        let body = routed.shared_body();
        let flags = routed.qos as u8
            | if routed.retain { RETAIN } else { 0 }
            | if body.is_some() { SHARED } else { 0 }
            | if routed.publication.is_some() { NAMED } else { 0 }
            | if routed.again { AGAIN } else { 0 };
        let out = &mut self.bytes;
        out.reserve(
            HEADER + routed.topic.len() + routed.properties.len() + routed.payload.len().min(SHARED_FROM),
        );
        out.push(flags);
        out.extend_from_slice(&note.number.to_le_bytes());
        out.extend_from_slice(&note.stamp.to_le_bytes());
        out.extend_from_slice(&routed.expires_at.unwrap_or(NEVER).to_le_bytes());
        out.extend_from_slice(&u16::try_from(routed.topic.len()).unwrap_or(u16::MAX).to_le_bytes());
        out.extend_from_slice(&u32::try_from(routed.properties.len()).unwrap_or(u32::MAX).to_le_bytes());
        out.extend_from_slice(&u32::try_from(routed.payload.len()).unwrap_or(u32::MAX).to_le_bytes());
        if let Some(PublicationId { session, packet_id, serial }) = routed.publication {
            out.extend_from_slice(&session.to_le_bytes());
            out.extend_from_slice(&packet_id.get().to_le_bytes());
            out.extend_from_slice(&serial.to_le_bytes());
        }
        out.extend_from_slice(routed.topic.as_bytes());
        out.extend_from_slice(routed.properties);
        match body {
            Some(body) => self.bodies.push(body),
            None => out.extend_from_slice(routed.payload),
        }
    }

    /// The publications in order.
    pub(crate) fn iter(&self) -> Iter<'_> {
        Iter { rest: &self.bytes, bodies: self.bodies.iter() }
    }
}

#[derive(Debug)]
pub(crate) struct Iter<'a> {
    rest: &'a [u8],
    bodies: core::slice::Iter<'a, Bytes>,
}

impl<'a> Iter<'a> {
    fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(len)?;
        self.rest = rest;
        Some(taken)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }
}

impl<'a> Iterator for Iter<'a> {
    type Item = (Routed<'a>, Note);

    fn next(&mut self) -> Option<Self::Item> {
        let [flags] = self.array()?;
        let note =
            Note { number: u64::from_le_bytes(self.array()?), stamp: u64::from_le_bytes(self.array()?) };
        let expires_at = u64::from_le_bytes(self.array()?);
        let topic = usize::from(u16::from_le_bytes(self.array()?));
        let properties = usize::try_from(u32::from_le_bytes(self.array()?)).ok()?;
        let payload = usize::try_from(u32::from_le_bytes(self.array()?)).ok()?;
        let mut publication = None;
        if flags & NAMED != 0 {
            let session = u64::from_le_bytes(self.array()?);
            let packet_id = PacketId::new(u16::from_le_bytes(self.array()?))?;
            let serial = u64::from_le_bytes(self.array()?);
            publication = Some(PublicationId { session, packet_id, serial });
        }
        let topic = core::str::from_utf8(self.take(topic)?).ok()?;
        let properties = self.take(properties)?;
        let body = if flags & SHARED == 0 { None } else { Some(self.bodies.next()?) };
        let payload = match body {
            Some(body) => &body[..],
            None => self.take(payload)?,
        };
        let routed = Routed {
            topic,
            payload,
            properties,
            qos: QoS::try_from(flags & 0b11).ok()?,
            retain: flags & RETAIN != 0,
            expires_at: (expires_at != NEVER).then_some(expires_at),
            publisher: NONE,
            wait: None,
            publication,
            again: flags & AGAIN != 0,
            unretained: false,
            durability: None,
            body: body.cloned(),
            message: None,
        };
        Some((routed, note))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    const PUBLICATION: PublicationId =
        PublicationId { session: 1 << 57, packet_id: PacketId::MIN, serial: 1 << 33 };

    #[test]
    fn publications_arrive_as_they_were_sent_and_in_order() {
        let large = vec![7; 2000];
        let mut frames = Frames::default();
        let sent: [(&str, &[u8], Option<u64>, bool); 3] =
            [("a/b", b"small", None, false), ("c", &large, Some(5), true), ("a/b", b"", None, true)];
        for (number, (topic, payload, expires_at, retain)) in (1..).zip(sent) {
            let mut routed = Routed {
                topic,
                payload,
                properties: &[1, 1],
                qos: QoS::ExactlyOnce,
                retain,
                expires_at,
                publisher: 3,
                wait: None,
                publication: (number == 2).then_some(PUBLICATION),
                again: number == 2,
                unretained: false,
                durability: None,
                body: None,
                message: None,
            };
            frames.push(&mut routed, Note { number, stamp: 9 });
        }
        let mut count = 0;
        for ((routed, note), (topic, payload, expires_at, retain)) in frames.iter().zip(sent) {
            count += 1;
            assert_eq!((routed.topic, routed.payload, routed.properties), (topic, payload, &[1, 1][..]));
            assert_eq!(
                (routed.qos, routed.retain, routed.expires_at),
                (QoS::ExactlyOnce, retain, expires_at)
            );
            assert_eq!(note, Note { number: count, stamp: 9 });
            assert_eq!((routed.publication, routed.again), ((count == 2).then_some(PUBLICATION), count == 2));
        }
        assert_eq!(count, 3);
    }
}
