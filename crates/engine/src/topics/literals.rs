//! Topic filters without wildcards, found by the whole topic name at once.

use super::arena::Arena;
use super::hash::{Hasher, half};
use super::subscriptions::Content;
use super::table::Table;
use alloc::boxed::Box;

/// Bytes of a filter that stand beside its content; with them, most filters fill one cache line.
const SHORT: usize = 38;

#[derive(Debug)]
pub(super) struct Literals {
    hasher: Hasher,
    items: Arena<Literal>,
    table: Table,
}

#[derive(Debug)]
#[repr(align(64))]
struct Literal {
    text: Text,
    content: Content,
}

#[derive(Debug)]
enum Text {
    Short { len: u8, bytes: [u8; SHORT] },
    Long(Box<[u8]>),
}

impl Literals {
    pub(super) fn new(seed: u64) -> Literals {
        Literals { hasher: Hasher::new(seed), items: Arena::new(), table: Table::default() }
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.items.used() == 0 && self.table.is_empty()
    }

    #[inline]
    pub(super) fn find(&self, filter: &str) -> Option<u32> {
        self.find_hashed(self.hash(filter.as_bytes()), filter.as_bytes())
    }

    /// The same, and the whole hash of the name.
    #[inline]
    pub(super) fn find_and_hash(&self, name: &str) -> (Option<u32>, u64) {
        let hash = self.hasher.bytes(name.as_bytes());
        (self.find_hashed(half(hash), name.as_bytes()), hash)
    }

    pub(super) fn find_or_add(&mut self, filter: &str) -> u32 {
        let filter = filter.as_bytes();
        let hash = self.hash(filter);
        self.find_hashed(hash, filter).unwrap_or_else(|| {
            let literal = Literal { text: Text::new(filter), content: Content::EMPTY };
            let id = self.items.insert(literal);
            self.table.insert(hash, id);
            id
        })
    }

    /// Removes a filter unless it has content.
    pub(super) fn prune(&mut self, id: u32) {
        let literal = &mut self.items[id];
        if literal.content.is_empty() {
            let text = core::mem::replace(&mut literal.text, Text::new(b""));
            self.table.remove(self.hash(text.bytes()), id);
            self.items.free(id);
        }
    }

    #[inline]
    pub(super) fn content(&self, id: u32) -> Option<&Content> {
        self.items.get(id).map(|literal| &literal.content)
    }

    pub(super) fn content_mut(&mut self, id: u32) -> Option<&mut Content> {
        self.items.get_mut(id).map(|literal| &mut literal.content)
    }

    pub(super) fn text(&self, id: u32) -> &[u8] {
        self.items.get(id).map_or(&[], |literal| literal.text.bytes())
    }

    fn find_hashed(&self, hash: u32, filter: &[u8]) -> Option<u32> {
        self.table.find(hash, |id| self.items[id].text.bytes() == filter)
    }

    fn hash(&self, filter: &[u8]) -> u32 {
        half(self.hasher.bytes(filter))
    }
}

impl Text {
    fn new(text: &[u8]) -> Text {
        match u8::try_from(text.len()) {
            Ok(len) if text.len() <= SHORT => {
                let mut bytes = [0; SHORT];
                bytes[..text.len()].copy_from_slice(text);
                Text::Short { len, bytes }
            }
            _ => Text::Long(text.into()),
        }
    }

    #[inline]
    fn bytes(&self) -> &[u8] {
        match self {
            Text::Short { len, bytes } => &bytes[..usize::from(*len)],
            Text::Long(text) => text,
        }
    }
}

const _: () = assert!(size_of::<Literal>() == 64);
