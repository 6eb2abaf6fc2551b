//! Unix sockets that only their owner can connect to.
//!
//! Nothing but the file system keeps others out: the socket has mode 0600 from the moment on that it can be found, and
//! the system lets only its owner, and root, connect to it. So nobody has to be asked who they are.

use crate::socket_file::SocketFile;
use mio::net::{UnixListener, UnixStream};
use mio::{Interest, Registry, Token};
use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::Path;

pub use crate::socket_file::{LONGEST_PATH, is_alive};

/// Its owner may connect.
const MODE: u32 = 0o600;

/// A listening socket of its owner. The file goes when this is dropped.
#[derive(Debug)]
pub struct OwnerListener {
    listener: UnixListener,
    file: SocketFile,
}

impl OwnerListener {
    /// Listens at `path`, in a folder that is there. A socket that a program left behind when it died is replaced.
    ///
    /// # Errors
    /// [`AddrInUse`](io::ErrorKind::AddrInUse) when somebody listens there, [`AlreadyExists`](io::ErrorKind::AlreadyExists)
    /// when a file is there that is no socket, [`InvalidInput`](io::ErrorKind::InvalidInput) when the path is longer than
    /// [`LONGEST_PATH`], or what the system says.
    pub fn bind(path: &Path) -> io::Result<Self> {
        let (listener, file) = SocketFile::listen(path, MODE)?;
        Ok(Self { listener: UnixListener::from_std(listener), file })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.file.path()
    }

    /// Lets a poller tell when somebody connects.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        registry.register(&mut self.listener, token, Interest::READABLE)
    }

    /// The next connection that waits.
    ///
    /// # Errors
    /// [`WouldBlock`](io::ErrorKind::WouldBlock) when none waits, or what the system says.
    pub fn accept(&self) -> io::Result<UnixStream> {
        Ok(self.listener.accept()?.0)
    }
}

/// Makes a folder that only its owner can use, or sees to it that the one that is there is such a folder.
///
/// # Errors
/// When it belongs to somebody else or is no folder, or what the system says.
pub fn private_folder(path: &Path) -> io::Result<()> {
    match DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    check_owner(path)?;
    fs::set_permissions(path, Permissions::from_mode(0o700))
}

/// Checks that a folder is one, and this user's own.
///
/// # Errors
/// When it belongs to somebody else or is no folder, or what the system says.
pub fn check_owner(path: &Path) -> io::Result<()> {
    // A link could lead anywhere: it does not count as a folder.
    let metadata = fs::symlink_metadata(path)?;
    if !metadata.is_dir() {
        let what = if metadata.is_symlink() { "it is a link" } else { "it is no folder" };
        return Err(io::Error::new(io::ErrorKind::NotADirectory, what));
    }
    if metadata.uid() != user() {
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, "it belongs to another user"));
    }
    Ok(())
}

/// The number of the user whose rights this process has.
#[must_use]
pub fn user() -> u32 {
    nix::unistd::Uid::effective().as_raw()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net;
    use std::path::PathBuf;

    /// An empty folder with a short path, which goes with its owner.
    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let path = Path::new("/tmp").join(format!("darter-net-{name}-{}", std::process::id()));
            let _ = fs::remove_dir_all(&path);
            fs::create_dir(&path).unwrap();
            Self(path)
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn names(folder: &Folder) -> Vec<String> {
        let entries = fs::read_dir(&folder.0).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    #[test]
    fn a_socket_is_for_its_owner_only_and_goes_with_its_listener() {
        let folder = Folder::new("mode");
        let path = folder.0.join("a.sock");
        let listener = OwnerListener::bind(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(names(&folder), ["a.sock"], "nothing is left of where it was made");
        assert!(is_alive(&path));
        drop(listener);
        assert_eq!(names(&folder), [] as [&str; 0]);
    }

    #[test]
    fn a_socket_in_use_is_left_alone_and_a_dead_one_replaced() {
        let folder = Folder::new("stale");
        let path = folder.0.join("a.sock");
        let dead = net::UnixListener::bind(&path).unwrap();
        let error = OwnerListener::bind(&path).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
        drop(dead);
        assert!(path.exists(), "the system leaves the file");
        let listener = OwnerListener::bind(&path).unwrap();
        assert!(is_alive(listener.path()));
    }

    #[test]
    fn what_cannot_be_told_counts_as_alive() {
        let folder = Folder::new("unsure");
        let path = folder.0.join("a.sock");
        std::os::unix::fs::symlink(&path, &path).unwrap();
        assert!(is_alive(&path), "a link to itself cannot be followed");
        assert_eq!(OwnerListener::bind(&path).unwrap_err().kind(), io::ErrorKind::AddrInUse);
        assert_eq!(names(&folder), ["a.sock"]);
        assert!(!is_alive(&folder.0.join("b.sock")));
    }

    #[test]
    fn a_listener_removes_no_socket_but_its_own() {
        let folder = Folder::new("other");
        let path = folder.0.join("a.sock");
        let listener = OwnerListener::bind(&path).unwrap();
        fs::remove_file(&path).unwrap();
        let other = net::UnixListener::bind(&path).unwrap();
        drop(listener);
        assert!(is_alive(&path));
        drop(other);
    }

    #[test]
    fn a_path_that_is_too_long_is_refused() {
        let path = Path::new("/tmp").join("x".repeat(LONGEST_PATH));
        assert_eq!(OwnerListener::bind(&path).unwrap_err().kind(), io::ErrorKind::InvalidInput);
    }

    #[test]
    fn a_private_folder_is_closed_to_others_and_no_link() {
        let folder = Folder::new("private");
        let path = folder.0.join("p");
        fs::create_dir(&path).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o777)).unwrap();
        private_folder(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
        let link = folder.0.join("l");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        let file = folder.0.join("f");
        fs::write(&file, "").unwrap();
        for (other, what) in [(link, "it is a link"), (file, "it is no folder")] {
            let error = private_folder(&other).unwrap_err();
            assert_eq!((error.kind(), error.to_string().as_str()), (io::ErrorKind::NotADirectory, what));
        }
        if user() != 0 {
            assert_eq!(check_owner(Path::new("/")).unwrap_err().kind(), io::ErrorKind::PermissionDenied);
        }
    }
}
