//! One user, as the document has it.

use crate::auth::encoding::{BASE64, random};
use crate::auth::hash::{Hash, HashError, Kind, NoHash};
use base64::Engine;
use darter_engine::access::Identity;
use ring::{digest, hmac, pbkdf2};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::num::NonZeroU32;
use std::ops::RangeInclusive;
use std::sync::Arc;
use thiserror::Error;

/// Bytes of the longest name that a CONNECT can carry.
const MOST_NAME: usize = 65_535;
const MOST_ROLES: usize = 100;
/// Iterations of a new SCRAM key; a client computes as many.
pub(crate) const SCRAM_ITERATIONS: u32 = 15_000;
/// Iterations that are accepted, the fewest as in section 4 of RFC 7677.
const ITERATIONS: RangeInclusive<u32> = 4_096..=1_000_000;
/// Bytes of a new SCRAM salt.
pub(crate) const SCRAM_SALT: usize = 16;

/// A user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct User {
    /// The name.
    pub name: String,
    /// What tells whether a password is right.
    pub credentials: Credentials,
    /// Roles, each of which is a section of the configuration.
    #[serde(default)]
    pub roles: Vec<String>,
    /// May not log in.
    #[serde(default)]
    pub disabled: bool,
    /// When it was added, in seconds since 1970.
    pub created: u64,
}

/// What is kept of a password. It is not in there.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Credentials {
    /// Its hash, as [`struct@Hash`] is written.
    pub hash: String,
    /// Its SCRAM keys.
    pub scram: Scram,
}

/// The keys of SCRAM-SHA-256 (section 3 of RFC 5802), each as base64.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scram {
    /// What the client needs to compute its key.
    pub salt: String,
    /// How long it takes to compute.
    pub iterations: u32,
    /// What proves the client's key.
    pub stored_key: String,
    /// What proves to the client that the server knows it.
    pub server_key: String,
}

/// Why somebody cannot be a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum BadUser {
    /// The name.
    #[error("a name has 1 to 65535 bytes and no control characters")]
    Name,
    /// The document.
    #[error("the document is another user's")]
    Other,
    /// A role.
    #[error("there are at most {MOST_ROLES} roles, and each is a word without control characters")]
    Role,
    /// The hash.
    #[error(transparent)]
    Hash(#[from] HashError),
    /// The SCRAM keys.
    #[error("the SCRAM keys are damaged")]
    Scram,
}

impl User {
    /// A user with a password, at a moment in seconds since 1970. Takes long.
    ///
    /// # Errors
    /// When the system gives no random numbers or no memory.
    pub fn new(name: &str, password: &str, roles: Vec<String>, created: u64) -> Result<Self, NoHash> {
        let credentials = Credentials::new(password.as_bytes())?;
        Ok(Self { name: name.to_owned(), credentials, roles, disabled: false, created })
    }

    /// Whether it can be a user; the hash of its password if so.
    pub(super) fn check(&self) -> Result<Hash, BadUser> {
        let plain =
            |text: &str| !text.is_empty() && text.len() <= MOST_NAME && !text.contains(char::is_control);
        if !plain(&self.name) {
            return Err(BadUser::Name);
        }
        if self.roles.len() > MOST_ROLES || !self.roles.iter().all(|role| plain(role)) {
            return Err(BadUser::Role);
        }
        let hash = self.credentials.hash.parse()?;
        self.credentials.scram.keys().map(|_| hash).ok_or(BadUser::Scram)
    }

    /// Who a client of this user is.
    pub(crate) fn identity(&self) -> Identity {
        let roles = self.roles.iter().map(|role| Arc::from(role.as_str())).collect();
        Identity { roles, ..Identity::of_user(self.name.as_str()) }
    }
}

impl Credentials {
    /// What is kept of this password. Takes long.
    ///
    /// # Errors
    /// When the system gives no random numbers or no memory.
    pub fn new(password: &[u8]) -> Result<Self, NoHash> {
        let salt = random::<SCRAM_SALT>().ok_or(NoHash)?;
        let iterations = NonZeroU32::new(SCRAM_ITERATIONS).ok_or(NoHash)?;
        let scram = Scram::new(password, &salt, iterations);
        Ok(Self { hash: Hash::new(Kind::Argon2id, password)?.to_string(), scram })
    }
}

/// The keys of a password, as bytes.
#[derive(Clone)]
pub(crate) struct ScramKeys {
    pub(crate) salt: Vec<u8>,
    pub(crate) iterations: u32,
    pub(crate) stored_key: [u8; 32],
    pub(crate) server_key: [u8; 32],
}

impl Scram {
    pub(crate) fn new(password: &[u8], salt: &[u8], iterations: NonZeroU32) -> Self {
        let mut salted = [0; 32];
        pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, iterations, salt, password, &mut salted);
        let key = |name: &[u8]| hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &salted), name);
        let client_key = key(b"Client Key");
        Self {
            salt: BASE64.encode(salt),
            iterations: iterations.get(),
            stored_key: BASE64.encode(digest::digest(&digest::SHA256, client_key.as_ref())),
            server_key: BASE64.encode(key(b"Server Key")),
        }
    }

    pub(crate) fn keys(&self) -> Option<ScramKeys> {
        let bytes = |text: &str| BASE64.decode(text).ok();
        let keys = ScramKeys {
            salt: bytes(&self.salt)?,
            iterations: self.iterations,
            stored_key: bytes(&self.stored_key)?.try_into().ok()?,
            server_key: bytes(&self.server_key)?.try_into().ok()?,
        };
        (ITERATIONS.contains(&keys.iterations) && (8..=64).contains(&keys.salt.len())).then_some(keys)
    }
}

/// Shows nothing of it.
impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials(...)")
    }
}

/// Shows nothing of it.
impl fmt::Debug for Scram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Scram(...)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ann() -> User {
        User::new("ann", "secret", vec!["staff".into()], 1_700_000_000).unwrap()
    }

    #[test]
    fn what_cannot_be_a_user_is_refused() {
        assert!(ann().check().unwrap().verify(b"secret"));
        let bad = |change: fn(&mut User)| {
            let mut user = ann();
            change(&mut user);
            user.check().err()
        };
        assert_eq!(bad(|user| user.name.clear()), Some(BadUser::Name));
        assert_eq!(bad(|user| user.name = "a\nb".into()), Some(BadUser::Name));
        assert_eq!(bad(|user| user.name = "x".repeat(65_536)), Some(BadUser::Name));
        assert_eq!(bad(|user| user.roles.push(String::new())), Some(BadUser::Role));
        assert_eq!(bad(|user| user.roles = vec!["x".into(); 101]), Some(BadUser::Role));
        assert_eq!(
            bad(|user| user.credentials.hash = "secret".into()),
            Some(BadUser::Hash(HashError::Unknown))
        );
        assert_eq!(bad(|user| user.credentials.scram.iterations = 4_095), Some(BadUser::Scram));
        assert_eq!(bad(|user| user.credentials.scram.iterations = u32::MAX), Some(BadUser::Scram));
        assert_eq!(bad(|user| user.credentials.scram.stored_key.clear()), Some(BadUser::Scram));
        assert_eq!(bad(|user| user.credentials.scram.salt = "AAAA".into()), Some(BadUser::Scram));
    }

    #[test]
    fn a_document_has_no_password_and_is_not_shown() {
        let user = ann();
        let document = serde_json::to_string(&user).unwrap();
        assert!(!document.contains("secret") && document.contains("$argon2id$"));
        assert_eq!(serde_json::from_str::<User>(&document).unwrap(), user);
        assert!(serde_json::from_str::<User>(&document.replace("created", "creatad")).is_err());
        let shown = format!("{user:?}");
        assert!(!shown.contains("argon2id") && !shown.contains(&user.credentials.scram.salt), "{shown}");
    }
}
