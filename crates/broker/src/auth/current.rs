//! An authenticator that can be replaced while clients connect.

use super::{Answer, Authenticator, Login, OwnedLogin};
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

/// Asks whichever authenticator is in force. Listeners keep this one, and a reload replaces what is in it.
pub struct Current {
    inner: Arc<RwLock<Arc<dyn Authenticator>>>,
}

impl fmt::Debug for Current {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Current").finish_non_exhaustive()
    }
}

impl Current {
    /// Begins with this authenticator.
    #[must_use]
    pub fn new(authenticator: Arc<dyn Authenticator>) -> Self {
        Self { inner: Arc::new(RwLock::new(authenticator)) }
    }

    /// Replaces it. A login that the old one is still busy with is decided by the new one.
    pub fn replace(&self, authenticator: Arc<dyn Authenticator>) {
        *self.inner.write().unwrap_or_else(PoisonError::into_inner) = authenticator;
    }
}

fn get(inner: &RwLock<Arc<dyn Authenticator>>) -> Arc<dyn Authenticator> {
    inner.read().unwrap_or_else(PoisonError::into_inner).clone()
}

impl Authenticator for Current {
    fn answer(&self, login: &Login<'_>) -> Answer {
        let mut asked = get(&self.inner);
        let mut work = match asked.answer(login) {
            Answer::Later(work) => work,
            answer => return answer,
        };
        let (inner, login) = (self.inner.clone(), OwnedLogin::from(login));
        Answer::Later(Box::new(move || {
            loop {
                let verdict = work();
                let now = get(&inner);
                if Arc::ptr_eq(&now, &asked) {
                    return verdict;
                }
                asked = now;
                work = match asked.answer(&login.login()) {
                    Answer::Later(work) => work,
                    Answer::Now(verdict) => Box::new(move || verdict),
                    Answer::Exchange(_) => Box::new(super::unasked_exchange),
                };
            }
        }))
    }

    fn asks_for_logins(&self) -> bool {
        get(&self.inner).asks_for_logins()
    }

    fn flush(&self) {
        get(&self.inner).flush();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::{AllowAll, Verdict};
    use darter_codec::{Connect, ReasonCode, Version};
    use darter_engine::access::Identity;
    use std::net::{Ipv4Addr, SocketAddr};

    /// Takes time and lets nobody in.
    struct Slow;

    impl Authenticator for Slow {
        fn answer(&self, _login: &Login<'_>) -> Answer {
            Answer::Later(Box::new(|| Verdict::Refuse {
                reason: ReasonCode::Banned,
                what: "nobody comes in",
            }))
        }
    }

    fn ask(authenticator: &dyn Authenticator) -> Answer {
        let connect = Connect::new(Version::V5, "a");
        let peer = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 1).into();
        authenticator.answer(&Login { connect: &connect, peer, certificate: None, listener: "", now: 1 })
    }

    fn is_accepted(answer: Answer) -> bool {
        let verdict = match answer {
            Answer::Now(verdict) => verdict,
            Answer::Later(work) => work(),
            Answer::Exchange(_) => panic!("no method was named"),
        };
        verdict == Verdict::Accept(Identity::default())
    }

    #[test]
    fn the_one_in_force_is_asked() {
        let current = Current::new(Arc::new(AllowAll));
        assert!(is_accepted(ask(&current)));
        assert!(!current.asks_for_logins());
        current.replace(Arc::new(Slow));
        assert!(!is_accepted(ask(&current)));
        assert!(current.asks_for_logins());
    }

    #[test]
    fn a_login_that_is_being_checked_is_decided_by_the_new_one() {
        let current = Current::new(Arc::new(Slow));
        let answer = ask(&current);
        current.replace(Arc::new(AllowAll));
        assert!(is_accepted(answer));
    }
}
