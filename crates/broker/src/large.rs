//! Buffers for packets larger than a read: the socket is read straight into them, and receivers share them.

use bytes::Bytes;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Packets from this size on get a buffer of their own.
pub(crate) const LARGE_FROM: usize = 32 * 1024;
/// First size of such a buffer; it doubles as bytes arrive, never by what was only announced.
const FIRST: usize = 4 * 1024;
/// Bytes that one shard keeps for reuse, and the largest buffer kept.
const KEPT: usize = 4 * 1024 * 1024;
const KEPT_SIZE: usize = 1024 * 1024;

/// Buffers that can be used again. Their bytes are initialized, so that reading into one costs nothing first.
#[derive(Debug, Clone, Default)]
pub(crate) struct Pool {
    free: Arc<Mutex<Free>>,
}

#[derive(Debug, Default)]
struct Free {
    buffers: Vec<Vec<u8>>,
    /// Their lengths together.
    bytes: usize,
    /// A buffer was asked for or came back since [`Pool::rest`] was last called.
    used: bool,
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
        let mut buffer = self.lock().lend();
        if buffer.len() < start.len() {
            buffer.resize(start.len().max(FIRST), 0);
        }
        buffer[..start.len()].copy_from_slice(start);
        Large { buffer, filled: start.len(), total, pool: self.clone() }
    }

    /// To be called from time to time: gives the memory back if none was used since the last call. False when nothing
    /// is left to look after.
    pub(crate) fn rest(&self) -> bool {
        let mut free = self.lock();
        if !std::mem::take(&mut free.used) {
            *free = Free::default();
        }
        // Whoever has a buffer has the pool too.
        !free.buffers.is_empty() || Arc::strong_count(&self.free) > 1
    }

    fn lock(&self) -> MutexGuard<'_, Free> {
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Free {
    fn lend(&mut self) -> Vec<u8> {
        self.used = true;
        let buffer = self.buffers.pop().unwrap_or_default();
        self.bytes -= buffer.len();
        buffer
    }

    fn take_back(&mut self, buffer: Vec<u8>) {
        self.used = true;
        if buffer.len() <= KEPT_SIZE && self.bytes + buffer.len() <= KEPT {
            self.bytes += buffer.len();
            self.buffers.push(buffer);
        }
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
        self.pool.lock().take_back(buffer);
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
            assert!(pool.lock().buffers.is_empty());
            drop(slice);
            assert_eq!(pool.lock().buffers.len(), 1);
        }
    }

    #[test]
    fn an_announced_length_alone_takes_no_memory() {
        let pool = Pool::default();
        let mut large = pool.begin(200_000_000, &[1, 2, 3]);
        assert!(large.space().len() <= FIRST);
    }

    #[test]
    fn what_is_kept_has_a_limit_and_goes_when_nobody_uses_it() {
        let pool = Pool::default();
        let lent: Vec<_> = (0..100)
            .map(|_| {
                let mut large = pool.begin(200_000, &[0; 1000]);
                while !large.is_whole() {
                    let count = large.space().len();
                    large.fill(count);
                }
                large.into_bytes()
            })
            .collect();
        assert!(pool.rest(), "buffers are lent");
        assert!(pool.rest(), "still");
        drop(lent);
        let kept: usize = pool.lock().buffers.iter().map(Vec::len).sum();
        assert!((KEPT - 200_000..=KEPT).contains(&kept), "{kept}");
        assert!(pool.rest(), "they were just used");
        assert!(!pool.rest(), "nobody used them since");
        assert!(pool.lock().buffers.is_empty());
        assert_eq!(pool.begin(50_000, &[1]).filled, 1);
    }
}
