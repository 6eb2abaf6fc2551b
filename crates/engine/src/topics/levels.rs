//! Topic levels (section 4.7.1.1) as values of fixed size.

use super::hash::{Hasher, high, low, pack};
use alloc::boxed::Box;
use alloc::vec::Vec;
use hashbrown::HashTable;

/// Bytes of a level that fit into its label.
const SHORT: usize = 15;
/// Stands where a short label has its length.
const LONG: u8 = 0xFF;

/// One topic level in 16 bytes: the text itself up to 15 bytes, else a number given by [`Levels`]. Two labels made
/// by the same `Levels` are equal exactly when their texts are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Label {
    low: u64,
    /// The highest byte is the length of a short text, or [`LONG`].
    high: u64,
}

impl Label {
    /// The single-level wildcard (section 4.7.1.3).
    pub(super) const PLUS: Label = Label { low: b'+' as u64, high: 1 << 56 };
    /// The multi-level wildcard (section 4.7.1.2).
    pub(super) const HASH: Label = Label { low: b'#' as u64, high: 1 << 56 };

    #[inline]
    fn short(level: &[u8]) -> Label {
        let word = pack(level);
        Label { low: low(word), high: high(word) | (level.len() as u64) << 56 }
    }

    #[expect(clippy::cast_possible_truncation, reason = "the low half is the number given by `long`")]
    fn number(self) -> Option<u32> {
        (self.high >> 56 == u64::from(LONG)).then_some(self.low as u32)
    }

    fn long(number: u32) -> Label {
        Label { low: u64::from(number), high: u64::from(LONG) << 56 }
    }

    #[inline]
    pub(super) fn words(self) -> (u64, u64) {
        (self.low, self.high)
    }
}

/// Gives a number to every distinct topic level that is too long for a label, and counts its uses: a level nobody
/// uses any more is forgotten.
#[derive(Debug)]
pub(super) struct Levels {
    hasher: Hasher,
    texts: Vec<Text>,
    free: Vec<u32>,
    numbers: HashTable<u32>,
}

#[derive(Debug, Default)]
struct Text {
    bytes: Box<[u8]>,
    uses: u32,
}

impl Levels {
    /// An empty set of levels; `seed` is secret, so that clients cannot choose levels that collide.
    pub(super) fn new(seed: u64) -> Levels {
        Levels { hasher: Hasher::new(seed), texts: Vec::new(), free: Vec::new(), numbers: HashTable::new() }
    }

    /// The label of a level, unless the level is long and nobody uses it.
    #[inline]
    pub(super) fn find(&self, level: &[u8]) -> Option<Label> {
        if level.len() <= SHORT { Some(Label::short(level)) } else { self.find_long(level).map(Label::long) }
    }

    fn find_long(&self, level: &[u8]) -> Option<u32> {
        let hash = self.hasher.bytes(level);
        self.numbers.find(hash, |&number| *self.texts[number as usize].bytes == *level).copied()
    }

    /// The label of a level, which counts as used once more until [`Levels::release`].
    pub(super) fn acquire(&mut self, level: &[u8]) -> Label {
        if level.len() <= SHORT {
            return Label::short(level);
        }
        let number = self.find_long(level).unwrap_or_else(|| self.add(level));
        self.texts[number as usize].uses += 1;
        Label::long(number)
    }

    fn add(&mut self, level: &[u8]) -> u32 {
        let number = self.free.pop().unwrap_or_else(|| {
            self.texts.push(Text::default());
            u32::try_from(self.texts.len() - 1).unwrap_or(u32::MAX)
        });
        self.texts[number as usize].bytes = level.into();
        let Levels { hasher, texts, numbers, .. } = self;
        let hash = |number: &u32| hasher.bytes(&texts[*number as usize].bytes);
        numbers.insert_unique(hash(&number), number, hash);
        number
    }

    /// Ends one use of a label.
    pub(super) fn release(&mut self, label: Label) {
        let Some(number) = label.number() else { return };
        let text = &mut self.texts[number as usize];
        text.uses -= 1;
        if text.uses > 0 {
            return;
        }
        let bytes = core::mem::take(&mut text.bytes);
        if let Ok(entry) = self.numbers.find_entry(self.hasher.bytes(&bytes), |&other| other == number) {
            entry.remove();
        }
        self.free.push(number);
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.numbers.is_empty()
    }

    /// Appends the text of a label in use.
    pub(super) fn push_text(&self, label: Label, out: &mut Vec<u8>) {
        if let Some(number) = label.number() {
            out.extend_from_slice(&self.texts[number as usize].bytes);
        } else {
            let len = usize::from(label.high.to_le_bytes()[7]);
            let text = u128::from(label.low) | u128::from(label.high) << 64;
            out.extend_from_slice(&text.to_le_bytes()[..len]);
        }
    }
}

/// The levels of a topic name or filter, empty ones included; at least one.
#[inline]
pub(super) fn split(topic: &str) -> impl Iterator<Item = &[u8]> {
    topic.as_bytes().split(|&byte| byte == b'/')
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::String;

    fn text(levels: &Levels, label: Label) -> String {
        let mut out = Vec::new();
        levels.push_text(label, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_label_gives_its_text_back_at_every_length() {
        let mut levels = Levels::new(1);
        let long = "abcdefghijklmnopqrstuvwxyz";
        for len in 0..=long.len() {
            let label = levels.acquire(&long.as_bytes()[..len]);
            assert_eq!(text(&levels, label), long[..len]);
            assert_eq!(levels.find(&long.as_bytes()[..len]), Some(label));
        }
        assert_eq!(levels.numbers.len(), long.len() - SHORT);
    }

    #[test]
    fn the_wildcards_have_constant_labels() {
        let levels = Levels::new(1);
        assert_eq!(levels.find(b"+"), Some(Label::PLUS));
        assert_eq!(levels.find(b"#"), Some(Label::HASH));
    }

    #[test]
    fn a_long_level_is_forgotten_after_its_last_use() {
        let mut levels = Levels::new(1);
        let level = b"a level of more than fifteen bytes";
        let first = levels.acquire(level);
        assert_eq!(levels.acquire(level), first);
        levels.release(first);
        assert_eq!(levels.find(level), Some(first));
        levels.release(first);
        assert_eq!(levels.find(level), None);
        assert!(levels.is_empty());
        let other = levels.acquire(b"another level, also a long one");
        assert_eq!(text(&levels, other), "another level, also a long one");
        assert_eq!(levels.texts.len(), 1, "the number is used again");
    }
}
