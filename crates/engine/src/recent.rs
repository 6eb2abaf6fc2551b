//! A table of bounded size for what matters only for a while.

use core::borrow::Borrow;
use core::hash::Hash;
use hashbrown::HashMap;

/// A table that forgets: when it has taken in its most entries, those that nobody changed since it last did are gone. So it
/// holds at most twice as many, and one that is in use stays.
#[derive(Debug)]
pub struct Recent<K, V> {
    young: HashMap<K, V>,
    old: HashMap<K, V>,
    most: usize,
}

impl<K: Eq + Hash, V> Recent<K, V> {
    /// A table that has forgotten something after `most` entries, at least 1.
    #[must_use]
    pub fn new(most: usize) -> Self {
        Self { young: HashMap::new(), old: HashMap::new(), most: most.max(1) }
    }

    /// The entry of a key.
    pub fn get<Q: Eq + Hash + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        self.young.get(key).or_else(|| self.old.get(key))
    }

    /// The entry of a key, as something that is in use.
    pub fn entry(&mut self, key: K, new: impl FnOnce() -> V) -> &mut V {
        if self.young.len() >= self.most && !self.young.contains_key(&key) {
            self.old = core::mem::take(&mut self.young);
        }
        let known = self.old.remove(&key);
        self.young.entry(key).or_insert_with(|| known.unwrap_or_else(new))
    }

    /// Changes the entry of a key, if there is one.
    pub fn get_mut<Q: Eq + Hash + ?Sized>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
    {
        match self.young.get_mut(key) {
            Some(entry) => Some(entry),
            None => self.old.get_mut(key),
        }
    }

    /// Forgets a key.
    pub fn remove<Q: Eq + Hash + ?Sized>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        self.young.remove(key).or_else(|| self.old.remove(key))
    }

    /// How many entries it has.
    #[must_use]
    pub fn len(&self) -> usize {
        self.young.len() + self.old.len()
    }

    /// Whether it has none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.young.is_empty() && self.old.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_in_use_stays_and_the_rest_is_forgotten() {
        let mut table = Recent::new(10);
        *table.entry(0, || 0) = 7;
        for key in 1..1_000 {
            table.entry(key, || 0);
            assert_eq!(*table.entry(0, || 0), 7);
            assert!(table.len() <= 20);
        }
        assert!(table.get(&1).is_none());
        assert!(table.get(&999).is_some());
    }

    #[test]
    fn an_entry_is_found_changed_and_removed_in_both_halves() {
        let mut table = Recent::new(2);
        for key in 1..=3 {
            table.entry(key, || key);
        }
        for key in 1..=3 {
            *table.get_mut(&key).unwrap() += 1;
            assert_eq!(table.get(&key), Some(&(key + 1)));
            assert_eq!(table.remove(&key), Some(key + 1));
            assert_eq!(table.get(&key), None);
        }
        assert!(table.is_empty());
    }
}
