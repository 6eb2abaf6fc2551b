//! The disk is also that of sessions and messages, which matter more: a history leaves as much free as it takes, and gives
//! way where there is no room.

use super::file_name::What;
use super::folder::Folder;
use super::report::count;
use super::retention::Why;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::Path;

/// A file may grow to this part of what all may take, so that the oldest can go one by one.
const PARTS: u64 = 8;

/// How many bytes all files may have, where they have `own` and so many are `free`: never more than are left free.
fn share(cap: u64, own: u64, free: Option<u64>) -> u64 {
    free.map_or(cap, |free| cap.min(own.saturating_add(free) / 2))
}

/// Whether there is no room for what was to be written.
pub(super) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded)
}

/// Bytes that are free for this user; nothing where the system does not say.
#[cfg(unix)]
fn free(folder: &Path) -> Option<u64> {
    let disk = nix::sys::statvfs::statvfs(folder).ok()?;
    // The numbers have other widths on other systems.
    #[allow(clippy::useless_conversion, clippy::unnecessary_fallible_conversions, reason = "see above")]
    let (blocks, size) =
        (u64::try_from(disk.blocks_available()).ok()?, u64::try_from(disk.fragment_size()).ok()?);
    blocks.checked_mul(size)
}

#[cfg(not(unix))]
fn free(_: &Path) -> Option<u64> {
    None
}

impl Folder {
    /// Looks how much all files may take now.
    pub(super) fn measure(&mut self) {
        let own = self.shared.catalogue().bytes();
        self.cap = share(self.shared.options.disk_cap, own, free(&self.path));
    }

    /// How long a file may become.
    pub(super) fn part_bytes(&self) -> u64 {
        self.shared.options.part_bytes.min(self.cap / PARTS)
    }

    /// Gives half of its bytes back: the oldest files, and at last the one that is written. Whether there was something.
    pub(super) fn make_room(&mut self) -> bool {
        let before = self.shared.catalogue().bytes();
        self.cap = self.cap.min(before / 2);
        self.drop_doomed();
        if self.shared.catalogue().bytes() > self.cap {
            self.drop_open_points();
        }
        self.shared.catalogue().bytes() < before
    }

    /// Its points are the oldest that are left.
    fn drop_open_points(&mut self) {
        self.discard_waiting();
        let Some(segment) = self.points.take() else { return };
        match fs::remove_file(&segment.path) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                self.shared.catalogue().trouble =
                    Some(format!("{} cannot be removed: {error}", segment.name));
                self.points = Some(segment);
            }
            _ => self.forget(segment.name, Why::Cap),
        }
    }

    /// A file is gone: what was in it is counted.
    pub(super) fn forget(&self, name: super::file_name::FileName, why: Why) {
        let gone = self.shared.catalogue().files.remove(&name);
        let points = gone.filter(|_| name.what == What::Points).map_or(0, |state| state.tally.count);
        let counters = &self.shared.counters;
        count(if why == Why::Age { &counters.too_old } else { &counters.over_cap }, points);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::options::{HistoryOptions, MINUTE};
    use crate::history::shared::Shared;
    use darter_codec::{Message, QoS};
    use std::sync::Arc;

    const HOUR: u64 = 60 * MINUTE;

    fn folder(place: &Path) -> Folder {
        let shared = Arc::new(Shared::new(HistoryOptions::in_folder(place)));
        Folder::new(shared, place.to_owned())
    }

    fn keep(folder: &mut Folder, time: u64) {
        folder.keep(time, &Message::new(QoS::AtMostOnce, false, "t", [], &[b'x'; 100], None));
    }

    fn points(folder: &Folder) -> u64 {
        folder
            .shared
            .catalogue()
            .files
            .iter()
            .filter(|(name, _)| name.what == What::Points)
            .map(|(_, state)| state.tally.count)
            .sum()
    }

    #[test]
    fn as_much_is_left_free_as_is_taken() {
        assert_eq!(share(1_000, 0, None), 1_000);
        assert_eq!(share(1_000, 0, Some(5_000)), 1_000);
        assert_eq!(share(1_000, 0, Some(500)), 250);
        assert_eq!(share(1_000, 300, Some(0)), 150);
        assert_eq!(share(u64::MAX, u64::MAX, Some(1)), u64::MAX / 2);
    }

    #[test]
    fn a_full_disk_costs_the_oldest_points_and_the_newest_are_kept() {
        let place = tempfile::tempdir().unwrap();
        let mut folder = folder(place.path());
        for hour in 0..8 {
            (0..10).for_each(|n| keep(&mut folder, hour * HOUR + n * 1_000));
        }
        folder.flush();
        let before = folder.shared.catalogue().bytes();
        folder.fail(&ErrorKind::StorageFull.into());
        let after = folder.shared.catalogue().bytes();
        assert!(after <= before / 2 && after > 0, "{before} bytes, {after} are left");
        let counted = folder.shared.counters.not_kept();
        assert_eq!(points(&folder) + counted.over_cap, 80);
        let oldest = folder
            .shared
            .catalogue()
            .files
            .keys()
            .filter(|name| name.what == What::Points)
            .map(|name| name.start)
            .min();
        assert!(oldest >= Some(3 * HOUR), "{oldest:?}");
        // Now there is room, and it goes on at once.
        keep(&mut folder, 8 * HOUR);
        folder.flush();
        assert_eq!(
            (folder.shared.counters.not_kept().error, folder.shared.catalogue().trouble.clone()),
            (0, None)
        );
    }

    #[test]
    fn the_file_that_is_written_goes_when_nothing_else_is_there() {
        let place = tempfile::tempdir().unwrap();
        let mut folder = folder(place.path());
        (0..10).for_each(|n| keep(&mut folder, n * 1_000));
        folder.flush();
        keep(&mut folder, 10_000);
        folder.fail(&ErrorKind::StorageFull.into());
        let counted = folder.shared.counters.not_kept();
        assert_eq!((points(&folder), counted.over_cap, counted.error), (0, 10, 1));
        assert_eq!(fs::read_dir(place.path()).unwrap().count(), 0, "its bytes are free");
    }

    #[test]
    fn what_is_too_old_goes_although_nobody_publishes() {
        let place = tempfile::tempdir().unwrap();
        let mut folder = folder(place.path());
        (0..10).for_each(|n| keep(&mut folder, n * 1_000));
        folder.flush();
        let keep_points = folder.shared.options.keep_points_ms;
        folder.sweep(keep_points + HOUR - 1);
        assert_eq!(points(&folder), 10);
        folder.sweep(keep_points + HOUR);
        assert_eq!((points(&folder), folder.shared.counters.not_kept().too_old), (0, 10));
        assert_eq!(fs::read_dir(place.path()).unwrap().count(), 0);
        keep(&mut folder, keep_points + HOUR);
        folder.flush();
        assert_eq!(points(&folder), 1, "it goes on");
    }

    #[test]
    fn another_error_costs_nothing_that_was_kept() {
        let place = tempfile::tempdir().unwrap();
        let mut folder = folder(place.path());
        (0..10).for_each(|n| keep(&mut folder, n * 1_000));
        folder.flush();
        folder.fail(&ErrorKind::PermissionDenied.into());
        assert_eq!(points(&folder), 10);
    }
}
