//! The topics that are known, and how often each may have a point.

use super::fields;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Fields of one topic that get roll-ups.
const MOST_FIELDS: usize = 16;

/// A time so far behind a topic's last point comes from a clock that was set back, not from a shard that was late.
const SET_BACK_MS: u64 = 60_000;

/// Topics by their names.
#[derive(Debug)]
pub(super) struct Topics {
    known: BTreeMap<Arc<str>, Topic>,
    interval: u64,
    most: usize,
    /// Bytes of all names, and how many there may be.
    names: usize,
    most_names: usize,
}

#[derive(Debug)]
struct Topic {
    /// The latest time at which it may have a point that is kept.
    newest: u64,
    /// The interval of its last point, if it had one in this run.
    last: Option<u64>,
    /// Its fields' series. Fields come in the order in which they were seen.
    fields: Vec<Arc<str>>,
}

impl Topics {
    /// No topic yet. Each may have one point in `interval` milliseconds, or any number if that is 0, and `most` are
    /// listed, whose names have at most `most_names` bytes together.
    pub(super) fn new(interval: u64, most: usize, most_names: usize) -> Self {
        Self { known: BTreeMap::new(), interval, most: most.max(1), names: 0, most_names }
    }

    /// Whether a point at this time comes after the topic's last one.
    ///
    /// A clock that was set back may come through the same second twice; a topic has then a point from each time.
    pub(super) fn may_have(&self, name: &str, time: u64) -> bool {
        let Some(last) = self.known.get(name).and_then(|topic| topic.last) else { return true };
        let Some(slot) = time.checked_div(self.interval) else { return true };
        slot > last || (last - slot).saturating_mul(self.interval) > SET_BACK_MS
    }

    /// Notes a point; gives the name to refer to the topic by.
    pub(super) fn note(&mut self, name: &str, time: u64) -> Arc<str> {
        let last = time.checked_div(self.interval);
        if let Some((name, _)) = self.known.get_key_value(name) {
            let name = name.clone();
            if let Some(topic) = self.known.get_mut(&name) {
                topic.newest = topic.newest.max(time);
                topic.last = last;
            }
            return name;
        }
        self.make_room(name.len());
        self.names += name.len();
        let name: Arc<str> = name.into();
        self.known.insert(name.clone(), Topic { newest: time, last, fields: Vec::new() });
        name
    }

    /// Lists a topic of an earlier run that may have points up to this time.
    pub(super) fn list(&mut self, name: &str, newest: u64) {
        if let Some(topic) = self.known.get_mut(name) {
            topic.newest = topic.newest.max(newest);
        } else if self.known.len() < self.most && self.names.saturating_add(name.len()) <= self.most_names {
            self.names += name.len();
            self.known.insert(name.into(), Topic { newest, last: None, fields: Vec::new() });
        }
    }

    /// Whether a topic's last point is not known, because it came in an earlier run.
    pub(super) fn is_new(&self, name: &str) -> bool {
        self.interval > 0 && self.known.get(name).is_none_or(|topic| topic.last.is_none())
    }

    /// Whether two points of a topic at these times are one too many.
    pub(super) fn is_same_interval(&self, one: u64, other: u64) -> bool {
        one.checked_div(self.interval).is_some_and(|slot| Some(slot) == other.checked_div(self.interval))
    }

    /// The series of a topic's field; nothing if the topic has other fields enough.
    pub(super) fn field(&mut self, topic: &str, path: &str) -> Option<Arc<str>> {
        let fields = &mut self.known.get_mut(topic)?.fields;
        let same = |series: &&Arc<str>| series.get(topic.len() + 1..) == Some(path);
        if let Some(series) = fields.iter().find(same) {
            return Some(series.clone());
        }
        if fields.len() >= MOST_FIELDS {
            return None;
        }
        let series: Arc<str> = fields::series(topic, Some(path)).into();
        // Without room it is made again each time.
        if self.names.saturating_add(series.len()) <= self.most_names {
            self.names += series.len();
            fields.push(series.clone());
        }
        Some(series)
    }

    /// The first topics that begin with `prefix`.
    pub(super) fn with_prefix(&self, prefix: &str, limit: usize) -> Vec<String> {
        let from = (std::ops::Bound::Included(prefix), std::ops::Bound::Unbounded);
        let names = self.known.range::<str, _>(from).map(|(name, _)| name);
        names.take_while(|name| name.starts_with(prefix)).take(limit).map(|name| name.to_string()).collect()
    }

    pub(super) fn len(&self) -> usize {
        self.known.len()
    }

    /// Forgets topics without points from this time on.
    pub(super) fn forget_before(&mut self, oldest: u64) {
        self.keep_those(|topic| topic.newest >= oldest);
    }

    pub(super) fn forget(&mut self, name: &str) {
        if let Some(topic) = self.known.remove(name) {
            self.names -= topic.names(name);
        }
    }

    /// An eighth of the topics, those that were quiet for the longest time, leaves the list when it is full, and again until
    /// there is room for a name of so many bytes.
    fn make_room(&mut self, name: usize) {
        while self.known.len() >= self.most
            || (self.names.saturating_add(name) > self.most_names && !self.known.is_empty())
        {
            self.drop_an_eighth();
        }
    }

    fn drop_an_eighth(&mut self) {
        let mut times: Vec<u64> = self.known.values().map(|topic| topic.newest).collect();
        let middle = (times.len() / 8).min(times.len() - 1);
        let oldest = *times.select_nth_unstable(middle).1;
        let mut leaving = middle + 1;
        self.keep_those(|topic| {
            let leaves = topic.newest <= oldest && leaving > 0;
            leaving -= usize::from(leaves);
            !leaves
        });
    }

    fn keep_those(&mut self, mut stays: impl FnMut(&Topic) -> bool) {
        let names = &mut self.names;
        self.known.retain(|name, topic| {
            let stays = stays(topic);
            *names -= if stays { 0 } else { topic.names(name) };
            stays
        });
    }
}

impl Topic {
    /// Bytes of its name and those of its fields.
    fn names(&self, name: &str) -> usize {
        name.len() + self.fields.iter().map(|field| field.len()).sum::<usize>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_a_bound_in_bytes_whatever_comes_and_goes() {
        let mut topics = Topics::new(1_000, 1_000, 2_000);
        for n in 0..500_u64 {
            let name = topics.note(&format!("{n:0>100}"), n);
            for field in ["a", "b", "c"] {
                assert!(topics.field(&name, field).is_some(), "a field has a name even when it is not noted");
            }
            topics.list(&format!("{n:0>50}"), n);
            if n % 7 == 0 {
                topics.forget(&name);
            }
            let bytes: usize = topics.known.iter().map(|(name, topic)| topic.names(name)).sum();
            assert_eq!(topics.names, bytes);
            assert!(bytes <= 2_000, "{bytes}");
        }
        topics.forget_before(u64::MAX);
        assert_eq!((topics.names, topics.len()), (0, 0));
    }
}
