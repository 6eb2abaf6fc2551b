//! mosquitto's password files: `NAME:HASH` on each line, with the hashes of [`hash`](super::hash).
//!
//! Blank lines and lines that begin with `#` are passed over, and so are spaces around names and hashes, as mosquitto does. It
//! also passes over lines that it does not understand, and of two lines for one user its versions take one or the other; here
//! both are errors, because somebody would wonder why a password does not work, or why an old one still does.

use super::hash::{Hash, HashError};
use super::passwords::{Found, Source};
use darter_engine::access::Identity;
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use thiserror::Error;

/// Bytes of the largest file: half a million users.
const MOST_BYTES: u64 = 64 * 1024 * 1024;
/// Bytes of the longest name that a CONNECT can carry.
const MOST_NAME: usize = 65_535;

/// The users of a password file.
#[derive(Debug)]
pub struct PasswordFile {
    file: PathBuf,
    generation: AtomicU64,
    users: RwLock<Arc<Users>>,
}

#[derive(Debug, Default)]
struct Users {
    /// Where each one's hash is.
    names: HashMap<Arc<str>, usize>,
    hashes: Vec<Arc<Hash>>,
}

/// Why a password file cannot be used.
#[derive(Debug, Error)]
pub enum FileError {
    /// The system does not let it be read.
    #[error("the password file {} cannot be read: {source}", .file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It is too large to be one.
    #[error("the password file {} has more than {} MiB", .file.display(), MOST_BYTES >> 20)]
    TooLarge {
        /// The file.
        file: PathBuf,
    },
    /// There is nobody in it.
    #[error("{}:1: there are no users in this password file; 'mosquitto_passwd {} NAME' adds one", .file.display(), .file.display())]
    Empty {
        /// The file.
        file: PathBuf,
    },
    /// A line is not right.
    #[error("{}:{line}: {why}", .file.display())]
    Line {
        /// The file.
        file: PathBuf,
        /// Number of the line, from 1 on.
        line: usize,
        /// What is wrong.
        why: LineError,
    },
}

/// What is wrong with a line of a password file.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum LineError {
    /// It is not text.
    #[error("the line is not UTF-8")]
    NotText,
    /// The `:` is missing.
    #[error("a line of a password file is NAME:HASH, and there is no ':' in this one")]
    NoColon,
    /// The name is missing, too long, or has control characters.
    #[error("the user name is empty, longer than 65535 bytes, or has control characters")]
    Name,
    /// Another line has the same name.
    #[error("line {first} is for the same user")]
    Twice {
        /// Number of the other line.
        first: usize,
    },
    /// The password is not hashed.
    #[error("the password is not hashed; 'mosquitto_passwd -U FILE' hashes the passwords of a file")]
    Plain,
    /// The hash is none, or one that would cost too much.
    #[error(transparent)]
    Hash(HashError),
}

impl PasswordFile {
    /// Reads a file.
    ///
    /// # Errors
    /// When it cannot be read, has no users, or a line is not right.
    pub fn open(file: impl Into<PathBuf>) -> Result<Self, FileError> {
        let file = file.into();
        let users = RwLock::new(Arc::new(Users::read(&file)?));
        Ok(Self { file, generation: AtomicU64::new(0), users })
    }

    /// Reads the file again and returns how many users there are. Passwords that were right are asked for again.
    ///
    /// # Errors
    /// As when it is opened; the users stay as they were.
    pub fn reload(&self) -> Result<usize, FileError> {
        let users = Users::read(&self.file)?;
        let count = users.hashes.len();
        let mut place = self.users.write().unwrap_or_else(PoisonError::into_inner);
        self.generation.fetch_add(1, Ordering::SeqCst);
        *place = Arc::new(users);
        Ok(count)
    }

    /// The file.
    #[must_use]
    pub fn file(&self) -> &Path {
        &self.file
    }

    fn users(&self) -> Arc<Users> {
        self.users.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Source for PasswordFile {
    fn find(&self, user: &str) -> Option<Found> {
        let users = self.users();
        let (name, place) = users.names.get_key_value(user)?;
        let hash = users.hashes.get(*place)?.clone();
        Some(Found { hash, identity: Identity::of_user(name.clone()), disabled: false })
    }

    fn any(&self, pick: usize) -> Option<Arc<Hash>> {
        let users = self.users();
        users.hashes.get(pick.checked_rem(users.hashes.len())?).cloned()
    }

    fn generation(&self) -> u64 {
        self.generation.load(Ordering::SeqCst)
    }
}

impl Users {
    fn read(file: &Path) -> Result<Self, FileError> {
        let bytes = read(file)?;
        let mut users = Self::default();
        let mut lines = Vec::new();
        for (line, bytes) in (1..).zip(bytes.split(|byte| *byte == b'\n')) {
            let wrong = |why| FileError::Line { file: file.to_owned(), line, why };
            let Some((name, hash)) = entry(bytes).map_err(wrong)? else { continue };
            let place = users.hashes.len();
            if let Some(first) = users.names.insert(name.into(), place) {
                return Err(wrong(LineError::Twice { first: lines[first] }));
            }
            users.hashes.push(Arc::new(hash));
            lines.push(line);
        }
        if users.hashes.is_empty() { Err(FileError::Empty { file: file.to_owned() }) } else { Ok(users) }
    }
}

fn read(file: &Path) -> Result<Vec<u8>, FileError> {
    let unreadable = |source| FileError::Unreadable { file: file.to_owned(), source };
    let mut bytes = Vec::new();
    let opened = File::open(file).map_err(unreadable)?;
    opened.take(MOST_BYTES + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > MOST_BYTES {
        return Err(FileError::TooLarge { file: file.to_owned() });
    }
    Ok(bytes)
}

/// The user and the hash on a line; none if it says nothing.
fn entry(line: &[u8]) -> Result<Option<(&str, Hash)>, LineError> {
    let line = std::str::from_utf8(line).map_err(|_| LineError::NotText)?;
    let Some((name, hash)) = fields(line)? else { return Ok(None) };
    let hash = hash.parse().map_err(|why| match why {
        HashError::Unknown if !hash.starts_with('$') => LineError::Plain,
        other => LineError::Hash(other),
    })?;
    Ok(Some((name, hash)))
}

/// The user name on a line of a password file, and what stands for the password; none if the line says nothing.
///
/// # Errors
/// When it has no `:`, or no name that a client can have.
pub fn fields(line: &str) -> Result<Option<(&str, &str)>, LineError> {
    if line.starts_with('#') || line.trim_ascii().is_empty() {
        return Ok(None);
    }
    let (name, hash) = line.split_once(':').ok_or(LineError::NoColon)?;
    let name = name.trim_ascii();
    if !(1..=MOST_NAME).contains(&name.len()) || name.contains(char::is_control) {
        return Err(LineError::Name);
    }
    Ok(Some((name, hash.trim_ascii())))
}

/// Whether a line of a password file gives a user of this name back as it is.
#[must_use]
pub fn is_name(name: &str) -> bool {
    !name.contains(':') && matches!(fields(&format!("{name}:")), Ok(Some((read, _))) if read == name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    const HASH: &str = "$7$101$k1ByragSKsSk3S3h$SOEAybVJuabMqIsnmKdM9Vj1xmLctnVf/1iZvKwpBvtina3hTMDQ4TW1fktlD+CbUDDGnfevwuSrFGqRjFfrNA==";
    const OTHER: &str = "$6$LXojjsEhptXwWi+f$081JEXPMFVhHN4N0Bc27MrIoMCAT/axM8lX7oto6mDlk1wC2fxZyeggYf3tRV2e3UH4in+F1szqQIjYOZbPurQ==";

    fn write(text: impl AsRef<[u8]>) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("passwords");
        fs::write(&file, text).unwrap();
        (folder, file)
    }

    fn refused(text: impl AsRef<[u8]>) -> String {
        let (_folder, file) = write(text);
        let said = PasswordFile::open(&file).unwrap_err().to_string();
        said.replace(&file.display().to_string(), "passwords")
    }

    #[test]
    fn users_are_read_with_comments_blank_lines_and_spaces_between() {
        let text =
            format!("# people\n\nann:{HASH}\r\n  \n bob the builder : {OTHER} \n#eve:{HASH}\njörg:{HASH}");
        let (_folder, file) = write(text);
        let users = PasswordFile::open(&file).unwrap();
        for name in ["ann", "bob the builder", "jörg"] {
            let found = users.find(name).unwrap();
            assert_eq!(found.identity.user.as_deref(), Some(name));
            assert!(found.hash.verify("pass wörd".as_bytes()) && !found.disabled);
        }
        for name in ["", "eve", "#eve", "Ann", "bob", "ann "] {
            assert!(users.find(name).is_none(), "{name:?}");
        }
        let picked: Vec<_> = (0..6).map(|pick| users.any(pick).unwrap().to_string()).collect();
        assert_eq!(picked, [HASH, OTHER, HASH, HASH, OTHER, HASH]);
    }

    #[test]
    fn what_is_wrong_is_said_with_file_and_line() {
        let cases = [
            (
                "ann".to_owned(),
                "passwords:1: a line of a password file is NAME:HASH, and there is no ':' in this one",
            ),
            (
                format!("ann:{HASH}\n\n:{HASH}"),
                "passwords:3: the user name is empty, longer than 65535 bytes, or has control characters",
            ),
            (
                format!("ann:{HASH}\nb\u{7}b:{HASH}"),
                "passwords:2: the user name is empty, longer than 65535 bytes, or has control characters",
            ),
            (format!("#\nann:{HASH}\nbob:{HASH}\nann:{OTHER}"), "passwords:4: line 2 is for the same user"),
            (
                "ann:secret".to_owned(),
                "passwords:1: the password is not hashed; 'mosquitto_passwd -U FILE' hashes the passwords of a file",
            ),
            (
                "ann:".to_owned(),
                "passwords:1: the password is not hashed; 'mosquitto_passwd -U FILE' hashes the passwords of a file",
            ),
            (
                "ann:$5$x$y".to_owned(),
                "passwords:1: it does not begin with $argon2id$, $7$ or $6$, so it is no password hash",
            ),
            (
                format!("ann:{HASH}:0"),
                "passwords:1: the password hash is damaged: the hash is not base64 of 64 bytes",
            ),
            (
                format!("ann:{}", HASH.replace("101", "9000000")),
                "passwords:1: the password hash costs too much: at most 1000000 iterations are accepted",
            ),
        ];
        for (text, said) in cases {
            assert_eq!(refused(&text), said, "{text}");
        }
        assert_eq!(refused(b"\xff\xfe"), "passwords:1: the line is not UTF-8");
        assert!(refused("x".repeat(65_536) + ":" + HASH).contains("longer than 65535 bytes"));
    }

    #[test]
    fn an_empty_or_missing_file_is_an_error() {
        for text in ["", "\n", "# nobody yet\n"] {
            assert_eq!(
                refused(text),
                "passwords:1: there are no users in this password file; 'mosquitto_passwd passwords NAME' adds one"
            );
        }
        let (folder, file) = write("");
        fs::remove_file(&file).unwrap();
        let said = PasswordFile::open(&file).unwrap_err().to_string();
        assert!(said.contains("cannot be read: No such file"), "{said}");
        let said = PasswordFile::open(folder.path()).unwrap_err().to_string();
        assert!(said.contains("cannot be read: "), "a folder is no file: {said}");
    }

    #[test]
    fn a_reload_with_an_error_keeps_the_users() {
        let (_folder, file) = write(format!("ann:{HASH}\n"));
        let users = PasswordFile::open(&file).unwrap();
        fs::write(&file, "bob").unwrap();
        let said = users.reload().unwrap_err().to_string();
        assert!(
            said.ends_with(
                "passwords:1: a line of a password file is NAME:HASH, and there is no ':' in this one"
            ),
            "{said}"
        );
        assert!(users.find("ann").is_some() && users.generation() == 0);
        fs::write(&file, format!("bob:{HASH}\neve:{HASH}")).unwrap();
        assert_eq!(users.reload().unwrap(), 2);
        assert!(users.find("ann").is_none() && users.find("bob").is_some() && users.generation() == 1);
    }

    #[test]
    fn names_that_a_file_cannot_have_are_known() {
        for name in ["ann", "bob the builder", "jörg", "a#", "%"] {
            assert!(is_name(name), "{name}");
        }
        for name in ["", " ann", "ann ", "a:b", "#ann", "a\nb", "a\0", "\t"] {
            assert!(!is_name(name), "{name:?}");
        }
    }
}
