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

/// Calls `visit` with every whole record before `stop`. Gives the end of the last one and the number of places where
/// bytes were passed over to find the next.
pub(super) fn each(
    reader: &mut Reader,
    stop: u32,
    visit: &mut dyn FnMut(u32, &Record<'_>),
) -> io::Result<(u32, u64)> {
    let stop = stop.min(reader.end());
    let (mut at, mut end, mut gaps) = (FILE_HEADER, FILE_HEADER, 0);
    while at < stop {
        match reader.record(at)? {
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
