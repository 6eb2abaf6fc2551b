//! All topic filters of a shard, with the subscribers, shared groups and remote interest of each.

use super::extras::{Extra, Extras};
use super::literals::Literals;
use super::subscribers::{Lists, Subscriber, Subscribers};
use super::wildcards::Wildcards;
use alloc::string::String;
use alloc::vec::Vec;
use darter_codec::QoS;

/// No node, or nothing out of line.
pub(super) const NONE: u32 = u32::MAX;
/// Tells the filters with wildcards from those without.
const WILDCARD: u32 = 1 << 31;

/// A topic filter in a [`SubscriptionTree`]: valid as long as anything is stored for the filter, then used again
/// for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FilterId(u32);

/// All topic filters of a shard.
///
/// A filter exists while it has a subscriber, a shared group or remote interest. Those without wildcards are found by
/// a hash of the whole topic name; those with wildcards are a tree of levels.
#[derive(Debug)]
pub struct SubscriptionTree {
    pub(super) literals: Literals,
    pub(super) wildcards: Wildcards,
    lists: Lists,
    pub(super) extras: Extras,
    subscriptions: usize,
}

/// What is stored for a filter.
#[derive(Debug)]
pub(super) struct Content {
    pub(super) subscribers: Subscribers,
    /// Key in `extras`, or [`NONE`].
    pub(super) extra: u32,
}

impl SubscriptionTree {
    /// An empty tree; `seed` is secret, so that clients cannot choose filters that collide.
    #[must_use]
    pub fn new(seed: u64) -> SubscriptionTree {
        SubscriptionTree {
            literals: Literals::new(seed),
            wildcards: Wildcards::new(seed ^ 2),
            lists: Lists::new(seed ^ 4),
            extras: Extras::default(),
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
        let id = self.find_or_add(filter);
        let content = content_mut(&mut self.literals, &mut self.wildcards, id);
        let replaced = content.and_then(|content| self.lists.insert(&mut content.subscribers, subscriber));
        self.subscriptions += usize::from(replaced.is_none());
        (id, replaced)
    }

    /// Ends a session's subscription to a filter.
    pub fn remove(&mut self, filter: &str, session: u32) -> Option<Subscriber> {
        self.remove_by_id(self.find(filter)?, session)
    }

    /// Ends a session's subscription to a filter; the identifier is invalid afterwards if nothing else is stored
    /// for the filter.
    pub fn remove_by_id(&mut self, filter: FilterId, session: u32) -> Option<Subscriber> {
        let content = content_mut(&mut self.literals, &mut self.wildcards, filter)?;
        let removed = self.lists.remove(&mut content.subscribers, session)?;
        self.subscriptions -= 1;
        self.prune(filter);
        Some(removed)
    }

    /// The filter's identifier, if anything is stored for it.
    #[must_use]
    pub fn find(&self, filter: &str) -> Option<FilterId> {
        if !has_wildcard(filter) {
            return self.literals.find(filter).map(FilterId);
        }
        let id = FilterId(self.wildcards.find(filter)? | WILDCARD);
        self.content(id).is_some_and(|content| !content.is_empty()).then_some(id)
    }

    /// The local subscribers of a filter, in no order.
    #[inline]
    #[must_use]
    pub fn subscribers(&self, filter: FilterId) -> &[Subscriber] {
        self.content(filter).map_or(&[], |content| self.lists.slice(&content.subscribers))
    }

    /// One session's subscription to a filter.
    #[must_use]
    pub fn subscriber(&self, filter: FilterId, session: u32) -> Option<&Subscriber> {
        self.lists.get(&self.content(filter)?.subscribers, session)
    }

    /// The filter's text; empty for an invalid identifier.
    #[must_use]
    pub fn filter_text(&self, filter: FilterId) -> String {
        let mut text = Vec::new();
        match filter.wildcard() {
            Some(node) => self.wildcards.push_text(node, &mut text),
            None => text.extend_from_slice(self.literals.text(filter.0)),
        }
        String::from_utf8(text).unwrap_or_default()
    }

    /// Stores what another shard (0 to 63) wants of a filter: `any` message, and messages of QoS 1 and 2 to be
    /// stored for a `persistent` session. Both false ends its interest.
    pub fn set_remote(&mut self, filter: &str, shard: u8, any: bool, persistent: bool) {
        let bit = 1_u64.checked_shl(u32::from(shard)).unwrap_or(0);
        let wanted = any || persistent;
        let Some(id) = (if wanted { Some(self.find_or_add(filter)) } else { self.find(filter) }) else {
            return;
        };
        self.change_extra(id, |extra| {
            extra.any = if any { extra.any | bit } else { extra.any & !bit };
            extra.kept &= extra.any;
            extra.persistent = if persistent { extra.persistent | bit } else { extra.persistent & !bit };
        });
        self.prune(id);
    }

    /// Notes whether another shard, which wants something of a filter, has a session for it that outlives its connection.
    pub fn set_remote_kept(&mut self, filter: &str, shard: u8, kept: bool) {
        let bit = 1_u64.checked_shl(u32::from(shard)).unwrap_or(0);
        let Some(id) = self.find(filter) else { return };
        self.change_extra(id, |extra| {
            extra.kept = if kept { extra.kept | (bit & extra.any) } else { extra.kept & !bit };
        });
    }

    /// Adds a shared group (section 4.8.2), by the caller's number for it, to a filter (without `$share/group/`).
    pub fn add_group(&mut self, filter: &str, group: u32) -> FilterId {
        let id = self.find_or_add(filter);
        self.change_extra(id, |extra| {
            if !extra.groups.contains(&group) {
                extra.groups.push(group);
            }
        });
        id
    }

    /// Takes a shared group from a filter; false if it was not there.
    pub fn remove_group(&mut self, filter: &str, group: u32) -> bool {
        self.find(filter).is_some_and(|id| self.remove_group_by_id(id, group))
    }

    /// Takes a shared group from a filter; false if it was not there. The identifier is invalid afterwards if
    /// nothing else is stored for the filter.
    pub fn remove_group_by_id(&mut self, filter: FilterId, group: u32) -> bool {
        let mut found = false;
        self.change_extra(filter, |extra| {
            if let Some(position) = extra.groups.iter().position(|&other| other == group) {
                extra.groups.swap_remove(position);
                found = true;
            }
        });
        if found {
            self.prune(filter);
        }
        found
    }

    #[inline]
    pub(super) fn content(&self, id: FilterId) -> Option<&Content> {
        match id.wildcard() {
            Some(node) => self.wildcards.nodes.get(node).map(|node| &node.content),
            None => self.literals.content(id.0),
        }
    }

    fn find_or_add(&mut self, filter: &str) -> FilterId {
        if has_wildcard(filter) {
            FilterId::of_wildcard(self.wildcards.find_or_add(filter))
        } else {
            FilterId::of_literal(self.literals.find_or_add(filter))
        }
    }

    /// Changes what the filter has out of line.
    fn change_extra(&mut self, id: FilterId, change: impl FnOnce(&mut Extra)) {
        if let Some(content) = content_mut(&mut self.literals, &mut self.wildcards, id) {
            content.extra = self.extras.change(content.extra, change);
        }
    }

    /// Whether a filter has shared groups.
    #[must_use]
    pub fn has_groups(&self, id: FilterId) -> bool {
        let extra = self.content(id).and_then(|content| self.extras.get(content.extra));
        extra.is_some_and(|extra| !extra.groups.is_empty())
    }

    /// What this shard wants of a filter from the others: any message, and any of QoS 1 or 2.
    #[must_use]
    pub fn interest(&self, id: FilterId) -> (bool, bool) {
        if self.has_groups(id) {
            return (true, true);
        }
        let subscribers = self.subscribers(id);
        // Long lists are not searched: a shard that is thought to store messages is only asked once too often.
        let stores =
            subscribers.len() > 64 || subscribers.iter().any(|one| one.options().qos != QoS::AtMostOnce);
        (!subscribers.is_empty(), stores)
    }

    /// Removes a filter unless anything is stored for it.
    fn prune(&mut self, id: FilterId) {
        match id.wildcard() {
            Some(node) => self.wildcards.prune(node),
            None => self.literals.prune(id.0),
        }
    }

    #[cfg(test)]
    pub(super) fn has_nothing_at_all(&self) -> bool {
        let Self { literals, wildcards, lists, extras, subscriptions } = self;
        let out_of_line = lists.is_empty() && extras.is_empty();
        literals.is_empty() && wildcards.is_empty() && out_of_line && *subscriptions == 0
    }
}

impl FilterId {
    #[inline]
    pub(super) fn of_literal(id: u32) -> FilterId {
        FilterId(id)
    }

    #[inline]
    pub(super) fn of_wildcard(node: u32) -> FilterId {
        FilterId(node | WILDCARD)
    }

    /// The node of a filter with wildcards.
    #[inline]
    fn wildcard(self) -> Option<u32> {
        (self.0 & WILDCARD != 0).then_some(self.0 & !WILDCARD)
    }
}

impl Content {
    pub(super) const EMPTY: Content = Content { subscribers: Subscribers::None, extra: NONE };

    pub(super) fn is_empty(&self) -> bool {
        self.extra == NONE && matches!(self.subscribers, Subscribers::None)
    }
}

fn content_mut<'a>(
    literals: &'a mut Literals,
    wildcards: &'a mut Wildcards,
    id: FilterId,
) -> Option<&'a mut Content> {
    match id.wildcard() {
        Some(node) => wildcards.nodes.get_mut(node).map(|node| &mut node.content),
        None => literals.content_mut(id.0),
    }
}

fn has_wildcard(filter: &str) -> bool {
    filter.bytes().any(|byte| byte == b'+' || byte == b'#')
}
