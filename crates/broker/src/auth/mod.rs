//! Who may connect. One file for each way to find out.

use darter_codec::Connect;
use darter_engine::access::Identity;
use darter_net::{CertificateNames, Peer};
use std::fmt;

pub use darter_engine::Verdict;

/// Decides about a CONNECT before a session is touched. Called on the shards' threads: it must not block.
pub trait Authenticator: Send + Sync {
    /// The verdict for a login. Version 3 clients get a refusal as the return code that fits best:
    /// `BadUserNameOrPassword` as 4, `NotAuthorized` as 5 (section 3.2.2.3 of 3.1.1).
    fn verdict(&self, login: &Login<'_>) -> Verdict;

    /// False when everybody is let in: the log then warns of listening beyond this computer.
    fn asks_for_logins(&self) -> bool {
        true
    }
}

/// A client that wants to connect, and what is known of it.
#[derive(Debug, Clone, Copy)]
pub struct Login<'a> {
    /// Its CONNECT.
    pub connect: &'a Connect,
    /// Where it is.
    pub peer: Peer,
    /// The names in its certificate, if its listener asks for one and its authorities vouch for it.
    pub certificate: Option<&'a CertificateNames>,
    /// The name of the listener that it came to.
    pub listener: &'a str,
    /// When it came, in milliseconds of the engine's clock.
    pub now: u64,
}

/// One way to find out who a client is.
pub trait Method: Send + Sync + fmt::Debug {
    /// Its name in the log and in the configuration.
    fn name(&self) -> &'static str;

    /// Looks at a login. Called on the shards' threads: it must not block.
    fn check(&self, login: &Login<'_>) -> Outcome;

    /// Begins enhanced authentication (section 4.12), if it knows the Authentication Method that the CONNECT names.
    fn exchange(&self, login: &Login<'_>) -> Option<Box<dyn Exchange>> {
        let _ = login;
        None
    }
}

/// What a method says of a login.
pub enum Outcome {
    /// It is not for this method; the next one is asked.
    Pass,
    /// The method knows.
    Done(Verdict),
    /// The answer takes time; the work is done on another thread.
    Work(Work),
}

/// What takes time: hashing a password, asking another server. Its answer is no more work.
pub type Work = Box<dyn FnOnce() -> Outcome + Send>;

/// One client's enhanced authentication, or re-authentication: both sides speak until one of them is content.
pub trait Exchange: Send + fmt::Debug {
    /// Takes the client's Authentication Data; none stands for data that is missing.
    fn go_on(&mut self, data: &[u8]) -> Step;
}

/// The server's side of an exchange.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// The client is sent this Authentication Data and has to answer it.
    Challenge(Vec<u8>),
    /// The client may connect.
    Accept {
        /// Who it is.
        identity: Identity,
        /// Authentication Data for the client, which may want to know whom it speaks to.
        data: Vec<u8>,
    },
    /// The client may not connect; the cause in plain words, for the log.
    Refuse(&'static str),
}

/// Lets everybody in. A user name that nobody has checked means nothing.
#[derive(Debug, Clone, Copy)]
pub struct AllowAll;

impl Authenticator for AllowAll {
    fn verdict(&self, _login: &Login<'_>) -> Verdict {
        Verdict::Accept(Identity::default())
    }

    fn asks_for_logins(&self) -> bool {
        false
    }
}
