//! What few filters have: interest of other shards, and shared groups.

use super::subscriptions::NONE;
use alloc::vec::Vec;
use hashbrown::HashMap;
use slab::Slab;

/// What stands out of line for a filter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Extra {
    /// Shards with any subscription to the filter, by bit.
    pub(super) any: u64,
    /// Shards that store messages for a subscription to the filter, by bit.
    pub(super) persistent: u64,
    /// Shards with such a subscription of a session that outlives its connection, by bit.
    pub(super) kept: u64,
    pub(super) groups: Vec<u32>,
}

impl Extra {
    fn masks(&self) -> [u64; 3] {
        [self.any, self.persistent, self.kept]
    }
}

/// Every extra in use. Filters in which the same shards are interested share one, so that a subscription on one shard
/// costs the others little more than the filter itself.
#[derive(Debug, Default)]
pub(super) struct Extras {
    entries: Slab<Entry>,
    by_masks: HashMap<[u64; 3], u32>,
}

#[derive(Debug)]
struct Entry {
    extra: Extra,
    /// Filters that have it.
    users: u32,
}

impl Extras {
    #[inline]
    pub(super) fn get(&self, key: u32) -> Option<&Extra> {
        self.entries.get(key as usize).map(|entry| &entry.extra)
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty() && self.by_masks.is_empty()
    }

    /// Changes what the filter with `key` has, and that filter alone; gives its new key.
    pub(super) fn change(&mut self, key: u32, change: impl FnOnce(&mut Extra)) -> u32 {
        let mut extra = self.take(key);
        change(&mut extra);
        self.put(extra)
    }

    fn take(&mut self, key: u32) -> Extra {
        let Some(entry) = self.entries.get_mut(key as usize) else { return Extra::default() };
        if entry.users > 1 {
            entry.users -= 1;
            return entry.extra.clone();
        }
        let extra = self.entries.remove(key as usize).extra;
        if extra.groups.is_empty() {
            self.by_masks.remove(&extra.masks());
        }
        extra
    }

    fn put(&mut self, extra: Extra) -> u32 {
        if extra == Extra::default() {
            return NONE;
        }
        let masks = extra.masks();
        let shareable = extra.groups.is_empty();
        if shareable
            && let Some(key) = self.by_masks.get(&masks)
            && let Some(entry) = self.entries.get_mut(*key as usize)
        {
            entry.users += 1;
            return *key;
        }
        let key = u32::try_from(self.entries.insert(Entry { extra, users: 1 })).unwrap_or(NONE);
        if shareable {
            self.by_masks.insert(masks, key);
        }
        key
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_with_the_same_interest_share_one_entry_until_one_changes() {
        let mut extras = Extras::default();
        let first = extras.change(NONE, |extra| extra.any = 2);
        let second = extras.change(NONE, |extra| extra.any = 2);
        assert_eq!(first, second);
        let changed = extras.change(second, |extra| extra.groups.push(7));
        assert_ne!(first, changed);
        assert_eq!(extras.get(first).map(|extra| extra.groups.len()), Some(0));
        let back = extras.change(changed, |extra| extra.groups.clear());
        assert_eq!(back, first);
        assert_eq!(extras.change(back, |extra| extra.any = 0), NONE);
        assert_eq!(extras.change(first, |extra| extra.any = 0), NONE);
        assert!(extras.is_empty());
    }
}
