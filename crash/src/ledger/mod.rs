//! What clients sent, what the server acknowledged, and what it delivered: the judge of a run.
//!
//! The ledger knows no socket and no clock; the fleet tells it what happens in the order in which it happens, and how much time
//! the server had.

mod lines;
mod retained;
mod session;
#[cfg(test)]
mod tests;
mod violation;
mod wills;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use darter_codec::QoS;
use lines::Lines;
pub(crate) use retained::Snapshot;
use session::{Arrival, Interest, Session};
pub(crate) use violation::{Fault, Violation};
use wills::Wills;

use crate::message::{Lane, MessageId, Stream};

/// A run's whole history, as far as it matters to what must still happen.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    cycle: u32,
    streams: BTreeMap<Stream, Sent>,
    sessions: BTreeMap<String, Session>,
    /// The shared subscription of each client that is a member of one.
    groups: BTreeMap<String, String>,
    lines: Lines,
    wills: Wills,
    violations: Vec<Violation>,
    counts: Counts,
}

/// What a publisher did on one topic.
#[derive(Debug, Default)]
struct Sent {
    /// The highest number sent.
    last: u64,
    /// The highest number acknowledged.
    acknowledged: u64,
    /// Sent and not acknowledged.
    open: BTreeSet<u64>,
    /// The cycle in which each message was acknowledged.
    cycles: BTreeMap<u64, u32>,
    /// How often messages were sent after the first time: each time may be a message of its own to those who get it with QoS 1.
    again: BTreeMap<u64, usize>,
    late: Option<Late>,
}

/// Messages that a faulty disk held up: they may be processed behind later ones.
#[derive(Debug, Clone, Copy)]
struct Late {
    /// The lowest number among them.
    lowest: u64,
    /// The highest number among them; once all of them are acknowledged, the highest number sent by then. Whatever is sent
    /// after that and acknowledged is the newest for certain.
    last: u64,
    /// All of them are acknowledged.
    over: bool,
}

/// Sums for the summary.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Messages sent, repetitions not counted.
    pub(crate) sent: u64,
    /// QoS 1 messages acknowledged.
    pub(crate) once: u64,
    /// QoS 2 messages acknowledged (PUBREC).
    pub(crate) exactly: u64,
    /// Messages refused.
    pub(crate) refused: u64,
    /// Deliveries to persistent sessions.
    pub(crate) delivered: u64,
    /// Deliveries of QoS 1 messages that the session had had before.
    pub(crate) repeated: u64,
    /// Times that a session was asked for and there.
    pub(crate) resumed: u64,
    /// Wills that must not be lost.
    pub(crate) wills: u64,
    /// Deliveries by a shared subscription.
    pub(crate) shared: u64,
    /// Retained messages compared.
    pub(crate) retained: u64,
}

impl Counts {
    /// What never happened in a run although its verdict rests on it.
    pub(crate) fn missing(&self) -> Vec<&'static str> {
        let needed = [
            (self.once, "no QoS 1 message was acknowledged"),
            (self.exactly, "no QoS 2 message was acknowledged"),
            (self.delivered, "nothing was delivered"),
            (self.shared, "nothing was delivered by a shared subscription"),
            (self.resumed, "no session was resumed"),
            (self.retained, "no retained message was seen"),
        ];
        needed.into_iter().filter(|(count, _)| *count == 0).map(|(_, what)| what).collect()
    }
}

impl Ledger {
    /// A new cycle begins; violations are noted under its number.
    pub(crate) fn begin_cycle(&mut self, cycle: u32) {
        self.cycle = cycle;
    }

    /// A server without a fault of the disk has run for so long.
    pub(crate) fn pass(&mut self, time: Duration) {
        self.lines.clock += time;
        self.count_on_wills();
    }

    /// The name of the next message on a stream, which is sent now for the first time.
    pub(crate) fn next(&mut self, stream: Stream) -> MessageId {
        let sent = self.streams.entry(stream).or_default();
        sent.last += 1;
        sent.open.insert(sent.last);
        self.counts.sent += 1;
        let id = MessageId { stream, sequence: sent.last };
        for session in self.sessions.values_mut() {
            session.published(id);
        }
        id
    }

    /// A message is sent again.
    pub(crate) fn sent_again(&mut self, id: MessageId) {
        if let Some(sent) = self.streams.get_mut(&id.stream) {
            *sent.again.entry(id.sequence).or_default() += 1;
        }
    }

    /// PUBACK or PUBREC came: from now on the message must not be lost.
    pub(crate) fn acknowledged(&mut self, id: MessageId) {
        let Some(sent) = self.streams.get_mut(&id.stream) else { return };
        if !sent.open.remove(&id.sequence) {
            return;
        }
        sent.acknowledged = sent.acknowledged.max(id.sequence);
        match &mut sent.late {
            Some(late) if late.over && id.sequence > late.last => sent.late = None,
            Some(late) if !late.over && sent.open.range(..=late.last).next().is_none() => {
                (late.over, late.last) = (true, sent.last);
            }
            _ => {}
        }
        sent.cycles.insert(id.sequence, self.cycle);
        match id.stream.lane.qos() {
            QoS::ExactlyOnce => self.counts.exactly += 1,
            _ => self.counts.once += 1,
        }
    }

    /// The server refused a message: it may be delivered or not.
    pub(crate) fn refused(&mut self, id: MessageId) {
        if let Some(sent) = self.streams.get_mut(&id.stream)
            && sent.open.remove(&id.sequence)
        {
            self.counts.refused += 1;
            for session in self.sessions.values_mut() {
                session.excuse(id);
            }
        }
    }

    /// A fault of the disk has kept the server from answering: what is under way may arrive behind what was sent later.
    pub(crate) fn forgive_order_of_open(&mut self) {
        for (stream, sent) in &mut self.streams {
            for sequence in &sent.open {
                let id = MessageId { stream: *stream, sequence: *sequence };
                self.sessions.values_mut().for_each(|session| session.forgive_order(id));
            }
            if let (Some(lowest), Some(last)) = (sent.open.first().copied(), sent.open.last().copied()) {
                let lowest = sent.late.map_or(lowest, |late| late.lowest.min(lowest));
                sent.late = Some(Late { lowest, last, over: false });
            }
        }
    }

    /// A client begins or continues its persistent session; `present` is what CONNACK said.
    pub(crate) fn connected(&mut self, client: &str, present: bool) {
        self.lines.begin(client);
        let session = self.sessions.entry(client.to_owned()).or_default();
        let owed: Vec<MessageId> = session.owed().filter(|id| is_acknowledged(&self.streams, *id)).collect();
        match (session.connected(present), present) {
            (Interest::Expected, false) => {
                self.blame(client, Fault::SessionLost { owed: owed.len() });
                for id in owed {
                    self.blame_for_loss(client, id);
                }
            }
            (Interest::Excluded, true) => self.blame(client, Fault::SessionBack),
            (_, present) => self.counts.resumed += u64::from(present),
        }
    }

    /// A client has no connection; it may be told again and again.
    pub(crate) fn disconnected(&mut self, client: &str) {
        self.lines.end(client);
    }

    /// A client asks for a new session in place of its old one.
    pub(crate) fn renewing(&mut self, client: &str) {
        self.sessions.entry(client.to_owned()).or_default().renewing();
    }

    /// SUBSCRIBE is sent.
    pub(crate) fn subscribing(&mut self, client: &str, filter: &str, qos: QoS) {
        let snapshot = self.snapshot();
        let open = self.streams.iter().flat_map(|(stream, sent)| {
            sent.open.iter().map(|sequence| MessageId { stream: *stream, sequence: *sequence })
        });
        let session = match in_group(filter) {
            Some((group, _)) => {
                self.groups.insert(client.to_owned(), group.to_owned());
                self.sessions.entry(group.to_owned()).or_insert_with(Session::shared)
            }
            None => self.sessions.entry(client.to_owned()).or_default(),
        };
        let filter = in_group(filter).map_or(filter, |(_, filter)| filter);
        session.subscribing(filter, qos, &snapshot, open);
    }

    /// SUBACK came and granted it.
    pub(crate) fn subscribed(&mut self, client: &str, filter: &str) {
        let (owner, filter) = in_group(filter).unwrap_or((client, filter));
        self.sessions.entry(owner.to_owned()).or_default().subscribed(filter);
    }

    /// UNSUBSCRIBE is sent.
    pub(crate) fn unsubscribing(&mut self, client: &str, filter: &str) {
        self.sessions.entry(client.to_owned()).or_default().unsubscribing(filter);
    }

    /// UNSUBACK came.
    pub(crate) fn unsubscribed(&mut self, client: &str, filter: &str) {
        self.sessions.entry(client.to_owned()).or_default().unsubscribed(filter);
    }

    /// A message was handed to a persistent session's client. Gives the message if it is a live one.
    pub(crate) fn delivered(
        &mut self,
        client: &str,
        topic: &str,
        payload: &[u8],
        qos: QoS,
        retain: bool,
    ) -> Option<MessageId> {
        let Some(id) = self.identify(topic, payload) else {
            self.blame(client, never_sent(topic, payload));
            return None;
        };
        let again = self.streams.get(&id.stream).and_then(|sent| sent.again.get(&id.sequence));
        let sent = 1 + again.copied().unwrap_or(0);
        let owner = self.owner(client, topic).to_owned();
        self.counts.delivered += 1;
        self.counts.shared += u64::from(owner != client);
        if id.stream.lane == Lane::Will {
            self.judge_will(client, id);
        }
        let session = self.sessions.entry(owner).or_default();
        let arrival = Arrival { id, qos, sent, line: self.lines.of(client), lines: &self.lines };
        let judged = if retain { session.delivered_copy(id) } else { session.delivered(&arrival) };
        match judged {
            Ok(repeated) => self.counts.repeated += u64::from(repeated),
            Err(fault) => self.blame(client, fault),
        }
        (!retain).then_some(id)
    }

    /// A client has sent PUBACK for a live message to a server that runs.
    pub(crate) fn confirmed(&mut self, client: &str, id: MessageId) {
        let (line, at) = (self.lines.of(client), self.lines.clock);
        let owner = self.owner(client, &id.stream.topic()).to_owned();
        if let Some(session) = self.sessions.get_mut(&owner) {
            session.confirmed(id, line, at);
        }
    }

    /// Whose message on a topic it is that comes to a client: its own, or that of the shared subscription it is a member of.
    fn owner<'a>(&'a self, client: &'a str, topic: &str) -> &'a str {
        let group = self.groups.get(client).map(String::as_str);
        let asked = |group: &&str| self.sessions.get(*group).is_some_and(|session| session.asked_for(topic));
        group.filter(asked).unwrap_or(client)
    }

    /// Whether every acknowledged message has reached everybody it must reach.
    pub(crate) fn is_settled(&self) -> bool {
        self.sessions.keys().all(|client| self.owed(client) == 0)
    }

    /// Acknowledged messages that a session has not been given.
    pub(crate) fn owed(&self, client: &str) -> usize {
        let owed = self.sessions.get(client).into_iter().flat_map(Session::owed);
        owed.filter(|id| is_acknowledged(&self.streams, *id)).count()
    }

    /// The same of all sessions.
    pub(crate) fn owed_in_all(&self) -> usize {
        self.sessions.keys().map(|client| self.owed(client)).sum()
    }

    /// Everybody has drained: whatever is owed now is lost.
    pub(crate) fn settle(&mut self) {
        let mut lost = Vec::new();
        for (client, session) in &mut self.sessions {
            for id in session.settle(|id| is_acknowledged(&self.streams, id)) {
                lost.push((client.clone(), id));
            }
        }
        for (client, id) in lost {
            self.blame_for_loss(&client, id);
        }
    }

    fn blame_for_loss(&mut self, client: &str, id: MessageId) {
        let cycle = self.streams.get(&id.stream).and_then(|sent| sent.cycles.get(&id.sequence));
        let acknowledged = cycle.copied().unwrap_or(0);
        self.blame(client, Fault::Lost { id, acknowledged });
    }

    /// Notes a violation.
    pub(crate) fn blame(&mut self, client: &str, fault: Fault) {
        self.violations.push(Violation { cycle: self.cycle, client: client.to_owned(), fault });
    }

    /// Everything that went wrong so far.
    pub(crate) fn violations(&self) -> &[Violation] {
        &self.violations
    }

    /// Sums so far.
    pub(crate) fn counts(&self) -> Counts {
        self.counts
    }

    /// The message that these bytes are, when it was really sent.
    fn identify(&self, topic: &str, payload: &[u8]) -> Option<MessageId> {
        let stream = Stream::of_topic(topic)?;
        let id = MessageId::of_payload(stream, payload)?;
        self.streams.get(&stream).is_some_and(|sent| id.sequence <= sent.last).then_some(id)
    }
}

impl Sent {
    fn is_acknowledged(&self, sequence: u64) -> bool {
        self.cycles.contains_key(&sequence)
    }

    /// A retained message of this topic is this one or a later one.
    fn newest(&self) -> u64 {
        self.late.map_or(self.acknowledged, |late| late.lowest.min(self.acknowledged))
    }
}

/// Share name and filter of a shared subscription.
fn in_group(filter: &str) -> Option<(&str, &str)> {
    filter.strip_prefix("$share/")?.split_once('/')
}

fn is_acknowledged(streams: &BTreeMap<Stream, Sent>, id: MessageId) -> bool {
    streams.get(&id.stream).is_some_and(|sent| sent.is_acknowledged(id.sequence))
}

fn never_sent(topic: &str, payload: &[u8]) -> Fault {
    let start = payload.get(..40).unwrap_or(payload);
    Fault::NeverSent { topic: topic.to_owned(), payload: String::from_utf8_lossy(start).into_owned() }
}
