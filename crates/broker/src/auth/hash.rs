//! Hashes of passwords: those of mosquitto's password files, and how they are made and checked.
//!
//! - `$argon2id$v=19$m=KIB,t=PASSES,p=LANES$SALT$HASH` ([RFC 9106], in the PHC string format)
//! - `$7$ITERATIONS$SALT$HASH` (PBKDF2 with HMAC-SHA512, a hash of 64 bytes)
//! - `$6$SALT$HASH` (SHA-512 of the password and the salt behind it; no relation to `$6$` of crypt(3))
//!
//! Salt and hash are base64. What a check may cost is bounded, so that no file can freeze the server.
//!
//! [RFC 9106]: https://www.rfc-editor.org/rfc/rfc9106

use super::encoding::{BASE64, BASE64_UNPADDED, random};
use argon2::{Algorithm, Argon2, Params, Version};
use base64::Engine;
use ring::{digest, pbkdf2};
use std::fmt;
use std::num::NonZeroU32;
use std::ops::RangeInclusive;
use std::str::FromStr;
use subtle::ConstantTimeEq;
use thiserror::Error;

/// Most iterations of `$7$`: under a second.
pub const MOST_ITERATIONS: u32 = 1_000_000;
/// Most memory for `$argon2id$`, in KiB.
const MOST_MEMORY: u32 = 256 * 1024;
/// Most memory times passes for `$argon2id$`, in KiB: about a second.
const MOST_WORK: u64 = 1024 * 1024;
const MOST_LANES: u32 = 16;
const SALT: RangeInclusive<usize> = 8..=64;
const ARGON2_HASH: RangeInclusive<usize> = 16..=64;
/// Bytes of SHA-512.
const SHA512_LEN: usize = digest::SHA512_OUTPUT_LEN;
/// Bytes of a new salt; mosquitto before 2.1 reads no other length.
const NEW_SALT: usize = 12;

/// A hashed password.
#[derive(Clone, PartialEq, Eq)]
pub struct Hash(Form);

#[derive(Clone, PartialEq, Eq)]
enum Form {
    Argon2id { params: Params, salt: Vec<u8>, hash: Vec<u8> },
    Pbkdf2 { iterations: NonZeroU32, salt: Vec<u8>, hash: Vec<u8> },
    Sha512 { salt: Vec<u8>, hash: Vec<u8> },
}

/// How a new password is hashed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Argon2id with 19 MiB and two passes, about 30 ms. mosquitto reads it from 2.1 on.
    Argon2id,
    /// PBKDF2 with HMAC-SHA512, which every mosquitto from 2.0 on reads.
    Pbkdf2 {
        /// Iterations, 1 to [`MOST_ITERATIONS`].
        iterations: NonZeroU32,
    },
    /// SHA-512 with a salt, for mosquitto before 2.0. A computer tries millions of passwords a second against it.
    Sha512,
}

/// Why a text is no hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum HashError {
    /// It begins otherwise.
    #[error("it does not begin with $argon2id$, $7$ or $6$, so it is no password hash")]
    Unknown,
    /// A part of it is missing or not what it must be.
    #[error("the password hash is damaged: {0}")]
    Part(&'static str),
    /// To check it would take too long.
    #[error("the password hash costs too much: {0}")]
    Costs(&'static str),
}

/// Why no hash can be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the system gives no random numbers, or not enough memory to hash a password")]
pub struct NoHash;

impl Hash {
    /// Hashes a password with a salt of its own. Takes long.
    ///
    /// # Errors
    /// When the system gives no random numbers or no memory.
    pub fn new(kind: Kind, password: &[u8]) -> Result<Self, NoHash> {
        let salt = random::<NEW_SALT>().ok_or(NoHash)?.to_vec();
        Ok(Self(match kind {
            Kind::Argon2id => {
                let params = Params::new(19 * 1024, 2, 1, Some(32)).map_err(|_| NoHash)?;
                let mut hash = vec![0; 32];
                argon2id(&params).hash_password_into(password, &salt, &mut hash).map_err(|_| NoHash)?;
                Form::Argon2id { params, salt, hash }
            }
            Kind::Pbkdf2 { iterations } => {
                let mut hash = vec![0; SHA512_LEN];
                pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA512, iterations, &salt, password, &mut hash);
                Form::Pbkdf2 { iterations, salt, hash }
            }
            Kind::Sha512 => Form::Sha512 { hash: sha512(password, &salt), salt },
        }))
    }

    /// Whether this is the password. Takes long, and as long for a wrong one.
    #[must_use]
    pub fn verify(&self, password: &[u8]) -> bool {
        match &self.0 {
            Form::Argon2id { params, salt, hash } => {
                let mut found = vec![0; hash.len()];
                let made = argon2id(params).hash_password_into(password, salt, &mut found);
                made.is_ok() && bool::from(found.ct_eq(hash))
            }
            Form::Pbkdf2 { iterations, salt, hash } => {
                pbkdf2::verify(pbkdf2::PBKDF2_HMAC_SHA512, *iterations, salt, password, hash).is_ok()
            }
            Form::Sha512 { salt, hash } => sha512(password, salt).ct_eq(hash).into(),
        }
    }
}

fn argon2id(params: &Params) -> Argon2<'static> {
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params.clone())
}

fn sha512(password: &[u8], salt: &[u8]) -> Vec<u8> {
    let mut context = digest::Context::new(&digest::SHA512);
    context.update(password);
    context.update(salt);
    context.finish().as_ref().to_vec()
}

impl FromStr for Hash {
    type Err = HashError;

    fn from_str(text: &str) -> Result<Self, HashError> {
        let mut parts = text.split('$');
        if parts.next() != Some("") {
            return Err(HashError::Unknown);
        }
        let kind = parts.next();
        let mut next = |what| parts.next().ok_or(HashError::Part(what));
        let form = match kind {
            Some("argon2id") => {
                if next("the version is missing")? != "v=19" {
                    return Err(HashError::Part("its version is not v=19"));
                }
                let costs = costs(next("m=, t= and p= are missing")?)?;
                let salt =
                    bytes(next("the salt is missing")?, SALT, "the salt is not base64 of 8 to 64 bytes")?;
                let what = "the hash is not base64 of 16 to 64 bytes";
                let hash = bytes(next("the hash is missing")?, ARGON2_HASH, what)?;
                let [memory, passes, lanes] = costs;
                let params = Params::new(memory, passes, lanes, Some(hash.len()));
                let params = params.map_err(|_| HashError::Part("m=, t= and p= do not go together"))?;
                Form::Argon2id { params, salt, hash }
            }
            Some("7") => {
                let iterations = next("the iterations are missing")?.parse();
                let iterations: NonZeroU32 =
                    iterations.map_err(|_| HashError::Part("the iterations are not a number from 1 on"))?;
                if iterations.get() > MOST_ITERATIONS {
                    return Err(HashError::Costs("at most 1000000 iterations are accepted"));
                }
                let (salt, hash) = salt_and_sha512(&mut next)?;
                Form::Pbkdf2 { iterations, salt, hash }
            }
            Some("6") => {
                let (salt, hash) = salt_and_sha512(&mut next)?;
                Form::Sha512 { salt, hash }
            }
            _ => return Err(HashError::Unknown),
        };
        if parts.next().is_some() { Err(HashError::Part("there is more behind it")) } else { Ok(Self(form)) }
    }
}

/// `m=KIB,t=PASSES,p=LANES`
fn costs(text: &str) -> Result<[u32; 3], HashError> {
    let wrong = HashError::Part("m=, t= and p= are not three numbers in this order");
    let mut costs = [0; 3];
    let mut parts = text.split(',');
    for (cost, name) in costs.iter_mut().zip(["m=", "t=", "p="]) {
        let digits = parts.next().and_then(|part| part.strip_prefix(name)).ok_or(wrong)?;
        *cost = digits.parse().map_err(|_| wrong)?;
    }
    if parts.next().is_some() {
        return Err(wrong);
    }
    let [memory, passes, lanes] = costs;
    if memory > MOST_MEMORY {
        return Err(HashError::Costs("at most m=262144 (256 MiB) is accepted"));
    }
    if u64::from(memory) * u64::from(passes) > MOST_WORK {
        return Err(HashError::Costs("m times t may be at most 1048576"));
    }
    if lanes > MOST_LANES {
        return Err(HashError::Costs("at most p=16 is accepted"));
    }
    Ok(costs)
}

fn salt_and_sha512<'a>(
    next: &mut impl FnMut(&'static str) -> Result<&'a str, HashError>,
) -> Result<(Vec<u8>, Vec<u8>), HashError> {
    let salt = bytes(next("the salt is missing")?, SALT, "the salt is not base64 of 8 to 64 bytes")?;
    let all = SHA512_LEN..=SHA512_LEN;
    let hash = bytes(next("the hash is missing")?, all, "the hash is not base64 of 64 bytes")?;
    Ok((salt, hash))
}

fn bytes(text: &str, lengths: RangeInclusive<usize>, wrong: &'static str) -> Result<Vec<u8>, HashError> {
    let bytes = BASE64.decode(text).map_err(|_| HashError::Part(wrong))?;
    if lengths.contains(&bytes.len()) { Ok(bytes) } else { Err(HashError::Part(wrong)) }
}

/// As it stands in a file.
impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Form::Argon2id { params, salt, hash } => {
                let (memory, passes, lanes) = (params.m_cost(), params.t_cost(), params.p_cost());
                let (salt, hash) = (BASE64_UNPADDED.encode(salt), BASE64_UNPADDED.encode(hash));
                write!(f, "$argon2id$v=19$m={memory},t={passes},p={lanes}${salt}${hash}")
            }
            Form::Pbkdf2 { iterations, salt, hash } => {
                write!(f, "$7${iterations}${}${}", BASE64.encode(salt), BASE64.encode(hash))
            }
            Form::Sha512 { salt, hash } => write!(f, "$6${}${}", BASE64.encode(salt), BASE64.encode(hash)),
        }
    }
}

/// Never shows what it hides.
impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &self.0 {
            Form::Argon2id { .. } => "$argon2id$...",
            Form::Pbkdf2 { .. } => "$7$...",
            Form::Sha512 { .. } => "$6$...",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWORD: &str = "pass wörd";
    /// Of that password: by mosquitto_passwd 2.0.11 (`-H sha512-pbkdf2`, `-H sha512`) and by argon2-cffi 25.1 with its defaults.
    const FOREIGN: [&str; 3] = [
        "$7$101$k1ByragSKsSk3S3h$SOEAybVJuabMqIsnmKdM9Vj1xmLctnVf/1iZvKwpBvtina3hTMDQ4TW1fktlD+CbUDDGnfevwuSrFGqRjFfrNA==",
        "$6$LXojjsEhptXwWi+f$081JEXPMFVhHN4N0Bc27MrIoMCAT/axM8lX7oto6mDlk1wC2fxZyeggYf3tRV2e3UH4in+F1szqQIjYOZbPurQ==",
        "$argon2id$v=19$m=65536,t=3,p=4$ilQv/oeR2bXPIBvSMYVLtA$P7mnr0wNTSsjV/zJz2p/jZK1/9OwML2H4ZjLe2ERv3s",
    ];

    fn read(text: &str) -> Result<Hash, HashError> {
        text.parse()
    }

    #[test]
    fn hashes_of_other_programs_are_read_checked_and_written_as_they_were() {
        for text in FOREIGN {
            let hash = read(text).unwrap();
            assert!(hash.verify(PASSWORD.as_bytes()), "{text}");
            for wrong in ["", "pass word", "pass wörd "] {
                assert!(!hash.verify(wrong.as_bytes()), "{wrong:?} is not the password of {text}");
            }
            assert_eq!(hash.to_string(), text);
        }
    }

    #[test]
    fn a_new_hash_has_a_salt_of_its_own_and_fits_its_password_only() {
        let iterations = NonZeroU32::new(3).unwrap();
        for kind in [Kind::Argon2id, Kind::Pbkdf2 { iterations }, Kind::Sha512] {
            let hash = Hash::new(kind, PASSWORD.as_bytes()).unwrap();
            let again: Hash = hash.to_string().parse().unwrap();
            assert!(again == hash && again.verify(PASSWORD.as_bytes()) && !again.verify(b"other"), "{hash}");
            assert_ne!(Hash::new(kind, PASSWORD.as_bytes()).unwrap(), hash);
        }
    }

    #[test]
    fn a_hash_is_not_shown() {
        for text in FOREIGN {
            let shown = format!("{:?}", read(text).unwrap());
            assert!(shown.len() < 16 && shown.ends_with("..."), "{shown}");
        }
    }

    #[test]
    fn what_is_damaged_is_said() {
        for text in ["", "secret", "$", "$1$abc$def", "x$6$a$b", "$2b$12$abc"] {
            assert_eq!(read(text), Err(HashError::Unknown), "{text}");
        }
        for text in FOREIGN {
            for end in 1..text.len() {
                // A hash of Argon2 may have 16 bytes, and `==` at the end may be missing.
                let allowed = text.len() - end <= if text.starts_with("$argon2id") { 22 } else { 2 };
                assert!(allowed || read(&text[..end]).is_err(), "{}", &text[..end]);
            }
            assert_eq!(read(&format!("{text}$")), Err(HashError::Part("there is more behind it")));
            assert!(
                read(&text.replace("$k1By", "$k1-y").replace("LXoj", "LX j").replace("ilQv", "il!v"))
                    .is_err()
            );
        }
        for wrong in ["0", "-1", "", "1.5", "99999999999"] {
            let text = FOREIGN[0].replace("101", wrong);
            assert_eq!(
                read(&text),
                Err(HashError::Part("the iterations are not a number from 1 on")),
                "{wrong}"
            );
        }
        for wrong in [
            "m=65536,p=4,t=3",
            "m=65536,t=3",
            "m=65536,t=3,p=4,keyid=x",
            "m=0,t=3,p=4",
            "m=65536,t=0,p=4",
            "m=8,t=1,p=2",
        ] {
            assert!(
                matches!(read(&FOREIGN[2].replace("m=65536,t=3,p=4", wrong)), Err(HashError::Part(_))),
                "{wrong}"
            );
        }
        assert!(read(&FOREIGN[2].replace("v=19", "v=16")).is_err());
    }

    #[test]
    fn a_hash_that_would_freeze_the_server_is_refused() {
        let costly = |text: String| assert!(matches!(read(&text), Err(HashError::Costs(_))), "{text}");
        costly(FOREIGN[0].replace("101", "1000001"));
        assert!(read(&FOREIGN[0].replace("101", "1000000")).is_ok());
        for costs in [
            "m=262145,t=1,p=1",
            "m=65536,t=17,p=1",
            "m=4294967295,t=4294967295,p=4294967295",
            "m=65536,t=1,p=17",
        ] {
            costly(FOREIGN[2].replace("m=65536,t=3,p=4", costs));
        }
        for costs in ["m=262144,t=4,p=1", "m=65536,t=16,p=16", "m=47104,t=1,p=1", "m=19456,t=2,p=1"] {
            assert!(read(&FOREIGN[2].replace("m=65536,t=3,p=4", costs)).is_ok(), "{costs}");
        }
    }
}
