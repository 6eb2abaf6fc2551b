//! Users that are kept in the data folder: one document for each in the collection `users` of `meta`.
//!
//! A running server has them in memory and is the only one who changes them ([`admin`](crate::admin)); where none runs, programs
//! change the documents.

mod user;

pub use user::{BadUser, Credentials, Scram, User};
pub(super) use user::{SCRAM_ITERATIONS, SCRAM_SALT};

use super::encoding::{BASE64, random};
use super::hash::Hash;
use super::passwords::{Found, Source};
use base64::Engine;
use darter_store::documents::{DocumentError, Documents};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use thiserror::Error;

const COLLECTION: &str = "users";
/// Where what nobody but the server knows is.
const SECRETS: &str = "secrets";
const SCRAM_SECRET: &str = "scram";

/// The users of a data folder.
#[derive(Debug)]
pub struct Users {
    documents: Documents,
    /// Held by who changes something.
    changing: Mutex<()>,
    users: RwLock<Arc<BTreeMap<Arc<str>, Arc<Known>>>>,
    /// Documents that could not be read: there are users all the same.
    unreadable: AtomicU64,
    generation: AtomicU64,
    secret: [u8; 32],
}

/// A user with what was read out of the texts.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) user: User,
    pub(super) hash: Arc<Hash>,
}

/// What is kept of the secret.
#[derive(Serialize, Deserialize)]
struct Secret {
    secret: String,
}

/// Why users cannot be read or changed.
#[derive(Debug, Error)]
pub enum UsersError {
    /// The folder cannot be read.
    #[error("the users cannot be read: {0}")]
    Folder(io::Error),
    /// A document.
    #[error(transparent)]
    Document(#[from] DocumentError),
    /// The user is not what a user can be.
    #[error("{0:?} cannot be a user: {1}")]
    Bad(String, BadUser),
    /// There is a user of that name.
    #[error("there is a user {0:?} already")]
    Exists(String),
    /// There is no user of that name.
    #[error("there is no user {0:?}")]
    Missing(String),
    /// No random numbers.
    #[error("the system gives no random numbers")]
    NoRandom,
}

/// A change of one user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// Another password.
    Password(Credentials),
    /// Other roles.
    Roles(Vec<String>),
    /// May log in no longer, or may again.
    Disabled(bool),
}

impl Users {
    /// Reads the users of a folder, which is `meta` in the data folder. Documents that are damaged are set aside and told in the
    /// log; the others count.
    ///
    /// # Errors
    /// When the folder cannot be read, or the system gives no random numbers.
    pub fn open(folder: &Path) -> Result<Self, UsersError> {
        let documents = Documents::new(folder);
        let users = Self {
            secret: secret(&documents)?,
            documents,
            changing: Mutex::default(),
            users: RwLock::default(),
            unreadable: AtomicU64::new(0),
            generation: AtomicU64::new(0),
        };
        users.reload()?;
        Ok(users)
    }

    /// Reads the documents again and returns how many users there are.
    ///
    /// # Errors
    /// When the folder cannot be read; the users stay as they were.
    pub fn reload(&self) -> Result<usize, UsersError> {
        let _changing = self.lock();
        let (mut users, mut unreadable) = (BTreeMap::new(), 0);
        for name in self.documents.names(COLLECTION).map_err(UsersError::Folder)? {
            match self.read(&name) {
                Ok(Some(known)) => drop(users.insert(Arc::from(name), Arc::new(known))),
                Ok(None) => {}
                Err(error) => {
                    unreadable += 1;
                    tracing::error!(%error, "a user cannot log in");
                }
            }
        }
        let count = users.len();
        self.unreadable.store(unreadable, Ordering::Relaxed);
        self.replace(users);
        Ok(count)
    }

    fn read(&self, name: &str) -> Result<Option<Known>, UsersError> {
        let Some(user) = self.documents.get::<User>(COLLECTION, name)? else { return Ok(None) };
        let known = Known::new(user)?;
        if known.user.name == name {
            Ok(Some(known))
        } else {
            Err(UsersError::Bad(name.to_owned(), BadUser::Other))
        }
    }

    /// All users, in the order of their names.
    #[must_use]
    pub fn list(&self) -> Vec<User> {
        self.users().values().map(|known| known.user.clone()).collect()
    }

    /// Adds a user.
    ///
    /// # Errors
    /// When there is one of that name, it cannot be one, or the disk cannot be written.
    pub fn add(&self, user: User) -> Result<(), UsersError> {
        let _changing = self.lock();
        if self.get(&user.name).is_some() {
            return Err(UsersError::Exists(user.name));
        }
        self.put(user)
    }

    /// Changes a user.
    ///
    /// # Errors
    /// When there is none of that name, the change makes it none, or the disk cannot be written.
    pub fn change(&self, name: &str, change: Change) -> Result<(), UsersError> {
        let _changing = self.lock();
        let known = self.get(name).ok_or_else(|| UsersError::Missing(name.to_owned()))?;
        let mut user = known.user.clone();
        match change {
            Change::Password(credentials) => user.credentials = credentials,
            Change::Roles(roles) => user.roles = roles,
            Change::Disabled(disabled) => user.disabled = disabled,
        }
        self.put(user)
    }

    /// Removes a user.
    ///
    /// # Errors
    /// When there is none of that name, or the disk cannot be written.
    pub fn remove(&self, name: &str) -> Result<(), UsersError> {
        let _changing = self.lock();
        let was_there = self.documents.remove(COLLECTION, name)?;
        let mut users = BTreeMap::clone(&self.users());
        let was_known = users.remove(name).is_some();
        self.replace(users);
        if was_there || was_known { Ok(()) } else { Err(UsersError::Missing(name.to_owned())) }
    }

    fn put(&self, user: User) -> Result<(), UsersError> {
        let known = Known::new(user)?;
        self.documents.put(COLLECTION, &known.user.name, &known.user)?;
        let mut users = BTreeMap::clone(&self.users());
        users.insert(Arc::from(known.user.name.as_str()), Arc::new(known));
        self.replace(users);
        Ok(())
    }

    /// What is known of a user.
    pub(super) fn get(&self, name: &str) -> Option<Arc<Known>> {
        self.users().get(name).cloned()
    }

    /// What stands for users who are not there, and is the same in every run.
    pub(super) fn secret(&self) -> &[u8; 32] {
        &self.secret
    }

    fn users(&self) -> Arc<BTreeMap<Arc<str>, Arc<Known>>> {
        self.users.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn replace(&self, users: BTreeMap<Arc<str>, Arc<Known>>) {
        let mut place = self.users.write().unwrap_or_else(PoisonError::into_inner);
        self.generation.fetch_add(1, Ordering::SeqCst);
        *place = Arc::new(users);
    }

    fn lock(&self) -> MutexGuard<'_, ()> {
        self.changing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Made once for a folder. Where it cannot be kept there is another one in each run: no reason not to serve.
fn secret(documents: &Documents) -> Result<[u8; 32], UsersError> {
    let kept = documents.get::<Secret>(SECRETS, SCRAM_SECRET).unwrap_or_else(|error| {
        tracing::warn!(%error, "a secret is made anew");
        None
    });
    let kept = kept.and_then(|kept| BASE64.decode(kept.secret).ok()?.try_into().ok());
    if let Some(secret) = kept {
        return Ok(secret);
    }
    let secret = random::<32>().ok_or(UsersError::NoRandom)?;
    if let Err(error) = documents.put(SECRETS, SCRAM_SECRET, &Secret { secret: BASE64.encode(secret) }) {
        tracing::warn!(%error, "a secret is not kept");
    }
    Ok(secret)
}

impl Known {
    fn new(user: User) -> Result<Self, UsersError> {
        match user.check() {
            Ok(hash) => Ok(Self { hash: Arc::new(hash), user }),
            Err(why) => Err(UsersError::Bad(user.name, why)),
        }
    }
}

impl Source for Users {
    fn find(&self, user: &str) -> Option<Found> {
        let known = self.get(user)?;
        let (hash, disabled) = (known.hash.clone(), known.user.disabled);
        Some(Found { hash, identity: known.user.identity(), disabled })
    }

    /// All hashes of stored users cost the same.
    fn any(&self, _pick: usize) -> Option<Arc<Hash>> {
        self.users().values().next().map(|known| known.hash.clone())
    }

    fn generation(&self) -> u64 {
        self.generation.load(Ordering::SeqCst)
    }

    /// Not when there is one who cannot be read.
    fn is_empty(&self) -> bool {
        self.users().is_empty() && self.unreadable.load(Ordering::Relaxed) == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn user(name: &str, password: &str, roles: &[&str]) -> User {
        let roles = roles.iter().map(|role| (*role).to_owned()).collect();
        User::new(name, password, roles, 7).unwrap()
    }

    fn names(users: &Users) -> Vec<String> {
        users.list().into_iter().map(|user| user.name).collect()
    }

    #[test]
    fn users_are_there_again_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let users = Users::open(folder.path()).unwrap();
        assert!(users.is_empty());
        users.add(user("bob", "b", &[])).unwrap();
        users.add(user("ann", "secret", &["staff", "night"])).unwrap();
        let (secret, generation) = (*users.secret(), users.generation());
        assert_eq!(generation, 3, "each change is one more");
        drop(users);
        let users = Users::open(folder.path()).unwrap();
        assert_eq!(
            (names(&users), users.is_empty(), *users.secret()),
            (vec!["ann".into(), "bob".into()], false, secret)
        );
        let found = users.find("ann").unwrap();
        assert!(found.hash.verify(b"secret") && !found.disabled);
        assert_eq!(found.identity.user.as_deref(), Some("ann"));
        assert_eq!(found.identity.roles.iter().map(|role| &**role).collect::<Vec<_>>(), ["staff", "night"]);
        assert!(users.find("Ann").is_none() && users.any(5).is_some());
    }

    #[test]
    fn a_change_counts_at_once_and_for_good() {
        let folder = tempfile::tempdir().unwrap();
        let users = Users::open(folder.path()).unwrap();
        users.add(user("ann", "old", &["staff"])).unwrap();
        assert!(matches!(users.add(user("ann", "x", &[])), Err(UsersError::Exists(name)) if name == "ann"));
        users.change("ann", Change::Password(Credentials::new(b"new").unwrap())).unwrap();
        users.change("ann", Change::Roles(vec![])).unwrap();
        users.change("ann", Change::Disabled(true)).unwrap();
        for users in [&users, &Users::open(folder.path()).unwrap()] {
            let found = users.find("ann").unwrap();
            assert!(found.hash.verify(b"new") && found.disabled && found.identity.roles.is_empty());
            assert_eq!(users.list()[0].created, 7);
        }
        users.remove("ann").unwrap();
        assert!(users.find("ann").is_none() && Users::open(folder.path()).unwrap().is_empty());
        for missing in [users.remove("ann"), users.change("ann", Change::Disabled(true))] {
            assert!(matches!(missing, Err(UsersError::Missing(name)) if name == "ann"));
        }
    }

    #[test]
    fn a_damaged_user_costs_no_other_and_there_are_users_all_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let users = Users::open(folder.path()).unwrap();
        users.add(user("ann", "a", &[])).unwrap();
        users.add(user("bob", "b", &[])).unwrap();
        fs::write(folder.path().join("users/ann.json"), "rubbish").unwrap();
        assert_eq!(users.reload().unwrap(), 1);
        assert_eq!((names(&users), users.is_empty()), (vec!["bob".to_owned()], false));
        fs::copy(folder.path().join("users/bob.json"), folder.path().join("users/eve.json")).unwrap();
        fs::remove_file(folder.path().join("users/bob.json")).unwrap();
        assert_eq!(users.reload().unwrap(), 0, "a copy is not another user");
        assert!(!users.is_empty(), "nobody is let in without a name because of that");
    }

    #[test]
    fn a_damaged_secret_is_made_again() {
        let folder = tempfile::tempdir().unwrap();
        let secret = *Users::open(folder.path()).unwrap().secret();
        fs::write(folder.path().join("secrets/scram.json"), "rubbish").unwrap();
        let other = *Users::open(folder.path()).unwrap().secret();
        assert_ne!(other, secret);
        assert_eq!(*Users::open(folder.path()).unwrap().secret(), other);
    }
}
