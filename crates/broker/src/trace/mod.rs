//! Following one client's packets while they come and go.
//!
//! A follower names a client. Every shard is told; the one that serves the client gives its connection a [`Tracer`], and so
//! it does whenever the client comes again. What a tracer sees becomes lines in a bounded queue, of which the follower takes as
//! many as it can read; what it misses is counted. Passwords and authentication data are never in a line.

mod cutter;
mod line;

use cutter::Cutter;
use darter_codec::{Connect, Version};
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;

/// Lines that wait for a follower.
const WAITING: usize = 1024;

/// What a follower has: the lines that tell of its client. Dropping it ends the following.
pub struct Following {
    lines: Arc<Lines>,
}

/// What the shards have.
#[derive(Debug, Clone)]
pub(crate) struct Trace {
    client: Arc<str>,
    lines: Arc<Lines>,
}

struct Lines {
    waiting: Mutex<Waiting>,
    waker: Waker,
    /// Nobody reads any more.
    ended: AtomicBool,
}

#[derive(Debug, Default)]
struct Waiting {
    lines: VecDeque<Value>,
    missed: u64,
}

/// Begins to follow a client. `waker` is woken when there are lines.
pub(crate) fn follow(client: Arc<str>, waker: Waker) -> (Trace, Following) {
    let lines = Arc::new(Lines { waiting: Mutex::default(), waker, ended: AtomicBool::new(false) });
    (Trace { client, lines: lines.clone() }, Following { lines })
}

impl Following {
    /// The next line, if there is one now.
    pub fn next_line(&mut self) -> Option<Value> {
        let mut waiting = self.lines.lock();
        if waiting.lines.is_empty() && waiting.missed > 0 {
            return Some(json!({ "missed": std::mem::take(&mut waiting.missed) }));
        }
        waiting.lines.pop_front()
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        self.lines.ended.store(true, Ordering::Relaxed);
    }
}

impl fmt::Debug for Following {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Following").finish_non_exhaustive()
    }
}

impl Lines {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, line: &Value) {
        let mut waiting = self.lock();
        if waiting.lines.len() < WAITING && waiting.missed == 0 {
            waiting.lines.push_back(line.clone());
        } else {
            waiting.missed += 1;
        }
        drop(waiting);
        self.waker.wake_by_ref();
    }
}

impl fmt::Debug for Lines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lines").finish_non_exhaustive()
    }
}

impl Trace {
    /// Whose packets are wanted.
    pub(crate) fn client(&self) -> &str {
        &self.client
    }

    /// Whether somebody still reads.
    pub(crate) fn is_wanted(&self) -> bool {
        !self.lines.ended.load(Ordering::Relaxed)
    }
}

/// Looks at what one connection receives and sends.
#[derive(Debug)]
pub(crate) struct Tracer {
    followers: Vec<Trace>,
    version: Version,
    received: Cutter,
    sent: Cutter,
    /// The output was empty once since it is looked at, so that a packet begins with its next byte.
    is_aligned: bool,
}

impl Tracer {
    /// For a connection whose next received byte begins a packet.
    pub(crate) fn new(version: Version) -> Self {
        Self {
            followers: Vec::new(),
            version,
            received: Cutter::default(),
            sent: Cutter::default(),
            is_aligned: false,
        }
    }

    pub(crate) fn add(&mut self, trace: Trace) {
        self.followers.push(trace);
    }

    /// Whether somebody still reads.
    pub(crate) fn is_wanted(&mut self) -> bool {
        self.followers.retain(Trace::is_wanted);
        !self.followers.is_empty()
    }

    /// The CONNECT that the connection began with.
    pub(crate) fn connect(&self, connect: &Connect) {
        self.tell(&line::connect(connect));
    }

    /// Whole packets from the client.
    pub(crate) fn received(&mut self, bytes: &[u8]) {
        let (followers, version) = (&self.followers, self.version);
        self.received
            .cut(bytes, |packet| tell(followers, &line::packet(line::From::Client, version, &packet)));
    }

    /// Bytes to the client, in any pieces.
    pub(crate) fn sent(&mut self, bytes: &[u8]) {
        if self.is_aligned {
            let (followers, version) = (&self.followers, self.version);
            self.sent
                .cut(bytes, |packet| tell(followers, &line::packet(line::From::Server, version, &packet)));
        }
    }

    /// Everything was sent: what comes next begins a packet.
    pub(crate) fn all_sent(&mut self) {
        self.is_aligned = true;
    }

    /// Something else happened to the connection, in words.
    pub(crate) fn happened(&self, what: &str) {
        self.tell(&line::event(what));
    }

    fn tell(&self, line: &Value) {
        tell(&self.followers, line);
    }
}

fn tell(followers: &[Trace], line: &Value) {
    for follower in followers {
        follower.lines.push(line);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use darter_codec::packet::{PING_REQ, PING_RESP};

    fn traced() -> (Tracer, Following) {
        let (trace, following) = follow("c".into(), Waker::noop().clone());
        let mut tracer = Tracer::new(Version::V311);
        tracer.add(trace);
        (tracer, following)
    }

    #[test]
    fn packets_of_both_directions_become_lines() {
        let (mut tracer, mut following) = traced();
        tracer.received(&PING_REQ);
        tracer.sent(&[1, 2, 3]);
        tracer.all_sent();
        tracer.sent(&PING_RESP[..1]);
        tracer.sent(&PING_RESP[1..]);
        tracer.happened("gone");
        let lines: Vec<_> = std::iter::from_fn(|| following.next_line()).collect();
        assert_eq!((&lines[0]["from"], &lines[0]["packet"]), (&json!("client"), &json!("PINGREQ")));
        assert_eq!((&lines[1]["from"], &lines[1]["packet"]), (&json!("server"), &json!("PINGRESP")));
        assert_eq!((lines.len(), &lines[2]["event"]), (3, &json!("gone")));
    }

    #[test]
    fn a_follower_who_does_not_read_costs_little_and_is_told_what_it_missed() {
        let (mut tracer, mut following) = traced();
        for _ in 0..WAITING + 10 {
            tracer.received(&PING_REQ);
        }
        let lines: Vec<_> = std::iter::from_fn(|| following.next_line()).collect();
        assert_eq!((lines.len(), &lines[WAITING]), (WAITING + 1, &json!({ "missed": 10 })));
        tracer.received(&PING_REQ);
        assert!(following.next_line().is_some(), "it goes on");
        drop(following);
        assert!(!tracer.is_wanted());
    }
}
