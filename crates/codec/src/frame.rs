//! Control packets in a stream of bytes: the fixed header (section 2.1).

use crate::DecodeError;

/// The largest remaining length four bytes can say: 268,435,455.
pub const MAX_REMAINING_LENGTH: u32 = 0x0FFF_FFFF;

/// The largest packet there can be, fixed header included: 268,435,460 bytes.
pub const MAX_PACKET_SIZE: usize = MAX_REMAINING_LENGTH as usize + 5;

/// What [`scan`] found at the start of its input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scan<'a> {
    /// A whole packet; the next one starts [`Frame::len`] bytes further on.
    Complete(Frame<'a>),
    /// Not all of the packet is there yet.
    Partial {
        /// The size of the whole packet in bytes, fixed header included, once the header has been read.
        total: Option<usize>,
    },
}

/// One control packet, not decoded yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// The first byte of the fixed header: packet type and flags.
    pub first: u8,
    /// Variable header and payload.
    pub body: &'a [u8],
    /// The size of the whole packet in bytes, fixed header included.
    pub len: usize,
}

/// Finds the control packet at the start of `input`. `limit` bounds the whole packet in bytes.
///
/// # Errors
///
/// [`DecodeError::PacketTooLarge`] as soon as the length is known, before the body has arrived;
/// [`DecodeError::Malformed`] for a remaining length of more than four bytes (section 2.1.4).
#[inline]
pub fn scan(input: &[u8], limit: usize) -> Result<Scan<'_>, DecodeError> {
    let Some((&first, rest)) = input.split_first() else {
        return Ok(Scan::Partial { total: None });
    };
    // A padded length is let through: 3.1.1 does not forbid it, and the version is not known here.
    let mut remaining = 0_usize;
    for (index, &byte) in rest.iter().take(4).enumerate() {
        remaining |= usize::from(byte & 0x7F) << (7 * index);
        if byte & 0x80 == 0 {
            let header = index + 2;
            let len = header + remaining;
            if len > limit {
                return Err(DecodeError::PacketTooLarge { size: len, limit });
            }
            return Ok(match input.get(header..len) {
                Some(body) => Scan::Complete(Frame { first, body, len }),
                None => Scan::Partial { total: Some(len) },
            });
        }
    }
    if rest.len() < 4 {
        Ok(Scan::Partial { total: None })
    } else {
        Err(DecodeError::Malformed { what: "remaining length of more than four bytes" })
    }
}

/// The kind of a control packet: the high half of its first byte (section 2.1.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum PacketType {
    /// Client asks for a connection.
    Connect = 1,
    /// Server answers CONNECT.
    ConnAck = 2,
    /// An application message.
    Publish = 3,
    /// Answer to a QoS 1 PUBLISH.
    PubAck = 4,
    /// First answer to a QoS 2 PUBLISH.
    PubRec = 5,
    /// Answer to PUBREC.
    PubRel = 6,
    /// Answer to PUBREL, the end of a QoS 2 exchange.
    PubComp = 7,
    /// Client asks for subscriptions.
    Subscribe = 8,
    /// Server answers SUBSCRIBE.
    SubAck = 9,
    /// Client ends subscriptions.
    Unsubscribe = 10,
    /// Server answers UNSUBSCRIBE.
    UnsubAck = 11,
    /// Client shows it is alive.
    PingReq = 12,
    /// Server answers PINGREQ.
    PingResp = 13,
    /// The sender closes the connection.
    Disconnect = 14,
    /// A step of enhanced authentication (version 5).
    Auth = 15,
}

impl PacketType {
    /// Every packet type, in the order of their numbers.
    pub const ALL: [Self; 15] = [
        Self::Connect,
        Self::ConnAck,
        Self::Publish,
        Self::PubAck,
        Self::PubRec,
        Self::PubRel,
        Self::PubComp,
        Self::Subscribe,
        Self::SubAck,
        Self::Unsubscribe,
        Self::UnsubAck,
        Self::PingReq,
        Self::PingResp,
        Self::Disconnect,
        Self::Auth,
    ];

    /// The type in the first byte of a packet; `None` for the forbidden type 0.
    #[must_use]
    #[inline]
    pub const fn of(first: u8) -> Option<Self> {
        Some(match first >> 4 {
            1 => Self::Connect,
            2 => Self::ConnAck,
            3 => Self::Publish,
            4 => Self::PubAck,
            5 => Self::PubRec,
            6 => Self::PubRel,
            7 => Self::PubComp,
            8 => Self::Subscribe,
            9 => Self::SubAck,
            10 => Self::Unsubscribe,
            11 => Self::UnsubAck,
            12 => Self::PingReq,
            13 => Self::PingResp,
            14 => Self::Disconnect,
            15 => Self::Auth,
            _ => return None,
        })
    }

    /// The first byte of a packet of this type. PUBLISH adds its own flags.
    #[must_use]
    pub const fn first_byte(self) -> u8 {
        (self as u8) << 4 | self.fixed_flags()
    }

    /// The flags every packet of this type carries (section 2.1.3). PUBLISH has flags of its own.
    #[must_use]
    pub const fn fixed_flags(self) -> u8 {
        match self {
            Self::PubRel | Self::Subscribe | Self::Unsubscribe => 0b0010,
            _ => 0,
        }
    }

    /// The name the standard gives it, such as `PUBLISH`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Connect => "CONNECT",
            Self::ConnAck => "CONNACK",
            Self::Publish => "PUBLISH",
            Self::PubAck => "PUBACK",
            Self::PubRec => "PUBREC",
            Self::PubRel => "PUBREL",
            Self::PubComp => "PUBCOMP",
            Self::Subscribe => "SUBSCRIBE",
            Self::SubAck => "SUBACK",
            Self::Unsubscribe => "UNSUBSCRIBE",
            Self::UnsubAck => "UNSUBACK",
            Self::PingReq => "PINGREQ",
            Self::PingResp => "PINGRESP",
            Self::Disconnect => "DISCONNECT",
            Self::Auth => "AUTH",
        }
    }
}

/// A length as a variable byte integer (section 1.5.5): the bytes, and how many of them count (1 to 4).
///
/// Lengths above [`MAX_REMAINING_LENGTH`] cannot be written; they are cut to it.
#[must_use]
#[inline]
pub const fn encode_remaining_length(length: u32) -> ([u8; 4], usize) {
    let length = if length > MAX_REMAINING_LENGTH { MAX_REMAINING_LENGTH } else { length };
    let [_, _, _, a] = (length & 0x7F).to_be_bytes();
    let [_, _, _, b] = (length >> 7 & 0x7F).to_be_bytes();
    let [_, _, _, c] = (length >> 14 & 0x7F).to_be_bytes();
    let [_, _, _, d] = (length >> 21 & 0x7F).to_be_bytes();
    match length {
        0..0x80 => ([a, 0, 0, 0], 1),
        0x80..0x4000 => ([a | 0x80, b, 0, 0], 2),
        0x4000..0x20_0000 => ([a | 0x80, b | 0x80, c, 0], 3),
        _ => ([a | 0x80, b | 0x80, c | 0x80, d], 4),
    }
}

/// How many bytes [`encode_remaining_length`] needs: 1 to 4.
#[must_use]
#[inline]
pub const fn remaining_length_size(length: usize) -> usize {
    match length {
        0..0x80 => 1,
        0x80..0x4000 => 2,
        0x4000..0x20_0000 => 3,
        _ => 4,
    }
}
