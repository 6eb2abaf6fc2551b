//! One persistent session: what it is subscribed to, and what it must be given.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use darter_codec::{QoS, topic};

use super::lines::{Line, Lines};
use super::retained::Snapshot;
use super::violation::Fault;
use crate::message::{Lane, MessageId, Stream};

/// A persistent session as its client knows it.
#[derive(Debug, Default)]
pub(super) struct Session {
    interest: Interest,
    subscriptions: BTreeMap<String, Subscription>,
    inboxes: BTreeMap<Stream, Inbox>,
    /// Messages that must be delivered if they are acknowledged, and have not been.
    owed: BTreeSet<MessageId>,
    /// Retained messages that come because of a SUBSCRIBE must not be older than these. The oldest SUBSCRIBE counts: what
    /// it brought may come again as long as the server does not know that it arrived.
    copies: Snapshot,
    /// Every filter that was asked for.
    asked: BTreeSet<String>,
    /// It is the members of a shared subscription together: what one of them is given none other needs, and nothing has an
    /// order.
    shared: bool,
}

/// Whether the server must have the session.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Interest {
    /// Nobody can know: no CONNACK has come yet.
    #[default]
    Unknown,
    /// It was acknowledged.
    Expected,
    /// A new one was asked for in its place.
    Excluded,
}

#[derive(Debug)]
struct Subscription {
    qos: QoS,
    standing: Standing,
}

/// Where a subscription stands in its client's eyes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// SUBSCRIBE was sent.
    Asked,
    /// SUBACK came.
    Granted,
    /// UNSUBSCRIBE was sent.
    Leaving,
}

/// What came of one stream, and what may come.
#[derive(Debug, Default)]
struct Inbox {
    /// Messages that may be delivered, with the QoS of that delivery.
    entries: BTreeMap<u64, Entry>,
    /// The highest number delivered.
    highest: u64,
    /// A connection, and the highest number delivered on it.
    here: (Line, u64),
}

#[derive(Debug)]
struct Entry {
    qos: QoS,
    /// The subscription stood before the message was sent, so its place among the others is certain.
    certain: bool,
    given: Vec<Given>,
}

/// One time that a message was handed to the client.
#[derive(Debug, Clone, Copy)]
struct Given {
    line: Line,
    /// When PUBACK was sent.
    confirmed: Option<Duration>,
}

/// A live message comes to a client.
pub(super) struct Arrival<'a> {
    pub(super) id: MessageId,
    /// The QoS it came with.
    pub(super) qos: QoS,
    /// How often it was sent.
    pub(super) sent: usize,
    /// The connection it came on.
    pub(super) line: Line,
    pub(super) lines: &'a Lines,
}

impl Session {
    /// The members of a shared subscription.
    pub(super) fn shared() -> Self {
        Self { shared: true, ..Self::default() }
    }

    /// Whether it ever asked for the messages of a topic.
    pub(super) fn asked_for(&self, topic: &str) -> bool {
        self.asked.iter().any(|filter| topic::matches(filter, topic))
    }

    /// CONNACK came. Returns what had to be expected.
    pub(super) fn connected(&mut self, present: bool) -> Interest {
        let before = self.interest;
        self.interest = Interest::Expected;
        if !present {
            self.subscriptions.clear();
            self.owed.clear();
            if before == Interest::Expected {
                self.inboxes.clear();
            }
        }
        before
    }

    pub(super) fn renewing(&mut self) {
        self.interest = Interest::Excluded;
        self.subscriptions.clear();
        self.inboxes.clear();
        self.owed.clear();
        self.copies.clear();
        self.asked.clear();
    }

    /// A message is sent to its topic for the first time.
    pub(super) fn published(&mut self, id: MessageId) {
        let Some(subscription) = matching(&self.subscriptions, id.stream) else { return };
        let certain = subscription.standing == Standing::Granted;
        let qos = subscription.qos.min(id.stream.lane.qos());
        let entry = Entry::new(qos, certain && !self.shared && id.stream.lane != Lane::Will);
        self.inboxes.entry(id.stream).or_default().entries.insert(id.sequence, entry);
        if certain {
            self.owed.insert(id);
        }
    }

    /// `open` are all messages under way: the server may see them after the SUBSCRIBE.
    pub(super) fn subscribing(
        &mut self,
        filter: &str,
        qos: QoS,
        now: &Snapshot,
        open: impl Iterator<Item = MessageId>,
    ) {
        if self.subscriptions.contains_key(filter) {
            return;
        }
        self.subscriptions.insert(filter.to_owned(), Subscription { qos, standing: Standing::Asked });
        self.asked.insert(filter.to_owned());
        for (stream, acknowledged) in now {
            if topic::matches(filter, &stream.topic()) {
                self.copies.entry(*stream).or_insert(*acknowledged);
            }
        }
        for id in open.filter(|id| topic::matches(filter, &id.stream.topic())) {
            let inbox = self.inboxes.entry(id.stream).or_default();
            let qos = qos.min(id.stream.lane.qos());
            inbox.entries.entry(id.sequence).or_insert(Entry::new(qos, false));
        }
    }

    pub(super) fn subscribed(&mut self, filter: &str) {
        if let Some(subscription) = self.subscriptions.get_mut(filter)
            && subscription.standing == Standing::Asked
        {
            subscription.standing = Standing::Granted;
        }
    }

    pub(super) fn unsubscribing(&mut self, filter: &str) {
        if let Some(subscription) = self.subscriptions.get_mut(filter) {
            subscription.standing = Standing::Leaving;
            self.owed.retain(|id| !topic::matches(filter, &id.stream.topic()));
        }
    }

    pub(super) fn unsubscribed(&mut self, filter: &str) {
        self.subscriptions.remove(filter);
    }

    /// The message need not be delivered.
    pub(super) fn excuse(&mut self, id: MessageId) {
        self.owed.remove(&id);
        self.forgive_order(id);
    }

    /// The message's place among the others is no longer certain.
    pub(super) fn forgive_order(&mut self, id: MessageId) {
        if let Some(entry) = self.entry(id) {
            entry.certain = false;
        }
    }

    /// A live message came. True when it had come before and may come again.
    pub(super) fn delivered(&mut self, arrival: &Arrival<'_>) -> Result<bool, Fault> {
        let Arrival { id, qos, sent, line, .. } = *arrival;
        self.owed.remove(&id);
        let inbox = self.inboxes.entry(id.stream).or_default();
        let highest = inbox.highest;
        let here = if inbox.here.0 == line { inbox.here.1 } else { 0 };
        let Some(entry) = inbox.entries.get_mut(&id.sequence) else { return Err(Fault::NotSubscribed(id)) };
        inbox.highest = highest.max(id.sequence);
        inbox.here = (line, here.max(id.sequence));
        let before = entry.given.len();
        let again = entry.given.iter_mut().find(|given| given.may_come_again(arrival));
        let is_repetition = again.is_some();
        let given = Given { line, confirmed: None };
        match again {
            Some(earlier) => *earlier = given,
            None => entry.given.push(given),
        }
        if entry.qos != qos {
            return Err(Fault::WrongQos { id, qos });
        }
        if before == 0 {
            let disordered = entry.certain && highest > id.sequence;
            return if disordered { Err(Fault::Disordered { id, after: highest }) } else { Ok(false) };
        }
        if qos == QoS::ExactlyOnce {
            return Err(Fault::Twice(id));
        }
        if !is_repetition && before >= sent {
            return Err(Fault::Repeated(id));
        }
        // What the publisher had to send again may be a later message to the server.
        if entry.certain && sent == 1 && here > id.sequence {
            return Err(Fault::Disordered { id, after: here });
        }
        Ok(true)
    }

    /// PUBACK was sent at `at` for a message that had come on a connection.
    pub(super) fn confirmed(&mut self, id: MessageId, line: Line, at: Duration) {
        let Some(entry) = self.entry(id) else { return };
        let open = entry.given.iter_mut().find(|given| given.line == line && given.confirmed.is_none());
        if let Some(given) = open {
            given.confirmed = Some(at);
        }
    }

    /// A retained message came because of a SUBSCRIBE.
    pub(super) fn delivered_copy(&mut self, id: MessageId) -> Result<bool, Fault> {
        let topic = id.stream.topic();
        if !self.asked_for(&topic) {
            return Err(Fault::NotSubscribed(id));
        }
        // A topic that had no message at the SUBSCRIBE may have had one by the time that the server looked.
        let acknowledged = self.copies.get(&id.stream).copied().unwrap_or(0);
        if id.sequence >= acknowledged {
            return Ok(false);
        }
        Err(Fault::Retained { topic, found: Some(id.sequence), acknowledged })
    }

    /// Messages that must be delivered once they are acknowledged.
    pub(super) fn owed(&self) -> impl Iterator<Item = MessageId> {
        self.owed.iter().copied()
    }

    /// Takes what is owed and acknowledged.
    pub(super) fn settle(&mut self, acknowledged: impl Fn(MessageId) -> bool) -> Vec<MessageId> {
        let (lost, kept) = std::mem::take(&mut self.owed).into_iter().partition(|id| acknowledged(*id));
        self.owed = kept;
        lost.into_iter().collect()
    }

    fn entry(&mut self, id: MessageId) -> Option<&mut Entry> {
        self.inboxes.get_mut(&id.stream)?.entries.get_mut(&id.sequence)
    }
}

impl Entry {
    fn new(qos: QoS, certain: bool) -> Self {
        Self { qos, certain, given: Vec::new() }
    }
}

impl Given {
    /// The server cannot know, or may have forgotten, that the client has it.
    fn may_come_again(&self, arrival: &Arrival<'_>) -> bool {
        self.line != arrival.line
            && self.confirmed.is_none_or(|at| arrival.lines.may_have_lost(self.line, at))
    }
}

/// The one subscription that matches; the laboratory's filters of one session never overlap.
fn matching(subscriptions: &BTreeMap<String, Subscription>, stream: Stream) -> Option<&Subscription> {
    let topic = stream.topic();
    subscriptions
        .iter()
        .find(|(filter, _)| topic::matches(filter, &topic))
        .map(|(_, subscription)| subscription)
}
