//! A hash table of numbers whose keys are somewhere else.

use alloc::vec::Vec;

const EMPTY: Slot = Slot { hash: 0, id: u32::MAX };

/// Ids found by half hashes.
///
/// Open addressing with the hash beside the id: a lookup touches one cache line of the table and hardly ever a key that
/// is not the wanted one, and growing touches no keys at all.
#[derive(Debug, Default)]
pub(super) struct Table {
    /// None, or a power of two of which at most three quarters are taken.
    slots: Vec<Slot>,
    len: usize,
}

#[derive(Debug, Clone, Copy)]
struct Slot {
    hash: u32,
    id: u32,
}

impl Table {
    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The id with this hash for which `is_wanted` holds.
    #[inline]
    pub(super) fn find(&self, hash: u32, is_wanted: impl Fn(u32) -> bool) -> Option<u32> {
        let mut at = self.home(hash);
        loop {
            let slot = self.slots.get(at)?;
            if slot.id == EMPTY.id {
                return None;
            }
            if slot.hash == hash && is_wanted(slot.id) {
                return Some(slot.id);
            }
            at = self.next(at);
        }
    }

    /// Adds an id, which is below `u32::MAX` and not in the table.
    pub(super) fn insert(&mut self, hash: u32, id: u32) {
        if (self.len + 1) * 4 > self.slots.len() * 3 {
            self.resize((self.slots.len() * 2).max(8));
        }
        self.len += 1;
        self.place(Slot { hash, id });
    }

    /// Removes an id that was inserted with this hash.
    pub(super) fn remove(&mut self, hash: u32, id: u32) {
        let mut hole = self.home(hash);
        loop {
            match self.slots.get(hole) {
                None | Some(&Slot { id: u32::MAX, .. }) => return,
                Some(slot) if slot.id == id => break,
                Some(_) => hole = self.next(hole),
            }
        }
        self.len -= 1;
        // Those behind move up, unless that would put them before their home.
        let mut at = self.next(hole);
        while self.slots[at].id != EMPTY.id {
            let home = self.home(self.slots[at].hash);
            if self.distance(home, at) >= self.distance(hole, at) {
                self.slots[hole] = self.slots[at];
                hole = at;
            }
            at = self.next(at);
        }
        self.slots[hole] = EMPTY;
        if self.slots.len() > 64 && self.len * 8 < self.slots.len() {
            self.resize(self.slots.len() / 4);
        }
    }

    fn resize(&mut self, size: usize) {
        let old = core::mem::replace(&mut self.slots, alloc::vec![EMPTY; size]);
        old.into_iter().filter(|slot| slot.id != EMPTY.id).for_each(|slot| self.place(slot));
    }

    fn place(&mut self, slot: Slot) {
        let mut at = self.home(slot.hash);
        while self.slots[at].id != EMPTY.id {
            at = self.next(at);
        }
        self.slots[at] = slot;
    }

    #[inline]
    fn home(&self, hash: u32) -> usize {
        hash as usize & self.slots.len().wrapping_sub(1)
    }

    #[inline]
    fn next(&self, at: usize) -> usize {
        (at + 1) & (self.slots.len() - 1)
    }

    fn distance(&self, from: usize, to: usize) -> usize {
        to.wrapping_sub(from) & (self.slots.len() - 1)
    }
}
