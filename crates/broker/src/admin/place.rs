//! Where a server's socket is, for the server and for those who look for it.
//!
//! A server with a data folder has its socket in there, as `darter.sock`. Where the path would be too long, or the file
//! system has no sockets, it is in the user's runtime folder, and the file `socket` in the data folder says where. A
//! server without a data folder has its socket in the runtime folder too. There it is named for the server's first port
//! and process: `1883-4711.sock`.
//!
//! The runtime folder is `$DARTER_RUNTIME_DIR` and no other, or `$XDG_RUNTIME_DIR/darter`, or `/tmp/darter-<user>`.

use darter_net::owner_only::{LONGEST_PATH, OwnerListener, check_owner, is_alive, private_folder, user};
use std::fs;
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use thiserror::Error;

const NAME: &str = "darter.sock";
const POINTER: &str = "socket";

/// A socket and what leads to it.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) listener: OwnerListener,
    /// The file that says where it is; goes with it.
    pub(super) pointer: Option<PathBuf>,
}

/// Opens the socket of a server whose first port is `port`.
pub(super) fn open(data_folder: Option<&Path>, port: u16) -> io::Result<Opened> {
    let Some(folder) = data_folder else {
        return Ok(Opened { listener: open_in_runtime(port)?, pointer: None });
    };
    let pointer = folder.join(POINTER);
    match OwnerListener::bind(&folder.join(NAME)) {
        Ok(listener) => {
            let _ = fs::remove_file(pointer);
            Ok(Opened { listener, pointer: None })
        }
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => Err(error),
        Err(_) => {
            let listener = open_in_runtime(port)?;
            let pointer = point(pointer, listener.path());
            Ok(Opened { listener, pointer })
        }
    }
}

/// Says in the data folder where the socket is. On a full disk that is not possible, and the socket is of use all the same.
fn point(pointer: PathBuf, socket: &Path) -> Option<PathBuf> {
    match fs::write(&pointer, socket.as_os_str().as_bytes()) {
        Ok(()) => Some(pointer),
        Err(error) => {
            // What was written in part would lead nowhere.
            let _ = fs::remove_file(&pointer);
            tracing::warn!(
                pointer = %pointer.display(), socket = %socket.display(), %error,
                "the data folder cannot say where the socket for live administration is: ask without --data-dir"
            );
            None
        }
    }
}

fn open_in_runtime(port: u16) -> io::Result<OwnerListener> {
    let mut outcome = Err(io::Error::other("there is no runtime folder"));
    for folder in runtime_folders() {
        let opened = private_folder(&folder).and_then(|()| {
            remove_dead(&folder);
            OwnerListener::bind(&folder.join(format!("{port}-{}.sock", std::process::id())))
        });
        outcome =
            opened.map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", folder.display())));
        if outcome.is_ok() {
            break;
        }
    }
    outcome
}

/// Folders for sockets of this user, the best first. A user's session and a service may know different ones.
fn runtime_folders() -> Vec<PathBuf> {
    let given = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|folder| folder.is_absolute());
    if let Some(folder) = given("DARTER_RUNTIME_DIR") {
        return vec![folder];
    }
    let of_session = given("XDG_RUNTIME_DIR").map(|folder| folder.join("darter"));
    of_session.into_iter().chain([PathBuf::from(format!("/tmp/darter-{}", user()))]).collect()
}

/// Removes what servers left behind that were killed.
fn remove_dead(folder: &Path) {
    for socket in sockets_in(folder) {
        if !is_alive(&socket) {
            let _ = fs::remove_file(socket);
        }
    }
}

fn sockets_in(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let paths = entries.map(|entry| entry.path());
    let mut sockets: Vec<_> =
        paths.filter(|path| path.extension().is_some_and(|end| end == "sock")).collect();
    sockets.sort();
    sockets
}

/// A running server.
#[derive(Debug)]
pub struct Found {
    /// Its socket.
    pub path: PathBuf,
    /// A connection to it.
    pub stream: UnixStream,
}

/// Why no server is found.
#[derive(Debug, Error)]
pub enum FindError {
    /// There is one, of somebody else.
    #[error("the server's socket {} is for its own user only: run this as the user whom the server belongs to", .0.display())]
    NotYours(PathBuf),
    /// The system does not let the socket be used.
    #[error("the server's socket {} cannot be used: {source}", .path.display())]
    Socket {
        /// The socket.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// The server that uses a data folder; `None` when none runs.
///
/// # Errors
/// When there is one and it cannot be talked to.
pub fn find(data_folder: &Path) -> Result<Option<Found>, FindError> {
    let mut candidates = Vec::new();
    if let Ok(path) = fs::read(data_folder.join(POINTER)) {
        candidates.push(PathBuf::from(std::ffi::OsString::from_vec(path)));
    }
    candidates.push(data_folder.join(NAME));
    for path in candidates.into_iter().filter(|path| path.as_os_str().len() <= LONGEST_PATH) {
        if let Some(found) = connect(path)? {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

/// Running servers of this user with sockets in the runtime folder, such as those without a data folder.
#[must_use]
pub fn find_any() -> Vec<Found> {
    let folders = runtime_folders().into_iter().filter(|folder| check_owner(folder).is_ok());
    let sockets = folders.flat_map(|folder| sockets_in(&folder));
    sockets.filter_map(|path| connect(path).ok().flatten()).collect()
}

/// Those of them whose first port is `port`.
#[must_use]
pub fn find_by_port(port: u16) -> Vec<Found> {
    let mut found = find_any();
    found.retain(|found| port_of(&found.path) == Some(port));
    found
}

fn port_of(path: &Path) -> Option<u16> {
    path.file_stem()?.to_str()?.split_once('-')?.0.parse().ok()
}

fn connect(path: PathBuf) -> Result<Option<Found>, FindError> {
    match UnixStream::connect(&path) {
        Ok(stream) => Ok(Some(Found { path, stream })),
        Err(error) => match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => Ok(None),
            io::ErrorKind::PermissionDenied => Err(FindError::NotYours(path)),
            _ => Err(FindError::Socket { path, source: error }),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_port_is_in_the_name() {
        assert_eq!(port_of(Path::new("/run/user/1000/darter/1883-77.sock")), Some(1883));
        for other in ["darter.sock", "x-1.sock", "70000-1.sock", "1883.sock"] {
            assert_eq!(port_of(Path::new(other)), None, "{other}");
        }
    }
}
