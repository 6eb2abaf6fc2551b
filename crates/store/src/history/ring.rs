//! A history in memory: the newest points of all topics, up to a number of bytes.

use super::options::HistoryOptions;
use super::report::{Counters, HistoryReport, count};
use super::sample::Point;
use super::topics::Topics;
use darter_codec::Message;
use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;
use std::sync::Arc;

/// What a point takes beside its message: two queues' entries.
const POINT_OVERHEAD: usize = 96;

/// Points by topic, and the order in which they came.
#[derive(Debug)]
pub(super) struct Ring {
    topics: Topics,
    points: BTreeMap<Arc<str>, VecDeque<(u64, Message)>>,
    order: VecDeque<Arc<str>>,
    bytes: usize,
    cap: usize,
    most_topics: usize,
}

impl Ring {
    pub(super) fn new(options: &HistoryOptions) -> Self {
        // The ring forgets topics itself, when their last point goes; points count with their names.
        let topics = Topics::new(options.interval_ms, usize::MAX, usize::MAX);
        let (points, order) = (BTreeMap::new(), VecDeque::new());
        Self { topics, points, order, bytes: 0, cap: options.memory_cap, most_topics: options.max_topics }
    }

    pub(super) fn keep(&mut self, time: u64, message: Message, counters: &Counters) {
        let topic = message.topic();
        if !self.topics.may_have(topic, time) {
            return count(&counters.too_often, 1);
        }
        if !self.points.contains_key(topic) && self.points.len() >= self.most_topics {
            return count(&counters.too_many_topics, 1);
        }
        let name = self.topics.note(topic, time);
        self.bytes += cost(&message);
        self.order.push_back(name.clone());
        self.points.entry(name).or_default().push_back((time, message));
        while self.bytes > self.cap {
            let Some(name) = self.order.pop_front() else { break };
            let Some(points) = self.points.get_mut(&name) else { continue };
            if let Some((_, message)) = points.pop_front() {
                self.bytes -= cost(&message);
                count(&counters.over_cap, 1);
            }
            if points.is_empty() {
                self.points.remove(&name);
                self.topics.forget(&name);
            }
        }
    }

    /// A topic's points with times in `range`, in the order of their times.
    pub(super) fn range(&self, topic: &str, range: &Range<u64>) -> Vec<Point> {
        let points = self.points.get(topic).into_iter().flatten();
        let mut found: Vec<Point> = points
            .filter(|(time, _)| range.contains(time))
            .map(|(time, message)| point(*time, message))
            .collect();
        found.sort_by_key(|point| point.time_ms);
        found
    }

    pub(super) fn with_prefix(&self, prefix: &str, limit: usize) -> Vec<String> {
        self.topics.with_prefix(prefix, limit)
    }

    pub(super) fn report(&self) -> HistoryReport {
        let times = self.points.values().flatten().map(|(time, _)| *time);
        HistoryReport {
            points: self.order.len() as u64,
            topics: self.points.len() as u64,
            bytes: self.bytes as u64,
            oldest: times.min(),
            ..HistoryReport::default()
        }
    }
}

fn cost(message: &Message) -> usize {
    message.size() + POINT_OVERHEAD
}

fn point(time_ms: u64, message: &Message) -> Point {
    Point { time_ms, payload: message.payload_bytes(), qos: message.qos(), retain: message.retain() }
}
