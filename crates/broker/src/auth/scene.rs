//! Logins for the tests of the methods.

use super::{Login, Outcome, Verdict};
use bytes::Bytes;
use darter_codec::{Connect, ReasonCode, Version};
use std::net::{Ipv4Addr, SocketAddr};

/// A CONNECT of client `dev`.
pub(super) fn connect(user: Option<&str>, password: Option<&str>) -> Connect {
    let mut connect = Connect::new(Version::V5, "dev");
    connect.username = user.map(Into::into);
    connect.password = password.map(|password| Bytes::copy_from_slice(password.as_bytes()));
    connect
}

/// That client's login from this computer, one second after the beginning.
pub(super) fn login(connect: &Connect) -> Login<'_> {
    let peer = SocketAddr::from((Ipv4Addr::LOCALHOST, 40_000)).into();
    Login { connect, peer, certificate: None, listener: "default", now: 1_000 }
}

/// Does the work, if there is some.
pub(super) fn done(outcome: Outcome) -> Outcome {
    match outcome {
        Outcome::Work(work) => {
            let outcome = work();
            assert!(!matches!(outcome, Outcome::Work(_)), "the answer of work is no more work");
            outcome
        }
        outcome => outcome,
    }
}

/// The refusal that it comes to.
#[track_caller]
pub(super) fn refused(outcome: Outcome) -> (ReasonCode, &'static str) {
    match done(outcome) {
        Outcome::Done(Verdict::Refuse { reason, what }) => (reason, what),
        Outcome::Done(Verdict::Accept(identity)) => panic!("let in as {identity:?}"),
        Outcome::Pass | Outcome::Work(_) => panic!("it is left to others"),
    }
}
