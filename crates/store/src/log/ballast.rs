//! The ballast: a file that is there only to be given up when the disk is full, so that messages can still be taken out.

use super::segment::{set_aside, sync_folder};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

const NAME: &str = "ballast";
const PIECE: usize = 1024 * 1024;

#[derive(Debug)]
pub(super) struct Ballast {
    path: PathBuf,
    size: u64,
    present: bool,
}

impl Ballast {
    /// Looks whether it is there.
    pub(super) fn open(folder: &Path, size: u64) -> Self {
        let path = folder.join(NAME);
        let present = fs::metadata(&path).is_ok_and(|metadata| metadata.len() >= size);
        Self { path, size, present }
    }

    pub(super) fn is_present(&self) -> bool {
        self.present || self.size == 0
    }

    /// Whether there may be room for it; writing it only to find out would fill the disk each time.
    pub(super) fn may_fit(&self) -> bool {
        #[cfg(unix)]
        if let Some(folder) = self.path.parent()
            && let Ok(disk) = nix::sys::statvfs::statvfs(folder)
        {
            let free = disk.blocks_available().saturating_mul(disk.fragment_size());
            return free > self.size + self.size / 4;
        }
        true
    }

    /// Writes it anew; an error when there is no room for it.
    pub(super) fn restore(&mut self) -> io::Result<()> {
        if self.is_present() {
            return Ok(());
        }
        let written = self.write();
        if written.is_err() {
            let _ = fs::remove_file(&self.path);
        }
        written?;
        self.present = true;
        Ok(())
    }

    fn write(&self) -> io::Result<()> {
        if let (true, Some(folder)) = (self.path.is_dir(), self.path.parent()) {
            set_aside(folder, &self.path)?;
        }
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).open(&self.path)?;
        // Real bytes: a hole would take no room, and so give none.
        let piece = vec![0xA5; PIECE];
        let mut left = usize::try_from(self.size).unwrap_or(usize::MAX);
        while left > 0 {
            let len = left.min(PIECE);
            file.write_all(&piece[..len])?;
            left -= len;
        }
        file.sync_all()
    }

    /// Gives it up. False when it was gone already.
    pub(super) fn give_up(&mut self) -> bool {
        if !std::mem::take(&mut self.present) {
            return false;
        }
        // Both: a file system may need room to delete a name.
        let cut = File::options().write(true).open(&self.path).and_then(|file| file.set_len(0));
        let removed = fs::remove_file(&self.path);
        if let Some(folder) = self.path.parent() {
            let _ = sync_folder(folder);
        }
        cut.is_ok() || removed.is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_takes_room_and_gives_it_back() {
        let folder = tempfile::tempdir().unwrap();
        let mut ballast = Ballast::open(folder.path(), 3_000_000);
        assert!(!ballast.is_present());
        ballast.restore().unwrap();
        assert_eq!(fs::metadata(folder.path().join(NAME)).unwrap().len(), 3_000_000);
        assert!(Ballast::open(folder.path(), 3_000_000).is_present());
        assert!(ballast.give_up());
        assert!(!ballast.give_up());
        assert!(!folder.path().join(NAME).exists());
    }
}
