//! The end of the log: where records are appended, and how they reach the disk.

use super::entry::Entry;
use super::entry::Kind;
use super::frame::Building;
use super::index::{Index, Key, Place, Secret};
use super::segment::{HEADER, Segments};
use darter_codec::Message;
use std::collections::HashMap;
use std::io;
use std::path::Path;

/// Stamps of retained messages that are remembered, so that of two shards' changes the newer one counts.
const STAMPS: usize = 65_536;

#[derive(Debug)]
pub(super) struct Journal {
    pub(super) index: Index,
    pub(super) segments: Segments,
    /// What is not yet on the disk for good. It begins at `base` of the segment `current`.
    building: Building,
    pub(super) current: u32,
    base: u64,
    /// Bytes of it that were handed to the system.
    written: usize,
    /// Number of the next record.
    pub(super) next_record: u64,
    /// Number of the first record that is not on the disk for good.
    synced_record: u64,
    /// Number of the next body that rows share; from 1 on.
    pub(super) next_body: u64,
    segment_bytes: u64,
    /// The newer ones, and the ones before.
    stamps: [HashMap<Key, u64>; 2],
    /// How often the disk was asked to keep something for good.
    pub(super) syncs: u64,
}

impl Journal {
    /// Begins a log.
    pub(super) fn new(folder: &Path, secret: Secret, segment_bytes: u64) -> Self {
        Self {
            index: Index::new(secret),
            segments: Segments::new(folder, secret),
            building: Building::new(secret.checksum()),
            current: 1,
            base: HEADER as u64,
            written: 0,
            next_record: 0,
            synced_record: 0,
            next_body: 1,
            segment_bytes,
            stamps: [HashMap::new(), HashMap::new()],
            syncs: 0,
        }
    }

    /// Goes on behind what is there, in a segment of its own.
    pub(super) fn go_on(&mut self, index: Index, segment: u32, record: u64, body: u64) {
        (self.index, self.current, self.next_body) = (index, segment, body);
        (self.next_record, self.synced_record) = (record, record);
        self.index.add_segment(segment, 0);
    }

    /// Appends a record and takes note of it.
    pub(super) fn append(&mut self, entry: &Entry<'_>) {
        let (start, size) = self.building.append(entry);
        let place = self.place(start, size);
        self.index.apply(entry, place);
    }

    /// Appends a record that stands somewhere else already, and takes note of its new place.
    pub(super) fn append_again(&mut self, kind: Kind, body: &[u8]) {
        let (start, size) = self.building.append_raw(kind, body);
        let place = self.place(start, size);
        if let Some(entry) = Entry::decode(kind, body) {
            match entry {
                Entry::Retained { message, stamp } => {
                    if let Some(key) = self.key_of(message) {
                        self.index.retain(key, Some((place, stamp)));
                    }
                }
                entry => self.index.apply(&entry, place),
            }
        }
    }

    /// Keeps a retained message, unless a newer change of its topic was kept already.
    pub(super) fn retain(&mut self, stamp: u64, message: &Message) {
        let key = self.index.key(message.topic());
        if !self.is_newer(key, stamp) {
            return;
        }
        let (start, size) = self.building.append(&Entry::Retained { stamp, message: message.as_bytes() });
        let place = self.place(start, size);
        self.index.retain(key, Some((place, stamp)));
    }

    /// Notes that a topic has no retained message any more.
    pub(super) fn clear_retained(&mut self, stamp: u64, topic: &str) {
        let key = self.index.key(topic);
        if self.is_newer(key, stamp) && self.index.retained.contains_key(&key) {
            self.append(&Entry::RetainedCleared { stamp, topic });
            self.index.retain(key, None);
        }
    }

    fn is_newer(&mut self, key: Key, stamp: u64) -> bool {
        let last = self.stamps.iter().filter_map(|stamps| stamps.get(&key)).max();
        if last.is_some_and(|last| *last > stamp) {
            return false;
        }
        if self.stamps[0].len() >= STAMPS {
            // Two generations: what came a moment ago is always known.
            self.stamps.swap(0, 1);
            self.stamps[0].clear();
        }
        self.stamps[0].insert(key, stamp);
        true
    }

    /// The key of a stored message's topic.
    pub(super) fn key_of(&self, message: &[u8]) -> Option<Key> {
        let message = Message::from_bytes(bytes::Bytes::copy_from_slice(message)).ok()?;
        Some(self.index.key(message.topic()))
    }

    fn place(&self, start: usize, size: usize) -> Place {
        Place { segment: self.current, offset: narrow(self.base + start as u64), size: narrow(size as u64) }
    }

    /// Closes the present frame.
    pub(super) fn finish_frame(&mut self) {
        let count = self.building.count();
        self.building.finish(self.next_record, self.synced_record, &self.index.totals);
        self.next_record += u64::from(count);
    }

    /// Bytes that are not yet on the disk for good.
    pub(super) fn unsynced(&self) -> usize {
        self.building.bytes.len()
    }

    /// Hands everything to the system.
    pub(super) fn write(&mut self) -> io::Result<()> {
        if self.written == self.building.bytes.len() {
            return Ok(());
        }
        if !self.segments.contains(self.current) {
            self.segments.create(self.current)?;
            self.index.add_segment(self.current, HEADER as u64);
        }
        let rest = &self.building.bytes[self.written..];
        self.segments.write(self.current, rest, self.base + self.written as u64)?;
        self.written = self.building.bytes.len();
        self.index.add_segment(self.current, self.base + self.written as u64);
        Ok(())
    }

    /// Returns when everything is on the disk. A segment that is long enough is then closed.
    pub(super) fn sync(&mut self) -> io::Result<()> {
        self.write()?;
        if self.building.bytes.is_empty() {
            return Ok(());
        }
        if let Err(error) = self.segments.sync(self.current) {
            // The system may think that it has written them: they must be handed over again.
            self.written = 0;
            return Err(error);
        }
        self.syncs += 1;
        self.synced_record = self.next_record;
        self.base += self.written as u64;
        self.written = 0;
        self.building.bytes.clear();
        self.building.bytes.shrink_to(KEPT_BYTES);
        if self.base >= self.segment_bytes {
            self.next_segment();
        }
        Ok(())
    }

    fn next_segment(&mut self) {
        self.current += 1;
        self.base = HEADER as u64;
        self.index.add_segment(self.current, 0);
    }

    /// The disk failed: nobody knows what of the unsynced bytes is there, so they go into another segment.
    pub(super) fn leave_segment(&mut self) {
        if !self.segments.contains(self.current) {
            return;
        }
        let (old, base) = (self.current, self.base);
        // If that fails too, the same frames stand there twice, which does no harm.
        let _ = self.segments.cut(old, base);
        self.next_segment();
        self.written = 0;
        let shift = i64::try_from(HEADER).unwrap_or(0) - i64::try_from(base).unwrap_or(0);
        self.index.transplant((old, narrow(base)), self.current, shift);
        self.index.add_segment(old, base);
    }

    /// The bytes of a record with its header, wherever they are.
    pub(super) fn read(&self, place: Place) -> io::Result<Vec<u8>> {
        match self.unsynced_part(place) {
            Some(bytes) => Ok(bytes.to_vec()),
            None => self.segments.read_place(place),
        }
    }

    /// The bytes of a record that is not on the disk for good.
    pub(super) fn unsynced_part(&self, place: Place) -> Option<&[u8]> {
        if place.segment != self.current || u64::from(place.offset) < self.base {
            return None;
        }
        let start = usize::try_from(u64::from(place.offset) - self.base).ok()?;
        self.building.bytes.get(start..start + place.size as usize)
    }
}

/// Memory that stays for the next frames.
const KEPT_BYTES: usize = 1024 * 1024;

/// Segments are far smaller than 4 GiB, but for one giant frame.
fn narrow(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
