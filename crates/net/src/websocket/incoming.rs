//! From the bytes of a client to the stream inside its frames.

use super::End;
use super::frame::{self, Header, Kind, LONGEST_HEADER, Violation};
use super::outgoing::Outgoing;

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
}

impl Default for Stage {
    fn default() -> Self {
        Self::Header { start: [0; LONGEST_HEADER], length: 0 }
    }
}

impl Frames {
    /// Takes `bytes` from `from` on and leaves the payload of data frames at their start. Gives its length, and the end
    /// if this was it. Answers go to `outgoing`.
    pub(super) fn receive(
        &mut self,
        bytes: &mut [u8],
        mut from: usize,
        limit: u64,
        outgoing: &mut Outgoing,
    ) -> (usize, Option<End>) {
        let mut to = 0;
        loop {
            match &mut self.stage {
                Stage::Header { start, length } => {
                    match find_header(start, length, &bytes[from..], self.inside, limit) {
                        Ok(Some((header, taken))) => {
                            from += taken;
                            self.begin(header);
                        }
                        Ok(None) => return (to, None),
                        Err(violation) => return (to, Some(End::Violated(violation))),
                    }
                }
                Stage::Data { left, mask } => {
                    let here = bytes.len() - from;
                    let count = usize::try_from(*left).map_or(here, |left| left.min(here));
                    bytes.copy_within(from..from + count, to);
                    *mask = frame::unmask(&mut bytes[to..to + count], *mask);
                    *left -= count as u64;
                    from += count;
                    to += count;
                    if *left > 0 {
                        return (to, None);
                    }
                    self.stage = Stage::default();
                }
                Stage::Control { kind, length, mask, payload } => {
                    let count = (bytes.len() - from).min(*length - payload.len());
                    payload.extend_from_slice(&bytes[from..from + count]);
                    from += count;
                    if payload.len() < *length {
                        return (to, None);
                    }
                    frame::unmask(payload, *mask);
                    if let Some(end) = control(*kind, std::mem::take(payload), outgoing) {
                        return (to, Some(end));
                    }
                    self.stage = Stage::default();
                }
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

/// Does what a control frame asks for.
fn control(kind: Kind, payload: Vec<u8>, outgoing: &mut Outgoing) -> Option<End> {
    match kind {
        Kind::Ping => outgoing.pong(payload),
        Kind::Close => {
            return Some(match frame::close_code(&payload) {
                Ok(code) => End::Closed(code),
                Err(violation) => End::Violated(violation),
            });
        }
        Kind::Pong | Kind::Data => {}
    }
    None
}
