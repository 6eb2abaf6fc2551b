//! The files of Unix sockets: made with the right mode, replaced when nobody listens any more, removed at the end.

use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

/// The longest path that a socket can have everywhere, in bytes, with room for where it is made.
pub const LONGEST_PATH: usize = 96;

/// The file of a listening socket. It goes when this is dropped.
#[derive(Debug)]
pub(crate) struct SocketFile {
    path: PathBuf,
    /// Device and inode, by which the file is known again.
    identity: (u64, u64),
}

impl SocketFile {
    /// Listens at `path`, in a folder that is there, for those whom `mode` lets connect. A socket that a program left
    /// behind when it died is replaced, any other file is not.
    ///
    /// # Errors
    /// [`AddrInUse`](io::ErrorKind::AddrInUse) when somebody listens there, [`AlreadyExists`](io::ErrorKind::AlreadyExists)
    /// when it is no socket, [`InvalidInput`](io::ErrorKind::InvalidInput) when the path is longer than
    /// [`LONGEST_PATH`], or what the system says.
    pub(crate) fn listen(path: &Path, mode: u32) -> io::Result<(UnixListener, Self)> {
        if path.as_os_str().len() > LONGEST_PATH {
            let what = format!("the path is too long for a socket, {LONGEST_PATH} bytes are the most");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, what));
        }
        if is_alive(path) {
            return Err(io::ErrorKind::AddrInUse.into());
        }
        if fs::symlink_metadata(path).is_ok_and(|file| !file.file_type().is_socket()) {
            let what = "there is a file that is no socket";
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, what));
        }
        let folder = path.parent().unwrap_or(Path::new("."));
        // Made where nobody else can reach it, and moved when its mode is right: at no time can another user connect.
        let nest = folder.join(format!(".{}", std::process::id()));
        let _ = fs::remove_dir_all(&nest);
        DirBuilder::new().mode(0o700).create(&nest)?;
        let made = Self::make(&nest.join("s"), path, mode);
        let _ = fs::remove_dir_all(&nest);
        made
    }

    fn make(egg: &Path, path: &Path, mode: u32) -> io::Result<(UnixListener, Self)> {
        let listener = UnixListener::bind(egg)?;
        fs::set_permissions(egg, Permissions::from_mode(mode))?;
        listener.set_nonblocking(true)?;
        fs::rename(egg, path)?;
        let identity = identity(path)?;
        Ok((listener, Self { path: path.into(), identity }))
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        // Another program may have put its own there.
        if identity(&self.path).is_ok_and(|there| there == self.identity) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    let metadata = fs::symlink_metadata(path)?;
    Ok((metadata.dev(), metadata.ino()))
}

/// Whether somebody listens at `path`. Where that cannot be told, such as without a free descriptor, somebody may.
#[must_use]
pub fn is_alive(path: &Path) -> bool {
    let dead = [io::ErrorKind::NotFound, io::ErrorKind::ConnectionRefused];
    // Does not wait for a listener that accepts nobody.
    !mio::net::UnixStream::connect(path).is_err_and(|error| dead.contains(&error.kind()))
}
