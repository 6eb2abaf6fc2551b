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
/// Bytes of messages in one page, but for the last one.
const PAGE_BYTES: usize = 512 * 1024;
/// Most bytes read at once, unless one record is larger.
const RUN: u64 = 1024 * 1024;

/// A page of a queue.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) rows: Vec<(u64, QueueRow)>,
    /// The sequence after the last one looked at.
    pub(super) through: u64,
    /// Sequences of rows that are damaged.
    pub(super) unreadable: Vec<u64>,
    /// The disk refused to read some rows, which says nothing of what they are.
    pub(super) error: Option<io::Error>,
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
        let nothing = Page { rows: Vec::new(), through: u64::MAX, unreadable: Vec::new(), error: None };
        let Some(places) = self.index.sessions.get(&session) else { return nothing };
        if places.queue.is_empty() {
            return nothing;
        }
        let (mut found, mut through) = places.queue.page(from, limit);
        let mut bytes = 0;
        let fit = found.iter().take_while(|(_, row)| {
            let fits = bytes < PAGE_BYTES;
            bytes += row.weight();
            fits
        });
        let fit = fit.count();
        if let Some((next, _)) = found.get(fit) {
            through = *next;
            found.truncate(fit);
        }
        let rows = Vec::with_capacity(found.len());
        let mut page = Page { rows, through, unreadable: Vec::new(), error: None };
        let mut run = Run { segment: 0, start: 0, bytes: Vec::new() };
        let mut shared: Option<(u64, Message)> = None;
        for (index, (sequence, row)) in found.iter().enumerate() {
            let unsynced = self.unsynced_part(row.place);
            if unsynced.is_none() && run.part(row.place).is_none() {
                // One bad place must not cost its neighbours.
                let read = self.read_run(&found[index..]).or_else(|_| self.read_run(&found[index..=index]));
                match read {
                    Ok(read) => run = read,
                    Err(error) => {
                        page.unreadable.push(*sequence);
                        page.error = Some(error);
                        continue;
                    }
                }
            }
            let bytes = unsynced.or_else(|| run.part(row.place));
            let read = bytes.map_or(Ok(None), |bytes| self.queue_row(checksum, bytes, &mut shared));
            match read {
                Ok(Some(mut read)) => {
                    if let Some(state) = places.sent.get(sequence) {
                        read.state = *state;
                    }
                    page.rows.push((*sequence, read));
                }
                Ok(None) => page.unreadable.push(*sequence),
                Err(error) => {
                    page.unreadable.push(*sequence);
                    page.error = Some(error);
                }
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

    /// The row that these bytes are; none when they are damaged.
    fn queue_row(
        &self,
        checksum: Checksum,
        bytes: &[u8],
        shared: &mut Option<(u64, Message)>,
    ) -> io::Result<Option<QueueRow>> {
        let Some(Entry::Row(row)) =
            record_at(checksum, bytes, 0).and_then(|(kind, body)| Entry::decode(kind, body))
        else {
            return Ok(None);
        };
        let message = match (row.body, &shared) {
            (Body::Here(message), _) => Message::from_bytes(Bytes::copy_from_slice(message)).ok(),
            (Body::Shared { number, .. }, Some((known, message))) if *known == number => {
                Some(message.clone())
            }
            (Body::Shared { number, .. }, _) => {
                let message = self.body(checksum, number)?;
                *shared = message.clone().map(|message| (number, message));
                message
            }
        };
        Ok(message.map(|message| from_row(&row, message)))
    }

    fn body(&self, checksum: Checksum, number: u64) -> io::Result<Option<Message>> {
        let Some(place) = self.index.bodies.get(&number).and_then(|body| body.place) else { return Ok(None) };
        let bytes = Bytes::from(self.read(place)?);
        let entry = record_at(checksum, &bytes, 0).and_then(|(kind, body)| Entry::decode(kind, body));
        let Some(Entry::Body { message, .. }) = entry else { return Ok(None) };
        Ok(Message::from_bytes(bytes.slice_ref(message)).ok())
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
