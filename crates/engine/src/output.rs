//! What waits to be written to one connection.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use bytes::Bytes;

/// Frames on their way to one connection: copied bytes, with large shared bodies between them.
///
/// A connection with nothing to write owns no memory beyond this value.
#[derive(Debug, Default)]
pub struct Output {
    copied: Vec<u8>,
    /// Bytes of `copied` already written.
    written: usize,
    /// Shared bodies, each with the length that `copied` had when it was appended.
    shared: Option<Box<Shared>>,
}

#[derive(Debug, Default)]
struct Shared {
    bodies: VecDeque<(usize, Bytes)>,
    bytes: usize,
}

/// Written bytes that are left in place before the others move up.
const COMPACT_FROM: usize = 64 * 1024;

/// Payloads from this many bytes on are shared between receivers instead of copied.
pub(crate) const SHARED_FROM: usize = 512;

impl Output {
    /// Bytes that wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.copied.len() - self.written + self.shared.as_ref().map_or(0, |shared| shared.bytes)
    }

    /// True when nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.copied.len() == self.written && self.shared.is_none()
    }

    /// The chunks that wait, in order.
    pub fn chunks(&self) -> impl Iterator<Item = &[u8]> {
        let mut position = self.written;
        let bodies = self.shared.as_ref().map(|shared| shared.bodies.iter());
        let mut bodies = bodies.into_iter().flatten();
        let mut next_body: Option<&Bytes> = None;
        let mut done = false;
        core::iter::from_fn(move || {
            loop {
                if let Some(body) = next_body.take() {
                    return Some(&body[..]);
                }
                if done {
                    return None;
                }
                let end = match bodies.next() {
                    Some((at, body)) => {
                        next_body = Some(body);
                        *at
                    }
                    None => {
                        done = true;
                        self.copied.len()
                    }
                };
                let chunk = &self.copied[position..end];
                position = end;
                if !chunk.is_empty() {
                    return Some(chunk);
                }
            }
        })
    }

    /// Takes note that `count` bytes were written.
    pub fn advance(&mut self, count: usize) {
        let rest = self.advance_shared(count);
        self.written = (self.written + rest).min(self.copied.len());
        if self.written == self.copied.len() && self.shared.is_none() {
            self.copied.clear();
            self.written = 0;
        } else if self.written > COMPACT_FROM && self.written * 2 > self.copied.len() {
            self.copied.drain(..self.written);
            for (at, _) in self.shared.iter_mut().flat_map(|shared| shared.bodies.iter_mut()) {
                *at -= self.written;
            }
            self.written = 0;
        }
    }

    /// Goes past shared bodies and what stands before them; gives what is left of `count` behind the last one, or 0.
    fn advance_shared(&mut self, mut count: usize) -> usize {
        while let Some(shared) = &mut self.shared {
            let Some((at, body)) = shared.bodies.front_mut() else { break };
            let before = (*at - self.written).min(count);
            self.written += before;
            count -= before;
            if count == 0 && (self.written < *at || !body.is_empty()) {
                return 0;
            }
            let part = body.len().min(count);
            shared.bytes -= part;
            count -= part;
            if part < body.len() {
                let _ = body.split_to(part);
                return 0;
            }
            shared.bodies.pop_front();
            if shared.bodies.is_empty() {
                self.shared = None;
            }
        }
        count
    }

    /// The place where copied bytes are appended.
    pub(crate) fn bytes(&mut self) -> &mut Vec<u8> {
        &mut self.copied
    }

    /// Appends a body that is shared with other receivers.
    pub(crate) fn push_shared(&mut self, body: Bytes) {
        let shared = self.shared.get_or_insert_default();
        shared.bytes += body.len();
        shared.bodies.push_back((self.copied.len(), body));
    }

    /// True when it owns no buffer to append to.
    pub(crate) fn is_bare(&self) -> bool {
        self.copied.capacity() == 0
    }

    /// Gives the empty buffer away.
    pub(crate) fn take_buffer(&mut self) -> Vec<u8> {
        core::mem::take(&mut self.copied)
    }

    /// Everything that waits, copied into one piece.
    #[must_use]
    pub fn to_vec(&self) -> Vec<u8> {
        let mut all = Vec::with_capacity(self.len());
        for chunk in self.chunks() {
            all.extend_from_slice(chunk);
        }
        all
    }
}

/// Empty buffers for the next outputs, so that an idle connection keeps none and a busy shard allocates none.
#[derive(Debug, Default)]
pub(crate) struct Spares {
    buffers: Vec<Vec<u8>>,
}

/// Buffers kept for reuse, and the largest kept.
const SPARES: usize = 1024;
const SPARE_CAPACITY: usize = 16 * 1024;

impl Spares {
    pub(crate) fn lend(&mut self, output: &mut Output) {
        if output.is_bare()
            && let Some(buffer) = self.buffers.pop()
        {
            *output.bytes() = buffer;
        }
    }

    pub(crate) fn give_back(&mut self, output: &mut Output) {
        if output.is_empty() {
            let buffer = output.take_buffer();
            if buffer.capacity() > 0 && buffer.capacity() <= SPARE_CAPACITY && self.buffers.len() < SPARES {
                self.buffers.push(buffer);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    fn filled() -> Output {
        let mut output = Output::default();
        output.bytes().extend_from_slice(b"ab");
        output.push_shared(Bytes::from_static(b"CDE"));
        output.push_shared(Bytes::from_static(b"F"));
        output.bytes().extend_from_slice(b"gh");
        output.push_shared(Bytes::from_static(b"I"));
        output
    }

    #[test]
    fn chunks_come_in_the_order_they_were_appended() {
        let output = filled();
        assert_eq!(output.to_vec(), b"abCDEFghI");
        assert_eq!(output.len(), 9);
    }

    #[test]
    fn every_way_of_writing_it_in_pieces_writes_the_same() {
        for first in 0..=9 {
            for second in 0..=(9 - first) {
                let mut output = filled();
                let mut seen = vec![];
                for step in [first, second, 9 - first - second] {
                    let all = output.to_vec();
                    assert_eq!(all.len(), output.len());
                    seen.extend_from_slice(&all[..step]);
                    output.advance(step);
                }
                assert_eq!(seen, b"abCDEFghI");
                assert!(output.is_empty());
                assert_eq!(output.len(), 0);
            }
        }
    }
}
