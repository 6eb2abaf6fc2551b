//! What is written together: the batches of all shards that came while the disk was busy.

use super::entry::{Body, Entry, Row};
use super::journal::Journal;
use darter_codec::record::{Change, KeptWill, QueueRow, SessionNumber};
use darter_codec::{Message, QoS};
use std::collections::HashMap;

/// Changes in order. A message that was acknowledged by its receiver before it was written is not written at all.
#[derive(Debug, Default)]
pub(super) struct Group {
    changes: Vec<Option<Change>>,
    /// Where QoS 1 messages of this group stand in it.
    fresh: HashMap<(SessionNumber, u64), usize>,
    /// Bytes of the messages in it.
    bytes: usize,
}

impl Group {
    pub(super) fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.changes.len()
    }

    /// Bytes of the messages in it, about.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn add(&mut self, change: Change) {
        self.bytes += size(&change);
        match &change {
            Change::Queued { session, sequence, row, .. } if row.qos == QoS::AtLeastOnce => {
                self.fresh.insert((*session, *sequence), self.changes.len());
            }
            Change::Removed { session, sequence } => {
                if let Some(index) = self.fresh.remove(&(*session, *sequence)) {
                    self.changes[index] = None;
                    return;
                }
            }
            Change::Moved { session, sequence, state } => {
                if let Some(index) = self.fresh.get(&(*session, *sequence))
                    && let Some(Change::Queued { row, .. }) = &mut self.changes[*index]
                {
                    row.state = *state;
                    return;
                }
            }
            _ => {}
        }
        self.changes.push(Some(change));
    }

    /// Appends everything to the log.
    pub(super) fn write(&mut self, journal: &mut Journal) {
        self.fresh.clear();
        self.bytes = 0;
        let mut changes = self.changes.drain(..).flatten().peekable();
        // The message that several rows share, and the number of its body.
        let mut shared: Option<(Message, u64)> = None;
        let mut removed: Option<(SessionNumber, u64, u32)> = None;
        while let Some(change) = changes.next() {
            if !matches!(change, Change::Queued { .. }) {
                // The body may go with the last of its rows.
                shared = None;
            }
            if let Change::Removed { session, sequence } = change {
                match &mut removed {
                    Some((one, first, count))
                        if *one == session && *first + u64::from(*count) == sequence =>
                    {
                        *count += 1;
                    }
                    _ => {
                        write_removed(journal, removed.replace((session, sequence, 1)));
                    }
                }
                continue;
            }
            write_removed(journal, removed.take());
            match change {
                Change::Queued { session, sequence, row, .. } => {
                    let known = shared.as_ref().filter(|(message, _)| is_same(message, &row.message));
                    let mut number = known.map(|(_, number)| *number);
                    let more = matches!(changes.peek(), Some(Change::Queued { row: next, .. }) if is_same(&row.message, &next.message));
                    if number.is_none() && more {
                        number = Some(write_body(journal, &row.message));
                    }
                    if let Some(number) = number {
                        shared = Some((row.message.clone(), number));
                    }
                    write_row(journal, (session, sequence), &row, number);
                }
                other => write_other(journal, &other),
            }
        }
        write_removed(journal, removed);
    }
}

/// Bytes of the message that a change brings.
pub(super) fn size(change: &Change) -> usize {
    match change {
        Change::Queued { row, .. } => row.message.size(),
        Change::Retained { message, .. } => message.size(),
        Change::Will { will, .. } => will.message.size(),
        _ => 0,
    }
}

/// Whether two messages are one in memory; equal ones that came apart are none of ours to join.
fn is_same(a: &Message, b: &Message) -> bool {
    std::ptr::eq(a.as_bytes().as_ptr(), b.as_bytes().as_ptr()) && a.size() == b.size()
}

fn write_body(journal: &mut Journal, message: &Message) -> u64 {
    let number = journal.next_body;
    journal.next_body += 1;
    journal.append(&Entry::Body { number, message: message.as_bytes() });
    number
}

fn write_row(
    journal: &mut Journal,
    (session, sequence): (SessionNumber, u64),
    row: &QueueRow,
    body: Option<u64>,
) {
    let identifiers: Vec<u8> = row.identifiers().iter().flat_map(|id| id.to_le_bytes()).collect();
    let origin = row.origin.as_deref();
    let group = origin.and_then(|origin| origin.group.as_deref());
    let publication = origin.and_then(|origin| origin.publication);
    let here = Body::Here(row.message.as_bytes());
    let body = body.map_or(here, |number| Body::Shared { number, weight: here.weight() });
    let QueueRow { qos, retain, state, .. } = *row;
    journal.append(&Entry::Row(Row {
        session,
        sequence,
        state,
        qos,
        retain,
        group,
        publication,
        identifiers: &identifiers,
        body,
    }));
}

fn write_removed(journal: &mut Journal, removed: Option<(SessionNumber, u64, u32)>) {
    let Some((session, sequence, count)) = removed else { return };
    let Some(places) = journal.index.sessions.get(&session) else { return };
    let mut sequences = sequence..sequence + u64::from(count);
    if sequences.any(|sequence| places.queue.row(sequence).is_some()) {
        journal.append(&Entry::Removed { session, sequence, count });
    }
}

/// Everything but rows that come and go. What says nothing new is not written.
fn write_other(journal: &mut Journal, change: &Change) {
    let known = |session: SessionNumber| journal.index.sessions.get(&session);
    let entry = match change {
        Change::Session { session, client, user, expiry } => {
            Entry::Session { session: *session, expiry: *expiry, client, user: user.as_deref() }
        }
        Change::Left { session, left } => Entry::Left { session: *session, left: *left },
        Change::SessionEnded { session, .. } if known(*session).is_some() => {
            Entry::SessionEnded { session: *session }
        }
        Change::Subscribed { session, filter, options, identifier } => {
            Entry::Subscribed { session: *session, options: *options, identifier: *identifier, filter }
        }
        Change::Unsubscribed { session, filter } => Entry::Unsubscribed { session: *session, filter },
        Change::Moved { session, sequence, state }
            if known(*session).is_some_and(|places| places.queue.row(*sequence).is_some()) =>
        {
            Entry::Moved { session: *session, sequence: *sequence, state: *state }
        }
        Change::Incoming { session, packet_id, spread } => {
            Entry::Incoming { session: *session, packet_id: *packet_id, spread: *spread }
        }
        Change::IncomingReleased { session, packet_id } => {
            Entry::IncomingReleased { session: *session, packet_id: *packet_id }
        }
        Change::Retained { message, stamp } => return journal.retain(*stamp, message),
        Change::RetainedCleared { topic, stamp } => return journal.clear_retained(*stamp, topic),
        Change::Will { session, will } => {
            let KeptWill { client, message, delay, expiry } = will;
            Entry::Will {
                session: *session,
                delay: *delay,
                expiry: *expiry,
                client,
                message: message.as_bytes(),
            }
        }
        Change::WillCleared { session } if known(*session).is_some_and(|places| places.will.is_some()) => {
            Entry::WillCleared { session: *session }
        }
        Change::SessionEnded { .. }
        | Change::Moved { .. }
        | Change::WillCleared { .. }
        | Change::Queued { .. }
        | Change::Removed { .. } => return,
    };
    journal.append(&entry);
}
