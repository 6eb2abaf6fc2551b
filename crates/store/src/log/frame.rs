//! Frames: what one commit writes, as records with checksums, and how to find one's way through damaged ones.
//!
//! All checksums begin with the store's secret, so that no client can put bytes into a message that look like a frame.

use super::bytes::{Put, Take};
use super::entry::{Entry, Kind};
use super::totals::{self, Totals};

/// The first bytes of a frame.
const MAGIC: u32 = 0x4654_5244;
/// Magic, checksum of the header, length of the records, number of the first record, number of records, number of the first
/// record that was not synced, totals.
pub(super) const FRAME_HEADER: usize = 32 + totals::SIZE;
/// Checksum, length, kind, check of length and kind.
pub(super) const RECORD_HEADER: usize = 10;

/// Checksums of one store.
#[derive(Debug, Clone, Copy)]
pub(super) struct Checksum(pub(super) u32);

impl Checksum {
    pub(super) fn of(self, bytes: &[u8]) -> u32 {
        let mut hasher = crc32fast::Hasher::new_with_initial(self.0);
        hasher.update(bytes);
        hasher.finalize()
    }

    /// One byte that shows whether a length and a kind belong together.
    fn check(self, len: u32, kind: u8) -> u8 {
        let mut bytes = [kind; 5];
        bytes[..4].copy_from_slice(&len.to_le_bytes());
        self.of(&bytes).to_le_bytes()[0]
    }
}

/// The header of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Frame {
    /// Number of its first record.
    pub(super) first: u64,
    /// How many records it has.
    pub(super) count: u32,
    /// Number of the first record that was not on the disk for good when this frame was made.
    pub(super) synced: u64,
    /// What is kept when it is applied.
    pub(super) totals: Totals,
    /// Bytes of its records.
    len: u32,
}

/// Frames that are being written, one behind the other.
#[derive(Debug)]
pub(super) struct Building {
    checksum: Checksum,
    pub(super) bytes: Vec<u8>,
    /// Where the present frame begins, and how many records it has.
    begin: usize,
    count: u32,
}

impl Building {
    pub(super) fn new(checksum: Checksum) -> Self {
        Self { checksum, bytes: Vec::new(), begin: 0, count: 0 }
    }

    /// Records of the present frame.
    pub(super) fn count(&self) -> u32 {
        self.count
    }

    /// Appends a record; says where in `bytes` it begins and how long it is.
    pub(super) fn append(&mut self, entry: &Entry<'_>) -> (usize, usize) {
        self.append_with(entry.kind(), |out| entry.encode(out))
    }

    /// The same with the record's bytes as they are.
    pub(super) fn append_raw(&mut self, kind: Kind, body: &[u8]) -> (usize, usize) {
        self.append_with(kind, |out| out.put(body))
    }

    fn append_with(&mut self, kind: Kind, encode: impl FnOnce(&mut Vec<u8>)) -> (usize, usize) {
        if self.count == 0 {
            self.begin = self.bytes.len();
            self.bytes.resize(self.begin + FRAME_HEADER, 0);
        }
        self.count += 1;
        let start = self.bytes.len();
        self.bytes.resize(start + RECORD_HEADER, 0);
        encode(&mut self.bytes);
        let end = self.bytes.len();
        let len = u32::try_from(end - start - RECORD_HEADER).unwrap_or(u32::MAX);
        let head = &mut self.bytes[start..start + RECORD_HEADER];
        head[4..8].copy_from_slice(&len.to_le_bytes());
        head[8] = kind as u8;
        head[9] = self.checksum.check(len, kind as u8);
        let crc = self.checksum.of(&self.bytes[start + 4..end]);
        self.bytes[start..start + 4].copy_from_slice(&crc.to_le_bytes());
        (start, end - start)
    }

    /// Closes the present frame, if it has records.
    pub(super) fn finish(&mut self, first: u64, synced: u64, totals: &Totals) {
        if self.count == 0 {
            return;
        }
        let len = self.bytes.len() - self.begin - FRAME_HEADER;
        let mut header = Vec::with_capacity(FRAME_HEADER);
        header.put_u32(MAGIC);
        header.put_u32(0);
        header.put_u32(u32::try_from(len).unwrap_or(u32::MAX));
        header.put_u64(first);
        header.put_u32(self.count);
        header.put_u64(synced);
        totals.encode(&mut header);
        let crc = self.checksum.of(&header[8..]);
        header[4..8].copy_from_slice(&crc.to_le_bytes());
        self.bytes[self.begin..self.begin + FRAME_HEADER].copy_from_slice(&header);
        self.count = 0;
    }
}

/// What a [`scan`] finds.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found<'a> {
    /// A frame begins.
    Frame(Frame),
    /// A record of it; where it begins and how long it is with its header.
    Record(Entry<'a>, usize, usize),
    /// A record whose bytes are damaged.
    Unreadable(Kind),
    /// Bytes that belong to no frame; the records that can be read in them follow.
    Junk,
    /// The rest was never acknowledged: its writing was interrupted.
    Torn,
}

/// What is known of a segment before it is read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Hint {
    /// Number of the first record that nobody was told to be kept, as far as is known. A damaged end of the segment that
    /// begins there was never finished.
    pub(super) acknowledged: u64,
    /// Number of the first record expected.
    pub(super) expected: u64,
}

/// Reads the frames of a segment from `at` on.
pub(super) fn scan<'a>(
    checksum: Checksum,
    bytes: &'a [u8],
    mut at: usize,
    hint: Hint,
    mut visit: impl FnMut(Found<'a>),
) {
    let Hint { acknowledged, mut expected } = hint;
    while at < bytes.len() {
        let Some(frame) = frame_at(checksum, bytes, at) else {
            let next = next_frame(checksum, bytes, at + 1);
            if expected >= synced_by(checksum, bytes, next, acknowledged) {
                visit(Found::Torn);
                return;
            }
            if bytes[at..next].iter().any(|byte| *byte != 0) {
                visit(Found::Junk);
                records(checksum, bytes, (at, next), &mut visit);
            }
            at = next;
            continue;
        };
        let start = at + FRAME_HEADER;
        let wanted = start + frame.len as usize;
        let end = wanted.min(bytes.len());
        let whole = wanted == end && is_whole(checksum, &bytes[start..end], frame.count);
        let follows = wanted == bytes.len() || frame_at(checksum, bytes, wanted).is_some();
        let next = if whole || follows { wanted } else { next_frame(checksum, bytes, at + 1) };
        if !whole && frame.first >= synced_by(checksum, bytes, next, acknowledged) {
            // What was written behind it was never acknowledged either, even if it is all there.
            visit(Found::Torn);
            return;
        }
        visit(Found::Frame(frame));
        records(checksum, bytes, (start, end.min(next)), &mut visit);
        expected = expected.max(frame.first.saturating_add(frame.count.into()));
        at = next;
    }
}

fn frame_at(checksum: Checksum, bytes: &[u8], at: usize) -> Option<Frame> {
    let header = bytes.get(at..at + FRAME_HEADER)?;
    let mut from = Take(header);
    let (magic, crc) = (from.u32()?, from.u32()?);
    if magic != MAGIC || crc != checksum.of(&header[8..]) {
        return None;
    }
    let (len, first, count, synced) = (from.u32()?, from.u64()?, from.u32()?, from.u64()?);
    Some(Frame { first, count, synced, totals: Totals::decode(&mut from)?, len })
}

/// Number of the first record of the frame that begins at a place.
pub(super) fn first_number(checksum: Checksum, bytes: &[u8], at: usize) -> Option<u64> {
    frame_at(checksum, bytes, at).map(|frame| frame.first)
}

/// Number of the first record that was not on the disk for good when the last frame from `at` on was made, or `least`.
fn synced_by(checksum: Checksum, bytes: &[u8], mut at: usize, least: u64) -> u64 {
    let mut synced = least;
    while at < bytes.len() {
        match frame_at(checksum, bytes, at) {
            Some(frame) => {
                synced = synced.max(frame.synced);
                at += FRAME_HEADER + frame.len as usize;
            }
            None => at = next_frame(checksum, bytes, at + 1),
        }
    }
    synced
}

/// Where the next frame begins; the end of the bytes when there is none.
fn next_frame(checksum: Checksum, bytes: &[u8], from: usize) -> usize {
    let magic = MAGIC.to_le_bytes();
    let mut at = from;
    while let Some(offset) = bytes.get(at..).and_then(|rest| rest.windows(4).position(|four| four == magic)) {
        at += offset;
        if frame_at(checksum, bytes, at).is_some() {
            return at;
        }
        at += 1;
    }
    bytes.len()
}

/// A record's kind and bytes, if its checksum is right.
pub(super) fn record_at(checksum: Checksum, bytes: &[u8], at: usize) -> Option<(Kind, &[u8])> {
    let (kind, len) = header_at(checksum, bytes, at)?;
    let record = bytes.get(at..at + RECORD_HEADER + len)?;
    let (crc, rest) = record.split_first_chunk()?;
    (u32::from_le_bytes(*crc) == checksum.of(rest)).then(|| (kind, &record[RECORD_HEADER..]))
}

/// A record's kind and the length of its bytes, if the two belong together.
fn header_at(checksum: Checksum, bytes: &[u8], at: usize) -> Option<(Kind, usize)> {
    let mut from = Take(bytes.get(at + 4..at + RECORD_HEADER)?);
    let (len, kind, check) = (from.u32()?, from.u8()?, from.u8()?);
    let fits = usize::try_from(len).ok().is_some_and(|len| len <= bytes.len() - at - RECORD_HEADER);
    if !fits || check != checksum.check(len, kind) {
        return None;
    }
    Some((Kind::from_u8(kind)?, usize::try_from(len).ok()?))
}

fn is_whole(checksum: Checksum, bytes: &[u8], count: u32) -> bool {
    let (mut at, mut found) = (0, 0);
    while let Some((_, body)) = record_at(checksum, bytes, at) {
        at += RECORD_HEADER + body.len();
        found += 1;
    }
    at == bytes.len() && found == count
}

/// Bytes of the largest record that is looked for byte by byte. Every place that could be the beginning of one costs a checksum
/// over as many bytes.
const SEARCHED: usize = 64 * 1024;

/// Visits what can be read of the records between two places.
fn records<'a>(
    checksum: Checksum,
    bytes: &'a [u8],
    (start, end): (usize, usize),
    visit: &mut impl FnMut(Found<'a>),
) {
    let bytes = &bytes[..end];
    let mut at = start;
    while at < end {
        if let Some((kind, body)) = record_at(checksum, bytes, at) {
            let size = RECORD_HEADER + body.len();
            match Entry::decode(kind, body) {
                Some(entry) => visit(Found::Record(entry, at, size)),
                None => visit(Found::Unreadable(kind)),
            }
            at += size;
            continue;
        }
        if let Some((kind, len)) = header_at(checksum, bytes, at) {
            let next = at + RECORD_HEADER + len;
            if next == end || record_at(checksum, bytes, next).is_some() {
                visit(Found::Unreadable(kind));
                at = next;
                continue;
            }
        }
        // Not told as one unreadable record: the numbers of the frames say how many are missing.
        let is_record = |at: &usize| {
            let len = header_at(checksum, bytes, *at).map_or(usize::MAX, |(_, len)| len);
            len <= SEARCHED && record_at(checksum, bytes, *at).is_some()
        };
        at = (at + 1..end).find(is_record).unwrap_or(end);
    }
}

#[cfg(test)]
mod tests {
    use super::super::entry::tests::every_kind;
    use super::super::totals::What;
    use super::*;

    const SECRET: Checksum = Checksum(77);

    fn three_frames() -> Vec<u8> {
        let mut building = Building::new(SECRET);
        let mut totals = Totals::default();
        for frame in 0..3 {
            for entry in every_kind() {
                building.append(&entry);
            }
            totals.add(What::Sessions, frame);
            building.finish(frame * 17, 0, &totals);
        }
        building.bytes
    }

    /// Frames, records, unreadable records and whether the end was torn.
    fn count(bytes: &[u8], acknowledged: u64) -> (usize, usize, usize, bool) {
        let (mut frames, mut read, mut unreadable, mut torn) = (0, 0, 0, false);
        let hint = Hint { acknowledged, expected: 0 };
        scan(SECRET, bytes, 0, hint, |found| match found {
            Found::Frame(_) => frames += 1,
            Found::Record(..) => read += 1,
            Found::Unreadable(_) => unreadable += 1,
            Found::Junk => {}
            Found::Torn => torn = true,
        });
        (frames, read, unreadable, torn)
    }

    #[test]
    fn everything_is_found_again() {
        assert_eq!(count(&three_frames(), 51), (3, 51, 0, false));
    }

    #[test]
    fn one_flipped_bit_costs_one_record_at_most() {
        let bytes = three_frames();
        for bit in 0..bytes.len() * 8 {
            let mut damaged = bytes.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            let (frames, read, _, torn) = count(&damaged, 51);
            assert!(!torn, "bit {bit}");
            assert!((frames, read) == (3, 50) || (frames, read) == (2, 51), "bit {bit}: {frames} {read}");
        }
    }

    #[test]
    fn a_frame_that_was_cut_is_torn_if_nobody_was_told_of_it() {
        let bytes = three_frames();
        let third = bytes.len() / 3 * 2;
        for len in third + 1..bytes.len() {
            assert_eq!(count(&bytes[..len], 34), (2, 34, 0, true), "{len} bytes");
            let (frames, read, _, torn) = count(&bytes[..len], 51);
            assert!(read >= 34 && frames >= 2 && !torn, "{len} bytes");
        }
    }

    #[test]
    fn a_hole_before_a_whole_frame_ends_the_log_if_nobody_was_told_of_it() {
        let mut bytes = three_frames();
        let place = bytes.len() / 3 + FRAME_HEADER + 100;
        // Two frames were handed to the system and not synced; the power went, and blocks of the second one are there.
        bytes[place..place + 100].fill(0);
        assert_eq!(count(&bytes, 17), (1, 17, 0, true));
        let (frames, _, _, torn) = count(&bytes, 34);
        assert_eq!((frames, torn), (3, false), "acknowledged: that is damage");
    }

    #[test]
    fn a_tail_of_zeros_is_no_damage() {
        let mut bytes = three_frames();
        bytes.extend([0; 5000]);
        assert_eq!(count(&bytes, 51), (3, 51, 0, true));
        assert_eq!(count(&bytes, 52), (3, 51, 0, false));
    }

    #[test]
    fn a_message_that_looks_like_a_frame_is_none() {
        let mut forged = Building::new(Checksum(78));
        forged.append(&Entry::SessionEnded { session: 1 });
        forged.finish(0, 0, &Totals::default());
        let mut building = Building::new(SECRET);
        building.append(&Entry::Retained { stamp: 1, message: &forged.bytes });
        building.finish(0, 0, &Totals::default());
        let mut bytes = building.bytes;
        bytes[3] ^= 1;
        let mut kinds = Vec::new();
        let hint = Hint { acknowledged: 1, expected: 0 };
        scan(SECRET, &bytes, 0, hint, |found| {
            if let Found::Record(entry, ..) = found {
                kinds.push(entry.kind());
            }
        });
        assert_eq!(kinds, [Kind::Retained], "and not the one that a client put into its message");
    }
}
