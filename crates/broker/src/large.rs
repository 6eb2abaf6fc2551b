//! Buffers for packets larger than a read: the socket is read straight into them, and receivers share them.

use bytes::Bytes;
use std::sync::{Arc, Mutex, PoisonError};

/// Packets from this size on get a buffer of their own.
pub(crate) const LARGE_FROM: usize = 32 * 1024;
/// First size of such a buffer; it doubles as bytes arrive, never by what was only announced.
const FIRST: usize = 64 * 1024;
/// Buffers kept for reuse by one shard, and the largest kept.
const KEPT: usize = 32;
const KEPT_SIZE: usize = 1024 * 1024;

/// Buffers that can be used again. Their bytes are initialized, so that reading into one costs nothing first.
#[derive(Debug, Clone, Default)]
pub(crate) struct Pool {
    free: Arc<Mutex<Vec<Vec<u8>>>>,
}

/// One packet on its way in.
#[derive(Debug)]
pub(crate) struct Large {
    buffer: Vec<u8>,
    filled: usize,
    /// Size of the whole packet.
    total: usize,
    pool: Pool,
}

impl Pool {
    /// A buffer for a packet of `total` bytes that begins with `start`.
    pub(crate) fn begin(&self, total: usize, start: &[u8]) -> Large {
        let kept = self.free.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut buffer = kept.unwrap_or_default();
        if buffer.len() < start.len() {
            buffer.resize(start.len().max(FIRST), 0);
        }
        buffer[..start.len()].copy_from_slice(start);
        Large { buffer, filled: start.len(), total, pool: self.clone() }
    }
}

impl Large {
    /// Where the next bytes of the packet go; not empty until the packet is whole.
    pub(crate) fn space(&mut self) -> &mut [u8] {
        if self.filled == self.buffer.len() && self.filled < self.total {
            self.buffer.resize((self.filled * 2).clamp(FIRST, self.total.max(FIRST)), 0);
        }
        let end = self.buffer.len().min(self.total);
        &mut self.buffer[self.filled..end]
    }

    /// Takes note of bytes read into [`space`](Self::space).
    pub(crate) fn fill(&mut self, count: usize) {
        self.filled += count;
    }

    pub(crate) fn is_whole(&self) -> bool {
        self.filled >= self.total
    }

    /// The packet, to be shared. The buffer goes back when the last receiver has been served.
    pub(crate) fn into_bytes(self) -> Bytes {
        Bytes::from_owner(Lent(self))
    }
}

struct Lent(Large);

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        &self.0.buffer[..self.0.filled]
    }
}

impl Drop for Large {
    fn drop(&mut self) {
        let buffer = std::mem::take(&mut self.buffer);
        let mut free = self.pool.free.lock().unwrap_or_else(PoisonError::into_inner);
        if free.len() < KEPT && buffer.len() <= KEPT_SIZE {
            free.push(buffer);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packet_is_put_together_from_pieces_and_its_buffer_used_again() {
        let pool = Pool::default();
        let content: Vec<u8> = (0..200_000u32).map(|n| n.to_le_bytes()[0]).collect();
        for _ in 0..3 {
            let mut large = pool.begin(content.len(), &content[..1000]);
            while !large.is_whole() {
                let done = large.filled;
                let space = large.space();
                let count = space.len().min(7777);
                space[..count].copy_from_slice(&content[done..done + count]);
                large.fill(count);
            }
            let bytes = large.into_bytes();
            assert_eq!(bytes, content);
            let slice = bytes.slice(5..10);
            drop(bytes);
            assert!(pool.free.lock().unwrap().is_empty());
            drop(slice);
            assert_eq!(pool.free.lock().unwrap().len(), 1);
        }
    }

    #[test]
    fn an_announced_length_alone_takes_no_memory() {
        let pool = Pool::default();
        let mut large = pool.begin(200_000_000, &[1, 2, 3]);
        assert!(large.space().len() <= FIRST);
    }
}
