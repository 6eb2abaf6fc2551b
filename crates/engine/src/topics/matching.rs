//! From a topic name to the filters it matches (section 4.7).

use super::levels::split;
use super::subscribers::Subscribers;
use super::subscriptions::{FilterId, NONE, SubscriptionTree};
use super::wildcards::{ROOT, Wildcards};
use alloc::vec::Vec;

/// What [`SubscriptionTree::matches`] found. Keep the value for the next topic name: its memory is used again.
#[derive(Debug, Default)]
pub struct Matches {
    nodes: Vec<FilterId>,
    groups: Vec<u32>,
    any: u64,
    persistent: u64,
    kept: u64,
    hash: u64,
    /// The nodes reached with the levels so far, and those reached with one more.
    reached: Vec<u32>,
    next: Vec<u32>,
}

impl Matches {
    /// Nothing found yet, no memory taken.
    #[must_use]
    pub fn new() -> Matches {
        Matches::default()
    }

    /// The matching filters that have local subscribers, each once.
    #[must_use]
    pub fn nodes(&self) -> &[FilterId] {
        &self.nodes
    }

    /// The shared groups of all matching filters.
    #[must_use]
    pub fn groups(&self) -> &[u32] {
        &self.groups
    }

    /// The other shards with any matching subscription, by bit.
    #[must_use]
    pub fn remote_any(&self) -> u64 {
        self.any
    }

    /// The other shards with a matching subscription of a persistent session, by bit.
    #[must_use]
    pub fn remote_persistent(&self) -> u64 {
        self.persistent
    }

    /// The other shards with a matching subscription, of QoS 1 or 2, of a session that outlives its connection, by bit.
    #[must_use]
    pub fn remote_kept(&self) -> u64 {
        self.kept
    }

    /// A keyed hash of the topic name, which nobody outside can foretell.
    #[must_use]
    pub fn topic_hash(&self) -> u64 {
        self.hash
    }

    /// True if nobody wants the message.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty() && self.groups.is_empty() && (self.any | self.persistent) == 0
    }

    /// Forgets what was found and keeps the memory.
    pub fn clear(&mut self) {
        self.nodes.clear();
        self.groups.clear();
        self.any = 0;
        self.persistent = 0;
        self.kept = 0;
        self.reached.clear();
        self.next.clear();
    }
}

impl SubscriptionTree {
    /// Finds every filter that matches a topic name. A topic name that begins with `$` is not matched by a filter
    /// that begins with a wildcard [MQTT-4.7.2-1].
    ///
    /// The time depends on the number of levels and of filters that match the name's beginning, not on the size of
    /// the tree; nothing is allocated once `out` has grown to its use.
    pub fn matches(&self, topic: &str, out: &mut Matches) {
        out.clear();
        let (literal, hash) = self.literals.find_and_hash(topic);
        out.hash = hash;
        if let Some(literal) = literal {
            self.found(FilterId::of_literal(literal), out);
        }
        let root = &self.wildcards.nodes[ROOT];
        if root.literals > 0 || root.plus != NONE || root.hash != NONE {
            self.match_wildcards(topic, out);
        }
    }

    /// Walks all branches at once, level by level.
    fn match_wildcards(&self, topic: &str, out: &mut Matches) {
        let Wildcards { levels, nodes, .. } = &self.wildcards;
        let mut wildcards = !topic.starts_with('$');
        out.reached.push(ROOT);
        for level in split(topic) {
            let label = levels.find(level);
            for position in 0..out.reached.len() {
                let id = out.reached[position];
                let node = &nodes[id];
                if wildcards && node.hash != NONE {
                    self.found(FilterId::of_wildcard(node.hash), out);
                }
                if wildcards && node.plus != NONE {
                    out.next.push(node.plus);
                }
                if node.literals > 0
                    && let Some(label) = label
                    && let Some(child) = self.wildcards.literal(id, label)
                {
                    out.next.push(child);
                }
            }
            wildcards = true;
            core::mem::swap(&mut out.reached, &mut out.next);
            out.next.clear();
            if out.reached.is_empty() {
                return;
            }
        }
        for position in 0..out.reached.len() {
            let id = out.reached[position];
            self.found(FilterId::of_wildcard(id), out);
            let hash = nodes[id].hash;
            if hash != NONE {
                self.found(FilterId::of_wildcard(hash), out);
            }
        }
    }

    #[inline]
    fn found(&self, id: FilterId, out: &mut Matches) {
        let Some(content) = self.content(id) else { return };
        if !matches!(content.subscribers, Subscribers::None) {
            out.nodes.push(id);
        }
        if let Some(extra) = self.extras.get(content.extra) {
            out.any |= extra.any;
            out.persistent |= extra.persistent;
            out.kept |= extra.kept;
            out.groups.extend_from_slice(&extra.groups);
        }
    }
}
