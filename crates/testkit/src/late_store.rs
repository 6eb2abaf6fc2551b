//! A store that answers when the test says so, as a disk does.

use crate::disk::Disk;
use darter_codec::PacketId;
use darter_codec::record::{Batch, Change, QueueRow, SessionNumber};
use darter_store::{Answer, MemoryStore, Store};
use std::collections::VecDeque;

/// When a batch counts as committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Commits {
    /// In the turn in which it was handed in, as memory does.
    #[default]
    AtOnce,
    /// Some time later, without the test's help.
    Later,
    /// Only when the test says so.
    ByHand,
}

/// What a committed change keeps, as far as acknowledgements promise it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kept {
    /// A session exists.
    Session(SessionNumber),
    /// A session is gone.
    SessionEnded(SessionNumber),
    /// A subscription stands.
    Subscribed(SessionNumber, String),
    /// A subscription is gone.
    Unsubscribed(SessionNumber, String),
    /// A message with this topic and payload is in a session's queue.
    Queued(SessionNumber, String, Vec<u8>),
    /// A row of a queue has another state, or is gone.
    Row(SessionNumber, u64),
    /// A QoS 2 packet identifier was received.
    Incoming(SessionNumber, PacketId),
    /// A QoS 2 packet identifier was released.
    Released(SessionNumber, PacketId),
    /// A topic has this retained message, or none.
    Retained(String, Option<Vec<u8>>),
    /// A will changed.
    Will(SessionNumber),
}

impl Kept {
    fn of(change: &Change) -> Self {
        let text = |row: &QueueRow| (row.message.topic().to_owned(), row.message.payload().to_vec());
        match change {
            Change::Session { session, .. } | Change::Left { session, .. } => Self::Session(*session),
            Change::SessionEnded { session, .. } => Self::SessionEnded(*session),
            Change::Subscribed { session, filter, .. } => Self::Subscribed(*session, filter.clone()),
            Change::Unsubscribed { session, filter } => Self::Unsubscribed(*session, filter.clone()),
            Change::Queued { session, row, .. } => {
                let (topic, payload) = text(row);
                Self::Queued(*session, topic, payload)
            }
            Change::Moved { session, sequence, .. } | Change::Removed { session, sequence } => {
                Self::Row(*session, *sequence)
            }
            Change::Incoming { session, packet_id, .. } => Self::Incoming(*session, *packet_id),
            Change::IncomingReleased { session, packet_id } => Self::Released(*session, *packet_id),
            Change::Retained { message, .. } => {
                Self::Retained(message.topic().to_owned(), Some(message.payload().to_vec()))
            }
            Change::RetainedCleared { topic, .. } => Self::Retained(topic.to_string(), None),
            Change::Will { session, .. } | Change::WillCleared { session } => Self::Will(*session),
        }
    }
}

/// A [`MemoryStore`] behind which commits wait.
#[derive(Debug, Default)]
pub struct LateStore {
    inner: MemoryStore,
    commits: Commits,
    waiting: VecDeque<(u64, Vec<Change>)>,
    loads: VecDeque<Answer>,
    ready: VecDeque<Answer>,
    kept: Vec<Kept>,
    disk: Disk,
    submitted: u64,
}

impl LateStore {
    /// An empty store.
    #[must_use]
    pub fn new(commits: Commits) -> Self {
        Self { commits, ..Self::default() }
    }

    /// Changes when batches count as committed; those that wait go on waiting.
    pub fn set_commits(&mut self, commits: Commits) {
        self.commits = commits;
    }

    /// When batches count as committed.
    #[must_use]
    pub fn commits(&self) -> Commits {
        self.commits
    }

    /// Batches that wait for their commit.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Loads that wait for their answer.
    #[must_use]
    pub fn loads_waiting(&self) -> usize {
        self.loads.len()
    }

    /// Commits the oldest batch that waits. False when there is none.
    pub fn commit_one(&mut self) -> bool {
        let Some((batch, changes)) = self.waiting.pop_front() else { return false };
        self.kept.extend(changes.iter().map(Kept::of));
        for change in changes {
            self.disk.apply(change);
        }
        self.ready.push_back(Answer::Committed(batch));
        true
    }

    /// Answers the oldest load that waits. False when there is none.
    pub fn load_one(&mut self) -> bool {
        let answer = self.loads.pop_front();
        let any = answer.is_some();
        self.ready.extend(answer);
        any
    }

    /// There is no room any more, or again. What is committed meanwhile is up to the test.
    pub fn set_full(&mut self, full: bool) {
        self.ready.push_back(Answer::Full(full));
    }

    /// What a crash leaves.
    pub(crate) fn crash(self) -> Disk {
        self.disk
    }

    /// Takes over what an earlier run has left of a session.
    pub(crate) fn take_over(&mut self, session: SessionNumber, part: Disk) {
        self.inner.submit(Batch { number: 0, awaited: false }, &mut part.refill(session));
        assert!(matches!(self.inner.poll(), Some(Answer::Committed(_))), "memory answers at once");
        self.disk.merge(part);
    }

    /// Takes over what an earlier run has left beside sessions.
    pub(crate) fn take_over_rest(&mut self, rest: Disk) {
        self.disk.merge(rest);
    }

    /// Everything that was committed, in order.
    #[must_use]
    pub fn kept(&self) -> &[Kept] {
        &self.kept
    }
}

impl Store for LateStore {
    fn submit(&mut self, batch: Batch, changes: &mut Vec<Change>) {
        let number = batch.number;
        assert!(number > self.submitted, "batch {number} was submitted after {}", self.submitted);
        self.submitted = number;
        self.waiting.push_back((number, changes.clone()));
        self.inner.submit(batch, changes);
        assert!(matches!(self.inner.poll(), Some(Answer::Committed(_))), "memory answers at once");
        if self.commits == Commits::AtOnce {
            while self.commit_one() {}
        }
    }

    fn load(&mut self, session: SessionNumber, from: u64, limit: usize) {
        self.inner.load(session, from, limit);
        self.loads.extend(self.inner.poll());
        if self.commits == Commits::AtOnce {
            while self.load_one() {}
        }
    }

    fn poll(&mut self) -> Option<Answer> {
        self.ready.pop_front()
    }
}
