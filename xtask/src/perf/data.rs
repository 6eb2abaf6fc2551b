//! A fresh folder for the state of one server.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::step;

/// A folder below the build results, on a real disk, which goes with this value.
pub(crate) struct DataFolder {
    root: PathBuf,
}

impl DataFolder {
    /// Where such folders are made.
    pub(crate) fn place() -> PathBuf {
        step::target_folder().join("perf-data")
    }

    /// An empty folder.
    pub(crate) fn fresh() -> Result<Self, String> {
        let root = Self::place().join(std::process::id().to_string());
        let made = match fs::remove_dir_all(&root) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => fs::create_dir_all(root.join("state")),
        };
        made.map_err(|error| format!("{}: {error}", root.display()))?;
        Ok(Self { root })
    }

    /// What the server is told to use.
    pub(crate) fn state(&self) -> PathBuf {
        self.root.join("state")
    }

    /// Writes settings for the server beside its state.
    pub(crate) fn settings(&self, name: &str, text: &str) -> Result<PathBuf, String> {
        let path = self.root.join(name);
        fs::write(&path, text).map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(path)
    }

    /// Room that the state takes on the disk, in bytes.
    pub(crate) fn bytes(&self) -> u64 {
        allocated(&self.state())
    }
}

impl Drop for DataFolder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.root);
    }
}

/// Blocks of every file below this folder; one that is deleted meanwhile has none.
fn allocated(folder: &Path) -> u64 {
    /// Bytes of a block as `stat` counts them.
    const BLOCK: u64 = 512;
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .map(|entry| match entry.metadata() {
            Ok(found) if found.is_dir() => allocated(&entry.path()),
            Ok(found) => found.blocks() * BLOCK,
            Err(_) => 0,
        })
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_empty_counts_what_is_in_it_and_goes() {
        let folder = DataFolder::fresh().unwrap();
        assert_eq!(folder.bytes(), 0);
        fs::create_dir(folder.state().join("below")).unwrap();
        let mut file = fs::File::create(folder.state().join("below/file")).unwrap();
        io::Write::write_all(&mut file, &vec![7; 100_000]).unwrap();
        file.sync_all().unwrap();
        assert!((100_000..300_000).contains(&folder.bytes()), "{}", folder.bytes());
        let state = folder.state();
        drop(folder);
        assert!(!state.exists());
    }
}
