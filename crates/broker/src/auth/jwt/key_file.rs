//! Files with keys: PEM, a secret, or a set of keys (section 5 of RFC 7517).

use super::super::encoding::BASE64;
use super::key::{Jwk, Key, SHORTEST_SECRET};
use base64::Engine;
use serde::Deserialize;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use thiserror::Error;

/// Bytes of the largest file.
const MOST_BYTES: u64 = 1024 * 1024;
/// Most keys: a token that names none is tried with each.
const MOST_KEYS: usize = 32;

/// Where keys are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Keys {
    /// A file with public keys in PEM (`PUBLIC KEY`, `RSA PUBLIC KEY`), or with a secret of at least 32 bytes, of which a line
    /// end behind it is no part.
    File(PathBuf),
    /// A file with a JSON Web Key Set. Keys of other kinds in it are passed over.
    Set(PathBuf),
}

/// Why there are no keys.
#[derive(Debug, Error)]
pub enum KeyError {
    /// The system does not let the file be read.
    #[error("the key file {} cannot be read: {source}", .file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// What is in it is no key.
    #[error("{}: {why}", .file.display())]
    Bad {
        /// The file.
        file: PathBuf,
        /// What is wrong.
        why: BadKey,
    },
}

/// What is wrong with a key file.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum BadKey {
    /// A private key.
    #[error(
        "this is a private key, which the server must not have; 'openssl pkey -pubout' writes the public one"
    )]
    Private,
    /// A certificate.
    #[error("this is a certificate; 'openssl x509 -pubkey -noout' writes its public key")]
    Certificate,
    /// PEM of another kind, or damaged.
    #[error("this is no PEM file with a public key")]
    Pem,
    /// A key of another kind.
    #[error("the public key is damaged, or none of RSA with 2048 to 8192 bits, P-256 and Ed25519")]
    Kind,
    /// A short secret.
    #[error("the secret has less than {SHORTEST_SECRET} bytes; 'openssl rand -hex 32' makes one")]
    Short,
    /// It is no set of keys.
    #[error("this is no JSON Web Key Set: {0}")]
    Set(String),
    /// No key can be used.
    #[error(
        "there is no key in it that can be used: RSA, P-256, Ed25519 or oct, for signatures, with an algorithm that is allowed"
    )]
    None,
    /// Too many keys.
    #[error("there are more than {MOST_KEYS} keys in it")]
    Many,
    /// Too large.
    #[error("it has more than 1 MiB")]
    Large,
}

#[derive(Deserialize)]
struct Set {
    keys: Vec<serde_json::Value>,
}

impl Keys {
    /// Reads them.
    pub(super) fn read(&self, wanted: impl Fn(&Key) -> bool) -> Result<Vec<Key>, KeyError> {
        let (Self::File(file) | Self::Set(file)) = self;
        let bad = |why| KeyError::Bad { file: file.clone(), why };
        let bytes = read(file)?;
        let keys = match self {
            Self::File(_) => from_file(&bytes),
            Self::Set(_) => from_set(&bytes),
        };
        let mut keys = keys.map_err(bad)?;
        keys.retain(wanted);
        match keys.len() {
            0 => Err(bad(BadKey::None)),
            1..=MOST_KEYS => Ok(keys),
            _ => Err(bad(BadKey::Many)),
        }
    }
}

fn read(file: &Path) -> Result<Vec<u8>, KeyError> {
    let unreadable = |source| KeyError::Unreadable { file: file.to_owned(), source };
    let mut bytes = Vec::new();
    File::open(file).map_err(unreadable)?.take(MOST_BYTES + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > MOST_BYTES {
        return Err(KeyError::Bad { file: file.to_owned(), why: BadKey::Large });
    }
    Ok(bytes)
}

fn from_set(bytes: &[u8]) -> Result<Vec<Key>, BadKey> {
    let set: Set = serde_json::from_slice(bytes).map_err(|error| BadKey::Set(error.to_string()))?;
    let jwk = |value| serde_json::from_value::<Jwk>(value).ok();
    Ok(set.keys.into_iter().filter_map(|value| jwk(value)?.key()).collect())
}

/// What begins as PEM is never a secret.
fn from_file(bytes: &[u8]) -> Result<Vec<Key>, BadKey> {
    const BEGIN: &str = "-----BEGIN ";
    match std::str::from_utf8(bytes) {
        Ok(text) if text.contains(BEGIN) => text.split(BEGIN).skip(1).map(from_block).collect(),
        _ => {
            let secret = bytes.strip_suffix(b"\n").unwrap_or(bytes);
            let secret = secret.strip_suffix(b"\r").unwrap_or(secret);
            Ok(vec![Key::secret(secret).ok_or(BadKey::Short)?])
        }
    }
}

/// What follows `-----BEGIN ` (RFC 7468).
fn from_block(block: &str) -> Result<Key, BadKey> {
    let (label, rest) = block.split_once("-----").ok_or(BadKey::Pem)?;
    let read = match label {
        "PUBLIC KEY" => Key::from_public_key,
        "RSA PUBLIC KEY" => Key::from_rsa_key,
        "CERTIFICATE" | "TRUSTED CERTIFICATE" => return Err(BadKey::Certificate),
        private if private.ends_with("PRIVATE KEY") => return Err(BadKey::Private),
        _ => return Err(BadKey::Pem),
    };
    let (body, _) = rest.split_once(&format!("-----END {label}-----")).ok_or(BadKey::Pem)?;
    let body: String = body.split_ascii_whitespace().collect();
    read(&BASE64.decode(body).map_err(|_| BadKey::Pem)?).ok_or(BadKey::Kind)
}
