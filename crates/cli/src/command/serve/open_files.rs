//! How many connections the system lets the server have.

/// Raises the number of open files to what the system permits: each connection is one.
#[cfg(unix)]
pub(super) fn allow_as_many_as_possible() {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    let raised = getrlimit(Resource::RLIMIT_NOFILE).and_then(|(now, most)| {
        if now < most { setrlimit(Resource::RLIMIT_NOFILE, most, most) } else { Ok(()) }
    });
    if let Err(error) = raised {
        tracing::warn!(%error, "the limit of open files cannot be raised; it limits how many clients can connect");
    }
}

/// There is no such limit.
#[cfg(not(unix))]
pub(super) fn allow_as_many_as_possible() {}
