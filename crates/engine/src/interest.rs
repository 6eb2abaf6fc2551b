//! What a shard wants of topic filters from the others, many changes in one item.

use alloc::string::String;
use alloc::vec::Vec;

/// Changes of interest in the order they were made: topic filters one behind the other in one string.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Interests {
    filters: String,
    /// Where each filter ends in `filters`, and what is wanted of it.
    changes: Vec<(usize, Interest)>,
}

/// What a shard wants of a filter.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Interest {
    /// Somebody subscribes.
    pub(crate) any: bool,
    /// Somebody subscribes with QoS 1 or 2, so that acknowledgements wait for the shard.
    pub(crate) persistent: bool,
    /// One of them has a session that outlives its connection. It may have lost that since: then more is refused than must be
    /// while the store is full.
    pub(crate) kept: bool,
}

impl Interests {
    pub(crate) fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    pub(crate) fn push(&mut self, filter: &str, interest: Interest) {
        self.filters.push_str(filter);
        self.changes.push((self.filters.len(), interest));
    }

    /// Each filter and what is wanted of it.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, Interest)> {
        let mut start = 0;
        self.changes.iter().map(move |(end, interest)| {
            let filter = &self.filters[start..*end];
            start = *end;
            (filter, *interest)
        })
    }
}
