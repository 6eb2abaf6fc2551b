//! A sorted list of slots that stays cheap to change: pieces of a few hundred slots each.
//!
//! The slots' keys are somewhere else; the caller passes how a slot compares to the key that is looked for.

use alloc::vec::Vec;
use core::cmp::Ordering;

/// A piece is cut in two when it would grow beyond this.
const LONGEST: usize = 384;
/// Shorter neighbours are joined.
const SHORTEST: usize = LONGEST / 4;

/// Slots in ascending order of their keys. No piece is empty.
#[derive(Debug, Default)]
pub(super) struct Order {
    pieces: Vec<Vec<u32>>,
}

/// A place in an unchanged [`Order`].
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    piece: usize,
    index: usize,
}

impl Order {
    /// The place of the first slot that is not less than the key.
    pub(super) fn seek(&self, compare: impl Fn(u32) -> Ordering) -> Place {
        let after = self.pieces.partition_point(|piece| compare(piece[0]).is_lt());
        let Some(piece) = after.checked_sub(1) else { return Place { piece: 0, index: 0 } };
        let index = self.pieces[piece].partition_point(|&slot| compare(slot).is_lt());
        self.settle(Place { piece, index })
    }

    /// Like [`Order::seek`] for a key behind `place`, cheaper if it is near.
    pub(super) fn seek_onward(&self, place: Place, compare: impl Fn(u32) -> Ordering) -> Place {
        let next = self.next(place);
        let Some(piece) = self.pieces.get(next.piece) else { return next };
        if compare(piece[next.index]).is_ge() {
            return next;
        }
        if piece.last().is_none_or(|&slot| compare(slot).is_lt()) {
            return self.seek(compare);
        }
        let ahead = piece[next.index..].partition_point(|&slot| compare(slot).is_lt());
        Place { piece: next.piece, index: next.index + ahead }
    }

    pub(super) fn get(&self, place: Place) -> Option<u32> {
        self.pieces.get(place.piece)?.get(place.index).copied()
    }

    pub(super) fn next(&self, place: Place) -> Place {
        self.settle(Place { piece: place.piece, index: place.index + 1 })
    }

    /// Adds a slot; `compare` is for the slot's own key.
    pub(super) fn insert(&mut self, slot: u32, compare: impl Fn(u32) -> Ordering) {
        let pieces = self.pieces.len();
        let after = self.pieces.partition_point(|piece| compare(piece[0]).is_lt());
        let at = after.saturating_sub(1);
        let Some(piece) = self.pieces.get_mut(at) else { return self.pieces.push(alloc::vec![slot]) };
        let index = piece.partition_point(|&other| compare(other).is_lt());
        if piece.len() < LONGEST {
            return piece.insert(index, slot);
        }
        // Keys that come in order leave full pieces behind.
        if index == LONGEST && after == pieces {
            return self.pieces.push(alloc::vec![slot]);
        }
        let mut upper = piece.split_off(LONGEST / 2);
        piece.shrink_to_fit();
        if index <= piece.len() {
            piece.insert(index, slot);
        } else {
            upper.insert(index - piece.len(), slot);
        }
        self.pieces.insert(at + 1, upper);
    }

    /// Takes a slot out; `compare` is for the slot's own key.
    pub(super) fn remove(&mut self, slot: u32, compare: impl Fn(u32) -> Ordering) {
        let place = self.seek(compare);
        if self.get(place) != Some(slot) {
            return;
        }
        let piece = &mut self.pieces[place.piece];
        piece.remove(place.index);
        if piece.is_empty() {
            self.pieces.remove(place.piece);
        } else if piece.len() < SHORTEST {
            self.join(place.piece.saturating_sub(1));
        }
    }

    /// Joins a piece with the one behind it if both are small.
    fn join(&mut self, at: usize) {
        if self.pieces.get(at + 1).is_some_and(|next| next.len() + self.pieces[at].len() <= LONGEST / 2) {
            let mut next = self.pieces.remove(at + 1);
            self.pieces[at].append(&mut next);
        }
    }

    /// The end of a piece is the start of the next.
    fn settle(&self, place: Place) -> Place {
        match self.pieces.get(place.piece) {
            Some(piece) if place.index >= piece.len() => Place { piece: place.piece + 1, index: 0 },
            _ => place,
        }
    }
}
