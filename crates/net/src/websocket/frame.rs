//! Frames (RFC 6455, section 5): their headers, and what clients may not send.

use thiserror::Error;

/// What a frame is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A part of the stream: binary, or the continuation of a binary frame.
    Data,
    Close,
    Ping,
    Pong,
}

/// The header of a frame from a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) kind: Kind,
    /// The last frame of its message.
    pub(super) is_last: bool,
    /// Bytes of payload.
    pub(super) length: u64,
    pub(super) mask: [u8; 4],
}

/// The longest header of a client's frame.
pub(super) const LONGEST_HEADER: usize = 14;
/// The longest payload of a control frame.
pub(super) const LONGEST_CONTROL: usize = 125;

/// What a client sent that no client may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(super) enum Violation {
    /// A text frame. [MQTT-6.0.0-1]
    #[error("a text frame; only binary ones are taken")]
    Text,
    /// Bits for extensions that were not agreed on.
    #[error("a frame with reserved bits; no extension was agreed on")]
    Reserved,
    /// A kind of frame that does not exist.
    #[error("a frame of the unknown kind {0:#03x}")]
    Kind(u8),
    /// A part of a control frame.
    #[error("a control frame in parts")]
    PartOfControl,
    /// A control frame with too much in it.
    #[error("a control frame with more than {LONGEST_CONTROL} bytes")]
    LongControl,
    /// The continuation of nothing.
    #[error("a continuation of nothing")]
    Continuation,
    /// A message that begins inside another.
    #[error("a message that begins before the last one has ended")]
    Unfinished,
    /// A frame without a mask.
    #[error("a frame without a mask")]
    Unmasked,
    /// A length in more bytes than it needs, or with its highest bit set.
    #[error("a frame whose length is written in a wrong way")]
    Length,
    /// A frame that is too long.
    #[error("a frame of {length} bytes, and {limit} are the most")]
    TooLong {
        /// What it announces.
        length: u64,
        /// What is allowed.
        limit: u64,
    },
    /// A code in a close frame that may not be sent.
    #[error("a close frame with the wrong code {0}")]
    CloseCode(u16),
    /// Half a code in a close frame.
    #[error("a close frame with half a code")]
    HalfCode,
    /// The reason in a close frame is no text.
    #[error("a close frame whose reason is not UTF-8")]
    CloseReason,
}

impl Violation {
    /// The code for the close frame that answers it (section 7.4.1).
    pub(super) fn code(self) -> u16 {
        match self {
            Self::Text => 1003,
            Self::TooLong { .. } => 1009,
            Self::CloseReason => 1007,
            _ => 1002,
        }
    }
}

/// Reads the header at the start of `bytes`. Gives it with its own length, or nothing if it is not whole yet. `inside`
/// is true while a message in parts is not at its end. Every byte is judged as soon as it is there.
pub(super) fn scan(bytes: &[u8], inside: bool, limit: u64) -> Result<Option<(Header, usize)>, Violation> {
    let Some(&first) = bytes.first() else { return Ok(None) };
    let is_last = first & 0x80 != 0;
    let kind = kind_of(first, is_last, inside)?;
    let Some(&second) = bytes.get(1) else { return Ok(None) };
    if second & 0x80 == 0 {
        return Err(Violation::Unmasked);
    }
    let rest = &bytes[2..];
    // The bytes that the length has of its own, and the least that needs so many.
    let (length, wide, least) = match second & 0x7F {
        126 | 127 if kind != Kind::Data => return Err(Violation::LongControl),
        126 => (rest.first_chunk().map(|length| u64::from(u16::from_be_bytes(*length))), 2, 126),
        127 => (rest.first_chunk().map(|length| u64::from_be_bytes(*length)), 8, 1 << 16),
        length => (Some(u64::from(length)), 0, 0),
    };
    let Some(length) = length else { return Ok(None) };
    if length < least || length >> 63 != 0 {
        return Err(Violation::Length);
    }
    if length > limit {
        return Err(Violation::TooLong { length, limit });
    }
    let Some(&mask) = rest[wide..].first_chunk() else { return Ok(None) };
    Ok(Some((Header { kind, is_last, length, mask }, 2 + wide + mask.len())))
}

fn kind_of(first: u8, is_last: bool, inside: bool) -> Result<Kind, Violation> {
    if first & 0x70 != 0 {
        return Err(Violation::Reserved);
    }
    let kind = match first & 0x0F {
        0x0 if !inside => return Err(Violation::Continuation),
        0x0 => Kind::Data,
        0x1 => return Err(Violation::Text),
        0x2 if inside => return Err(Violation::Unfinished),
        0x2 => Kind::Data,
        0x8 => Kind::Close,
        0x9 => Kind::Ping,
        0xA => Kind::Pong,
        other => return Err(Violation::Kind(other)),
    };
    if is_last || kind == Kind::Data { Ok(kind) } else { Err(Violation::PartOfControl) }
}

/// Takes the mask off (section 5.3). Returns it as it goes on behind these bytes.
pub(super) fn unmask(bytes: &mut [u8], mask: [u8; 4]) -> [u8; 4] {
    let [a, b, c, d] = mask;
    let wide = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
    let (chunks, rest) = bytes.as_chunks_mut::<8>();
    for chunk in chunks {
        *chunk = (u64::from_ne_bytes(*chunk) ^ wide).to_ne_bytes();
    }
    for (byte, key) in rest.iter_mut().zip(mask.iter().cycle()) {
        *byte ^= key;
    }
    let mut later = mask;
    later.rotate_left(bytes.len() % mask.len());
    later
}

/// First bytes of the server's frames.
const BINARY: u8 = 0x82;
const CLOSE: u8 = 0x88;
const PONG: u8 = 0x8A;

/// Appends a binary frame of the server's, with no mask (section 5.1).
pub(super) fn write_binary(out: &mut Vec<u8>, payload: &[u8]) {
    out.push(BINARY);
    match (u8::try_from(payload.len()), u16::try_from(payload.len())) {
        (Ok(length @ ..=125), _) => out.push(length),
        (_, Ok(length)) => {
            out.push(126);
            out.extend(length.to_be_bytes());
        }
        _ => {
            out.push(127);
            out.extend((payload.len() as u64).to_be_bytes());
        }
    }
    out.extend_from_slice(payload);
}

/// Appends the answer to a ping with this payload.
pub(super) fn write_pong(out: &mut Vec<u8>, payload: &[u8]) {
    write_control(out, PONG, payload);
}

/// Appends a close frame, with a code or without.
pub(super) fn write_close(out: &mut Vec<u8>, code: Option<u16>) {
    match code {
        Some(code) => write_control(out, CLOSE, &code.to_be_bytes()),
        None => write_control(out, CLOSE, &[]),
    }
}

fn write_control(out: &mut Vec<u8>, first: u8, payload: &[u8]) {
    let payload = &payload[..payload.len().min(LONGEST_CONTROL)];
    out.push(first);
    out.extend(u8::try_from(payload.len()));
    out.extend_from_slice(payload);
}

/// Checks what a client says in its close frame (sections 5.5.1 and 7.4); gives the code, if there is one.
pub(super) fn close_code(payload: &[u8]) -> Result<Option<u16>, Violation> {
    let (code, reason) = match payload {
        [] => return Ok(None),
        [_] => return Err(Violation::HalfCode),
        [high, low, reason @ ..] => (u16::from_be_bytes([*high, *low]), reason),
    };
    if !matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999) {
        return Err(Violation::CloseCode(code));
    }
    if str::from_utf8(reason).is_err() { Err(Violation::CloseReason) } else { Ok(Some(code)) }
}
