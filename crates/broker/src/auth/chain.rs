//! Several ways to log in, asked in turn.

use super::{Answer, Authenticator, Exchange, Login, Method, Outcome, OwnedLogin, Step, Verdict, Work};
use darter_codec::ReasonCode;
use darter_engine::access::Identity;
use std::sync::Arc;

/// Who may come in without a user name and without a password, unless a method knows the client by something else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Anonymous {
    /// Nobody.
    #[default]
    Nobody,
    /// Programs on this computer.
    Here,
    /// Everybody.
    Everybody,
}

/// Asks methods in turn until one knows the client.
///
/// A user name or password that none of them knows is refused, also where clients without them are let in. Where there is no
/// method, or none that could know anybody, there is nothing to check them with, and they mean nothing.
#[derive(Debug, Clone)]
pub struct Chain {
    methods: Arc<[Arc<dyn Method>]>,
    anonymous: Anonymous,
}

impl Chain {
    /// Methods in the order in which they are asked.
    #[must_use]
    pub fn new(methods: Vec<Arc<dyn Method>>, anonymous: Anonymous) -> Self {
        Self { methods: methods.into(), anonymous }
    }

    /// Goes on from what the method before `next` said, and does the work that takes time; not on a shard's thread.
    fn finish(&self, login: &OwnedLogin, mut next: usize, work: Work) -> Verdict {
        let mut outcome = work();
        loop {
            outcome = match outcome {
                Outcome::Done(verdict) => return self.guard(verdict),
                Outcome::Work(work) => work(),
                Outcome::Pass => {
                    let Some(method) = self.methods.get(next) else { return self.otherwise(&login.login()) };
                    next += 1;
                    method.check(&login.login())
                }
            };
        }
    }

    /// Whether there is anybody who could log in.
    fn has_logins(&self) -> bool {
        self.methods.iter().any(|method| !method.is_idle())
    }

    /// What becomes of a login that no method knows.
    fn otherwise(&self, login: &Login<'_>) -> Verdict {
        let unnamed = login.connect.username.is_none() && login.connect.password.is_none();
        let admitted = match self.anonymous {
            Anonymous::Nobody => false,
            Anonymous::Here => login.peer.is_here(),
            Anonymous::Everybody => true,
        };
        match (unnamed || !self.has_logins(), admitted) {
            (true, true) => self.guard(Verdict::Accept(Identity::default())),
            (true, false) => Verdict::Refuse {
                reason: ReasonCode::NotAuthorized,
                what: "it does not say who it is, and nobody is let in without a login",
            },
            (false, _) => Verdict::Refuse {
                reason: ReasonCode::BadUserNameOrPassword,
                what: "no way to log in knows its user name",
            },
        }
    }

    /// Where clients log in, nobody gets the session of another user.
    fn guard(&self, verdict: Verdict) -> Verdict {
        match verdict {
            Verdict::Accept(identity) if self.has_logins() => {
                Verdict::Accept(Identity { guarded: true, ..identity })
            }
            verdict => verdict,
        }
    }
}

impl Authenticator for Chain {
    fn answer(&self, login: &Login<'_>) -> Answer {
        if login.connect.properties.authentication_method().is_some() {
            let exchange = self.methods.iter().find_map(|method| method.exchange(login));
            return exchange
                .map_or_else(super::unknown_method, |inner| Answer::Exchange(Box::new(Guarded(inner))));
        }
        for (index, method) in self.methods.iter().enumerate() {
            match method.check(login) {
                Outcome::Pass => {}
                Outcome::Done(verdict) => return Answer::Now(self.guard(verdict)),
                Outcome::Work(work) => {
                    let (chain, login) = (self.clone(), OwnedLogin::from(login));
                    return Answer::Later(Box::new(move || chain.finish(&login, index + 1, work)));
                }
            }
        }
        Answer::Now(self.otherwise(login))
    }

    fn asks_for_logins(&self) -> bool {
        self.anonymous != Anonymous::Everybody
    }

    fn flush(&self) {
        for method in self.methods.iter() {
            method.flush();
        }
    }
}

/// An exchange whose client does not get the session of another user.
#[derive(Debug)]
struct Guarded(Box<dyn Exchange>);

impl Exchange for Guarded {
    fn go_on(&mut self, data: &[u8]) -> Step {
        match self.0.go_on(data) {
            Step::Accept { identity, data } => {
                Step::Accept { identity: Identity { guarded: true, ..identity }, data }
            }
            step => step,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use darter_codec::{Connect, Version};
    use darter_net::Peer;
    use std::net::{Ipv4Addr, SocketAddr};

    /// Knows one user, at once or with work.
    #[derive(Debug)]
    struct Knows {
        user: &'static str,
        works: bool,
    }

    impl Method for Knows {
        fn name(&self) -> &'static str {
            "knows"
        }

        fn check(&self, login: &Login<'_>) -> Outcome {
            let known = login.connect.username.as_deref() == Some(self.user);
            let user = self.user;
            let outcome = move || match known {
                true => Outcome::Done(Verdict::Accept(Identity::of_user(user))),
                false => Outcome::Pass,
            };
            if self.works { Outcome::Work(Box::new(outcome)) } else { outcome() }
        }
    }

    fn knows(user: &'static str, works: bool) -> Arc<dyn Method> {
        Arc::new(Knows { user, works })
    }

    fn ask(chain: &Chain, user: Option<&'static str>, from: [u8; 4]) -> (bool, Verdict) {
        let mut connect = Connect::new(Version::V311, "c");
        connect.username = user.map(Into::into);
        let peer = Peer::Inet(SocketAddr::new(Ipv4Addr::from(from).into(), 1));
        let login = Login { connect: &connect, peer, certificate: None, listener: "default", now: 1 };
        match chain.answer(&login) {
            Answer::Now(verdict) => (false, verdict),
            Answer::Later(work) => (true, work()),
            Answer::Exchange(_) => panic!("no method was named"),
        }
    }

    const HERE: [u8; 4] = [127, 0, 0, 1];
    const AWAY: [u8; 4] = [10, 0, 0, 1];

    fn user(verdict: &Verdict) -> Option<&str> {
        match verdict {
            Verdict::Accept(identity) => Some(identity.user.as_deref().unwrap_or("")),
            Verdict::Refuse { .. } => None,
        }
    }

    #[test]
    fn methods_are_asked_in_turn_before_and_after_work() {
        let methods = ["a", "b", "c", "d"].into_iter().zip([false, true, false, true]);
        let chain = Chain::new(methods.map(|(user, works)| knows(user, works)).collect(), Anonymous::Nobody);
        for (name, late) in [("a", false), ("b", true), ("c", true), ("d", true)] {
            let (was_late, verdict) = ask(&chain, Some(name), AWAY);
            assert_eq!((was_late, user(&verdict)), (late, Some(name)));
        }
    }

    #[test]
    fn a_name_that_no_method_knows_is_refused_where_anonymous_clients_are_let_in() {
        for works in [false, true] {
            let chain = Chain::new(vec![knows("a", works)], Anonymous::Everybody);
            assert_eq!(user(&ask(&chain, None, AWAY).1), Some(""));
            let (_, verdict) = ask(&chain, Some("x"), AWAY);
            assert!(
                matches!(verdict, Verdict::Refuse { reason: ReasonCode::BadUserNameOrPassword, .. }),
                "{verdict:?}"
            );
        }
    }

    #[test]
    fn who_says_nothing_is_let_in_as_it_was_set() {
        for (anonymous, here, away) in [
            (Anonymous::Nobody, false, false),
            (Anonymous::Here, true, false),
            (Anonymous::Everybody, true, true),
        ] {
            for methods in [vec![], vec![knows("a", false)]] {
                let chain = Chain::new(methods, anonymous);
                assert_eq!(user(&ask(&chain, None, HERE).1).is_some(), here, "{anonymous:?}");
                assert_eq!(user(&ask(&chain, None, AWAY).1).is_some(), away, "{anonymous:?}");
            }
        }
    }

    /// Knows nobody.
    #[derive(Debug)]
    struct Idle;

    impl Method for Idle {
        fn name(&self) -> &'static str {
            "idle"
        }

        fn check(&self, _login: &Login<'_>) -> Outcome {
            Outcome::Pass
        }

        fn is_idle(&self) -> bool {
            true
        }
    }

    #[test]
    fn a_method_without_users_is_as_if_it_were_not_there() {
        let chain = Chain::new(vec![Arc::new(Idle)], Anonymous::Here);
        for name in [None, Some("x")] {
            let verdict = ask(&chain, name, HERE).1;
            assert!(
                matches!(verdict, Verdict::Accept(Identity { user: None, guarded: false, .. })),
                "{name:?}"
            );
            assert_eq!(user(&ask(&chain, name, AWAY).1), None);
        }
        let chain = Chain::new(vec![Arc::new(Idle), knows("a", false)], Anonymous::Here);
        assert_eq!(user(&ask(&chain, Some("x"), HERE).1), None);
        assert!(matches!(ask(&chain, None, HERE).1, Verdict::Accept(Identity { guarded: true, .. })));
    }

    #[test]
    fn sessions_are_guarded_where_there_are_logins() {
        let guarded = |chain: &Chain, name| match ask(chain, name, HERE).1 {
            Verdict::Accept(identity) => identity.guarded,
            verdict @ Verdict::Refuse { .. } => panic!("{verdict:?}"),
        };
        let chain = Chain::new(vec![knows("a", false), knows("b", true)], Anonymous::Everybody);
        for name in [Some("a"), Some("b"), None] {
            assert!(guarded(&chain, name));
        }
        let open = Chain::new(vec![], Anonymous::Everybody);
        assert!(!guarded(&open, Some("anybody")));
    }
}
