//! The index at the end of a file that was closed: found again without reading the points.

use super::reader::Reader;
use super::record::{self, FILE_HEADER, Kind, RECORD_HEADER, long, number};
use super::scan::{Series, SeriesMap};
use std::io;
use std::sync::Arc;

const ENTRY: u32 = 16;
const HEADER: u32 = 29;
const TRAILER: u32 = 12;
const TRAILER_MAGIC: u32 = u32::from_be_bytes(*b"DHIX");

/// What is known of a file's points or roll-ups together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) count: u64,
    /// The earliest time.
    pub(super) first: u64,
    /// The latest time.
    pub(super) last: u64,
    /// No time is before the one that was written before it.
    pub(super) ordered: bool,
}

impl Default for Tally {
    fn default() -> Self {
        Self { count: 0, first: u64::MAX, last: 0, ordered: true }
    }
}

impl Tally {
    pub(super) fn add(&mut self, time: u64) {
        self.count += 1;
        self.ordered &= time >= self.last;
        self.first = self.first.min(time);
        self.last = self.last.max(time);
    }
}

/// Where an index stands, and how many series it names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct IndexPlace {
    pub(super) at: u32,
    entries: u32,
}

/// A whole index.
#[derive(Debug)]
pub(super) struct Index {
    pub(super) place: IndexPlace,
    pub(super) tally: Tally,
    /// The newest checkpoint, 0 if there is none.
    pub(super) checkpoint_at: u32,
    /// Hash of the name, its record, and the last record of the series; in the order of the names' records.
    pub(super) entries: Vec<(u64, u32, u32)>,
}

/// Appends the index that will stand at `at`.
pub(super) fn push(
    buffer: &mut Vec<u8>,
    at: u32,
    series: &SeriesMap,
    tally: Tally,
    checkpoint_at: u32,
) -> IndexPlace {
    let mut entries: Vec<_> =
        series.iter().map(|(name, series)| (hash(name), series.name_at, series.last_at)).collect();
    entries.sort_unstable();
    let mut body = Vec::with_capacity(entries.len() * ENTRY as usize + (HEADER + TRAILER) as usize);
    for part in [tally.count, tally.first, tally.last] {
        body.extend_from_slice(&part.to_be_bytes());
    }
    body.push(tally.ordered.into());
    body.extend_from_slice(&checkpoint_at.to_be_bytes());
    for (hash, name_at, last_at) in &entries {
        body.extend_from_slice(&hash.to_be_bytes());
        body.extend_from_slice(&name_at.to_be_bytes());
        body.extend_from_slice(&last_at.to_be_bytes());
    }
    let mut trailer = TRAILER_MAGIC.to_be_bytes().to_vec();
    trailer.extend_from_slice(&at.to_be_bytes());
    let crc = crc32fast::hash(&trailer);
    body.extend_from_slice(&trailer);
    body.extend_from_slice(&crc.to_be_bytes());
    record::push(buffer, at, Kind::Index, &[&body]);
    IndexPlace { at, entries: super::reader::offset(entries.len()) }
}

/// The index that the file ends with; nothing if there is none that is whole.
pub(super) fn read_last(reader: &mut Reader) -> io::Result<Option<Index>> {
    let Some(at) = trailer(reader)? else { return Ok(None) };
    let end = reader.end();
    let Some(record) = reader.record(at)? else { return Ok(None) };
    if record.kind != Kind::Index || record.end != end {
        return Ok(None);
    }
    Ok(parse(at, record.body))
}

/// Where the index stands according to the file's last bytes.
pub(super) fn trailer(reader: &mut Reader) -> io::Result<Option<u32>> {
    let Some(at) = reader.end().checked_sub(TRAILER).filter(|at| *at >= FILE_HEADER) else { return Ok(None) };
    let trailer = reader.bytes(at, TRAILER as usize)?;
    let intact = number(trailer, 0) == Some(TRAILER_MAGIC)
        && number(trailer, 8) == Some(crc32fast::hash(&trailer[..8]));
    Ok(number(trailer, 4).filter(|_| intact))
}

fn parse(at: u32, body: &[u8]) -> Option<Index> {
    let tally = Tally {
        count: long(body, 0)?,
        first: long(body, 8)?,
        last: long(body, 16)?,
        ordered: *body.get(24)? == 1,
    };
    let checkpoint_at = number(body, 25)?;
    let entries = body.get(HEADER as usize..body.len().checked_sub(TRAILER as usize)?)?;
    let mut entries: Vec<_> = entries.chunks_exact(ENTRY as usize).filter_map(entry).collect();
    // Who reads the names goes through the file from front to back.
    entries.sort_unstable_by_key(|(_, name_at, _)| *name_at);
    let place = IndexPlace { at, entries: super::reader::offset(entries.len()) };
    Some(Index { place, tally, checkpoint_at, entries })
}

fn entry(bytes: &[u8]) -> Option<(u64, u32, u32)> {
    Some((long(bytes, 0)?, number(bytes, 8)?, number(bytes, 12)?))
}

/// The series with this name, by halving the index. `damaged` is counted up if its name cannot be read any more; the
/// hash must then be enough.
pub(super) fn find(
    reader: &mut Reader,
    place: IndexPlace,
    name: &str,
    damaged: &mut u64,
) -> io::Result<Option<Series>> {
    let wanted = hash(name);
    let at = |place_in: u32| place.at + RECORD_HEADER + HEADER + place_in * ENTRY;
    let (mut low, mut high) = (0, place.entries);
    while low < high {
        let middle = low + (high - low) / 2;
        match entry(reader.bytes(at(middle), ENTRY as usize)?) {
            Some((hash, ..)) if hash < wanted => low = middle + 1,
            _ => high = middle,
        }
    }
    while low < place.entries {
        let Some((hash, name_at, last_at)) = entry(reader.bytes(at(low), ENTRY as usize)?) else { break };
        if hash != wanted {
            break;
        }
        let same = match reader.record(name_at)? {
            Some(record) => record.kind == Kind::Name && record.body == name.as_bytes(),
            None => {
                *damaged += 1;
                true
            }
        };
        if same {
            return Ok(Some(Series { name_at, last_at, written_at: last_at }));
        }
        low += 1;
    }
    Ok(None)
}

/// All series of an index whose names can be read, and how many cannot.
pub(super) fn load(reader: &mut Reader, index: &Index) -> io::Result<(SeriesMap, u64)> {
    let (mut series, mut damaged) = (SeriesMap::new(), 0);
    for (_, name_at, last_at) in &index.entries {
        match read_name(reader, *name_at)? {
            Some(name) => {
                series.insert(name, Series { name_at: *name_at, last_at: *last_at, written_at: *last_at });
            }
            None => damaged += 1,
        }
    }
    Ok((series, damaged))
}

/// The name that stands at `at`.
pub(super) fn read_name(reader: &mut Reader, at: u32) -> io::Result<Option<Arc<str>>> {
    let Some(record) = reader.record(at)?.filter(|record| record.kind == Kind::Name) else { return Ok(None) };
    Ok(std::str::from_utf8(record.body).ok().map(Arc::from))
}

/// FNV-1a with 64 bits. Names are compared as well: it need not resist anybody.
pub(super) fn hash(name: &str) -> u64 {
    name.bytes()
        .fold(0xCBF2_9CE4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_the_published_one() {
        assert_eq!(hash(""), 0xCBF2_9CE4_8422_2325);
        assert_eq!(hash("foobar"), 0x8594_4171_F739_67E8);
    }
}
