//! A sorted list of slots that stays cheap to change: pieces of a few hundred slots each.
//!
//! The slots' keys are somewhere else, and reading one costs a walk through memory that is hardly ever in the cache.
//! So each slot has the few bytes with it that tell it from its neighbours, and each piece has a copy of its lowest
//! possible key.

use alloc::boxed::Box;
use alloc::vec::Vec;

/// A piece is cut in two when it would grow beyond this.
const LONGEST: usize = 384;
/// Shorter neighbours are joined.
const SHORTEST: usize = LONGEST / 4;

/// Slots in ascending order of their keys, byte by byte. `of` gives a slot's key in all methods.
#[derive(Debug, Default)]
pub(super) struct Order {
    pieces: Vec<Piece>,
}

/// Never empty.
#[derive(Debug)]
struct Piece {
    /// At most the lowest key, and above all keys of the piece before; of no use in the first piece.
    lowest: Box<[u8]>,
    /// Length of a beginning that all keys have in common.
    common: usize,
    items: Vec<Item>,
}

#[derive(Debug, Clone, Copy)]
struct Item {
    /// The key's next bytes behind the common ones.
    tag: u32,
    slot: u32,
}

/// A place in an unchanged [`Order`].
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    piece: usize,
    index: usize,
}

impl Order {
    /// The place of the first slot whose key is not less than `key`.
    pub(super) fn seek<'k>(&self, key: &[u8], of: impl Fn(u32) -> &'k [u8]) -> Place {
        let piece = self.piece_for(key);
        let index = self.pieces.get(piece).map_or(0, |piece| piece.search(key, of));
        self.settle(Place { piece, index })
    }

    /// Like [`Order::seek`] for a key behind that at `place`, cheaper if it is near.
    pub(super) fn seek_onward<'k>(&self, place: Place, key: &[u8], of: impl Fn(u32) -> &'k [u8]) -> Place {
        let next = self.next(place);
        match self.get(next) {
            Some(slot) if of(slot) < key => {}
            _ => return next,
        }
        match self.pieces.get(next.piece + 1) {
            Some(following) if *following.lowest <= *key => self.seek(key, of),
            _ => self.settle(Place { piece: next.piece, index: self.pieces[next.piece].search(key, of) }),
        }
    }

    #[inline]
    pub(super) fn get(&self, place: Place) -> Option<u32> {
        self.pieces.get(place.piece)?.items.get(place.index).map(|item| item.slot)
    }

    pub(super) fn next(&self, place: Place) -> Place {
        self.settle(Place { piece: place.piece, index: place.index + 1 })
    }

    /// Adds a slot, whose key is not there yet.
    pub(super) fn insert<'k>(&mut self, slot: u32, of: impl Fn(u32) -> &'k [u8] + Copy) {
        let key = of(slot);
        let at = self.piece_for(key);
        let last = at + 1 >= self.pieces.len();
        let Some(piece) = self.pieces.get_mut(at) else { return self.pieces.push(Piece::of_one(slot, of)) };
        let index = piece.search(key, of);
        if piece.items.len() < LONGEST {
            return piece.insert(index, slot, of);
        }
        // Keys that come in order leave full pieces behind.
        if index == LONGEST && last {
            return self.pieces.push(Piece::of_one(slot, of));
        }
        let mut upper = piece.split(of);
        let lower = piece.items.len();
        if index <= lower {
            piece.insert(index, slot, of);
        } else {
            upper.insert(index - lower, slot, of);
        }
        self.pieces.insert(at + 1, upper);
    }

    /// Takes a slot out.
    pub(super) fn remove<'k>(&mut self, slot: u32, of: impl Fn(u32) -> &'k [u8] + Copy) {
        let place = self.seek(of(slot), of);
        if self.get(place) != Some(slot) {
            return;
        }
        let items = &mut self.pieces[place.piece].items;
        items.remove(place.index);
        if items.is_empty() {
            self.pieces.remove(place.piece);
        } else if items.len() < SHORTEST {
            self.join(place.piece.saturating_sub(1), of);
        }
    }

    /// Joins a piece with the one behind it if both are small.
    fn join<'k>(&mut self, at: usize, of: impl Fn(u32) -> &'k [u8]) {
        let Some([piece, next]) = self.pieces.get_mut(at..at + 2) else { return };
        if piece.items.len() + next.items.len() <= LONGEST / 2 {
            piece.items.append(&mut next.items);
            piece.tell_apart(of);
            self.pieces.remove(at + 1);
        }
    }

    /// The piece in which a key is or would be.
    fn piece_for(&self, key: &[u8]) -> usize {
        self.pieces.partition_point(|piece| *piece.lowest <= *key).saturating_sub(1)
    }

    /// The end of a piece is the start of the next.
    #[inline]
    fn settle(&self, place: Place) -> Place {
        match self.pieces.get(place.piece) {
            Some(piece) if place.index >= piece.items.len() => Place { piece: place.piece + 1, index: 0 },
            _ => place,
        }
    }
}

impl Piece {
    fn of_one<'k>(slot: u32, of: impl Fn(u32) -> &'k [u8]) -> Piece {
        let key = of(slot);
        Piece { lowest: key.into(), common: key.len(), items: alloc::vec![Item { tag: 0, slot }] }
    }

    /// The index of the first slot whose key is not less than `key`.
    fn search<'k>(&self, key: &[u8], of: impl Fn(u32) -> &'k [u8]) -> usize {
        let first = &of(self.items[0].slot)[..self.common];
        if !key.starts_with(first) {
            return if key < first { 0 } else { self.items.len() };
        }
        let tag = tag(key, self.common);
        let from = self.items.partition_point(|item| item.tag < tag);
        let alike = self.items[from..].partition_point(|item| item.tag == tag);
        from + self.items[from..from + alike].partition_point(|item| of(item.slot) < key)
    }

    fn insert<'k>(&mut self, index: usize, slot: u32, of: impl Fn(u32) -> &'k [u8]) {
        let (key, other) = (of(slot), of(self.items[0].slot));
        let common = in_common(key, &other[..self.common]);
        self.items.insert(index, Item { tag: tag(key, common), slot });
        if common < self.common {
            self.tell_apart(of);
        }
    }

    /// Cuts the upper half off.
    fn split<'k>(&mut self, of: impl Fn(u32) -> &'k [u8] + Copy) -> Piece {
        let items = self.items.split_off(LONGEST / 2);
        let mut upper = Piece { lowest: of(items[0].slot).into(), common: 0, items };
        upper.tell_apart(of);
        self.items.shrink_to_fit();
        self.tell_apart(of);
        upper
    }

    /// Finds out what the keys have in common and what not.
    fn tell_apart<'k>(&mut self, of: impl Fn(u32) -> &'k [u8]) {
        let [first, .., last] = *self.items else { return };
        self.common = in_common(of(first.slot), of(last.slot));
        for item in &mut self.items {
            item.tag = tag(of(item.slot), self.common);
        }
    }
}

/// Four bytes of a key as a number: of two keys that are equal up to `from`, the lesser has not the greater tag.
fn tag(key: &[u8], from: usize) -> u32 {
    let rest = key.get(from..).unwrap_or_default();
    match rest.first_chunk::<4>() {
        Some(bytes) => u32::from_be_bytes(*bytes),
        None => (0..4).fold(0, |tag, index| tag << 8 | rest.get(index).map_or(0, |&byte| u32::from(byte))),
    }
}

fn in_common(one: &[u8], other: &[u8]) -> usize {
    one.iter().zip(other).take_while(|(one, other)| one == other).count()
}
