//! What other threads hand to a shard's thread.

use crate::entrance::Entry;
use darter_codec::ReasonCode;
use darter_engine::access::Policy;
use darter_engine::{LinkId, PeerItem, SessionSeen, Verdict};
use darter_net::{Peer, Stream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Wake, Waker};

/// One thing for a shard.
#[derive(Debug)]
pub(crate) enum Item {
    /// From another shard.
    Peer { from: u8, item: PeerItem },
    /// A connection whose client identifier belongs to the receiving shard, with the bytes read so far.
    Socket { stream: Stream, entry: Entry, input: Vec<u8> },
    /// What was found out about a client that waits to be let in.
    Verdict { link: LinkId, verdict: Verdict },
    /// Publish a message of the server itself.
    Publish(darter_codec::Message),
    /// Tell which messages were not delivered.
    Drops { answer: std::sync::mpsc::Sender<Vec<darter_engine::Drop>> },
    /// Tell of some sessions, as [`Shard::sessions`](darter_engine::Shard::sessions) does, with their clients' addresses.
    Sessions { prefix: Arc<str>, from: usize, answer: std::sync::mpsc::Sender<Seen> },
    /// Take other rules.
    Policy(Arc<Policy>),
    /// Follow a client's packets.
    Trace(crate::trace::Trace),
    /// Disconnect everybody and end the thread.
    Shutdown { reason: ReasonCode },
}

/// Some of a shard's sessions, each with its client's address, and where to look on.
pub(crate) type Seen = (Vec<(SessionSeen, Option<Peer>)>, Option<usize>);

impl Item {
    /// Bytes of messages in it.
    fn size(&self) -> usize {
        match self {
            Self::Peer { item, .. } => item.size(),
            _ => 0,
        }
    }
}

/// Bytes of messages that may be under way to a shard before the others stop reading from their clients.
const UNDER_WAY: usize = 1024 * 1024;

/// The sending end: as many as there are threads.
#[derive(Debug, Clone)]
pub(crate) struct Inbox {
    contents: Arc<Mutex<Contents>>,
    /// Bytes of messages that were handed over and not yet worked off.
    under_way: Arc<AtomicUsize>,
    waker: Arc<mio::Waker>,
}

#[derive(Debug, Default)]
struct Contents {
    items: Vec<Item>,
    /// Nobody takes anything out any more.
    closed: bool,
}

/// Wakes a shard for its store.
struct Bell(Arc<mio::Waker>);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        ring(&self.0);
    }
}

fn ring(waker: &mio::Waker) {
    if let Err(error) = waker.wake() {
        tracing::error!(%error, "a shard cannot be woken");
    }
}

impl Inbox {
    pub(crate) fn new(waker: mio::Waker) -> Self {
        Self { contents: Arc::default(), under_way: Arc::default(), waker: Arc::new(waker) }
    }

    /// Hands items over, in order, and wakes the shard if it may be asleep. A closed inbox takes them and drops them.
    pub(crate) fn send(&self, items: &mut Vec<Item>) {
        if items.is_empty() {
            return;
        }
        let was_empty = {
            let mut inbox = self.lock();
            if inbox.closed {
                items.clear();
                return;
            }
            self.under_way.fetch_add(items.iter().map(Item::size).sum(), Ordering::Relaxed);
            let was_empty = inbox.items.is_empty();
            inbox.items.append(items);
            was_empty
        };
        // A shard empties its inbox whole: whoever put the first item in has woken it already.
        if was_empty {
            ring(&self.waker);
        }
    }

    /// Too much is under way: what causes more of it should wait.
    pub(crate) fn is_full(&self) -> bool {
        self.under_way.load(Ordering::Relaxed) > UNDER_WAY
    }

    /// An item that was taken is about to be worked off; gives its size.
    pub(crate) fn begin(&self, item: &Item) -> usize {
        let size = item.size();
        self.under_way.fetch_sub(size, Ordering::Relaxed);
        size
    }

    /// Takes everything; `into` should be empty, and its memory is used for what comes next.
    pub(crate) fn take(&self, into: &mut Vec<Item>) {
        std::mem::swap(&mut self.lock().items, into);
    }

    /// Drops everything, now and from now on: the shard has ended.
    pub(crate) fn close(&self) {
        let mut inbox = self.lock();
        inbox.closed = true;
        let items = std::mem::take(&mut inbox.items);
        // Dropping an item may do anything; not under the lock.
        drop(inbox);
        drop(items);
    }

    /// Makes the shard look at its store.
    pub(crate) fn store_waker(&self) -> Waker {
        Arc::new(Bell(self.waker.clone())).into()
    }

    fn lock(&self) -> MutexGuard<'_, Contents> {
        self.contents.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
