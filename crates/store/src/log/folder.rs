//! The data folder: one server at a time.

use super::segment::sync_folder;
use crate::OpenError;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};

const LOCK: &str = "lock";

/// Held as long as the folder is used; the system gives it back when the process ends, however it ends.
#[derive(Debug)]
pub(super) struct Lock(File);

impl Lock {
    /// Makes the folder if it is not there, and takes it.
    pub(super) fn take(folder: &Path) -> Result<Self, OpenError> {
        let failed = |source| OpenError::Folder { folder: folder.to_owned(), source };
        make_private(folder).map_err(failed)?;
        let path = folder.join(LOCK);
        let open = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path);
        let mut lock = Self::of(folder, open.map_err(failed)?)?;
        // Only for people: which process it is. A full disk shall not keep the server from starting.
        let _ = lock.0.set_len(0).and_then(|()| writeln!(lock.0, "{}", std::process::id()));
        Ok(lock)
    }

    /// Takes a folder to look into it, which changes nothing. None when no server was ever there.
    pub(super) fn look(folder: &Path) -> Result<Option<Self>, OpenError> {
        match File::open(folder.join(LOCK)) {
            Ok(file) => Self::of(folder, file).map(Some),
            Err(error) if error.kind() == io::ErrorKind::NotFound && folder.is_dir() => Ok(None),
            Err(source) => Err(OpenError::Folder { folder: folder.to_owned(), source }),
        }
    }

    fn of(folder: &Path, mut file: File) -> Result<Self, OpenError> {
        match file.try_lock() {
            Ok(()) => Ok(Self(file)),
            Err(TryLockError::WouldBlock) => Err(in_use(folder, &mut file)),
            Err(TryLockError::Error(source)) => Err(OpenError::Folder { folder: folder.to_owned(), source }),
        }
    }
}

/// Refuses a folder of another user: what is written there would belong to this one, and the other's server could not use it.
pub(super) fn check_owner(folder: &Path) -> Result<(), OpenError> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        let failed = |source| OpenError::Folder { folder: folder.to_owned(), source };
        let owner = fs::metadata(folder).map_err(failed)?.uid();
        if owner != nix::unistd::geteuid().as_raw() {
            return Err(OpenError::NotOurs { folder: folder.to_owned(), owner });
        }
    }
    Ok(())
}

fn in_use(folder: &Path, file: &mut File) -> OpenError {
    let mut process = String::new();
    let read = file.rewind().and_then(|()| file.take(32).read_to_string(&mut process));
    let known = read.is_ok() && !process.trim().is_empty();
    let process = if known { process.trim().to_owned() } else { "unknown".to_owned() };
    OpenError::InUse { folder: folder.to_owned(), process }
}

/// Makes a folder that only its owner may look into: messages are in it.
pub(super) fn make_private(folder: &Path) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    let missing: Vec<&Path> =
        folder.ancestors().take_while(|one| !one.as_os_str().is_empty() && !one.is_dir()).collect();
    builder.create(folder)?;
    // A name that the parent forgets takes everything along.
    missing.into_iter().filter_map(Path::parent).try_for_each(|parent| {
        sync_folder(if parent.as_os_str().is_empty() { Path::new(".") } else { parent })
    })
}

/// Where the messages are.
pub(super) fn messages(folder: &Path) -> PathBuf {
    folder.join("messages")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_server_on_a_folder_is_told_who_the_first_is() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("new/data");
        let lock = Lock::take(&folder).unwrap();
        let refused = Lock::take(&folder).unwrap_err();
        assert!(
            matches!(&refused, OpenError::InUse { process, .. } if *process == std::process::id().to_string())
        );
        assert!(refused.to_string().contains("in use by another darter"), "{refused}");
        drop(lock);
        Lock::take(&folder).unwrap();
    }
}
