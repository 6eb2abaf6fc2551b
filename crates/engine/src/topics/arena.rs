//! Values by number, in blocks that never move: growing copies nothing and so delays nobody.

use super::number;
use alloc::vec::Vec;

/// Values in a full block, as a power of two.
const BITS: u32 = 12;
const BLOCK: usize = 1 << BITS;

/// Numbers are given out from 0 on; those of removed values are given again.
#[derive(Debug)]
pub(super) struct Arena<T> {
    blocks: Vec<Vec<T>>,
    free: Vec<u32>,
}

impl<T> Arena<T> {
    pub(super) const fn new() -> Arena<T> {
        Arena { blocks: Vec::new(), free: Vec::new() }
    }

    /// The value with a number that was given out, also if it was removed since.
    #[inline]
    pub(super) fn get(&self, id: u32) -> Option<&T> {
        self.blocks.get((id >> BITS) as usize)?.get(id as usize % BLOCK)
    }

    #[inline]
    pub(super) fn get_mut(&mut self, id: u32) -> Option<&mut T> {
        self.blocks.get_mut((id >> BITS) as usize)?.get_mut(id as usize % BLOCK)
    }

    pub(super) fn insert(&mut self, value: T) -> u32 {
        if let Some(id) = self.free.pop() {
            self[id] = value;
            return id;
        }
        let blocks = self.blocks.len();
        match self.blocks.last_mut() {
            Some(block) if block.len() < BLOCK => {
                block.push(value);
                number((blocks - 1) * BLOCK + block.len() - 1)
            }
            last => {
                // The first block grows as it is needed: most servers are small.
                let mut block = Vec::with_capacity(if last.is_some() { BLOCK } else { 1 });
                block.push(value);
                self.blocks.push(block);
                number(blocks * BLOCK)
            }
        }
    }

    /// Gives the number free. The value stays until the number is given again.
    pub(super) fn free(&mut self, id: u32) {
        self.free.push(id);
    }

    /// How many values there are that are not free.
    #[cfg(test)]
    pub(super) fn used(&self) -> usize {
        self.capacity() - self.free.len()
    }

    /// How many numbers were given out.
    #[cfg(test)]
    pub(super) fn capacity(&self) -> usize {
        self.blocks.iter().map(Vec::len).sum()
    }
}

impl<T> core::ops::Index<u32> for Arena<T> {
    type Output = T;

    #[inline]
    fn index(&self, id: u32) -> &T {
        &self.blocks[(id >> BITS) as usize][id as usize % BLOCK]
    }
}

impl<T> core::ops::IndexMut<u32> for Arena<T> {
    #[inline]
    fn index_mut(&mut self, id: u32) -> &mut T {
        &mut self.blocks[(id >> BITS) as usize][id as usize % BLOCK]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_given_in_turn_and_again_after_they_are_free() {
        let mut arena = Arena::new();
        let many = number(3 * BLOCK + 5);
        for id in 0..many {
            assert_eq!(arena.insert(u64::from(id)), id);
        }
        assert!((0..many).all(|id| arena[id] == u64::from(id) && arena.get(id) == Some(&u64::from(id))));
        assert_eq!(arena.get(many), None);
        arena.free(7);
        arena.free(number(BLOCK));
        assert_eq!(arena.used() + 2, arena.capacity());
        assert_eq!(arena.insert(1), number(BLOCK));
        assert_eq!((arena.insert(2), arena[7]), (7, 2));
        assert_eq!(arena.insert(3), many);
    }
}
