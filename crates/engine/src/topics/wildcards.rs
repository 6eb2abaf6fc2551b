//! Topic filters with wildcards, as a tree of levels.

use super::arena::Arena;
use super::hash::{Hasher, half};
use super::levels::{Label, Levels, split};
use super::subscriptions::{Content, NONE};
use super::table::Table;
use alloc::vec::Vec;

pub(super) const ROOT: u32 = 0;

/// The tree. A filter takes one node for each level that it does not have in common with others.
#[derive(Debug)]
pub(super) struct Wildcards {
    hasher: Hasher,
    pub(super) levels: Levels,
    pub(super) nodes: Arena<Node>,
    /// The children that are not wildcards, by parent and label.
    children: Table,
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
    pub(super) content: Content,
}

impl Wildcards {
    pub(super) fn new(seed: u64) -> Wildcards {
        let mut nodes = Arena::new();
        nodes.insert(Node::new(Label::PLUS, NONE));
        Wildcards {
            hasher: Hasher::new(seed),
            levels: Levels::new(seed ^ 1),
            nodes,
            children: Table::default(),
        }
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.nodes.used() == 1 && self.children.is_empty() && self.levels.is_empty()
    }

    /// The node of a filter, or of a beginning that longer filters have in common.
    pub(super) fn find(&self, filter: &str) -> Option<u32> {
        split(filter).try_fold(ROOT, |node, level| self.child(node, self.levels.find(level)?))
    }

    pub(super) fn find_or_add(&mut self, filter: &str) -> u32 {
        let mut at = ROOT;
        for level in split(filter) {
            let known = self.levels.find(level).and_then(|label| self.child(at, label));
            at = known.unwrap_or_else(|| self.add_child(at, level));
        }
        at
    }

    /// The child of a node that is not a wildcard.
    #[inline]
    pub(super) fn literal(&self, parent: u32, label: Label) -> Option<u32> {
        self.children.find(self.hash(parent, label), |child| {
            let node = &self.nodes[child];
            node.label == label && node.parent == parent
        })
    }

    /// Frees a node without content, and its ancestors as far as they existed for it only.
    pub(super) fn prune(&mut self, mut id: u32) {
        while id != ROOT {
            let node = &mut self.nodes[id];
            if !node.is_empty() {
                return;
            }
            let (parent, label) = (node.parent, node.label);
            node.parent = NONE;
            self.unlink(parent, label, id);
            self.levels.release(label);
            self.nodes.free(id);
            id = parent;
        }
    }

    /// Appends a filter's text, put together again from its levels.
    pub(super) fn push_text(&self, id: u32, out: &mut Vec<u8>) {
        let mut path = Vec::new();
        let mut at = id;
        while let Some(node) = self.nodes.get(at).filter(|node| node.parent != NONE) {
            path.push(node.label);
            at = node.parent;
        }
        for (depth, label) in path.into_iter().rev().enumerate() {
            if depth > 0 {
                out.push(b'/');
            }
            self.levels.push_text(label, out);
        }
    }

    fn child(&self, parent: u32, label: Label) -> Option<u32> {
        let node = &self.nodes[parent];
        let child = match label {
            Label::PLUS => node.plus,
            Label::HASH => node.hash,
            _ => return self.literal(parent, label),
        };
        (child != NONE).then_some(child)
    }

    fn add_child(&mut self, parent: u32, level: &[u8]) -> u32 {
        let label = self.levels.acquire(level);
        let id = self.nodes.insert(Node::new(label, parent));
        let hash = self.hash(parent, label);
        let parent = &mut self.nodes[parent];
        match label {
            Label::PLUS => parent.plus = id,
            Label::HASH => parent.hash = id,
            _ => {
                parent.literals += 1;
                self.children.insert(hash, id);
            }
        }
        id
    }

    fn unlink(&mut self, parent: u32, label: Label, id: u32) {
        let hash = self.hash(parent, label);
        let parent = &mut self.nodes[parent];
        match label {
            Label::PLUS => parent.plus = NONE,
            Label::HASH => parent.hash = NONE,
            _ => {
                parent.literals -= 1;
                self.children.remove(hash, id);
            }
        }
    }

    #[inline]
    fn hash(&self, parent: u32, label: Label) -> u32 {
        let (low, high) = label.words();
        half(self.hasher.words(low, high, u64::from(parent)))
    }
}

impl Node {
    fn new(label: Label, parent: u32) -> Node {
        Node { label, parent, literals: 0, plus: NONE, hash: NONE, content: Content::EMPTY }
    }

    fn is_empty(&self) -> bool {
        self.literals == 0 && self.plus == NONE && self.hash == NONE && self.content.is_empty()
    }
}

const _: () = assert!(size_of::<Node>() == 64);
