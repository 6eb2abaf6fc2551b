//! Topic filters as a tree of levels, with the subscribers, shared groups and remote interest of each filter.

use super::hash::Hasher;
use super::levels::{Label, Levels, split};
use super::subscribers::{Lists, Subscriber, Subscribers};
use alloc::string::String;
use alloc::vec::Vec;
use hashbrown::HashTable;
use slab::Slab;

/// No node, or nothing out of line.
pub(super) const NONE: u32 = u32::MAX;
pub(super) const ROOT: u32 = 0;

/// A topic filter in a [`SubscriptionTree`]: valid as long as anything is stored for the filter, then used again
/// for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FilterId(pub(super) u32);

/// All topic filters of a shard.
///
/// A filter exists while it has a subscriber, a shared group or remote interest, and takes one node per level that
/// it does not have in common with others. Inner nodes find their children in one hash table over (parent, level).
#[derive(Debug)]
pub struct SubscriptionTree {
    hasher: Hasher,
    pub(super) levels: Levels,
    pub(super) nodes: Vec<Node>,
    free: Vec<u32>,
    children: HashTable<Child>,
    pub(super) lists: Lists,
    pub(super) extras: Slab<Extra>,
    subscriptions: usize,
}

/// One level of one or more filters. Aligned so that a visit touches one cache line.
#[derive(Debug)]
#[repr(align(64))]
pub(super) struct Node {
    label: Label,
    parent: u32,
    /// Number of children that are not wildcards.
    pub(super) literals: u32,
    /// The child `+`.
    pub(super) plus: u32,
    /// The child `#`.
    pub(super) hash: u32,
    pub(super) subscribers: Subscribers,
    /// Key in `extras`, or [`NONE`].
    pub(super) extra: u32,
}

/// A node, found by a hash of its parent and label.
#[derive(Debug, Clone, Copy)]
struct Child {
    node: u32,
    hash: u32,
}

/// What few filters have.
#[derive(Debug, Default)]
pub(super) struct Extra {
    /// Shards with any subscription to the filter, by bit.
    pub(super) any: u64,
    /// Shards that store messages for a subscription to the filter, by bit.
    pub(super) persistent: u64,
    pub(super) groups: Vec<u32>,
}

impl SubscriptionTree {
    /// An empty tree; `seed` is secret, so that clients cannot choose filters that collide.
    #[must_use]
    pub fn new(seed: u64) -> SubscriptionTree {
        SubscriptionTree {
            hasher: Hasher::new(seed),
            levels: Levels::new(seed ^ 1),
            nodes: alloc::vec![Node::new(Label::PLUS, NONE)],
            free: Vec::new(),
            children: HashTable::new(),
            lists: Lists::new(seed ^ 2),
            extras: Slab::new(),
            subscriptions: 0,
        }
    }

    /// Number of subscriptions of local sessions, members of shared groups not counted.
    #[must_use]
    pub fn len(&self) -> usize {
        self.subscriptions
    }

    /// True without any local subscription.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.subscriptions == 0
    }

    /// Subscribes a session to a filter; returns the session's former subscription to it [MQTT-3.8.4-3].
    pub fn insert(&mut self, filter: &str, subscriber: Subscriber) -> (FilterId, Option<Subscriber>) {
        let node = self.node_or_new(filter);
        let replaced = self.lists.insert(&mut self.nodes[node as usize].subscribers, subscriber);
        self.subscriptions += usize::from(replaced.is_none());
        (FilterId(node), replaced)
    }

    /// Ends a session's subscription to a filter.
    pub fn remove(&mut self, filter: &str, session: u32) -> Option<Subscriber> {
        self.remove_by_id(self.find(filter)?, session)
    }

    /// Ends a session's subscription to a filter; the identifier is invalid afterwards if nothing else is stored
    /// for the filter.
    pub fn remove_by_id(&mut self, filter: FilterId, session: u32) -> Option<Subscriber> {
        let node = self.nodes.get_mut(filter.0 as usize)?;
        let removed = self.lists.remove(&mut node.subscribers, session)?;
        self.subscriptions -= 1;
        self.prune(filter.0);
        Some(removed)
    }

    /// The filter's identifier, if anything is stored for it or for a filter that begins with it.
    #[must_use]
    pub fn find(&self, filter: &str) -> Option<FilterId> {
        split(filter).try_fold(ROOT, |node, level| self.child(node, self.levels.find(level)?)).map(FilterId)
    }

    /// The local subscribers of a filter, in no order.
    #[inline]
    #[must_use]
    pub fn subscribers(&self, filter: FilterId) -> &[Subscriber] {
        self.nodes.get(filter.0 as usize).map_or(&[], |node| self.lists.slice(&node.subscribers))
    }

    /// One session's subscription to a filter.
    #[must_use]
    pub fn subscriber(&self, filter: FilterId, session: u32) -> Option<&Subscriber> {
        self.lists.get(&self.nodes.get(filter.0 as usize)?.subscribers, session)
    }

    /// The filter's text, put together again from its levels; empty for an invalid identifier.
    #[must_use]
    pub fn filter_text(&self, filter: FilterId) -> String {
        let mut path = Vec::new();
        let mut at = filter.0;
        while let Some(node) = self.nodes.get(at as usize).filter(|node| node.parent != NONE) {
            path.push(node.label);
            at = node.parent;
        }
        let mut text = Vec::new();
        for (depth, label) in path.into_iter().rev().enumerate() {
            if depth > 0 {
                text.push(b'/');
            }
            self.levels.push_text(label, &mut text);
        }
        String::from_utf8(text).unwrap_or_default()
    }

    /// Stores what another shard (0 to 63) wants of a filter: `any` message, and messages of QoS 1 and 2 to be
    /// stored for a `persistent` session. Both false ends its interest.
    pub fn set_remote(&mut self, filter: &str, shard: u8, any: bool, persistent: bool) {
        let bit = 1_u64.checked_shl(u32::from(shard)).unwrap_or(0);
        if !any && !persistent {
            let Some(FilterId(node)) = self.find(filter) else { return };
            if let Some(extra) = self.extras.get_mut(self.nodes[node as usize].extra as usize) {
                extra.any &= !bit;
                extra.persistent &= !bit;
            }
            return self.prune(node);
        }
        let (_, extra) = self.extra_or_new(filter);
        extra.any = if any { extra.any | bit } else { extra.any & !bit };
        extra.persistent = if persistent { extra.persistent | bit } else { extra.persistent & !bit };
    }

    /// Adds a shared group (section 4.8.2), by the caller's number for it, to a filter (without `$share/group/`).
    pub fn add_group(&mut self, filter: &str, group: u32) -> FilterId {
        let (id, extra) = self.extra_or_new(filter);
        if !extra.groups.contains(&group) {
            extra.groups.push(group);
        }
        id
    }

    /// Takes a shared group from a filter; false if it was not there.
    pub fn remove_group(&mut self, filter: &str, group: u32) -> bool {
        self.find(filter).is_some_and(|id| self.remove_group_by_id(id, group))
    }

    /// Takes a shared group from a filter; false if it was not there. The identifier is invalid afterwards if
    /// nothing else is stored for the filter.
    pub fn remove_group_by_id(&mut self, filter: FilterId, group: u32) -> bool {
        let Some(node) = self.nodes.get(filter.0 as usize) else { return false };
        let Some(extra) = self.extras.get_mut(node.extra as usize) else { return false };
        let Some(position) = extra.groups.iter().position(|&other| other == group) else { return false };
        extra.groups.swap_remove(position);
        self.prune(filter.0);
        true
    }

    #[cfg(test)]
    pub(super) fn has_only_its_root(&self) -> bool {
        let Self { levels, nodes, free, children, lists, extras, subscriptions, .. } = self;
        let nothing_out_of_line = levels.is_empty() && lists.is_empty() && extras.is_empty();
        nodes.len() == free.len() + 1 && children.is_empty() && nothing_out_of_line && *subscriptions == 0
    }

    /// The child of a node, wildcards included.
    fn child(&self, parent: u32, label: Label) -> Option<u32> {
        let node = &self.nodes[parent as usize];
        let child = match label {
            Label::PLUS => node.plus,
            Label::HASH => node.hash,
            _ => return self.literal(parent, label),
        };
        (child != NONE).then_some(child)
    }

    /// The child of a node that is not a wildcard.
    #[inline]
    pub(super) fn literal(&self, parent: u32, label: Label) -> Option<u32> {
        let short = self.hash(parent, label);
        let is_child = |child: &Child| {
            child.hash == short && {
                let node = &self.nodes[child.node as usize];
                node.label == label && node.parent == parent
            }
        };
        self.children.find(spread(short), is_child).map(|child| child.node)
    }

    fn node_or_new(&mut self, filter: &str) -> u32 {
        let mut at = ROOT;
        for level in split(filter) {
            let known = self.levels.find(level).and_then(|label| self.child(at, label));
            at = known.unwrap_or_else(|| self.add_child(at, level));
        }
        at
    }

    fn add_child(&mut self, parent: u32, level: &[u8]) -> u32 {
        let label = self.levels.acquire(level);
        let node = Node::new(label, parent);
        let id = if let Some(id) = self.free.pop() {
            self.nodes[id as usize] = node;
            id
        } else {
            self.nodes.push(node);
            number(self.nodes.len() - 1)
        };
        let hash = self.hash(parent, label);
        let parent = &mut self.nodes[parent as usize];
        match label {
            Label::PLUS => parent.plus = id,
            Label::HASH => parent.hash = id,
            _ => {
                parent.literals += 1;
                let child = Child { node: id, hash };
                self.children.insert_unique(spread(hash), child, |child| spread(child.hash));
            }
        }
        id
    }

    fn extra_or_new(&mut self, filter: &str) -> (FilterId, &mut Extra) {
        let id = self.node_or_new(filter);
        let node = &mut self.nodes[id as usize];
        if node.extra == NONE {
            node.extra = number(self.extras.insert(Extra::default()));
        }
        (FilterId(id), &mut self.extras[node.extra as usize])
    }

    /// Frees a node without content, and its ancestors as far as they existed for it only.
    fn prune(&mut self, mut id: u32) {
        while id != ROOT {
            let node = &mut self.nodes[id as usize];
            if node.extra != NONE && self.extras[node.extra as usize].is_empty() {
                self.extras.remove(node.extra as usize);
                node.extra = NONE;
            }
            if !node.is_empty() {
                return;
            }
            let (parent, label) = (node.parent, node.label);
            node.parent = NONE;
            self.unlink(parent, label, id);
            self.levels.release(label);
            self.free.push(id);
            id = parent;
        }
    }

    fn unlink(&mut self, parent: u32, label: Label, id: u32) {
        let hash = self.hash(parent, label);
        let parent = &mut self.nodes[parent as usize];
        match label {
            Label::PLUS => parent.plus = NONE,
            Label::HASH => parent.hash = NONE,
            _ => {
                parent.literals -= 1;
                if let Ok(entry) = self.children.find_entry(spread(hash), |child| child.node == id) {
                    entry.remove();
                }
            }
        }
    }

    #[expect(clippy::cast_possible_truncation, reason = "half of the hash is enough")]
    #[inline]
    fn hash(&self, parent: u32, label: Label) -> u32 {
        let (low, high) = label.words();
        self.hasher.words(low, high, u64::from(parent)) as u32
    }
}

impl Node {
    fn new(label: Label, parent: u32) -> Node {
        Node {
            label,
            parent,
            literals: 0,
            plus: NONE,
            hash: NONE,
            subscribers: Subscribers::None,
            extra: NONE,
        }
    }

    fn is_empty(&self) -> bool {
        self.literals == 0
            && self.plus == NONE
            && self.hash == NONE
            && self.extra == NONE
            && matches!(self.subscribers, Subscribers::None)
    }
}

impl Extra {
    fn is_empty(&self) -> bool {
        self.any == 0 && self.persistent == 0 && self.groups.is_empty()
    }
}

/// A stored half hash as the table wants it: the low bits choose the place, the highest tell neighbours apart.
#[inline]
fn spread(hash: u32) -> u64 {
    u64::from(hash).wrapping_mul(0x9E37_79B9_7F4A_7C15)
}

/// Numbers of nodes have 32 bits; memory ends before they do.
fn number(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(u32::MAX)
}
