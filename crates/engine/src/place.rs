//! The place of a shard among the others.

use core::hash::Hasher;
#[expect(deprecated, reason = "the keyed SipHash of core; nothing newer is there without std")]
use core::hash::SipHasher;

/// Which shard of how many, and the secrets that all of them share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Index of this shard, 0-based.
    pub index: u8,
    /// Number of shards, 1 to 64.
    pub shards: u8,
    /// Random key of the hash by which client identifiers are given to shards; the same on all shards.
    pub key: u64,
}

impl Place {
    /// The shard that a name belongs to: the same on every shard of the server, not to be guessed from outside.
    #[expect(deprecated, reason = "the keyed SipHash of core; nothing newer is there without std")]
    pub(crate) fn choose(&self, name: &str) -> u8 {
        if self.shards <= 1 {
            return 0;
        }
        let mut hasher = SipHasher::new_with_keys(self.key, !self.key);
        hasher.write(name.as_bytes());
        u8::try_from(hasher.finish() % u64::from(self.shards)).unwrap_or(0)
    }

    /// The number that stands for `counter` in this server and cannot be foretold from others.
    #[expect(deprecated, reason = "as above")]
    pub(crate) fn secret(&self, counter: u64) -> u64 {
        let mut hasher = SipHasher::new_with_keys(self.key.rotate_left(32), self.key);
        hasher.write_u64(counter);
        hasher.write_u8(self.index);
        hasher.finish()
    }
}
