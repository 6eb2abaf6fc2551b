//! Which files must go: those that are too old, and the oldest where there are too many bytes.
//!
//! **What time is it?** A computer without a clock starts in 1970 and jumps when it finds the network; a broken clock
//! jumps ahead. A time is believed when points were kept around it in two buckets one after the other. Age is counted from the
//! bucket that is written now, if it is believed; otherwise nothing is too old. So one jump ahead costs nothing, a clock
//! that is behind costs nothing, and a clock that stays wrong for longer than a bucket makes old what is older than its time.
//! Points with times of 1970 go when the clock has been right for two buckets. When nobody publishes, the wall clock itself
//! is asked, and believed when it has not jumped for as long as a bucket ([`Wall`](super::wall::Wall)).
//!
//! Points with times far ahead of a time that is believed are from a clock that was wrong. They never become old by their
//! times; so they go with what was written later and is too old, and before everything else where there are too many bytes.

use super::catalogue::FileState;
use super::file_name::{FileName, What};
use super::options::{HistoryOptions, MINUTE};
use std::collections::BTreeMap;

/// A time so far ahead of one that is believed is wrong, in milliseconds.
const FAR_AHEAD_MS: u64 = 24 * 60 * MINUTE;

/// Why a file goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Why {
    /// It is too old.
    Age,
    /// There are too many bytes.
    Cap,
}

/// The files that must go, where all may have `cap` bytes and the time is `sure`, if it is. Those in `open` are written at the moment, the one of points
/// first: they stay.
pub(super) fn doomed(
    files: &BTreeMap<FileName, FileState>,
    open: [Option<FileName>; 2],
    options: &HistoryOptions,
    cap: u64,
    sure: Option<u64>,
) -> Vec<(FileName, Why)> {
    let now = sure.or_else(|| open[0].and_then(|current| believed(files, current)));
    let stays = |name: &FileName| open.contains(&Some(*name));
    let too_old = |name: &FileName| {
        let keep = match name.what {
            What::Points => options.keep_points_ms,
            What::Rollups => options.keep_rollups_ms,
        };
        now.is_some_and(|now| name.end() <= now.saturating_sub(keep))
    };
    let last_old = files.keys().filter(|name| too_old(name)).map(|name| name.number).max();
    let far_ahead = |name: &FileName| now.is_some_and(|now| name.start > now.saturating_add(FAR_AHEAD_MS));
    let mut doomed = Vec::new();
    let mut bytes = [0, 0];
    let mut left = [Vec::new(), Vec::new()];
    for (name, state) in files {
        // Numbers tell the order in which files were made, whatever the clock said.
        let written_before = far_ahead(name) && last_old.is_some_and(|old| name.number < old);
        if !stays(name) && (too_old(name) || written_before) {
            doomed.push((*name, Why::Age));
            continue;
        }
        bytes[name.what as usize] += u64::from(state.bytes);
        if !stays(name) {
            left[name.what as usize].push((*name, u64::from(state.bytes)));
        }
    }
    for left in &mut left {
        // Stable: the others stay in their order.
        left.sort_by_key(|(name, _)| !far_ahead(name));
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

/// The time that was believed when the last points were written, by an earlier run.
pub(super) fn last_believed(files: &BTreeMap<FileName, FileState>) -> Option<u64> {
    let points = files.keys().filter(|name| name.what == What::Points);
    believed(files, *points.max_by_key(|name| name.number)?)
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
        let gone = doomed(&files, [Some(name(What::Points, current)), None], &options(), 1_000, None);
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
    fn times_far_ahead_go_first_when_the_right_time_is_back() {
        let hours = [89, 91, 99, 100, 999_998, 999_999];
        let files = files(hours.map(|hour| name(What::Points, hour)), 200);
        let gone = doomed(&files, [Some(name(What::Points, 100)), None], &options(), 700, None);
        let gone: Vec<_> = gone.into_iter().map(|(name, why)| (name.number, why)).collect();
        assert_eq!(gone, [(89, Why::Age), (999_998, Why::Cap), (999_999, Why::Cap)]);
        // Before that nobody knows which times are wrong.
        let files = self::files([98, 100, 999_999].map(|hour| name(What::Points, hour)), 400);
        let gone = doomed(&files, [Some(name(What::Points, 100)), None], &options(), 1_000, None);
        assert_eq!(gone, [(name(What::Points, 98), Why::Cap)]);
    }

    #[test]
    fn times_far_ahead_go_with_what_was_written_after_them() {
        let ahead = FileName { number: 5, ..name(What::Points, 999_999) };
        let later = FileName { number: 95, ..name(What::Points, 999_998) };
        let others = [80, 89, 99, 100].map(|hour| name(What::Points, hour));
        let files = files(others.into_iter().chain([ahead, later]), 1);
        let gone = doomed(&files, [Some(name(What::Points, 100)), None], &options(), 1_000, None);
        let gone: Vec<_> = gone.into_iter().map(|(name, _)| name).collect();
        assert_eq!(gone, [name(What::Points, 80), name(What::Points, 89), ahead]);
    }

    #[test]
    fn the_oldest_points_go_first_where_there_are_too_many_bytes() {
        let points = (1..=6).map(|hour| name(What::Points, hour));
        let files = files(points.chain([name(What::Rollups, 0)]), 200);
        let gone = doomed(
            &files,
            [Some(name(What::Points, 6)), Some(name(What::Rollups, 0))],
            &options(),
            1_000,
            None,
        );
        assert_eq!(gone, [1, 2].map(|hour| (name(What::Points, hour), Why::Cap)));
    }

    #[test]
    fn roll_ups_go_first_when_they_have_more_than_their_quarter() {
        let all = (1..=3).flat_map(|hour| [name(What::Points, hour), name(What::Rollups, hour)]);
        let gone = doomed(&files(all, 200), [Some(name(What::Points, 3)), None], &options(), 1_000, None);
        assert_eq!(gone, [(name(What::Rollups, 1), Why::Cap)]);
    }

    #[test]
    fn what_is_written_stays_however_large_it_is() {
        let files = files([name(What::Points, 1)], 5_000);
        assert_eq!(doomed(&files, [Some(name(What::Points, 1)), None], &options(), 1_000, None), []);
    }
}
