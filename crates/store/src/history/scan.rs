//! Reads a file from its start to its end, whatever is in it.

use super::index::Tally;
use super::reader::{Reader, Record};
use super::record::{Chain, Checkpoint, FILE_HEADER, Kind, MARKER};
use std::collections::HashMap;
use std::io;
use std::sync::Arc;

/// Where one series of a file stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Series {
    /// The record with its name.
    pub(super) name_at: u32,
    /// Its last record that was handed to the writer.
    pub(super) last_at: u32,
    /// Its last record that is in the file; 0 if there is none.
    pub(super) written_at: u32,
}

/// The series of one file by their names.
pub(super) type SeriesMap = HashMap<Arc<str>, Series>;

/// What stands in a file.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) series: SeriesMap,
    pub(super) tally: Tally,
    /// Up to where each file of points was rolled up.
    pub(super) checkpoints: HashMap<u64, u32>,
    /// The newest checkpoint, 0 if there is none.
    pub(super) checkpoint_at: u32,
    /// Behind the last index, where the file was closed once.
    pub(super) closed_at: u32,
    /// Behind the last checkpoint or index.
    pub(super) agreed_at: u32,
    /// Behind the last record that is whole.
    pub(super) end: u32,
    /// Damaged places, and records whose name is lost.
    pub(super) damaged: u64,
}

/// Reads everything up to `stop`.
pub(super) fn take_stock(reader: &mut Reader, stop: u32) -> io::Result<Found> {
    let mut found = Found::default();
    let mut names: HashMap<u32, Arc<str>> = HashMap::new();
    let mut nameless = 0;
    let (end, gaps) = each(reader, stop, &mut |at, record| match record.kind {
        Kind::Name => {
            if let Ok(name) = std::str::from_utf8(record.body) {
                names.insert(at, name.into());
            }
        }
        Kind::Point | Kind::Rollup => {
            let chain = Chain::read(record.body);
            let Some((chain, name)) = chain.and_then(|chain| Some((chain, names.get(&chain.name_at)?)))
            else {
                nameless += 1;
                return;
            };
            let series = Series { name_at: chain.name_at, last_at: at, written_at: at };
            found.series.insert(name.clone(), series);
            found.tally.add(chain.time);
        }
        Kind::Checkpoint => {
            for checkpoint in Checkpoint::read_all(record.body) {
                found.checkpoints.insert(checkpoint.file, checkpoint.len);
            }
            found.checkpoint_at = at;
            found.agreed_at = record.end;
        }
        Kind::Index => {
            found.closed_at = record.end;
            found.agreed_at = record.end;
        }
    })?;
    found.end = end;
    found.damaged = gaps + nameless;
    Ok(found)
}

/// Looking for the next whole record reads what looks like one and is none. When so many bytes, and so many times the file,
/// have been read in vain, only short records are looked for: what somebody put into a payload shall not keep the server busy.
const IN_VAIN: u64 = 16 << 20;
const IN_VAIN_TIMES: u64 = 4;
/// Every topic in a file has one: its name.
const SHORT: u32 = 256;

/// Calls `visit` with every whole record before `stop`. Gives the end of the last one and the number of places where
/// bytes were passed over to find the next.
pub(super) fn each(
    reader: &mut Reader,
    stop: u32,
    visit: &mut dyn FnMut(u32, &Record<'_>),
) -> io::Result<(u32, u64)> {
    let stop = stop.min(reader.end());
    let (mut at, mut end, mut gaps) = (FILE_HEADER, FILE_HEADER, 0);
    let mut patience = IN_VAIN.max(u64::from(stop) * IN_VAIN_TIMES);
    while at < stop {
        let tried = match at == end {
            true => reader.record(at)?,
            false => match reader.claimed(at)? {
                Some(len) if len <= SHORT || u64::from(len) <= patience => {
                    let fits = at.checked_add(len).is_some_and(|end| end <= reader.end());
                    patience = patience.saturating_sub(if fits { len.into() } else { 0 });
                    reader.record(at)?
                }
                _ => None,
            },
        };
        match tried {
            Some(record) => {
                gaps += u64::from(at != end);
                visit(at, &record);
                (at, end) = (record.end, record.end);
            }
            None => at = next_marker(reader, at + 1, stop)?,
        }
    }
    Ok((end, gaps + u64::from(at != end)))
}

fn next_marker(reader: &mut Reader, from: u32, stop: u32) -> io::Result<u32> {
    let mut at = from;
    while at < stop {
        let len = (stop - at).min(4096);
        let found = reader.bytes(at, len as usize)?.iter().position(|byte| *byte == MARKER);
        match found {
            Some(place) => return Ok(at + super::reader::offset(place)),
            None => at += len,
        }
    }
    Ok(stop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::reader::WIDE;
    use crate::history::record;
    use std::fs;

    #[test]
    fn what_looks_like_long_records_everywhere_is_passed_over_soon() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("points");
        let mut bytes = record::file_header();
        // Each of them claims eight megabytes of the rest: read one by one they would be terabytes.
        bytes.extend([0xDA, 5, 0x00, 0x7F, 0xFF, 0xFF].repeat((12 << 20) / 6));
        let at = crate::history::reader::offset(bytes.len());
        record::push(&mut bytes, at, Kind::Name, &[b"topic"]);
        let chain = Chain { name_at: at, before: 0, time: 7 }.write();
        let next = crate::history::reader::offset(bytes.len());
        record::push(&mut bytes, next, Kind::Point, &[&chain, &[0], &[b'x'; 70_000]]);
        fs::write(&path, &bytes).unwrap();
        let end = crate::history::reader::offset(bytes.len());
        let mut reader = Reader::open(&path, end, WIDE).unwrap();
        let found = take_stock(&mut reader, end).unwrap();
        assert_eq!(
            (found.tally.count, found.damaged, found.end),
            (1, 1, end),
            "what is whole behind them is found"
        );
    }
}
