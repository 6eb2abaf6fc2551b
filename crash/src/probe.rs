//! A program that does to files what it is told, for the tests of the shim: it makes the system calls that Rust's standard
//! library makes, as the server does.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, IoSlice, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// Reads orders from standard input, one a line, and answers each with a line: "ok", or the system's error number. Ends with
/// the input.
///
/// # Errors
/// When input or output are gone.
pub fn serve(folder: &Path) -> io::Result<()> {
    let mut probe = Probe { folder: folder.to_owned(), files: BTreeMap::new() };
    for line in io::stdin().lock().lines() {
        let line = line?;
        let words: Vec<&str> = line.split(' ').collect();
        let answer = match probe.obey(&words) {
            Ok(()) => "ok".to_owned(),
            Err(error) => error.raw_os_error().map_or_else(|| error.to_string(), |number| number.to_string()),
        };
        let mut out = io::stdout().lock();
        writeln!(out, "{answer}")?;
        out.flush()?;
    }
    Ok(())
}

struct Probe {
    folder: PathBuf,
    /// Files stay open once they were used.
    files: BTreeMap<String, File>,
}

impl Probe {
    fn obey(&mut self, words: &[&str]) -> io::Result<()> {
        match *words {
            ["write", name, text] => self.file(name)?.write_all(text.as_bytes()),
            ["write-once", name, text] => self.file(name)?.write(text.as_bytes()).map(drop),
            ["write-parts", name, one, two] => {
                let parts = [IoSlice::new(one.as_bytes()), IoSlice::new(two.as_bytes())];
                self.file(name)?.write_vectored(&parts).map(drop)
            }
            ["write-at", name, at, text] => self.file(name)?.write_all_at(text.as_bytes(), number(at)?),
            ["fill", name, byte, count] => {
                let count = usize::try_from(number(count)?).map_err(io::Error::other)?;
                self.file(name)?.write_all(&byte.as_bytes().repeat(count))
            }
            ["length", name, length] => self.file(name)?.set_len(number(length)?),
            ["empty", name] => {
                let file = OpenOptions::new().write(true).truncate(true).open(self.folder.join(name))?;
                self.files.insert(name.to_owned(), file);
                Ok(())
            }
            ["sync-data", name] => self.file(name)?.sync_data(),
            ["sync-all", name] => self.file(name)?.sync_all(),
            ["sync-through-copy", name] => self.file(name)?.try_clone()?.sync_data(),
            ["close", name] => {
                self.files.remove(name);
                Ok(())
            }
            ["sync-folder", name] => File::open(self.folder.join(name))?.sync_all(),
            ["folder", name] => fs::create_dir(self.folder.join(name)),
            ["rename", from, to] => fs::rename(self.folder.join(from), self.folder.join(to)),
            ["remove", name] => fs::remove_file(self.folder.join(name)),
            ["copy", from, to] => fs::copy(self.folder.join(from), self.folder.join(to)).map(drop),
            _ => Err(io::Error::other(format!("no such order: {}", words.join(" ")))),
        }
    }

    fn file(&mut self, name: &str) -> io::Result<&mut File> {
        let path = self.folder.join(name);
        let open = || OpenOptions::new().create(true).truncate(false).write(true).open(path);
        match self.files.entry(name.to_owned()) {
            std::collections::btree_map::Entry::Occupied(entry) => Ok(entry.into_mut()),
            std::collections::btree_map::Entry::Vacant(entry) => Ok(entry.insert(open()?)),
        }
    }
}

fn number(word: &str) -> io::Result<u64> {
    word.parse().map_err(io::Error::other)
}
