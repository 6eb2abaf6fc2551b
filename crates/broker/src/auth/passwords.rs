//! User names and passwords.
//!
//! A wrong password and an unknown user cost the same: one hash, of the kind that the users have. It is done on another thread;
//! a password that was right a moment ago is known at once.

use super::hash::Hash;
use super::successes::Successes;
use super::{Login, Method, Outcome, Verdict};
use darter_codec::ReasonCode;
use darter_engine::access::Identity;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// So long a password is known to be right without hashing it again.
const LIFE: Duration = Duration::from_secs(300);
/// So many users are known so.
const MOST: usize = 16_384;

/// Where users and the hashes of their passwords are.
pub trait Source: Send + Sync + fmt::Debug {
    /// What is known of a user; none of one who is not there.
    fn find(&self, user: &str) -> Option<Found>;

    /// The hash of one of the users, whom `pick` picks; always the same one as long as the users are. None without users.
    fn any(&self, pick: usize) -> Option<Arc<Hash>>;

    /// Grows with every change of the users, before it can be seen.
    fn generation(&self) -> u64;

    /// True without any users.
    fn is_empty(&self) -> bool {
        self.any(0).is_none()
    }
}

/// What a source knows of a user.
#[derive(Debug, Clone)]
pub struct Found {
    /// The hash of the password.
    pub hash: Arc<Hash>,
    /// Who the client is if the password is right.
    pub identity: Identity,
    /// The user may not log in, whatever the password.
    pub disabled: bool,
}

/// The method for user names and passwords, whatever holds them.
#[derive(Debug)]
pub struct Passwords {
    sources: Vec<Arc<dyn Source>>,
    successes: Arc<Successes<()>>,
}

impl Passwords {
    /// Users of these sources. Who is in several of them has the password of the first.
    ///
    /// None if the system gives no random numbers.
    #[must_use]
    pub fn new(sources: Vec<Arc<dyn Source>>) -> Option<Self> {
        Some(Self { sources, successes: Arc::new(Successes::new(MOST, LIFE)?) })
    }

    fn stand_in(&self, user: &str) -> Option<Arc<Hash>> {
        let pick = self.successes.number_of(user.as_bytes());
        // What picks the source must not pick the user in it too.
        let within = pick / self.sources.len().max(1);
        let mut hashes: Vec<_> = self.sources.iter().filter_map(|source| source.any(within)).collect();
        (!hashes.is_empty()).then(|| hashes.swap_remove(pick % hashes.len()))
    }
}

impl Method for Passwords {
    fn name(&self) -> &'static str {
        "password"
    }

    fn check(&self, login: &Login<'_>) -> Outcome {
        let (Some(user), Some(password)) = (&login.connect.username, &login.connect.password) else {
            return Outcome::Pass;
        };
        // Before the users are looked at: what changes in between makes this success one of the past.
        let generation = self.sources.iter().map(|source| source.generation()).sum();
        let generation = self.successes.generation(generation);
        let password = password.clone();
        let Some(found) = self.sources.iter().find_map(|source| source.find(user)) else {
            let Some(hash) = self.stand_in(user) else { return Outcome::Pass };
            return Outcome::Work(Box::new(move || {
                // Whoever measures how long a refusal takes shall not learn who is there.
                std::hint::black_box(hash.verify(&password));
                Outcome::Pass
            }));
        };
        let key = self.successes.key(&[user.as_bytes(), &password]);
        if self.successes.get(&key, generation, Instant::now()).is_some() {
            return Outcome::Done(found.verdict(true));
        }
        let successes = self.successes.clone();
        Outcome::Work(Box::new(move || {
            let right = found.hash.verify(&password);
            if right {
                successes.add(key, (), generation, Instant::now());
            }
            Outcome::Done(found.verdict(right))
        }))
    }

    fn flush(&self) {
        self.successes.flush();
    }

    fn is_idle(&self) -> bool {
        self.sources.iter().all(|source| source.is_empty())
    }
}

impl Found {
    fn verdict(self, right: bool) -> Verdict {
        let reason = ReasonCode::BadUserNameOrPassword;
        match (right, self.disabled) {
            (true, false) => Verdict::Accept(self.identity),
            (true, true) => Verdict::Refuse { reason, what: "the user is disabled" },
            (false, _) => Verdict::Refuse { reason, what: "the password is wrong" },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::hash::Kind;
    use super::super::scene::{connect, done, login, refused};
    use super::*;
    use std::num::NonZeroU32;
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicU64, Ordering};

    /// Users that a test changes.
    #[derive(Debug, Default)]
    struct Book {
        users: Mutex<Vec<(&'static str, Found)>>,
        generation: AtomicU64,
    }

    impl Book {
        fn with(users: &[(&'static str, &str)]) -> Arc<Self> {
            let book = Arc::new(Self::default());
            for (name, password) in users {
                book.set(name, password, false);
            }
            book
        }

        fn set(&self, name: &'static str, password: &str, disabled: bool) {
            let kind = Kind::Pbkdf2 { iterations: NonZeroU32::MIN };
            let hash = Arc::new(Hash::new(kind, password.as_bytes()).unwrap());
            let mut users = self.users.lock().unwrap();
            users.retain(|(other, _)| *other != name);
            users.push((name, Found { hash, identity: Identity::of_user(name), disabled }));
            self.generation.fetch_add(1, Ordering::SeqCst);
        }
    }

    impl Source for Book {
        fn find(&self, user: &str) -> Option<Found> {
            let users = self.users.lock().unwrap();
            users.iter().find(|(name, _)| *name == user).map(|(_, found)| found.clone())
        }

        fn any(&self, pick: usize) -> Option<Arc<Hash>> {
            let users = self.users.lock().unwrap();
            Some(users.get(pick.checked_rem(users.len())?)?.1.hash.clone())
        }

        fn generation(&self) -> u64 {
            self.generation.load(Ordering::SeqCst)
        }
    }

    fn passwords(books: &[&Arc<Book>]) -> Passwords {
        Passwords::new(books.iter().map(|book| Arc::clone(book) as Arc<dyn Source>).collect()).unwrap()
    }

    fn accepted(outcome: Outcome) -> bool {
        matches!(done(outcome), Outcome::Done(Verdict::Accept(identity)) if identity.user.as_deref() == Some("ann"))
    }

    fn check(passwords: &Passwords, user: &str, password: &str) -> Outcome {
        passwords.check(&login(&connect(Some(user), Some(password))))
    }

    #[test]
    fn the_right_password_is_let_in_and_the_wrong_one_refused() {
        let passwords = passwords(&[&Book::with(&[("ann", "secret")])]);
        assert!(accepted(check(&passwords, "ann", "secret")));
        for wrong in ["", "Secret", "secret "] {
            let outcome = check(&passwords, "ann", wrong);
            assert!(matches!(outcome, Outcome::Work(_)), "it is not looked at on the shard's thread");
            assert_eq!(refused(outcome), (ReasonCode::BadUserNameOrPassword, "the password is wrong"));
        }
    }

    #[test]
    fn a_password_that_was_right_is_known_at_once_until_something_changes() {
        let book = Book::with(&[("ann", "secret"), ("bob", "secret")]);
        let passwords = passwords(&[&book]);
        assert!(accepted(check(&passwords, "ann", "secret")));
        assert!(matches!(check(&passwords, "ann", "secret"), Outcome::Done(Verdict::Accept(_))));
        assert!(matches!(check(&passwords, "ann", "other"), Outcome::Work(_)), "a wrong one is not");
        assert!(matches!(check(&passwords, "bob", "secret"), Outcome::Work(_)), "nor another user's");
        passwords.flush();
        assert!(matches!(check(&passwords, "ann", "secret"), Outcome::Work(_)), "it is forgotten");
        let under_way = check(&passwords, "bob", "secret");
        book.set("ann", "new", false);
        assert_eq!(refused(check(&passwords, "ann", "secret")).1, "the password is wrong");
        done(under_way);
        assert!(
            matches!(check(&passwords, "bob", "secret"), Outcome::Work(_)),
            "it was looked at before the change"
        );
    }

    #[test]
    fn an_unknown_user_costs_a_hash_too_and_is_left_to_others() {
        let passwords = passwords(&[&Book::with(&[]), &Book::with(&[("ann", "secret")])]);
        for user in ["eve", "", "Ann"] {
            let outcome = check(&passwords, user, "secret");
            assert!(matches!(outcome, Outcome::Work(_)));
            assert!(matches!(done(outcome), Outcome::Pass));
        }
        let nobody = self::passwords(&[&Book::with(&[])]);
        assert!(nobody.is_idle() && !passwords.is_idle());
        assert!(matches!(check(&nobody, "eve", "secret"), Outcome::Pass), "there is no user to be found out");
    }

    #[test]
    fn a_stand_in_is_always_the_same_and_as_costly_as_the_users_are() {
        let (cheap, costly) = (Book::with(&[("ann", "a"), ("bob", "b")]), Book::with(&[("eve", "e")]));
        let passwords = passwords(&[&cheap, &costly]);
        let picked = |user: &str| passwords.stand_in(user).unwrap().to_string();
        let all: Vec<_> = (0..100).map(|number| picked(&format!("user{number}"))).collect();
        for book in [&cheap, &costly] {
            for (name, found) in &*book.users.lock().unwrap() {
                assert!(all.contains(&found.hash.to_string()), "{name}'s hash stands in for somebody");
            }
        }
        assert!((0..100).all(|number| picked(&format!("user{number}")) == all[number]));
    }

    #[test]
    fn the_first_source_that_knows_a_user_decides() {
        let passwords =
            passwords(&[&Book::with(&[("ann", "one")]), &Book::with(&[("ann", "two"), ("bob", "two")])]);
        assert!(accepted(check(&passwords, "ann", "one")));
        assert_eq!(refused(check(&passwords, "ann", "two")).1, "the password is wrong");
        assert!(matches!(done(check(&passwords, "bob", "two")), Outcome::Done(Verdict::Accept(_))));
    }

    #[test]
    fn a_disabled_user_is_refused_as_a_wrong_password_is() {
        let book = Book::with(&[]);
        book.set("ann", "secret", true);
        let passwords = passwords(&[&book]);
        for _ in 0..2 {
            let reason = ReasonCode::BadUserNameOrPassword;
            assert_eq!(refused(check(&passwords, "ann", "secret")), (reason, "the user is disabled"));
            assert_eq!(refused(check(&passwords, "ann", "other")), (reason, "the password is wrong"));
        }
    }

    #[test]
    fn a_login_without_user_or_password_is_for_others() {
        let passwords = passwords(&[&Book::with(&[("ann", "")])]);
        for (user, password) in [(None, None), (Some("ann"), None), (None, Some("secret"))] {
            assert!(matches!(passwords.check(&login(&connect(user, password))), Outcome::Pass));
        }
        assert!(accepted(check(&passwords, "ann", "")), "an empty password is one");
    }
}
