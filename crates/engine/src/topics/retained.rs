//! Retained messages (section 3.3.1.3), by topic name and by topic filter.

use super::hash::{Hasher, half};
use super::number;
use super::order::Order;
use super::table::Table;
use alloc::vec::Vec;
use darter_codec::Message;
use hashbrown::HashTable;
use slab::Slab;

/// Removals remembered before the older half is forgotten.
const REMEMBERED: usize = 16_384;

/// The retained messages of a server or shard.
///
/// A topic name is found by hash; a topic filter by a walk in the byte order of the topic names, in which all names
/// under a common beginning stand together. The names are read out of the messages themselves, so that a retained
/// message costs little more than its own bytes, and a walk can pause at a name and go on there whatever changed in
/// the meantime.
///
/// # Stamps
///
/// Two shards that retain on the same topic at the same time must come to the same end: every change carries a
/// stamp, and the higher stamp wins whatever the order of arrival (of equal ones, the later arrival). A message that
/// is stored shows its own stamp. Of a topic without a message the stamp of its removal is kept, because an older
/// message may still be under way. It is kept only for a while: until two calls of
/// [`RetainedTree::forget_removals`], or until some 16,384 to 32,768 later removals. So the caller calls that at
/// intervals longer than any message needs from shard to shard. Without other shards removals need not be
/// remembered, but it does no harm.
#[derive(Debug)]
pub struct RetainedTree {
    hasher: Hasher,
    pub(super) entries: Slab<Entry>,
    /// Slots in `entries` by topic name.
    names: Table,
    pub(super) order: Order,
    bytes: usize,
    /// The next slot to be looked at for an expired message.
    sweep: usize,
    /// Stamps of removals, newer and older ones.
    removals: [HashTable<Removal>; 2],
}

#[derive(Debug)]
pub(super) struct Entry {
    pub(super) message: Message,
    stamp: u64,
}

/// A topic without a message, told by the whole hash of its name.
#[derive(Debug, Clone, Copy)]
struct Removal {
    hash: u64,
    stamp: u64,
}

impl RetainedTree {
    /// Nothing retained; `seed` is secret, so that clients cannot choose topic names that collide.
    #[must_use]
    pub fn new(seed: u64) -> RetainedTree {
        RetainedTree {
            hasher: Hasher::new(seed),
            entries: Slab::new(),
            names: Table::default(),
            order: Order::default(),
            bytes: 0,
            sweep: 0,
            removals: [HashTable::new(), HashTable::new()],
        }
    }

    /// Number of retained messages.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// True if nothing is retained.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Bytes of all retained messages, with topic names and properties.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// All retained messages with their stamps, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (&Message, u64)> {
        self.entries.iter().map(|(_, entry)| (&entry.message, entry.stamp))
    }

    /// The message retained on a topic.
    #[must_use]
    pub fn get(&self, topic: &str) -> Option<&Message> {
        self.slot(topic.as_bytes(), self.hasher.bytes(topic.as_bytes()))
            .map(|slot| &self.entries[slot].message)
    }

    /// Retains a message on its topic in place of the former one [MQTT-3.3.1-5]. False, with nothing changed, if
    /// the topic has seen a change with a higher stamp.
    pub fn set(&mut self, message: Message, stamp: u64) -> bool {
        let hash = self.hasher.bytes(message.topic_bytes());
        if let Some(slot) = self.slot(message.topic_bytes(), hash) {
            let entry = &mut self.entries[slot];
            if entry.stamp > stamp {
                return false;
            }
            self.bytes = self.bytes + message.size() - entry.message.size();
            *entry = Entry { message, stamp };
            return true;
        }
        if self.removed_later(hash, stamp) {
            return false;
        }
        self.bytes += message.size();
        let slot = number(self.entries.insert(Entry { message, stamp }));
        let RetainedTree { entries, names, order, .. } = self;
        names.insert(half(hash), slot);
        order.insert(slot, |slot| entries[slot as usize].topic());
        true
    }

    /// Removes the message retained on a topic [MQTT-3.3.1-6] and returns it. Nothing is returned, and nothing
    /// changes, if there is none or if it has a higher stamp.
    pub fn remove(&mut self, topic: &str, stamp: u64) -> Option<Message> {
        let hash = self.hasher.bytes(topic.as_bytes());
        let Some(slot) = self.slot(topic.as_bytes(), hash) else {
            self.remember_removal(hash, stamp);
            return None;
        };
        if self.entries[slot].stamp > stamp {
            return None;
        }
        self.remember_removal(hash, stamp);
        Some(self.take(slot, hash))
    }

    /// Removes expired messages (section 3.3.2.3.3) and appends them to `out` with their stamps. Looks at the next `looks` places of
    /// memory, and in the next call at those behind them, round and round. `now` is on the clock of
    /// [`Message::expires_at`], in milliseconds.
    pub fn remove_expired(&mut self, now: u64, looks: usize, out: &mut Vec<(Message, u64)>) {
        for _ in 0..looks.min(self.entries.capacity()) {
            self.sweep = if self.sweep + 1 < self.entries.capacity() { self.sweep + 1 } else { 0 };
            let Some(Entry { message, stamp }) = self.entries.get(self.sweep) else { continue };
            if message.expires_at().is_some_and(|at| at <= now) {
                let (hash, stamp) = (self.hasher.bytes(message.topic_bytes()), *stamp);
                self.remember_removal(hash, stamp);
                out.push((self.take(self.sweep, hash), stamp));
            }
        }
    }

    /// Forgets the removals that were remembered before the last call.
    pub fn forget_removals(&mut self) {
        self.removals.swap(0, 1);
        self.removals[0] = HashTable::new();
    }

    fn slot(&self, topic: &[u8], hash: u64) -> Option<usize> {
        let slot = self.names.find(half(hash), |slot| self.entries[slot as usize].topic() == topic)?;
        Some(slot as usize)
    }

    fn take(&mut self, slot: usize, hash: u64) -> Message {
        self.order.remove(number(slot), |slot| self.entries[slot as usize].topic());
        self.names.remove(half(hash), number(slot));
        let Entry { message, .. } = self.entries.remove(slot);
        self.bytes -= message.size();
        message
    }

    fn removed_later(&self, hash: u64, stamp: u64) -> bool {
        let later = |removal: &Removal| removal.hash == hash && removal.stamp > stamp;
        self.removals.iter().any(|removals| removals.find(hash, later).is_some())
    }

    fn remember_removal(&mut self, hash: u64, stamp: u64) {
        if let Some(removal) = self.removals[0].find_mut(hash, |removal| removal.hash == hash) {
            removal.stamp = removal.stamp.max(stamp);
            return;
        }
        if self.removals[0].len() >= REMEMBERED {
            self.forget_removals();
        }
        self.removals[0].insert_unique(hash, Removal { hash, stamp }, |removal| removal.hash);
    }
}

impl Entry {
    #[inline]
    pub(super) fn topic(&self) -> &[u8] {
        self.message.topic_bytes()
    }
}
