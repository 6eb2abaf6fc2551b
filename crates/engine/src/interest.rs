//! What a shard wants of topic filters from the others, many changes in one item.

use alloc::string::String;
use alloc::vec::Vec;

/// Changes of interest in the order they were made: topic filters one behind the other in one string.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Interests {
    filters: String,
    changes: Vec<Change>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Change {
    /// Where the filter ends in `filters`.
    end: usize,
    /// Somebody subscribes.
    any: bool,
    /// Somebody subscribes with QoS 1 or 2, so that acknowledgements wait for the shard.
    persistent: bool,
}

impl Interests {
    pub(crate) fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    pub(crate) fn push(&mut self, filter: &str, (any, persistent): (bool, bool)) {
        self.filters.push_str(filter);
        self.changes.push(Change { end: self.filters.len(), any, persistent });
    }

    /// Filter, any, and any with QoS 1 or 2.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, bool, bool)> {
        let mut start = 0;
        self.changes.iter().map(move |change| {
            let filter = &self.filters[start..change.end];
            start = change.end;
            (filter, change.any, change.persistent)
        })
    }
}
