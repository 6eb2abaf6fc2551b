//! Records: the bytes that a file of the history is made of (`docs/format.md`).

use super::options::LARGEST_PAYLOAD;
use super::sample::Aggregate;
use bytes::Bytes;
use darter_codec::QoS;

/// What every file starts with.
pub(super) const MAGIC: [u8; 8] = *b"DARTHIST";
/// The newest format that can be read, and the one that is written.
pub(super) const FORMAT: u32 = 1;
/// Magic, format and CRC.
pub(super) const FILE_HEADER: u32 = 16;
/// Marker, kind, length and CRC.
pub(super) const RECORD_HEADER: u32 = 10;
/// The first byte of a record.
pub(super) const MARKER: u8 = 0xDA;
/// Name, offset of the one before, time.
const CHAIN: usize = 16;

/// File number and length.
const CHECKPOINT: usize = 12;

const LARGEST_NAME: u32 = 66_000;
const LARGEST_CHECKPOINT: u32 = 1 << 16;
#[allow(clippy::cast_possible_truncation, reason = "256 KiB")]
const LARGEST_POINT: u32 = CHAIN as u32 + 1 + LARGEST_PAYLOAD as u32;

/// What a record holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// The name of a series.
    Name = 1,
    /// A point.
    Point = 2,
    /// The roll-up of a minute.
    Rollup = 3,
    /// Up to where points have been rolled up.
    Checkpoint = 4,
    /// Where the series of the file are.
    Index = 5,
}

/// A record's header.
#[derive(Debug, Clone, Copy)]
pub(super) struct Head {
    pub(super) kind: Kind,
    pub(super) len: u32,
    crc: u32,
}

impl Head {
    /// Nothing if these bytes begin no record.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let [MARKER, kind, rest @ ..] = bytes.first_chunk::<{ RECORD_HEADER as usize }>()? else {
            return None;
        };
        let (kind, most) = match kind {
            1 => (Kind::Name, LARGEST_NAME),
            2 => (Kind::Point, LARGEST_POINT),
            3 => (Kind::Rollup, 64),
            4 => (Kind::Checkpoint, LARGEST_CHECKPOINT),
            5 => (Kind::Index, u32::MAX - RECORD_HEADER),
            _ => return None,
        };
        let len = number(rest, 0)?;
        (len <= most).then_some(Self { kind, len, crc: number(rest, 4)? })
    }

    /// Whether this is the body that was written, at the place where it was written.
    pub(super) fn fits(&self, at: u32, body: &[u8]) -> bool {
        self.crc == crc(at, self.kind, self.len, &[body])
    }
}

/// Appends a record that will stand at `at` in its file.
pub(super) fn push(buffer: &mut Vec<u8>, at: u32, kind: Kind, body: &[&[u8]]) {
    let len = u32::try_from(body.iter().map(|part| part.len()).sum::<usize>()).unwrap_or(u32::MAX);
    buffer.extend_from_slice(&[MARKER, kind as u8]);
    buffer.extend_from_slice(&len.to_be_bytes());
    buffer.extend_from_slice(&crc(at, kind, len, body).to_be_bytes());
    for part in body {
        buffer.extend_from_slice(part);
    }
}

/// The place is part of it: a record that stands elsewhere, such as one inside a payload, is none.
fn crc(at: u32, kind: Kind, len: u32, body: &[&[u8]]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&at.to_be_bytes());
    hasher.update(&[kind as u8]);
    hasher.update(&len.to_be_bytes());
    for part in body {
        hasher.update(part);
    }
    hasher.finalize()
}

/// The header of a file.
pub(super) fn file_header() -> Vec<u8> {
    let mut header = MAGIC.to_vec();
    header.extend_from_slice(&FORMAT.to_be_bytes());
    let crc = crc32fast::hash(&header);
    header.extend_from_slice(&crc.to_be_bytes());
    header
}

/// The format that a file's header names; nothing if the header is damaged.
pub(super) fn format_of(header: &[u8]) -> Option<u32> {
    let intact = header.starts_with(&MAGIC) && number(header, 12)? == crc32fast::hash(header.get(..12)?);
    intact.then(|| number(header, 8)).flatten()
}

/// What points and roll-ups begin with: all of one series in one file hang together, from the last to the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Chain {
    /// Where the record with the name stands.
    pub(super) name_at: u32,
    /// Where the one before stands, 0 for the first.
    pub(super) before: u32,
    /// Milliseconds since 1970.
    pub(super) time: u64,
}

impl Chain {
    pub(super) fn write(self) -> [u8; CHAIN] {
        let mut bytes = [0; CHAIN];
        bytes[..4].copy_from_slice(&self.name_at.to_be_bytes());
        bytes[4..8].copy_from_slice(&self.before.to_be_bytes());
        bytes[8..].copy_from_slice(&self.time.to_be_bytes());
        bytes
    }

    pub(super) fn read(body: &[u8]) -> Option<Self> {
        Some(Self { name_at: number(body, 0)?, before: number(body, 4)?, time: long(body, 8)? })
    }
}

/// A point's flags: as in the stored form of a message.
pub(super) fn flags(qos: QoS, retain: bool) -> u8 {
    qos.to_u8() | if retain { 4 } else { 0 }
}

/// QoS, RETAIN and payload of a point.
pub(super) fn point(body: &[u8]) -> Option<(QoS, bool, Bytes)> {
    let [flags, payload @ ..] = body.get(CHAIN..)? else { return None };
    Some((QoS::from_u8(flags & 3)?, flags & 4 != 0, Bytes::copy_from_slice(payload)))
}

/// The numbers of a roll-up behind its chain: one value stands once.
pub(super) fn rollup(numbers: &Aggregate) -> Vec<u8> {
    let mut bytes = u32::try_from(numbers.count).unwrap_or(u32::MAX).to_be_bytes().to_vec();
    bytes.extend_from_slice(&numbers.min.to_be_bytes());
    if numbers.min.to_bits() != numbers.max.to_bits() || numbers.min.to_bits() != numbers.mean.to_bits() {
        bytes.extend_from_slice(&numbers.mean.to_be_bytes());
        bytes.extend_from_slice(&numbers.max.to_be_bytes());
    }
    bytes
}

/// What [`rollup`] wrote.
pub(super) fn read_rollup(body: &[u8]) -> Option<Aggregate> {
    let count = u64::from(number(body, CHAIN)?);
    let min = f64::from_bits(long(body, CHAIN + 4)?);
    let (mean, max) = match body.len() {
        36.. => (f64::from_bits(long(body, CHAIN + 12)?), f64::from_bits(long(body, CHAIN + 20)?)),
        _ => (min, min),
    };
    (count > 0).then_some(Aggregate { count, min, mean, max })
}

/// Up to where points have been rolled up: file number and length.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Checkpoint {
    pub(super) file: u64,
    pub(super) len: u32,
}

impl Checkpoint {
    pub(super) fn write(self, body: &mut Vec<u8>) {
        body.extend_from_slice(&self.file.to_be_bytes());
        body.extend_from_slice(&self.len.to_be_bytes());
    }

    /// All that stand in the body of a record.
    pub(super) fn read_all(body: &[u8]) -> impl Iterator<Item = Self> {
        body.chunks_exact(CHECKPOINT)
            .filter_map(|one| Some(Self { file: long(one, 0)?, len: number(one, 8)? }))
    }
}

/// The big-endian number of 4 bytes at `at`.
pub(super) fn number(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|four| u32::from_be_bytes(*four))
}

/// The big-endian number of 8 bytes at `at`.
pub(super) fn long(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..)?.first_chunk().map(|eight| u64::from_be_bytes(*eight))
}
