//! Which of some files have changed.

use std::fs;
use std::path::PathBuf;
use std::time::SystemTime;

/// Watches files by looking at them now and then.
#[derive(Debug)]
pub(super) struct Changes {
    files: Vec<(PathBuf, Stamp)>,
    /// Something has changed, and may still change: a file is seldom written in one go.
    unsettled: bool,
}

/// What changes with a file. A file that is not there has none of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Stamp {
    modified: Option<SystemTime>,
    length: u64,
    /// Tells files apart that were put in place of each other.
    number: u64,
}

impl Changes {
    /// Watches files as they are now. Before they are read, so that no change is missed in between.
    pub(super) fn of(files: impl IntoIterator<Item = PathBuf>) -> Self {
        let mut changes = Self { files: Vec::new(), unsettled: false };
        changes.also(files);
        changes
    }

    /// Watches these too, as they are now; those that are watched already, as they were.
    pub(super) fn also(&mut self, files: impl IntoIterator<Item = PathBuf>) {
        for file in files {
            if self.files.iter().all(|(known, _)| *known != file) {
                let stamp = Stamp::of(&file);
                self.files.push((file, stamp));
            }
        }
    }

    /// Whether there is anything to look at.
    pub(super) fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// True once when files have changed and then stayed as they are from one look to the next.
    pub(super) fn look(&mut self) -> bool {
        let mut changed = false;
        for (file, known) in &mut self.files {
            let stamp = Stamp::of(file);
            changed |= stamp != *known;
            *known = stamp;
        }
        let settled = self.unsettled && !changed;
        self.unsettled = changed;
        settled
    }
}

impl Stamp {
    fn of(file: &PathBuf) -> Self {
        let Ok(data) = fs::metadata(file) else { return Self::default() };
        #[cfg(unix)]
        let number = std::os::unix::fs::MetadataExt::ino(&data);
        #[cfg(not(unix))]
        let number = 0;
        Self { modified: data.modified().ok(), length: data.len(), number }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_told_once_when_it_has_settled() {
        let folder = tempfile::tempdir().unwrap();
        let (one, two) = (folder.path().join("one"), folder.path().join("two"));
        fs::write(&one, "a").unwrap();
        let mut changes = Changes::of([one.clone(), two.clone()]);
        assert!(!changes.look() && !changes.look());
        fs::write(&one, "ab").unwrap();
        assert!(!changes.look(), "it may go on");
        fs::write(&two, "new").unwrap();
        assert!(!changes.look(), "it goes on");
        assert!(changes.look(), "it has settled");
        assert!(!changes.look());
        fs::remove_file(&one).unwrap();
        assert!(!changes.look());
        assert!(changes.look(), "a file that goes is a change");
    }

    #[test]
    fn a_file_that_is_watched_already_stays_as_it_was_seen_first() {
        let folder = tempfile::tempdir().unwrap();
        let (one, two) = (folder.path().join("one"), folder.path().join("two"));
        let mut changes = Changes::of([one.clone()]);
        fs::write(&one, "a").unwrap();
        fs::write(&two, "a").unwrap();
        changes.also([one, two]);
        assert!(!changes.look());
        assert!(changes.look(), "one has changed");
    }

    #[test]
    fn a_file_of_the_same_length_in_its_place_is_a_change() {
        let folder = tempfile::tempdir().unwrap();
        let (one, other) = (folder.path().join("one"), folder.path().join("other"));
        fs::write(&one, "a").unwrap();
        fs::write(&other, "b").unwrap();
        let time = fs::metadata(&one).unwrap().modified().unwrap();
        fs::File::options().write(true).open(&other).unwrap().set_modified(time).unwrap();
        let mut changes = Changes::of([one.clone()]);
        fs::rename(&other, &one).unwrap();
        assert!(!changes.look());
        assert!(changes.look() || cfg!(not(unix)));
    }
}
