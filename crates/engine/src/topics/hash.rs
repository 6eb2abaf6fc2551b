//! A keyed hash for short keys chosen by clients.

/// Hashes with a secret key, so that clients cannot choose topics that collide.
#[derive(Debug, Clone, Copy)]
pub(super) struct Hasher {
    first: u64,
    second: u64,
    third: u64,
}

impl Hasher {
    pub(super) fn new(seed: u64) -> Hasher {
        let mut state = seed;
        Hasher { first: next_key(&mut state), second: next_key(&mut state), third: next_key(&mut state) }
    }

    /// Hash of three words.
    #[inline]
    pub(super) fn words(&self, a: u64, b: u64, c: u64) -> u64 {
        fold(fold(a ^ self.first, b ^ self.second) ^ self.third, c ^ self.second)
    }

    /// Hash of a byte string of any length.
    #[inline]
    pub(super) fn bytes(&self, bytes: &[u8]) -> u64 {
        let mut state = self.third ^ bytes.len() as u64;
        let (pairs, rest) = bytes.as_chunks::<16>();
        for pair in pairs {
            let pair = u128::from_le_bytes(*pair);
            state = fold(low(pair) ^ self.first ^ state, high(pair) ^ self.second);
        }
        let rest = pack(rest);
        state = fold(low(rest) ^ self.first ^ state, high(rest) ^ self.second);
        fold(state ^ self.second, self.third)
    }
}

/// Half of a hash, which is enough to find an entry.
#[expect(clippy::cast_possible_truncation, reason = "the low half is wanted")]
#[inline]
pub(super) fn half(hash: u64) -> u32 {
    hash as u32
}

/// Up to 16 bytes as one little-endian number, the missing ones zero.
#[inline]
pub(super) fn pack(bytes: &[u8]) -> u128 {
    let len = bytes.len();
    if let (Some(head), Some(tail)) = (bytes.first_chunk::<8>(), bytes.last_chunk::<8>()) {
        return u128::from(u64::from_le_bytes(*head))
            | u128::from(u64::from_le_bytes(*tail)) << (8 * (len - 8));
    }
    if let (Some(head), Some(tail)) = (bytes.first_chunk::<4>(), bytes.last_chunk::<4>()) {
        return u128::from(u32::from_le_bytes(*head))
            | u128::from(u32::from_le_bytes(*tail)) << (8 * (len - 4));
    }
    match *bytes {
        [] => 0,
        [a] => u128::from(a),
        [a, b] => u128::from(u16::from_le_bytes([a, b])),
        [a, b, c, ..] => u128::from(u32::from_le_bytes([a, b, c, 0])),
    }
}

#[expect(clippy::cast_possible_truncation, reason = "the low half is wanted")]
#[inline]
pub(super) fn low(word: u128) -> u64 {
    word as u64
}

#[inline]
pub(super) fn high(word: u128) -> u64 {
    low(word >> 64)
}

/// The two halves of the product, folded onto each other: every input bit reaches every output bit.
#[inline]
fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    low(product) ^ high(product)
}

/// Stretches the seed (the splitmix64 generator).
fn next_key(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mut word = *state;
    word = (word ^ (word >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    word = (word ^ (word >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    word ^ (word >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packing_equals_copying_into_sixteen_zero_bytes() {
        let text: [u8; 16] = core::array::from_fn(|i| 0xA1 + u8::try_from(i).unwrap());
        for len in 0..=16 {
            let mut padded = [0; 16];
            padded[..len].copy_from_slice(&text[..len]);
            assert_eq!(pack(&text[..len]), u128::from_le_bytes(padded), "length {len}");
        }
    }

    #[test]
    fn the_hash_depends_on_seed_length_and_every_byte() {
        let text = [7u8; 40];
        let hasher = Hasher::new(1);
        for len in 0..40 {
            assert_ne!(hasher.bytes(&text[..len]), hasher.bytes(&text[..=len]));
            assert_ne!(hasher.bytes(&text[..len]), Hasher::new(2).bytes(&text[..len]));
            let mut other = text;
            other[len] = 8;
            assert_ne!(hasher.bytes(&text), hasher.bytes(&other));
        }
    }
}
