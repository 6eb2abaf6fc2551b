//! What other threads hand to a shard's thread.

use darter_codec::ReasonCode;
use darter_engine::PeerItem;
use darter_net::Stream;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

/// One thing for a shard.
#[derive(Debug)]
pub(crate) enum Item {
    /// From another shard.
    Peer { from: u8, item: PeerItem },
    /// A connection whose client identifier belongs to the receiving shard, with the bytes read so far.
    Socket { stream: Stream, address: SocketAddr, input: Vec<u8> },
    /// Publish a message of the server itself.
    Publish(darter_codec::Message),
    /// Tell which messages were not delivered.
    Drops { answer: std::sync::mpsc::Sender<Vec<darter_engine::Drop>> },
    /// Disconnect everybody and end the thread.
    Shutdown { reason: ReasonCode },
}

/// The sending end: as many as there are threads.
#[derive(Debug, Clone)]
pub(crate) struct Inbox {
    items: Arc<Mutex<Vec<Item>>>,
    waker: Arc<mio::Waker>,
}

impl Inbox {
    pub(crate) fn new(waker: mio::Waker) -> Self {
        Self { items: Arc::default(), waker: Arc::new(waker) }
    }

    /// Hands items over, in order, and wakes the shard if it may be asleep.
    pub(crate) fn send(&self, items: &mut Vec<Item>) {
        if items.is_empty() {
            return;
        }
        let was_empty = {
            let mut inbox = self.items.lock().unwrap_or_else(PoisonError::into_inner);
            let was_empty = inbox.is_empty();
            inbox.append(items);
            was_empty
        };
        // A shard empties its inbox whole: whoever put the first item in has woken it already.
        if was_empty && let Err(error) = self.waker.wake() {
            tracing::error!(%error, "a shard cannot be woken");
        }
    }

    /// Takes everything; `into` should be empty.
    pub(crate) fn take(&self, into: &mut Vec<Item>) {
        let mut inbox = self.items.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::swap(&mut *inbox, into);
    }
}
