//! Which files must go: those that are too old, and the oldest where there are too many bytes.
//!
//! **What time is it?** A computer without a clock starts in 1970 and jumps when it finds the network; a broken clock
//! jumps ahead. A time is believed when points were kept around it in two buckets one after the other. Age is counted from the
//! bucket that is written now, if it is believed; otherwise nothing is too old. So one jump ahead costs nothing, a clock
//! that is behind costs nothing, and a clock that stays wrong for longer than a bucket makes old what is older than its time.
//! Points with times of 1970 go when the clock has been right for two buckets.

use super::catalogue::FileState;
use super::file_name::{FileName, What};
use super::options::HistoryOptions;
use std::collections::BTreeMap;

/// Why a file goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Why {
    /// It is too old.
    Age,
    /// There are too many bytes.
    Cap,
}

/// The files that must go, where all may have `cap` bytes. Those in `open` are written at the moment, the one of points
/// first: they stay.
pub(super) fn doomed(
    files: &BTreeMap<FileName, FileState>,
    open: [Option<FileName>; 2],
    options: &HistoryOptions,
    cap: u64,
) -> Vec<(FileName, Why)> {
    let now = open[0].and_then(|current| believed(files, current));
    let stays = |name: &FileName| open.contains(&Some(*name));
    let too_old = |name: &FileName| {
        let keep = match name.what {
            What::Points => options.keep_points_ms,
            What::Rollups => options.keep_rollups_ms,
        };
        now.is_some_and(|now| name.end() <= now.saturating_sub(keep))
    };
    let mut doomed = Vec::new();
    let mut bytes = [0, 0];
    let mut left = [Vec::new(), Vec::new()];
    for (name, state) in files {
        if !stays(name) && too_old(name) {
            doomed.push((*name, Why::Age));
            continue;
        }
        bytes[name.what as usize] += u64::from(state.bytes);
        if !stays(name) {
            left[name.what as usize].push((*name, u64::from(state.bytes)));
        }
    }
    let mut left = left.map(Vec::into_iter);
    while bytes.iter().sum::<u64>() > cap {
        // Roll-ups are small and last long; only what they have beyond their quarter goes before points do.
        let rollups_first = bytes[What::Rollups as usize] > cap / 4;
        let order = if rollups_first { [What::Rollups, What::Points] } else { [What::Points, What::Rollups] };
        let next = order.into_iter().find_map(|what| left[what as usize].next());
        let Some((name, size)) = next else { break };
        bytes[name.what as usize] -= size;
        doomed.push((name, Why::Cap));
    }
    doomed
}

/// The start of the current bucket, if there are points of the bucket before it.
fn believed(files: &BTreeMap<FileName, FileState>, current: FileName) -> Option<u64> {
    let before = current.start.checked_sub(1)?;
    files
        .iter()
        .any(|(name, state)| {
            name.what == What::Points
                && (name.start..name.end()).contains(&before)
                && name.start < current.start
                && state.tally.count > 0
        })
        .then_some(current.start)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::options::MINUTE;

    const HOUR: u64 = 60 * MINUTE;

    fn options() -> HistoryOptions {
        HistoryOptions { keep_points_ms: 10 * HOUR, ..HistoryOptions::in_memory() }
    }

    fn name(what: What, hour: u64) -> FileName {
        FileName { what, start: hour * HOUR, len: HOUR, number: hour }
    }

    fn files(names: impl IntoIterator<Item = FileName>, bytes: u32) -> BTreeMap<FileName, FileState> {
        let state = || {
            let mut state = FileState::empty(bytes);
            state.tally.add(1);
            state
        };
        names.into_iter().map(|name| (name, state())).collect()
    }

    fn doomed_points(hours: &[u64], current: u64) -> Vec<u64> {
        let files = files(hours.iter().map(|hour| name(What::Points, *hour)), 1);
        let gone = doomed(&files, [Some(name(What::Points, current)), None], &options(), 1_000);
        gone.into_iter().map(|(name, _)| name.number).collect()
    }

    #[test]
    fn points_go_when_they_are_too_old() {
        assert_eq!(doomed_points(&[88, 89, 90, 98, 99, 100], 100), [88, 89]);
    }

    #[test]
    fn one_jump_ahead_makes_nothing_old() {
        assert_eq!(doomed_points(&[98, 99, 100, 999_999], 999_999), [0; 0]);
        assert_eq!(doomed_points(&[98, 99, 100, 999_998, 999_999], 999_999), [98, 99, 100]);
    }

    #[test]
    fn a_clock_that_is_behind_makes_nothing_old() {
        assert_eq!(doomed_points(&[0, 1, 98, 99, 100], 1), [0; 0]);
        assert_eq!(doomed_points(&[0, 1, 98, 99, 100], 100), [0, 1]);
    }

    #[test]
    fn the_oldest_points_go_first_where_there_are_too_many_bytes() {
        let points = (1..=6).map(|hour| name(What::Points, hour));
        let files = files(points.chain([name(What::Rollups, 0)]), 200);
        let gone =
            doomed(&files, [Some(name(What::Points, 6)), Some(name(What::Rollups, 0))], &options(), 1_000);
        assert_eq!(gone, [1, 2].map(|hour| (name(What::Points, hour), Why::Cap)));
    }

    #[test]
    fn roll_ups_go_first_when_they_have_more_than_their_quarter() {
        let all = (1..=3).flat_map(|hour| [name(What::Points, hour), name(What::Rollups, hour)]);
        let gone = doomed(&files(all, 200), [Some(name(What::Points, 3)), None], &options(), 1_000);
        assert_eq!(gone, [(name(What::Rollups, 1), Why::Cap)]);
    }

    #[test]
    fn what_is_written_stays_however_large_it_is() {
        let files = files([name(What::Points, 1)], 5_000);
        assert_eq!(doomed(&files, [Some(name(What::Points, 1)), None], &options(), 1_000), []);
    }
}
