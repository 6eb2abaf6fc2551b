//! The store of one shard: what must survive goes to the writer's thread, the rest stays in memory here.

use super::group::size;
use super::outlet::Outlet;
use super::shared::Shared;
use super::writer::Job;
use crate::{Answer, MemoryStore, Store};
use darter_codec::record::{Batch, Change, SessionNumber};
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::task::Waker;

/// A shard's end of the log.
#[derive(Debug)]
pub(super) struct LogStore {
    shard: usize,
    jobs: Sender<Job>,
    outlet: Arc<Outlet>,
    shared: Arc<Shared>,
    /// Rows of sessions that end with their connection, and of topics that are kept in memory only.
    memory: MemoryStore,
    answers: VecDeque<Answer>,
    arrived: VecDeque<Answer>,
    /// Pages asked for, to be completed with rows in memory.
    asked: VecDeque<(SessionNumber, u64, usize)>,
    /// The last batch that the writer will answer, and the last that waits for nothing but that answer.
    awaited: Option<u64>,
    behind: u64,
}

impl LogStore {
    pub(super) fn new(shard: usize, jobs: Sender<Job>, outlet: Arc<Outlet>, shared: Arc<Shared>) -> Self {
        Self {
            shard,
            jobs,
            outlet,
            shared,
            memory: MemoryStore::new(),
            answers: VecDeque::new(),
            arrived: VecDeque::new(),
            asked: VecDeque::new(),
            awaited: None,
            behind: 0,
        }
    }

    /// Applies what needs no disk, and leaves the rest.
    fn keep_in_memory(&mut self, changes: &mut Vec<Change>) {
        let mut rest = Vec::new();
        for change in changes.drain(..) {
            let here = match &change {
                Change::Queued { durable, .. } => !*durable,
                Change::Moved { session, sequence, .. } | Change::Removed { session, sequence } => {
                    self.memory.holds(*session, *sequence)
                }
                Change::SessionEnded { session, .. } => {
                    self.memory.forget(*session);
                    false
                }
                _ => false,
            };
            if here {
                self.memory.apply(change);
            } else {
                rest.push(change);
            }
        }
        *changes = rest;
    }

    fn ask(&self, job: Job) {
        // The writer ends after every store; if it is gone all the same, nothing is acknowledged any more.
        let _ = self.jobs.send(job);
    }

    fn complete(&mut self, answer: Answer) -> Answer {
        match answer {
            // Also when it is for a later batch, which nobody awaits.
            Answer::Committed(batch) if self.awaited.is_some_and(|awaited| awaited <= batch) => {
                self.awaited = None;
                Answer::Committed(batch.max(self.behind))
            }
            Answer::Loaded { session, rows, through } => match self.asked.pop_front() {
                Some((_, from, limit)) => self.merge(session, (from, limit), rows, through),
                None => Answer::Loaded { session, rows, through },
            },
            other => other,
        }
    }

    /// Puts rows in memory between those of the disk.
    fn merge(
        &self,
        session: SessionNumber,
        (from, limit): (u64, usize),
        mut rows: Vec<(u64, darter_codec::record::QueueRow)>,
        through: u64,
    ) -> Answer {
        let (here, through_here) = self.memory.page(session, from, limit);
        if here.is_empty() {
            return Answer::Loaded { session, rows, through };
        }
        rows.extend(here);
        rows.sort_by_key(|(sequence, _)| *sequence);
        let mut through = through.min(through_here);
        if rows.len() > limit
            && let Some((first_left, _)) = rows.get(limit)
        {
            through = through.min(*first_left);
        }
        rows.retain(|(sequence, _)| *sequence < through);
        Answer::Loaded { session, rows, through }
    }
}

impl Store for LogStore {
    fn start(&mut self, waker: Waker) {
        self.outlet.set_waker(waker);
    }

    fn submit(&mut self, batch: Batch, changes: &mut Vec<Change>) {
        self.keep_in_memory(changes);
        if !changes.is_empty() {
            if batch.awaited {
                self.awaited = Some(batch.number);
            }
            let bytes = changes.iter().map(size).sum();
            self.shared.submitted(bytes);
            self.ask(Job::Submit { shard: self.shard, batch, changes: std::mem::take(changes), bytes });
        } else if batch.awaited && self.awaited.is_none() {
            self.answers.push_back(Answer::Committed(batch.number));
        } else if batch.awaited {
            self.behind = batch.number;
        }
    }

    fn load(&mut self, session: SessionNumber, from: u64, limit: usize) {
        self.asked.push_back((session, from, limit));
        self.ask(Job::Load { shard: self.shard, session, from, limit });
    }

    fn is_behind(&self) -> bool {
        self.shared.is_behind()
    }

    fn poll(&mut self) -> Option<Answer> {
        if let Some(answer) = self.answers.pop_front() {
            return Some(answer);
        }
        if self.arrived.is_empty() {
            self.outlet.take(&mut self.arrived);
        }
        let answer = self.arrived.pop_front()?;
        Some(self.complete(answer))
    }
}
