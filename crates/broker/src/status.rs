//! `$SYS` topics: what the server says of itself, under the names that mosquitto uses.

use darter_codec::{Message, QoS};
use darter_engine::Counters;
use darter_store::history::{History, HistoryReport};
use darter_store::{Keeper, Lost, Report};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// One shard's numbers, for other threads.
#[derive(Debug, Default)]
pub(crate) struct ShardStatus {
    latest: Mutex<Status>,
}

/// Numbers of a shard, or of the whole server.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Status {
    /// What the engine counted.
    pub counters: Counters,
    /// Network connections accepted.
    pub sockets: u64,
    /// Bytes read from clients.
    pub bytes_received: u64,
    /// Bytes written to clients.
    pub bytes_sent: u64,
}

impl ShardStatus {
    pub(crate) fn report(&self, status: Status) {
        *self.latest.lock().unwrap_or_else(PoisonError::into_inner) = status;
    }
}

impl Status {
    /// The sum over all shards.
    pub(crate) fn of(shards: &[Arc<ShardStatus>]) -> Self {
        let mut sum = Self::default();
        for shard in shards {
            let one = *shard.latest.lock().unwrap_or_else(PoisonError::into_inner);
            sum.sockets += one.sockets;
            sum.bytes_received += one.bytes_received;
            sum.bytes_sent += one.bytes_sent;
            sum.counters.add(&one.counters);
        }
        sum
    }
}

/// Publishes the `$SYS` topics from time to time; only what changed.
pub(crate) struct StatusTopics {
    shards: Vec<Arc<ShardStatus>>,
    keeper: Arc<dyn Keeper>,
    history: Option<Arc<History>>,
    interval: u64,
    next: u64,
    published: HashMap<&'static str, String>,
    loads: Vec<Load>,
}

/// A rate as mosquitto publishes it: an exponentially weighted mean per minute, over 1, 5 and 15 minutes.
struct Load {
    names: [&'static str; 3],
    read: fn(&Status) -> u64,
    last: u64,
    means: [f64; 3],
}

impl Load {
    fn new(names: [&'static str; 3], read: fn(&Status) -> u64) -> Self {
        Self { names, read, last: 0, means: [0.0; 3] }
    }

    fn update(&mut self, status: &Status, seconds: f64) {
        let total = (self.read)(status);
        #[expect(clippy::cast_precision_loss, reason = "a rate for people to read")]
        let per_minute = total.saturating_sub(self.last) as f64 * 60.0 / seconds;
        self.last = total;
        for (mean, minutes) in self.means.iter_mut().zip([1.0, 5.0, 15.0]) {
            let weight = (-seconds / (minutes * 60.0)).exp();
            *mean = per_minute + weight * (*mean - per_minute);
        }
    }
}

macro_rules! load_names {
    ($what:literal) => {
        [
            concat!("$SYS/broker/load/", $what, "/1min"),
            concat!("$SYS/broker/load/", $what, "/5min"),
            concat!("$SYS/broker/load/", $what, "/15min"),
        ]
    };
}

impl StatusTopics {
    /// `interval` must not be zero.
    pub(crate) fn new(
        shards: Vec<Arc<ShardStatus>>,
        keeper: Arc<dyn Keeper>,
        history: Option<Arc<History>>,
        interval: Duration,
    ) -> Self {
        let loads = vec![
            Load::new(load_names!("messages/received"), |status| status.counters.packets_received),
            Load::new(load_names!("messages/sent"), |status| status.counters.packets_sent),
            Load::new(load_names!("publish/received"), |status| status.counters.publish_received),
            Load::new(load_names!("publish/sent"), |status| status.counters.publish_sent),
            Load::new(load_names!("publish/dropped"), |status| status.counters.dropped),
            Load::new(load_names!("bytes/received"), |status| status.bytes_received),
            Load::new(load_names!("bytes/sent"), |status| status.bytes_sent),
            Load::new(load_names!("sockets"), |status| status.sockets),
            Load::new(load_names!("connections"), |status| status.counters.connections),
        ];
        let interval = u64::try_from(interval.as_millis()).unwrap_or(u64::MAX).max(1);
        Self { shards, keeper, history, interval, next: 0, published: HashMap::new(), loads }
    }

    /// When [`publish_due`](Self::publish_due) has something to do.
    pub(crate) fn next(&self) -> u64 {
        self.next
    }

    pub(crate) fn publish_due(&mut self, now: u64, uptime: u64, mut publish: impl FnMut(u64, &Message)) {
        if now < self.next {
            return;
        }
        self.next = now + self.interval;
        let status = Status::of(&self.shards);
        #[expect(clippy::cast_precision_loss, reason = "an interval in seconds")]
        let seconds = self.interval as f64 / 1000.0;
        for load in &mut self.loads {
            load.update(&status, seconds);
        }
        let rates = self.loads.iter().flat_map(|load| {
            load.names.into_iter().zip(load.means).map(|(name, mean)| (name, format!("{mean:.2}")))
        });
        let values: Vec<(&'static str, String)> = {
            let store = store_topics(&self.keeper.report());
            let history = self.history.as_ref().map(|history| history_topics(&history.report()));
            let history = history.into_iter().flatten();
            topics(&status, uptime).into_iter().chain(store).chain(history).chain(rates).collect()
        };
        for (topic, value) in values {
            if self.published.get(topic) != Some(&value) {
                publish(now, &Message::new(QoS::AtMostOnce, true, topic, [], value.as_bytes(), None));
                self.published.insert(topic, value);
            }
        }
    }
}

/// Messages not delivered, in the order of [`DropReason::ALL`](darter_engine::DropReason::ALL).
const DROPPED: [&str; 10] = [
    "$SYS/broker/publish/messages/dropped/queue-full",
    "$SYS/broker/publish/messages/dropped/slow-reader",
    "$SYS/broker/publish/messages/dropped/packet-too-large",
    "$SYS/broker/publish/messages/dropped/expired",
    "$SYS/broker/publish/messages/dropped/offline",
    "$SYS/broker/publish/messages/dropped/no-member",
    "$SYS/broker/publish/messages/dropped/session-ended",
    "$SYS/broker/publish/messages/dropped/refused",
    "$SYS/broker/publish/messages/dropped/store-full",
    "$SYS/broker/publish/messages/dropped/denied",
];

fn topics(status: &Status, uptime: u64) -> Vec<(&'static str, String)> {
    let counters = &status.counters;
    let mut topics = vec![
        ("$SYS/broker/version", concat!("darter version ", env!("CARGO_PKG_VERSION")).to_owned()),
        ("$SYS/broker/uptime", format!("{} seconds", uptime / 1000)),
    ];
    let numbers = [
        ("$SYS/broker/clients/total", counters.sessions),
        ("$SYS/broker/clients/connected", counters.connected),
        ("$SYS/broker/clients/active", counters.connected),
        ("$SYS/broker/clients/disconnected", counters.sessions.saturating_sub(counters.connected)),
        ("$SYS/broker/clients/inactive", counters.sessions.saturating_sub(counters.connected)),
        ("$SYS/broker/clients/maximum", counters.sessions_most),
        ("$SYS/broker/clients/expired", counters.expired_sessions),
        ("$SYS/broker/subscriptions/count", counters.subscriptions),
        ("$SYS/broker/shared_subscriptions/count", counters.shared_subscriptions),
        ("$SYS/broker/retained messages/count", counters.retained),
        ("$SYS/broker/messages/received", counters.packets_received),
        ("$SYS/broker/messages/sent", counters.packets_sent),
        ("$SYS/broker/messages/stored", counters.retained),
        ("$SYS/broker/store/messages/count", counters.retained),
        ("$SYS/broker/store/messages/bytes", counters.retained_bytes),
        ("$SYS/broker/publish/messages/received", counters.publish_received),
        ("$SYS/broker/publish/messages/sent", counters.publish_sent),
        ("$SYS/broker/publish/messages/dropped", counters.dropped),
        ("$SYS/broker/publish/bytes/received", counters.publish_bytes_received),
        ("$SYS/broker/publish/bytes/sent", counters.publish_bytes_sent),
        ("$SYS/broker/bytes/received", status.bytes_received),
        ("$SYS/broker/bytes/sent", status.bytes_sent),
        ("$SYS/broker/packets/bad", counters.bad_packets),
    ];
    topics.extend(numbers.map(|(topic, number)| (topic, number.to_string())));
    let dropped = DROPPED.into_iter().zip(counters.dropped_for);
    topics.extend(dropped.map(|(topic, number)| (topic, number.to_string())));
    topics
}

/// How the store is, and what it could not bring back. A store in memory has nothing to tell.
fn store_topics(report: &Report) -> Vec<(&'static str, String)> {
    if report.folder.is_none() {
        return Vec::new();
    }
    let lost = [&report.lost, &report.lost_since];
    let sum = |of: fn(&Lost) -> u64| lost.into_iter().map(of).sum::<u64>();
    let numbers = [
        ("$SYS/broker/store/queued/count", report.queued),
        ("$SYS/broker/store/disk/bytes", report.bytes),
        ("$SYS/broker/store/disk/wanted", report.live_bytes),
        ("$SYS/broker/store/disk/syncs", report.syncs),
        ("$SYS/broker/store/full", report.full.into()),
        ("$SYS/broker/store/lost/sessions", sum(|lost| lost.sessions)),
        ("$SYS/broker/store/lost/subscriptions", sum(|lost| lost.subscriptions)),
        ("$SYS/broker/store/lost/retained", sum(|lost| lost.retained)),
        ("$SYS/broker/store/lost/queued", sum(|lost| lost.queued)),
        ("$SYS/broker/store/lost/other", sum(|lost| lost.other)),
    ];
    numbers.map(|(topic, number)| (topic, number.to_string())).into()
}

/// How the history is.
fn history_topics(report: &HistoryReport) -> [(&'static str, String); 4] {
    [
        ("$SYS/broker/history/points/count", report.points),
        ("$SYS/broker/history/points/lost", report.not_kept.lost()),
        ("$SYS/broker/history/bytes", report.bytes),
        ("$SYS/broker/history/trouble", report.trouble.is_some().into()),
    ]
    .map(|(topic, number)| (topic, number.to_string()))
}
