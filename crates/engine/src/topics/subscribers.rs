//! The subscribers of one topic filter: none, one, or a list with a quick way to each session.

use super::hash::Hasher;
use super::number;
use alloc::boxed::Box;
use alloc::vec::Vec;
use darter_codec::{QoS, RetainHandling, SubscriptionOptions};
use hashbrown::HashTable;
use slab::Slab;

/// From this length on a list has an index by session.
const INDEXED: usize = 48;

/// One session's subscription to a topic filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Subscriber {
    /// Slot of the session in the shard.
    pub session: u32,
    /// Subscription identifier (section 3.8.2.1.2), 0 for none.
    pub identifier: u32,
    qos: QoS,
    no_local: bool,
    retain_as_published: bool,
    /// When retained messages are sent, and what is to be asked for each message.
    rest: u8,
}

/// What is to be asked before a message goes through a subscription.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// Nothing: all that the filter matches may be received.
    Never,
    /// Whether the session may receive the topic.
    Each,
    /// Nothing: the session may not have the subscription now, and nothing goes through it.
    Closed,
}

/// Bits of `rest`.
const RETAIN_HANDLING: u8 = 0b11;
const EACH: u8 = 0b100;
const CLOSED: u8 = 0b1000;

impl Subscriber {
    /// A subscription of the session in slot `session`; `identifier` 0 means none.
    #[must_use]
    pub fn new(session: u32, options: SubscriptionOptions, identifier: u32) -> Subscriber {
        let SubscriptionOptions { qos, no_local, retain_as_published, retain_handling } = options;
        let rest = retain_handling as u8;
        Subscriber { session, identifier, qos, no_local, retain_as_published, rest }
    }

    /// The same subscription with something else to be asked.
    #[must_use]
    pub fn with_look(self, look: Look) -> Subscriber {
        let look = match look {
            Look::Never => 0,
            Look::Each => EACH,
            Look::Closed => CLOSED,
        };
        Subscriber { rest: self.rest & RETAIN_HANDLING | look, ..self }
    }

    /// What is to be asked before a message goes through it.
    #[inline]
    #[must_use]
    pub fn look(&self) -> Look {
        match self.rest & (EACH | CLOSED) {
            0 => Look::Never,
            EACH => Look::Each,
            _ => Look::Closed,
        }
    }

    /// The subscription options (section 3.8.3.1).
    #[inline]
    #[must_use]
    pub fn options(&self) -> SubscriptionOptions {
        let retain_handling = match self.rest & RETAIN_HANDLING {
            0 => RetainHandling::Send,
            1 => RetainHandling::SendIfNew,
            _ => RetainHandling::DoNotSend,
        };
        let Subscriber { qos, no_local, retain_as_published, .. } = *self;
        SubscriptionOptions { qos, no_local, retain_as_published, retain_handling }
    }
}

/// What a node holds; longer lists are in [`Lists`].
#[derive(Debug, Clone, Copy, Default)]
pub(super) enum Subscribers {
    #[default]
    None,
    One(Subscriber),
    Many(u32),
}

/// All lists of two or more subscribers. The order within a list means nothing.
#[derive(Debug)]
pub(super) struct Lists {
    hasher: Hasher,
    lists: Slab<List>,
}

#[derive(Debug)]
struct List {
    entries: Vec<Subscriber>,
    /// Positions in `entries` by session, for long lists.
    index: Option<Box<HashTable<u32>>>,
}

impl Lists {
    pub(super) fn new(seed: u64) -> Lists {
        Lists { hasher: Hasher::new(seed), lists: Slab::new() }
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.lists.is_empty()
    }

    #[inline]
    pub(super) fn slice<'a>(&'a self, subscribers: &'a Subscribers) -> &'a [Subscriber] {
        match subscribers {
            Subscribers::None => &[],
            Subscribers::One(subscriber) => core::slice::from_ref(subscriber),
            Subscribers::Many(list) => &self.lists[*list as usize].entries,
        }
    }

    pub(super) fn get<'a>(&'a self, subscribers: &'a Subscribers, session: u32) -> Option<&'a Subscriber> {
        match subscribers {
            Subscribers::None => None,
            Subscribers::One(subscriber) => (subscriber.session == session).then_some(subscriber),
            Subscribers::Many(list) => {
                let list = &self.lists[*list as usize];
                list.position(&self.hasher, session).map(|position| &list.entries[position])
            }
        }
    }

    /// Adds a subscriber, or replaces that of the same session and returns it [MQTT-3.8.4-3].
    pub(super) fn insert(&mut self, to: &mut Subscribers, subscriber: Subscriber) -> Option<Subscriber> {
        match to {
            Subscribers::None => {
                *to = Subscribers::One(subscriber);
                None
            }
            Subscribers::One(only) if only.session == subscriber.session => {
                Some(core::mem::replace(only, subscriber))
            }
            Subscribers::One(only) => {
                let mut entries = Vec::with_capacity(2);
                entries.extend([*only, subscriber]);
                *to = Subscribers::Many(number(self.lists.insert(List { entries, index: None })));
                None
            }
            Subscribers::Many(list) => self.lists[*list as usize].insert(&self.hasher, subscriber),
        }
    }

    pub(super) fn remove(&mut self, from: &mut Subscribers, session: u32) -> Option<Subscriber> {
        match from {
            Subscribers::None => None,
            Subscribers::One(only) => {
                let removed = (only.session == session).then_some(*only)?;
                *from = Subscribers::None;
                Some(removed)
            }
            Subscribers::Many(key) => {
                let list = &mut self.lists[*key as usize];
                let removed = list.remove(&self.hasher, session)?;
                if let [only] = *list.entries {
                    self.lists.remove(*key as usize);
                    *from = Subscribers::One(only);
                }
                Some(removed)
            }
        }
    }
}

impl List {
    fn position(&self, hasher: &Hasher, session: u32) -> Option<usize> {
        match &self.index {
            Some(index) => index
                .find(hash(hasher, session), |&position| self.entries[position as usize].session == session)
                .map(|&position| position as usize),
            None => self.entries.iter().position(|entry| entry.session == session),
        }
    }

    fn insert(&mut self, hasher: &Hasher, subscriber: Subscriber) -> Option<Subscriber> {
        if let Some(position) = self.position(hasher, subscriber.session) {
            return Some(core::mem::replace(&mut self.entries[position], subscriber));
        }
        self.entries.push(subscriber);
        let List { entries, index } = self;
        let of_position = |position: &u32| hash(hasher, entries[*position as usize].session);
        match index {
            Some(index) => {
                let last = number(entries.len() - 1);
                index.insert_unique(of_position(&last), last, of_position);
            }
            None if entries.len() >= INDEXED => {
                let mut new = HashTable::with_capacity(entries.len());
                for position in 0..number(entries.len()) {
                    new.insert_unique(of_position(&position), position, of_position);
                }
                *index = Some(Box::new(new));
            }
            None => {}
        }
        None
    }

    fn remove(&mut self, hasher: &Hasher, session: u32) -> Option<Subscriber> {
        let position = self.position(hasher, session)?;
        let last = self.entries.len() - 1;
        if let Some(index) = &mut self.index {
            let (gone, moved) = (number(position), number(last));
            if let Ok(entry) = index.find_entry(hash(hasher, session), |&other| other == gone) {
                entry.remove();
            }
            let session = self.entries[last].session;
            if let Some(other) = index.find_mut(hash(hasher, session), |&other| other == moved) {
                *other = gone;
            }
        }
        let removed = self.entries.swap_remove(position);
        if self.entries.len() < INDEXED / 2 {
            self.index = None;
        }
        if self.entries.len() < self.entries.capacity() / 4 {
            self.entries.shrink_to(2 * self.entries.len());
        }
        Some(removed)
    }
}

#[inline]
fn hash(hasher: &Hasher, session: u32) -> u64 {
    hasher.words(u64::from(session), 0, 0)
}
