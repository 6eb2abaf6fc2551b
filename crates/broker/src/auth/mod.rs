//! Who may connect. One file for each way to find out.

use darter_codec::Connect;
use std::net::SocketAddr;

pub use darter_engine::Verdict;

/// Decides about a CONNECT before a session is touched. Called on the shards' threads: it must not block.
pub trait Authenticator: Send + Sync {
    /// The verdict for `connect` from `address`. Version 3 clients get a refusal as the return code that fits best:
    /// `BadUserNameOrPassword` as 4, `NotAuthorized` as 5 (section 3.2.2.3 of 3.1.1).
    fn verdict(&self, connect: &Connect, address: SocketAddr) -> Verdict;

    /// False when everybody is let in: the log then warns of listening beyond this computer.
    fn asks_for_logins(&self) -> bool {
        true
    }
}

/// Lets everybody in; the user name is taken as it is said.
#[derive(Debug, Clone, Copy)]
pub struct AllowAll;

impl Authenticator for AllowAll {
    fn verdict(&self, connect: &Connect, _address: SocketAddr) -> Verdict {
        Verdict::Accept { user: connect.username.as_ref().map(|name| (&**name).into()) }
    }

    fn asks_for_logins(&self) -> bool {
        false
    }
}
