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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packet_is_found_at_the_start_of_more_bytes() {
        let input = [0x40, 2, 0, 1, 0xC0, 0];
        let frame = Frame { first: 0x40, body: &[0, 1], len: 4 };
        assert_eq!(scan(&input, 100), Ok(Scan::Complete(frame)));
        let frame = Frame { first: 0xC0, body: &[], len: 2 };
        assert_eq!(scan(&input[4..], 100), Ok(Scan::Complete(frame)));
    }

    #[test]
    fn the_size_is_known_once_the_header_is_there() {
        assert_eq!(scan(&[], 1000), Ok(Scan::Partial { total: None }));
        assert_eq!(scan(&[0x30], 1000), Ok(Scan::Partial { total: None }));
        assert_eq!(scan(&[0x30, 0x80], 1000), Ok(Scan::Partial { total: None }));
        assert_eq!(scan(&[0x30, 0x80, 0x01], 1000), Ok(Scan::Partial { total: Some(131) }));
        assert_eq!(scan(&[0x30, 0x80, 0x01, 0, 0], 1000), Ok(Scan::Partial { total: Some(131) }));
    }

    #[test]
    fn too_large_is_told_before_the_body_arrives() {
        let header = [0x30, 0xFF, 0xFF, 0xFF, 0x7F];
        let error = DecodeError::PacketTooLarge { size: MAX_PACKET_SIZE, limit: 65_536 };
        assert_eq!(scan(&header, 65_536), Err(error));
        assert_eq!(scan(&header, MAX_PACKET_SIZE), Ok(Scan::Partial { total: Some(MAX_PACKET_SIZE) }));
        assert!(scan(&[0x40, 2, 0, 1], 4).is_ok());
        assert_eq!(scan(&[0x40, 2, 0, 1], 3), Err(DecodeError::PacketTooLarge { size: 4, limit: 3 }));
    }

    #[test]
    fn a_length_of_five_bytes_is_malformed() {
        let header = [0x30, 0x80, 0x80, 0x80, 0x80];
        assert!(matches!(scan(&header, 1000), Err(DecodeError::Malformed { .. })));
        assert_eq!(scan(&header[..4], 1000), Ok(Scan::Partial { total: None }));
    }

    #[test]
    fn a_padded_length_is_read() {
        let frame = Frame { first: 0xC0, body: &[], len: 3 };
        assert_eq!(scan(&[0xC0, 0x80, 0], 1000), Ok(Scan::Complete(frame)));
    }

    #[test]
    fn lengths_are_written_as_the_standard_shows() {
        let cases: [(u32, &[u8]); 10] = [
            (0, &[0x00]),
            (127, &[0x7F]),
            (128, &[0x80, 0x01]),
            (321, &[0xC1, 0x02]),
            (16_383, &[0xFF, 0x7F]),
            (16_384, &[0x80, 0x80, 0x01]),
            (2_097_151, &[0xFF, 0xFF, 0x7F]),
            (2_097_152, &[0x80, 0x80, 0x80, 0x01]),
            (MAX_REMAINING_LENGTH, &[0xFF, 0xFF, 0xFF, 0x7F]),
            (u32::MAX, &[0xFF, 0xFF, 0xFF, 0x7F]),
        ];
        for (length, expected) in cases {
            let (bytes, used) = encode_remaining_length(length);
            assert_eq!(&bytes[..used], expected);
            assert_eq!(remaining_length_size(length as usize), used);
        }
    }

    #[test]
    fn types_are_the_high_half_of_the_first_byte() {
        for (number, kind) in (1..).zip(PacketType::ALL) {
            assert_eq!(PacketType::of(number << 4), Some(kind));
            assert_eq!(kind.first_byte() >> 4, number);
        }
        assert_eq!(PacketType::of(0x0F), None);
    }
}
