//! Reading rows of queues: neighbours in the log are read at once.

use super::entry::{Body, Entry, Row};
use super::frame::{Checksum, record_at};
use super::index::{Place, RowPlace};
use super::journal::Journal;
use bytes::Bytes;
use darter_codec::Message;
use darter_codec::record::{Origin, QueueRow, SessionNumber};
use std::io;

/// Bytes between two records that are read and thrown away rather than asked for apart.
const GAP: u64 = 16 * 1024;
/// Most bytes read at once, unless one record is larger.
const RUN: u64 = 1024 * 1024;

/// A page of a queue.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) rows: Vec<(u64, QueueRow)>,
    /// The sequence after the last one looked at.
    pub(super) through: u64,
    /// Sequences of rows that cannot be read.
    pub(super) unreadable: Vec<u64>,
}

/// Bytes of a segment that were read.
struct Run {
    segment: u32,
    start: u64,
    bytes: Vec<u8>,
}

impl Run {
    fn part(&self, place: Place) -> Option<&[u8]> {
        if place.segment != self.segment {
            return None;
        }
        let start = usize::try_from(u64::from(place.offset).checked_sub(self.start)?).ok()?;
        self.bytes.get(start..start + place.size as usize)
    }
}

impl Journal {
    /// At most `limit` rows of a session's queue, from sequence `from` on.
    pub(super) fn page(&self, checksum: Checksum, session: SessionNumber, from: u64, limit: usize) -> Page {
        let nothing = Page { rows: Vec::new(), through: u64::MAX, unreadable: Vec::new() };
        let Some(places) = self.index.sessions.get(&session) else { return nothing };
        if places.queue.is_empty() {
            return nothing;
        }
        let (found, through) = places.queue.page(from, limit);
        let mut page = Page { rows: Vec::with_capacity(found.len()), through, unreadable: Vec::new() };
        let mut run = Run { segment: 0, start: 0, bytes: Vec::new() };
        let mut shared: Option<(u64, Message)> = None;
        for (index, (sequence, row)) in found.iter().enumerate() {
            let unsynced = self.unsynced_part(row.place);
            if unsynced.is_none() && run.part(row.place).is_none() {
                // An error shows as bytes that are not there.
                run =
                    self.read_run(&found[index..]).unwrap_or(Run { segment: 0, start: 0, bytes: Vec::new() });
            }
            let bytes = unsynced.or_else(|| run.part(row.place));
            let read = bytes.and_then(|bytes| self.queue_row(checksum, bytes, &mut shared));
            match read {
                Some(mut read) => {
                    if let Some(state) = places.sent.get(sequence) {
                        read.state = *state;
                    }
                    page.rows.push((*sequence, read));
                }
                None => page.unreadable.push(*sequence),
            }
        }
        page
    }

    /// Reads the first row's record and those that follow it closely.
    fn read_run(&self, rows: &[(u64, RowPlace)]) -> io::Result<Run> {
        let Some(((_, first), others)) = rows.split_first() else {
            return Err(io::ErrorKind::NotFound.into());
        };
        let segment = first.place.segment;
        let start = u64::from(first.place.offset);
        let mut end = start + u64::from(first.place.size);
        for (_, RowPlace { place, .. }) in others {
            let (from, to) = (u64::from(place.offset), u64::from(place.offset) + u64::from(place.size));
            let near = place.segment == segment && from >= end && from - end <= GAP && to - start <= RUN;
            if !near || self.unsynced_part(*place).is_some() {
                break;
            }
            end = to;
        }
        let len = usize::try_from(end - start).unwrap_or(usize::MAX);
        Ok(Run { segment, start, bytes: self.segments.read(segment, start, len)? })
    }

    fn queue_row(
        &self,
        checksum: Checksum,
        bytes: &[u8],
        shared: &mut Option<(u64, Message)>,
    ) -> Option<QueueRow> {
        let (kind, body) = record_at(checksum, bytes, 0)?;
        let Entry::Row(row) = Entry::decode(kind, body)? else { return None };
        let message = match row.body {
            Body::Here(message) => Message::from_bytes(Bytes::copy_from_slice(message)).ok()?,
            Body::Shared { number, .. } => match shared {
                Some((known, message)) if *known == number => message.clone(),
                _ => shared.insert((number, self.body(checksum, number)?)).1.clone(),
            },
        };
        Some(from_row(&row, message))
    }

    fn body(&self, checksum: Checksum, number: u64) -> Option<Message> {
        let place = self.index.bodies.get(&number)?.place?;
        let bytes = Bytes::from(self.read(place).ok()?);
        let (kind, body) = record_at(checksum, &bytes, 0)?;
        let Entry::Body { message, .. } = Entry::decode(kind, body)? else { return None };
        Message::from_bytes(bytes.slice_ref(message)).ok()
    }
}

fn from_row(row: &Row<'_>, message: Message) -> QueueRow {
    let identifiers: Vec<u32> =
        row.identifiers.as_chunks::<4>().0.iter().map(|bytes| u32::from_le_bytes(*bytes)).collect();
    let publication = row.publication;
    let origin = (!identifiers.is_empty() || row.group.is_some() || publication.is_some())
        .then(|| Box::new(Origin { identifiers, group: row.group.map(Into::into), publication }));
    QueueRow { message, qos: row.qos, retain: row.retain, origin, state: row.state }
}
