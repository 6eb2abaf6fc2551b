//! Who may connect. One file for each way to find out.

pub mod certificate;
mod chain;
mod current;
mod encoding;
pub mod hash;
pub mod http;
pub mod jwt;
pub mod password_file;
pub mod passwords;
mod pool;
#[cfg(test)]
mod scene;
pub mod scram;
mod successes;
pub mod users;

use darter_codec::{Connect, ReasonCode};
use darter_engine::access::Identity;
use darter_net::{CertificateNames, Peer};
use std::fmt;

pub use chain::{Anonymous, Chain};
pub use current::Current;
pub use darter_engine::{Step, Verdict};
pub use pool::LoginPoolOptions;
pub(crate) use pool::{Job, LoginPool};

/// Decides about a CONNECT before a session is touched. A function from a login to its verdict is one.
pub trait Authenticator: Send + Sync {
    /// The answer to a login. Called on the shards' threads: it must not block. Version 3 clients get a refusal as the return
    /// code that fits best: `BadUserNameOrPassword` as 4, `NotAuthorized` as 5 (section 3.2.2.3 of 3.1.1).
    fn answer(&self, login: &Login<'_>) -> Answer;

    /// False when everybody is let in: the log then warns of listening beyond this computer.
    fn asks_for_logins(&self) -> bool {
        true
    }

    /// Forgets what it remembers of earlier logins: who they were checked against may have changed.
    fn flush(&self) {}
}

impl<F: Fn(&Login<'_>) -> Verdict + Send + Sync> Authenticator for F {
    fn answer(&self, login: &Login<'_>) -> Answer {
        Answer::Now(self(login))
    }
}

/// What an authenticator says of a login.
pub enum Answer {
    /// It knows.
    Now(Verdict),
    /// Finding out takes time, and is done on another thread.
    Later(Box<dyn FnOnce() -> Verdict + Send>),
    /// The client named an Authentication Method: both sides speak first (section 4.12).
    Exchange(Box<dyn Exchange>),
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

/// A login that outlives the call it came with.
pub(crate) struct OwnedLogin {
    connect: Connect,
    peer: Peer,
    certificate: Option<CertificateNames>,
    listener: Box<str>,
    now: u64,
}

impl OwnedLogin {
    pub(crate) fn login(&self) -> Login<'_> {
        let Self { connect, peer, certificate, listener, now } = self;
        Login { connect, peer: *peer, certificate: certificate.as_ref(), listener, now: *now }
    }
}

impl From<&Login<'_>> for OwnedLogin {
    fn from(login: &Login<'_>) -> Self {
        let Login { connect, peer, certificate, listener, now } = *login;
        Self {
            connect: connect.clone(),
            peer,
            certificate: certificate.cloned(),
            listener: listener.into(),
            now,
        }
    }
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

    /// Forgets what it remembers of earlier logins.
    fn flush(&self) {}

    /// True as long as there is nobody whom it could know. It is then as if it were not there.
    fn is_idle(&self) -> bool {
        false
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

/// Lets everybody in. A user name that nobody has checked means nothing.
#[derive(Debug, Clone, Copy)]
pub struct AllowAll;

impl Authenticator for AllowAll {
    fn answer(&self, login: &Login<'_>) -> Answer {
        if login.connect.properties.authentication_method().is_some() {
            return unknown_method();
        }
        Answer::Now(Verdict::Accept(Identity::default()))
    }

    fn asks_for_logins(&self) -> bool {
        false
    }
}

/// The answer to an Authentication Method of which nobody knows anything (section 4.12).
fn unknown_method() -> Answer {
    Answer::Now(Verdict::Refuse {
        reason: ReasonCode::BadAuthenticationMethod,
        what: "there is no authentication method of this name",
    })
}

/// The verdict on a login that named no Authentication Method and shall be asked for one.
fn unasked_exchange() -> Verdict {
    Verdict::Refuse {
        reason: ReasonCode::ImplementationSpecificError,
        what: "it named no authentication method",
    }
}
