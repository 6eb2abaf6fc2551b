//! Giving disk space back: what is still wanted of the oldest segment is written again at the end, then it is deleted.
//!
//! Segments go in the order in which they came. So whatever says that a record is done with outlives that record, and
//! needs no care of its own.

use super::entry::{Entry, Kind, with_state};
use super::frame::{Checksum, Found, Hint, scan};
use super::index::{Index, Place, SessionPlaces};
use super::journal::Journal;
use super::segment::HEADER;
use super::totals::What;
use darter_codec::record::{RowState, SessionNumber};
use std::collections::BTreeSet;
use std::io;
use std::ops::Range;
use std::time::{Duration, Instant};

/// Bytes that are written again before others get their turn.
const SLICE: usize = 256 * 1024;
/// Segments that need not be mostly wanted: the log may always be that long.
const FREE_SEGMENTS: u64 = 4;
/// Segments of which each may be short.
const MANY_SEGMENTS: u64 = 32;
/// How often a segment that cannot be read is tried again, and after what time.
const TRIES: u32 = 5;
const RETRY: Duration = Duration::from_secs(10);

/// A segment, its bytes, and the wanted records of it that were not looked at yet.
type UnderWay = (u32, Vec<u8>, std::vec::IntoIter<(Kind, Range<usize>)>);

/// What the oldest segment still has to give.
#[derive(Debug, Default)]
pub(super) struct Compaction {
    under_way: Option<UnderWay>,
    /// A segment of which everything was written again, once all of that is on the disk.
    pub(super) emptied: Option<u32>,
    /// Segments with damaged records; they are set aside instead of deleted.
    damaged: BTreeSet<u32>,
    /// Every segment up to this one is to be written again, so that nobody trips over its damage twice.
    through: u32,
    /// How often the oldest segment could not be read, and when that is tried again.
    failures: u32,
    retry: Option<Instant>,
}

impl Compaction {
    /// Nothing under way yet; `damaged` segments are known, and all up to `through` are to be written again.
    pub(super) fn new(damaged: BTreeSet<u32>, through: u32) -> Self {
        Self { damaged, through, ..Self::default() }
    }

    /// Whether segments with damage are still to be written again.
    pub(super) fn is_mending(&self, journal: &Journal) -> bool {
        self.through > 0 && journal.segments.first().is_some_and(|first| first <= self.through)
    }

    /// Whether there is something to do.
    pub(super) fn is_due(&self, journal: &Journal, segment_bytes: u64, full: bool) -> bool {
        if self.emptied.is_some() || self.retry.is_some_and(|at| Instant::now() < at) {
            return false;
        }
        if self.under_way.is_some() {
            return true;
        }
        let Some(first) = journal.segments.first().filter(|first| *first != journal.current) else {
            return false;
        };
        if journal.index.usage(first).live == 0 || first <= self.through {
            return true;
        }
        let whole = journal.index.whole_usage();
        // Every start leaves a segment, and every segment an open file.
        if journal.segments.len() as u64 > MANY_SEGMENTS + 2 * whole.bytes / segment_bytes {
            return true;
        }
        // On a full disk every segment counts, as long as there is more to win than to write.
        let free = if full { segment_bytes } else { whole.live.max(FREE_SEGMENTS * segment_bytes) };
        whole.bytes.saturating_sub(whole.live) > free
    }

    /// Writes a slice of what is wanted again.
    pub(super) fn go_on(&mut self, journal: &mut Journal, checksum: Checksum) -> io::Result<()> {
        let (segment, bytes, mut wanted) = match self.under_way.take() {
            Some(under_way) => under_way,
            None => {
                let Some(first) = journal.segments.first() else { return Ok(()) };
                if journal.index.usage(first).live == 0 {
                    self.emptied = Some(first);
                    return Ok(());
                }
                let Some(bytes) = self.read(journal, first) else { return Ok(()) };
                let wanted = self.wanted(&journal.index, checksum, first, &bytes);
                (first, bytes, wanted.into_iter())
            }
        };
        let most = journal.unsynced() + SLICE;
        for (kind, range) in wanted.by_ref() {
            write_again(journal, segment, kind, &bytes, range);
            if journal.unsynced() >= most {
                self.under_way = Some((segment, bytes, wanted));
                return Ok(());
            }
        }
        self.emptied = Some(segment);
        Ok(())
    }

    /// The bytes of a segment. An error may pass: it is tried again some times before the segment is given up as far as
    /// it cannot be read.
    fn read(&mut self, journal: &Journal, segment: u32) -> Option<Vec<u8>> {
        let len = journal.segments.size(segment).map(|len| usize::try_from(len).unwrap_or(usize::MAX));
        match len.and_then(|len| journal.segments.read(segment, 0, len)) {
            Ok(bytes) => {
                (self.failures, self.retry) = (0, None);
                Some(bytes)
            }
            Err(_) if self.failures < TRIES => {
                self.failures += 1;
                self.retry = Some(Instant::now() + RETRY);
                None
            }
            Err(_) => {
                self.failures = 0;
                self.damaged.insert(segment);
                journal.segments.read_what_is_there(segment).ok()
            }
        }
    }

    fn wanted(
        &mut self,
        index: &Index,
        checksum: Checksum,
        segment: u32,
        bytes: &[u8],
    ) -> Vec<(Kind, Range<usize>)> {
        let mut wanted = Vec::new();
        let hint = Hint { acknowledged: u64::MAX, expected: 0 };
        scan(checksum, bytes, HEADER, hint, |found| match found {
            Found::Record(entry, offset, size) => {
                if is_wanted(index, &entry, segment, offset) {
                    wanted.push((entry.kind(), offset..offset + size));
                }
            }
            Found::Unreadable(_) | Found::Junk => drop(self.damaged.insert(segment)),
            Found::Frame(_) | Found::Torn => {}
        });
        wanted
    }

    /// Deletes the segment that was emptied. To be called when everything is on the disk. What could not be read of it
    /// is lost; the answer says how much, in the order of [`What::ALL`].
    pub(super) fn delete_emptied(&mut self, journal: &mut Journal) -> io::Result<[u64; What::ALL.len()]> {
        let mut lost = [0; What::ALL.len()];
        let Some(segment) = self.emptied.take() else { return Ok(lost) };
        if journal.index.usage(segment).live > 0 {
            lost = journal.index.forget_segment(segment);
            self.damaged.insert(segment);
        }
        if let Err(error) = journal.segments.remove(segment, self.damaged.contains(&segment)) {
            self.emptied = Some(segment);
            return Err(error);
        }
        self.damaged.remove(&segment);
        journal.index.remove_segment(segment);
        Ok(lost)
    }
}

fn is_wanted(index: &Index, entry: &Entry<'_>, segment: u32, offset: usize) -> bool {
    let here = |place: &Place| place.segment == segment && place.offset as usize == offset;
    let of = |session: SessionNumber| index.sessions.get(&session);
    match *entry {
        Entry::Session { session, .. } => of(session).and_then(|one| one.record.as_ref()).is_some_and(here),
        Entry::Subscribed { session, filter, .. } => of(session)
            .and_then(|one| one.subscriptions.get(&index.key(filter)))
            .is_some_and(|one| here(&one.place)),
        Entry::Body { number, .. } => {
            index.bodies.get(&number).and_then(|body| body.place.as_ref()).is_some_and(here)
        }
        Entry::Row(row) => {
            of(row.session).and_then(|one| one.queue.row(row.sequence)).is_some_and(|row| here(&row.place))
        }
        Entry::Incoming { session, packet_id, .. } => {
            of(session).and_then(|one| one.incoming.get(&packet_id)).is_some_and(here)
        }
        Entry::Will { session, .. } => {
            of(session).and_then(|one| one.will.as_ref()).is_some_and(|one| here(&one.place))
        }
        Entry::Retained { message, .. } => {
            let message = darter_codec::Message::from_bytes(bytes::Bytes::copy_from_slice(message));
            message.is_ok_and(|message| {
                index.retained.get(&index.key(message.topic())).is_some_and(|one| here(&one.place))
            })
        }
        // They say something of records that are older, and so gone, or part of what is written again.
        Entry::SessionEnded { .. }
        | Entry::Left { .. }
        | Entry::Unsubscribed { .. }
        | Entry::Moved { .. }
        | Entry::Removed { .. }
        | Entry::IncomingReleased { .. }
        | Entry::RetainedCleared { .. }
        | Entry::WillCleared { .. } => false,
    }
}

/// Writes a record again, if it is still wanted, as things are now.
fn write_again(journal: &mut Journal, segment: u32, kind: Kind, bytes: &[u8], range: Range<usize>) {
    let offset = range.start;
    let body = &bytes[offset + super::frame::RECORD_HEADER..range.end];
    let Some(entry) = Entry::decode(kind, body) else { return };
    if !is_wanted(&journal.index, &entry, segment, offset) {
        return;
    }
    match entry {
        Entry::Session { session, .. } => {
            let left = journal.index.sessions.get(&session).and_then(|one| one.left);
            journal.append_again(kind, body);
            if let Some(left) = left {
                journal.append(&Entry::Left { session, left });
            }
        }
        Entry::Row(row) => {
            let places = journal.index.sessions.get(&row.session);
            let sent = |one: &SessionPlaces| one.sent.get(&row.sequence).copied();
            let state = places.and_then(sent).unwrap_or(RowState::Waiting);
            if state == row.state {
                journal.append_again(kind, body);
            } else {
                journal.append_again(kind, &with_state(body, state));
            }
        }
        _ => journal.append_again(kind, body),
    }
}

#[cfg(test)]
mod tests {
    use super::super::entry::{Body, Row};
    use super::super::index::Secret;
    use super::super::recovery::recover;
    use super::*;
    use darter_codec::{Message, QoS};
    use std::fs;

    /// Two queues share messages of this size; one goes away between two slices of a compaction. What the other has then.
    fn rows_left(len: usize) -> usize {
        const MESSAGES: u64 = 2_000;
        let data = tempfile::tempdir().unwrap();
        let folder = data.path().join("messages");
        fs::create_dir_all(&folder).unwrap();
        let secret = Secret([1, 2]);
        let mut journal = Journal::new(&folder, secret, 16 * 1024);
        journal.index.add_segment(1, 0);
        for session in 1..=2 {
            journal.append(&Entry::Session { session, expiry: 60, client: &session.to_string(), user: None });
        }
        let message = Message::new(QoS::AtLeastOnce, false, "t", [], &vec![7; len], None);
        for sequence in 0..MESSAGES {
            let number = sequence + 1;
            journal.append(&Entry::Body { number, message: message.as_bytes() });
            for session in 1..=2 {
                journal.append(&Entry::Row(Row {
                    session,
                    sequence,
                    state: RowState::Waiting,
                    qos: QoS::AtLeastOnce,
                    retain: false,
                    group: None,
                    publication: None,
                    identifiers: &[],
                    body: Body::Shared { number, weight: 201 },
                }));
            }
        }
        journal.finish_frame();
        journal.sync().unwrap();
        let mut compaction = Compaction::new(BTreeSet::new(), 1);
        compaction.go_on(&mut journal, secret.checksum()).unwrap();
        assert!(compaction.under_way.is_some(), "a slice is not everything");
        journal.finish_frame();
        journal.append(&Entry::SessionEnded { session: 1 });
        while compaction.emptied.is_none() {
            compaction.go_on(&mut journal, secret.checksum()).unwrap();
            journal.finish_frame();
        }
        journal.sync().unwrap();
        assert_eq!(compaction.delete_emptied(&mut journal).unwrap(), [0; What::ALL.len()]);
        let recovered = recover(data.path(), &folder, false).unwrap();
        assert!(recovered.lost.is_nothing(), "{:?}", recovered.lost);
        recovered.index.sessions[&2].queue.iter().count()
    }

    #[test]
    fn a_message_that_two_queues_share_survives_the_end_of_one_of_them_in_the_middle_of_a_compaction() {
        // The slices end at another record for each size.
        for len in (180..230).step_by(3) {
            assert_eq!(rows_left(len), 2_000, "{len} bytes");
        }
    }
}
