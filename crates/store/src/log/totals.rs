//! How much of each kind is kept, in numbers that show whether anything is missing.

use super::bytes::{Put, Take};

/// What is counted apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum What {
    Sessions,
    Subscriptions,
    Retained,
    Queued,
    /// Wills and QoS 2 packet identifiers.
    Other,
}

impl What {
    pub(super) const ALL: [Self; 5] =
        [Self::Sessions, Self::Subscriptions, Self::Retained, Self::Queued, Self::Other];
}

/// How many there are, and a fingerprint of which.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Total {
    pub(super) count: u64,
    /// The exclusive or of a hash of each.
    print: u32,
}

/// The totals of all kinds, in the order of [`What::ALL`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Totals([Total; What::ALL.len()]);

/// Bytes of the totals.
pub(super) const SIZE: usize = What::ALL.len() * 12;

impl Totals {
    pub(super) fn of(&self, what: What) -> Total {
        self.0[what as usize]
    }

    pub(super) fn add(&mut self, what: What, name: u64) {
        let total = &mut self.0[what as usize];
        total.count += 1;
        total.print ^= print(name);
    }

    pub(super) fn take(&mut self, what: What, name: u64) {
        let total = &mut self.0[what as usize];
        total.count = total.count.saturating_sub(1);
        total.print ^= print(name);
    }

    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        for total in &self.0 {
            out.put_u64(total.count);
            out.put_u32(total.print);
        }
    }

    pub(super) fn decode(from: &mut Take<'_>) -> Option<Self> {
        let mut totals = Self::default();
        for total in &mut totals.0 {
            *total = Total { count: from.u64()?, print: from.u32()? };
        }
        Some(totals)
    }
}

/// One number out of two, so that different pairs hardly ever give the same.
pub(super) fn mix(a: u64, b: u64) -> u64 {
    let product =
        u128::from(a ^ 0x9E37_79B9_7F4A_7C15) * u128::from(b.rotate_left(32) ^ 0xD6E8_FEB8_6659_FD93);
    let [low, high] = [product & u128::from(u64::MAX), product >> 64];
    u64::try_from(low ^ high).unwrap_or_default()
}

fn print(name: u64) -> u32 {
    let mixed = mix(name, name ^ 0xA076_1D64_78BD_642F);
    u32::try_from(mixed >> 32).unwrap_or_default()
}
