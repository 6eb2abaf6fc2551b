//! One record: what it says, and its bytes.
//!
//! A record never stands alone: [`frame`](super::frame) puts its length, kind and checksum in front.

use super::bytes::{Put, Take};
use darter_codec::record::{Left, PublicationId, RowState, SessionNumber};
use darter_codec::{PacketId, QoS, SubscriptionOptions};

/// What a record is about. Two of the numbers always differ in two bits at least, so that one flipped bit is noticed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Kind {
    Session = 0x03,
    SessionEnded = 0x05,
    Left = 0x06,
    Subscribed = 0x09,
    Unsubscribed = 0x0A,
    Body = 0x0C,
    Row = 0x0F,
    Moved = 0x11,
    Removed = 0x12,
    Incoming = 0x14,
    IncomingReleased = 0x17,
    Retained = 0x18,
    RetainedCleared = 0x1B,
    Will = 0x1D,
    WillCleared = 0x1E,
}

impl Kind {
    const ALL: [Self; 15] = [
        Self::Session,
        Self::SessionEnded,
        Self::Left,
        Self::Subscribed,
        Self::Unsubscribed,
        Self::Body,
        Self::Row,
        Self::Moved,
        Self::Removed,
        Self::Incoming,
        Self::IncomingReleased,
        Self::Retained,
        Self::RetainedCleared,
        Self::Will,
        Self::WillCleared,
    ];

    pub(super) fn from_u8(byte: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| *kind as u8 == byte)
    }
}

/// A record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Entry<'a> {
    Session {
        session: SessionNumber,
        expiry: u32,
        client: &'a str,
        user: Option<&'a str>,
    },
    SessionEnded {
        session: SessionNumber,
    },
    Left {
        session: SessionNumber,
        left: Left,
    },
    Subscribed {
        session: SessionNumber,
        options: SubscriptionOptions,
        identifier: u32,
        filter: &'a str,
    },
    Unsubscribed {
        session: SessionNumber,
        filter: &'a str,
    },
    /// A message that several rows share.
    Body {
        number: u64,
        message: &'a [u8],
    },
    Row(Row<'a>),
    Moved {
        session: SessionNumber,
        sequence: u64,
        state: RowState,
    },
    /// `count` rows from `sequence` on are done with.
    Removed {
        session: SessionNumber,
        sequence: u64,
        count: u32,
    },
    /// `spread`: copies of its message went to several shards, and name it by this serial.
    Incoming {
        session: SessionNumber,
        packet_id: PacketId,
        spread: Option<u64>,
    },
    IncomingReleased {
        session: SessionNumber,
        packet_id: PacketId,
    },
    Retained {
        stamp: u64,
        message: &'a [u8],
    },
    RetainedCleared {
        stamp: u64,
        topic: &'a str,
    },
    Will {
        session: SessionNumber,
        delay: u32,
        expiry: Option<u32>,
        client: &'a str,
        message: &'a [u8],
    },
    WillCleared {
        session: SessionNumber,
    },
}

/// A row of a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Row<'a> {
    pub(super) session: SessionNumber,
    pub(super) sequence: u64,
    pub(super) state: RowState,
    pub(super) qos: QoS,
    pub(super) retain: bool,
    pub(super) group: Option<&'a str>,
    pub(super) publication: Option<PublicationId>,
    /// Subscription identifiers, four bytes each.
    pub(super) identifiers: &'a [u8],
    pub(super) body: Body<'a>,
}

/// Where a row's message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Body<'a> {
    /// In the row.
    Here(&'a [u8]),
    /// In the body of that number; the bytes of its topic name, properties and payload.
    Shared { number: u64, weight: u32 },
}

/// Bytes of a stored message that are not topic name, properties or payload.
const MESSAGE_HEADER: usize = 16;

impl Body<'_> {
    /// Bytes of topic name, properties and payload.
    pub(super) fn weight(&self) -> u32 {
        match self {
            Self::Here(message) => {
                u32::try_from(message.len().saturating_sub(MESSAGE_HEADER)).unwrap_or(u32::MAX)
            }
            Self::Shared { weight, .. } => *weight,
        }
    }
}

const RETAIN: u8 = 0x04;
const GROUP: u8 = 0x08;
const SHARED: u8 = 0x10;
const PUBLICATION: u8 = 0x20;

/// Where a row's state stands in its bytes, so that a row that is written again can be given its present one.
const STATE_AT: std::ops::Range<usize> = 16..19;

fn put_state(out: &mut Vec<u8>, state: RowState) {
    let (tag, id) = match state {
        RowState::Waiting => (0, 0),
        RowState::Sent(id) => (1, id.get()),
        RowState::Released(id) => (2, id.get()),
        RowState::Finished => (3, 0),
    };
    out.put_u8(tag);
    out.put_u16(id);
}

fn take_state(from: &mut Take<'_>) -> Option<RowState> {
    let (tag, id) = (from.u8()?, from.u16()?);
    match tag {
        0 => Some(RowState::Waiting),
        1 => PacketId::new(id).map(RowState::Sent),
        2 => PacketId::new(id).map(RowState::Released),
        3 => Some(RowState::Finished),
        _ => None,
    }
}

/// The bytes of a row with another state.
pub(super) fn with_state(row: &[u8], state: RowState) -> Vec<u8> {
    let mut bytes = row.to_vec();
    let mut part = Vec::new();
    put_state(&mut part, state);
    if let Some(slot) = bytes.get_mut(STATE_AT) {
        slot.copy_from_slice(&part);
    }
    bytes
}

impl<'a> Entry<'a> {
    pub(super) fn kind(&self) -> Kind {
        match self {
            Self::Session { .. } => Kind::Session,
            Self::SessionEnded { .. } => Kind::SessionEnded,
            Self::Left { .. } => Kind::Left,
            Self::Subscribed { .. } => Kind::Subscribed,
            Self::Unsubscribed { .. } => Kind::Unsubscribed,
            Self::Body { .. } => Kind::Body,
            Self::Row(_) => Kind::Row,
            Self::Moved { .. } => Kind::Moved,
            Self::Removed { .. } => Kind::Removed,
            Self::Incoming { .. } => Kind::Incoming,
            Self::IncomingReleased { .. } => Kind::IncomingReleased,
            Self::Retained { .. } => Kind::Retained,
            Self::RetainedCleared { .. } => Kind::RetainedCleared,
            Self::Will { .. } => Kind::Will,
            Self::WillCleared { .. } => Kind::WillCleared,
        }
    }

    /// Appends its bytes.
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        match *self {
            Self::Session { session, expiry, client, user } => {
                out.put_u64(session);
                out.put_u32(expiry);
                out.put_counted(client.as_bytes());
                out.put_u8(user.is_some().into());
                out.put(user.unwrap_or_default().as_bytes());
            }
            Self::SessionEnded { session } | Self::WillCleared { session } => out.put_u64(session),
            Self::Left { session, left } => {
                out.put_u64(session);
                out.put_maybe(left.ends_at);
                out.put_maybe(left.will_at);
            }
            Self::Subscribed { session, options, identifier, filter } => {
                out.put_u64(session);
                out.put_u8(options.to_u8());
                out.put_u32(identifier);
                out.put(filter.as_bytes());
            }
            Self::Unsubscribed { session, filter } => {
                out.put_u64(session);
                out.put(filter.as_bytes());
            }
            Self::Body { number, message } | Self::Retained { stamp: number, message } => {
                out.put_u64(number);
                out.put(message);
            }
            Self::Row(row) => row.encode(out),
            Self::Moved { session, sequence, state } => {
                out.put_u64(session);
                out.put_u64(sequence);
                put_state(out, state);
            }
            Self::Removed { session, sequence, count } => {
                out.put_u64(session);
                out.put_u64(sequence);
                out.put_u32(count);
            }
            Self::Incoming { session, packet_id, spread } => {
                out.put_u64(session);
                out.put_u16(packet_id.get());
                out.put_maybe(spread);
            }
            Self::IncomingReleased { session, packet_id } => {
                out.put_u64(session);
                out.put_u16(packet_id.get());
            }
            Self::RetainedCleared { stamp, topic } => {
                out.put_u64(stamp);
                out.put(topic.as_bytes());
            }
            Self::Will { session, delay, expiry, client, message } => {
                out.put_u64(session);
                out.put_u32(delay);
                out.put_maybe(expiry.map(u64::from));
                out.put_counted(client.as_bytes());
                out.put(message);
            }
        }
    }

    /// Reads a record's bytes; `None` when they are not what [`encode`](Self::encode) gives.
    pub(super) fn decode(kind: Kind, bytes: &'a [u8]) -> Option<Self> {
        let mut from = Take(bytes);
        let entry = match kind {
            Kind::Session => {
                let (session, expiry, client) = (from.u64()?, from.u32()?, from.text()?);
                let has_user = from.u8()? != 0;
                let user = text(from.rest())?;
                Self::Session { session, expiry, client, user: has_user.then_some(user) }
            }
            Kind::SessionEnded => Self::SessionEnded { session: from.u64()? },
            Kind::Left => {
                let session = from.u64()?;
                Self::Left { session, left: Left { ends_at: from.maybe()?, will_at: from.maybe()? } }
            }
            Kind::Subscribed => {
                let session = from.u64()?;
                let options = SubscriptionOptions::from_u8(from.u8()?).ok()?;
                let identifier = from.u32()?;
                Self::Subscribed { session, options, identifier, filter: text(from.rest())? }
            }
            Kind::Unsubscribed => Self::Unsubscribed { session: from.u64()?, filter: text(from.rest())? },
            Kind::Body => Self::Body { number: from.u64()?, message: from.rest() },
            Kind::Row => Self::Row(Row::decode(&mut from)?),
            Kind::Moved => {
                let (session, sequence) = (from.u64()?, from.u64()?);
                Self::Moved { session, sequence, state: take_state(&mut from)? }
            }
            Kind::Removed => {
                Self::Removed { session: from.u64()?, sequence: from.u64()?, count: from.u32()? }
            }
            Kind::Incoming => {
                let (session, packet_id) = (from.u64()?, PacketId::new(from.u16()?)?);
                Self::Incoming { session, packet_id, spread: from.maybe()? }
            }
            Kind::IncomingReleased => {
                Self::IncomingReleased { session: from.u64()?, packet_id: PacketId::new(from.u16()?)? }
            }
            Kind::Retained => Self::Retained { stamp: from.u64()?, message: from.rest() },
            Kind::RetainedCleared => Self::RetainedCleared { stamp: from.u64()?, topic: text(from.rest())? },
            Kind::Will => {
                let (session, delay) = (from.u64()?, from.u32()?);
                let expiry = from.maybe()?.and_then(|seconds| u32::try_from(seconds).ok());
                Self::Will { session, delay, expiry, client: from.text()?, message: from.rest() }
            }
            Kind::WillCleared => Self::WillCleared { session: from.u64()? },
        };
        from.0.is_empty().then_some(entry)
    }
}

impl<'a> Row<'a> {
    fn encode(&self, out: &mut Vec<u8>) {
        out.put_u64(self.session);
        out.put_u64(self.sequence);
        put_state(out, self.state);
        let retain = if self.retain { RETAIN } else { 0 };
        let group = if self.group.is_some() { GROUP } else { 0 };
        let shared = if matches!(self.body, Body::Shared { .. }) { SHARED } else { 0 };
        let publication = if self.publication.is_some() { PUBLICATION } else { 0 };
        out.put_u8(self.qos.to_u8() | retain | group | shared | publication);
        if let Some(group) = self.group {
            out.put_counted(group.as_bytes());
        }
        if let Some(PublicationId { session, packet_id, serial }) = self.publication {
            out.put_u64(session);
            out.put_u16(packet_id.get());
            out.put_u64(serial);
        }
        out.put_counted(self.identifiers);
        match self.body {
            Body::Here(message) => out.put(message),
            Body::Shared { number, weight } => {
                out.put_u64(number);
                out.put_u32(weight);
            }
        }
    }

    fn decode(from: &mut Take<'a>) -> Option<Self> {
        let (session, sequence, state, flags) = (from.u64()?, from.u64()?, take_state(from)?, from.u8()?);
        let qos = QoS::from_u8(flags & 0b11)?;
        let group = if flags & GROUP == 0 { None } else { Some(from.text()?) };
        let publication = if flags & PUBLICATION == 0 {
            None
        } else {
            let (session, packet_id) = (from.u64()?, PacketId::new(from.u16()?)?);
            Some(PublicationId { session, packet_id, serial: from.u64()? })
        };
        let identifiers = from.counted()?;
        let body = if flags & SHARED == 0 {
            Body::Here(from.rest())
        } else {
            Body::Shared { number: from.u64()?, weight: from.u32()? }
        };
        let retain = flags & RETAIN != 0;
        Some(Self { session, sequence, state, qos, retain, group, publication, identifiers, body })
    }
}

fn text(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(crate) fn id(number: u16) -> PacketId {
        PacketId::new(number).unwrap()
    }

    pub(crate) fn every_kind() -> Vec<Entry<'static>> {
        let row = Row {
            session: 7,
            sequence: 3,
            state: RowState::Sent(id(9)),
            qos: QoS::ExactlyOnce,
            retain: true,
            group: Some("$share/g/t"),
            publication: Some(PublicationId { session: 8, packet_id: id(3), serial: 1 << 40 }),
            identifiers: &[1, 0, 0, 0],
            body: Body::Here(b"sixteen bytes...and more"),
        };
        let shared =
            Row { group: None, publication: None, body: Body::Shared { number: 4, weight: 5 }, ..row };
        let options = SubscriptionOptions::new(QoS::AtLeastOnce);
        vec![
            Entry::Session { session: 1, expiry: 60, client: "c", user: Some("u") },
            Entry::Session { session: 1, expiry: 60, client: "", user: None },
            Entry::SessionEnded { session: 2 },
            Entry::Left { session: 3, left: Left { ends_at: Some(5), will_at: None } },
            Entry::Subscribed { session: 4, options, identifier: 8, filter: "a/#" },
            Entry::Unsubscribed { session: 4, filter: "a/#" },
            Entry::Body { number: 4, message: b"message" },
            Entry::Row(row),
            Entry::Row(shared),
            Entry::Moved { session: 5, sequence: 6, state: RowState::Released(id(1)) },
            Entry::Removed { session: 5, sequence: 6, count: 2 },
            Entry::Incoming { session: 6, packet_id: id(65_535), spread: Some(1 << 40) },
            Entry::IncomingReleased { session: 6, packet_id: id(1) },
            Entry::Retained { stamp: 64, message: b"m" },
            Entry::RetainedCleared { stamp: 64, topic: "t" },
            Entry::Will { session: 9, delay: 1, expiry: Some(2), client: "c", message: b"m" },
            Entry::WillCleared { session: 9 },
        ]
    }

    #[test]
    fn every_record_comes_back_from_its_bytes() {
        for entry in every_kind() {
            let mut bytes = Vec::new();
            entry.encode(&mut bytes);
            assert_eq!(Entry::decode(entry.kind(), &bytes), Some(entry));
        }
    }

    #[test]
    fn a_flipped_bit_makes_no_kind_another_one() {
        for kind in Kind::ALL {
            for bit in 0..8 {
                assert_eq!(Kind::from_u8(kind as u8 ^ 1 << bit), None, "{kind:?}");
            }
        }
    }

    #[test]
    fn a_row_is_given_another_state() {
        let Entry::Row(row) = every_kind()[7] else { panic!("a row") };
        let mut bytes = Vec::new();
        row.encode(&mut bytes);
        let changed = with_state(&bytes, RowState::Waiting);
        let expected = Entry::Row(Row { state: RowState::Waiting, ..row });
        assert_eq!(Entry::decode(Kind::Row, &changed), Some(expected));
    }
}
