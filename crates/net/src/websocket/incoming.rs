//! From the bytes of a client to the stream inside its frames.

use super::frame::{self, Header, Kind, LONGEST_HEADER, Violation};
use crate::filter::Received;

/// Where in a frame the bytes stand that come next.
#[derive(Debug, Default)]
pub(super) struct Frames {
    stage: Stage,
    /// A message in parts is not at its end.
    inside: bool,
}

#[derive(Debug)]
enum Stage {
    /// In a header, of which this is the start.
    Header { start: [u8; LONGEST_HEADER], length: usize },
    /// In the payload of a data frame.
    Data { left: u64, mask: [u8; 4] },
    /// In the payload of a control frame, which is kept until it is whole.
    Control { kind: Kind, length: usize, mask: [u8; 4], payload: Vec<u8> },
    /// Behind a close frame; what comes there means nothing.
    Closed,
}

impl Default for Stage {
    fn default() -> Self {
        Self::Header { start: [0; LONGEST_HEADER], length: 0 }
    }
}

impl Frames {
    /// Takes all of `bytes`: payloads of data frames go to `up`, answers to control frames to `down`.
    pub(super) fn receive(
        &mut self,
        mut bytes: &[u8],
        limit: u64,
        up: &mut Vec<u8>,
        down: &mut Vec<u8>,
    ) -> Result<Received, Violation> {
        loop {
            match &mut self.stage {
                Stage::Header { start, length } => {
                    let Some((header, taken)) = find_header(start, length, bytes, self.inside, limit)? else {
                        return Ok(Received::More);
                    };
                    bytes = &bytes[taken..];
                    self.begin(header);
                }
                Stage::Data { left, mask } => {
                    let count = usize::try_from(*left).map_or(bytes.len(), |left| left.min(bytes.len()));
                    let (part, rest) = bytes.split_at(count);
                    let at = up.len();
                    up.extend_from_slice(part);
                    *mask = frame::unmask(&mut up[at..], *mask);
                    *left -= count as u64;
                    bytes = rest;
                    if *left > 0 {
                        return Ok(Received::More);
                    }
                    self.stage = Stage::default();
                }
                Stage::Control { kind, length, mask, payload } => {
                    let (part, rest) = bytes.split_at(bytes.len().min(*length - payload.len()));
                    payload.extend_from_slice(part);
                    bytes = rest;
                    if payload.len() < *length {
                        return Ok(Received::More);
                    }
                    frame::unmask(payload, *mask);
                    let is_close = answer(*kind, payload, down)?;
                    self.stage = if is_close { Stage::Closed } else { Stage::default() };
                }
                Stage::Closed => return Ok(Received::End),
            }
        }
    }

    fn begin(&mut self, Header { kind, is_last, length, mask }: Header) {
        self.stage = match kind {
            Kind::Data => {
                self.inside = !is_last;
                Stage::Data { left: length, mask }
            }
            // It was checked to be short.
            _ => Stage::Control {
                kind,
                length: usize::try_from(length).unwrap_or(0),
                mask,
                payload: Vec::new(),
            },
        };
    }
}

/// Finds a header whose first `length` bytes are in `start`; bytes of one that is not whole are added there. Gives it
/// with the bytes that it took.
fn find_header(
    start: &mut [u8; LONGEST_HEADER],
    length: &mut usize,
    bytes: &[u8],
    inside: bool,
    limit: u64,
) -> Result<Option<(Header, usize)>, Violation> {
    if *length == 0 {
        let found = frame::scan(bytes, inside, limit)?;
        if found.is_none() {
            start[..bytes.len()].copy_from_slice(bytes);
            *length = bytes.len();
        }
        return Ok(found);
    }
    for (at, byte) in bytes.iter().enumerate() {
        start[*length] = *byte;
        *length += 1;
        if let Some((header, _)) = frame::scan(&start[..*length], inside, limit)? {
            return Ok(Some((header, at + 1)));
        }
    }
    Ok(None)
}

/// Answers a control frame; true when it was the last frame.
fn answer(kind: Kind, payload: &[u8], down: &mut Vec<u8>) -> Result<bool, Violation> {
    match kind {
        Kind::Ping => frame::write_pong(down, payload),
        Kind::Close => frame::write_close(down, frame::close_code(payload)?),
        Kind::Pong | Kind::Data => {}
    }
    Ok(kind == Kind::Close)
}
