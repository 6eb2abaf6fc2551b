//! Small documents that people make and programs read whole: users, devices, dashboards, rules.
//!
//! One file for each document, in a folder for each collection, replaced as a whole and never changed in place. Damage costs
//! the document that is damaged, which is set aside.

use crate::private;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use thiserror::Error;

/// Ending of a document's file, and of one that was damaged or is being written.
const ENDING: &str = "json";
const DAMAGED: &str = "damaged";
const UNFINISHED: &str = "unfinished";
/// Stands for the empty name.
const NAMELESS: &str = "%";

/// A folder of collections of documents.
#[derive(Debug, Clone)]
pub struct Documents {
    folder: PathBuf,
}

/// Why a document cannot be read or written.
#[derive(Debug, Error)]
pub enum DocumentError {
    /// The file is damaged; it was set aside under the name that is told.
    #[error("the document {name:?} in {collection} is damaged; it was set aside as {}", .aside.display())]
    Damaged {
        /// The collection.
        collection: String,
        /// The document's name.
        name: String,
        /// Where the file is now.
        aside: PathBuf,
    },
    /// The document is whole, but not what the program takes it for.
    #[error("the document {name:?} in {collection} is not what was expected: {source}")]
    Unexpected {
        /// The collection.
        collection: String,
        /// The document's name.
        name: String,
        /// What does not fit.
        source: serde_json::Error,
    },
    /// The disk.
    #[error("the document {name:?} in {collection} cannot be read or written: {source}")]
    Disk {
        /// The collection.
        collection: String,
        /// The document's name.
        name: String,
        /// What the system said.
        source: io::Error,
    },
}

impl Documents {
    /// The collections in a folder, which is made when the first document is put there.
    #[must_use]
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into() }
    }

    /// Names of all documents of a collection, in order.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn names(&self, collection: &str) -> io::Result<Vec<String>> {
        let entries = match fs::read_dir(self.folder.join(escaped(collection))) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let mut names = Vec::new();
        for entry in entries {
            let path = entry?.path();
            if path.extension() == Some(OsStr::new(ENDING)) {
                names.extend(path.file_stem().and_then(OsStr::to_str).and_then(unescaped));
            }
        }
        names.sort_unstable();
        Ok(names)
    }

    /// Reads a document; none when there is none of that name.
    ///
    /// # Errors
    /// When it is damaged, is something else than a `T`, or cannot be read.
    pub fn get<T: DeserializeOwned>(&self, collection: &str, name: &str) -> Result<Option<T>, DocumentError> {
        let path = self.path(collection, name);
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(disk(collection, name, source)),
        };
        let Some(text) = checked(&bytes) else {
            let aside = path.with_extension(DAMAGED);
            fs::rename(&path, &aside).map_err(|source| disk(collection, name, source))?;
            let (collection, name) = (collection.to_owned(), name.to_owned());
            return Err(DocumentError::Damaged { collection, name, aside });
        };
        serde_json::from_slice(text).map(Some).map_err(|source| {
            let (collection, name) = (collection.to_owned(), name.to_owned());
            DocumentError::Unexpected { collection, name, source }
        })
    }

    /// Puts a document in place of the one of that name. When it returns, the new one is on the disk; if the computer stops
    /// before, one of the two is. Of several who put one name at the same time the last one wins.
    ///
    /// # Errors
    /// When the disk cannot be written: then the old one is there, or the new one if only the last sync failed. When the value is none that JSON can say.
    pub fn put<T: Serialize>(&self, collection: &str, name: &str, document: &T) -> Result<(), DocumentError> {
        let failed = |source| disk(collection, name, source);
        let text = serde_json::to_vec_pretty(document).map_err(|error| failed(error.into()))?;
        let path = self.path(collection, name);
        let folder = path.parent().unwrap_or(&self.folder);
        private::make_folder(folder).map_err(failed)?;
        let unfinished = unfinished(&path);
        let written = write(&unfinished, &text).and_then(|()| fs::rename(&unfinished, &path));
        written.map_err(|error| {
            // What is left of it is in nobody's way.
            let _ = fs::remove_file(&unfinished);
            failed(error)
        })?;
        // Folders are for good only with the folder that they are in.
        let folders = [Some(folder), Some(&*self.folder), self.folder.parent()];
        folders.into_iter().flatten().try_for_each(sync).map_err(failed)
    }

    /// Removes a document. False when there was none.
    ///
    /// # Errors
    /// When the disk cannot be written.
    pub fn remove(&self, collection: &str, name: &str) -> Result<bool, DocumentError> {
        let path = self.path(collection, name);
        match fs::remove_file(&path) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(source) => return Err(disk(collection, name, source)),
        }
        let folder = path.parent().unwrap_or(&self.folder);
        sync(folder).map_err(|source| disk(collection, name, source))?;
        Ok(true)
    }

    fn path(&self, collection: &str, name: &str) -> PathBuf {
        self.folder.join(escaped(collection)).join(format!("{}.{ENDING}", escaped(name)))
    }
}

fn disk(collection: &str, name: &str, source: io::Error) -> DocumentError {
    DocumentError::Disk { collection: collection.to_owned(), name: name.to_owned(), source }
}

/// A name of its own for each who writes, also in another process.
fn unfinished(path: &Path) -> PathBuf {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    path.with_extension(format!("{}-{number}.{UNFINISHED}", std::process::id()))
}

/// The checksum as eight digits on a line of its own, then the text.
fn write(path: &Path, text: &[u8]) -> io::Result<()> {
    let mut file = private::new_file().create(true).truncate(true).open(path)?;
    writeln!(file, "{:08x}", crc32fast::hash(text))?;
    file.write_all(text)?;
    file.sync_all()
}

fn checked(bytes: &[u8]) -> Option<&[u8]> {
    let (digits, rest) = bytes.split_at_checked(8)?;
    let text = rest.strip_prefix(b"\n")?;
    let checksum = u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
    (checksum == crc32fast::hash(text)).then_some(text)
}

fn sync(folder: &Path) -> io::Result<()> {
    // The parent of a relative folder has no name.
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
}

/// A name as every file system takes it: letters, digits, `-` and `_` as they are, every other byte as `%` and two digits.
/// No name at all is `%`: every file has a name.
fn escaped(name: &str) -> String {
    if name.is_empty() {
        return NAMELESS.to_owned();
    }
    let mut out = String::new();
    for byte in name.bytes() {
        match byte {
            b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' => out.push(byte.into()),
            // Capitals too: some file systems take them for small ones.
            _ => out.push_str(&format!("%{byte:02x}")),
        }
    }
    out
}

fn unescaped(name: &str) -> Option<String> {
    if name == NAMELESS {
        return Some(String::new());
    }
    let mut bytes = Vec::new();
    let mut rest = name;
    while let Some(first) = rest.chars().next() {
        if first == '%' {
            bytes.push(u8::from_str_radix(rest.get(1..3)?, 16).ok()?);
            rest = rest.get(3..)?;
        } else {
            bytes.push(u8::try_from(first).ok()?);
            rest = rest.get(1..)?;
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    #[test]
    fn a_document_is_replaced_as_a_whole() {
        let folder = tempfile::tempdir().unwrap();
        let documents = Documents::new(folder.path().join("meta"));
        assert_eq!(documents.names("users").unwrap(), [""; 0]);
        assert_eq!(documents.get::<Value>("users", "ann").unwrap(), None);
        documents.put("users", "ann", &json!({ "roles": ["admin"] })).unwrap();
        documents.put("users", "Ann/../é", &json!(2)).unwrap();
        documents.put("users", "ann", &json!({ "roles": [] })).unwrap();
        let again = Documents::new(folder.path().join("meta"));
        assert_eq!(again.names("users").unwrap(), ["Ann/../é", "ann"]);
        assert_eq!(again.get("users", "ann").unwrap(), Some(json!({ "roles": [] })));
        assert!(matches!(again.get::<bool>("users", "ann"), Err(DocumentError::Unexpected { .. })));
        assert!(again.remove("users", "ann").unwrap());
        assert!(!again.remove("users", "ann").unwrap());
        assert_eq!(again.get::<Value>("users", "ann").unwrap(), None);
    }

    #[cfg(unix)]
    #[test]
    fn only_their_owner_reads_documents() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let documents = Documents::new(folder.path().join("meta"));
        documents.put("users", "ann", &json!(1)).unwrap();
        let mode = |path| fs::metadata(folder.path().join(path)).unwrap().permissions().mode() & 0o777;
        assert_eq!(["meta", "meta/users", "meta/users/ann.json"].map(mode), [0o700, 0o700, 0o600]);
    }

    #[test]
    fn an_empty_name_is_a_name() {
        let folder = tempfile::tempdir().unwrap();
        let documents = Documents::new(folder.path());
        documents.put("", "", &json!(1)).unwrap();
        documents.put("", "%", &json!(2)).unwrap();
        assert_eq!(documents.names("").unwrap(), ["", "%"]);
        assert_eq!((documents.get("", "").unwrap(), documents.get("", "%").unwrap()), (Some(1), Some(2)));
        assert!(documents.remove("", "").unwrap());
        assert_eq!(documents.names("").unwrap(), ["%"]);
    }

    #[test]
    fn two_who_write_one_name_do_not_share_a_file() {
        let path = Path::new("rules/one.json");
        let (one, other) = (unfinished(path), unfinished(path));
        assert!(one != other && one.extension() == Some(OsStr::new(UNFINISHED)), "{one:?}");
        let folder = tempfile::tempdir().unwrap();
        let documents = Documents::new(folder.path());
        std::thread::scope(|scope| {
            for writer in 0..4 {
                let documents = &documents;
                scope.spawn(move || {
                    for number in 0..50 {
                        documents.put("rules", "one", &vec![writer; number * 10]).unwrap();
                    }
                });
            }
        });
        assert_eq!(documents.get::<Vec<i32>>("rules", "one").unwrap().map(|all| all.len()), Some(490));
        assert_eq!(fs::read_dir(folder.path().join("rules")).unwrap().count(), 1, "nothing is left over");
    }

    #[test]
    fn every_flipped_bit_is_noticed_and_costs_that_document_only() {
        let folder = tempfile::tempdir().unwrap();
        let documents = Documents::new(folder.path());
        documents.put("rules", "other", &json!(true)).unwrap();
        documents.put("rules", "one", &json!({ "when": "a/b" })).unwrap();
        let path = folder.path().join("rules/one.json");
        let whole = fs::read(&path).unwrap();
        for bit in 0..whole.len() * 8 {
            let mut bytes = whole.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            fs::write(&path, &bytes).unwrap();
            let read = documents.get::<Value>("rules", "one");
            // A digit of the checksum may be written as a capital: that says the same.
            if bytes[..8].eq_ignore_ascii_case(&whole[..8]) && bytes[8..] == whole[8..] {
                assert!(read.unwrap().is_some());
                continue;
            }
            let Err(DocumentError::Damaged { aside, .. }) = read else { panic!("bit {bit}: {read:?}") };
            assert_eq!(fs::read(aside).unwrap(), bytes);
            assert_eq!(documents.names("rules").unwrap(), ["other"]);
        }
        assert_eq!(documents.get("rules", "other").unwrap(), Some(json!(true)));
    }

    #[test]
    fn an_interrupted_writing_leaves_the_old_document() {
        let folder = tempfile::tempdir().unwrap();
        let documents = Documents::new(folder.path());
        documents.put("rules", "one", &json!(1)).unwrap();
        fs::write(folder.path().join("rules/one.unfinished"), "0000").unwrap();
        assert_eq!(documents.get("rules", "one").unwrap(), Some(json!(1)));
        assert_eq!(documents.names("rules").unwrap(), ["one"]);
    }

    proptest! {
        #[test]
        fn every_name_is_a_file_of_its_own(name in any::<String>()) {
            let escaped = escaped(&name);
            prop_assert!(escaped.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_%".contains(&byte)));
            prop_assert_eq!(unescaped(&escaped), Some(name));
        }
    }
}
