//! The shim of `shim/powerfail.c`, which keeps in a second folder what a disk would have after a power cut: how it is built,
//! and how it is given orders.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::Command;

/// The shim's source.
const SOURCE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/shim/powerfail.c");
/// Size of the file of orders.
const CONTROL_SIZE: u64 = 4096;

/// A field of the orders, in the order of the shim's `struct control`.
#[derive(Debug, Clone, Copy)]
pub enum Field {
    /// 1 while there is room for `Room` bytes only.
    Full = 0,
    /// Bytes that still have room.
    Room = 1,
    /// Writes that succeed before others fail.
    SkipWrites = 2,
    /// Writes that fail after those.
    FailWrites = 3,
    /// Syncs that succeed before others fail.
    SkipSyncs = 4,
    /// Syncs that fail after those.
    FailSyncs = 5,
    /// 1 while writes take only a part.
    ShortWrites = 6,
    /// Milliseconds that every write and sync takes.
    SlowMillis = 7,
    /// Of 1000 unsynced blocks so many reach the disk all the same.
    Luck = 8,
    /// What the shim's chance follows from.
    Seed = 9,
    /// 1 while syncs succeed and keep nothing.
    Lie = 10,
    /// Syncs that the shim has seen.
    Syncs = 17,
    /// Faults that it has made.
    Faults = 18,
}

/// The shim's orders and answers: a file that the server's process has mapped.
#[derive(Debug)]
pub struct Control {
    file: File,
}

impl Control {
    /// A file without orders.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn create(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().create(true).truncate(true).read(true).write(true).open(path)?;
        file.set_len(CONTROL_SIZE)?;
        Ok(Self { file })
    }

    /// Gives an order.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn set(&self, field: Field, value: u64) -> io::Result<()> {
        self.file.write_all_at(&value.to_le_bytes(), field as u64 * 8)
    }

    /// Reads an answer.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn get(&self, field: Field) -> io::Result<u64> {
        let mut bytes = [0; 8];
        self.file.read_exact_at(&mut bytes, field as u64 * 8)?;
        Ok(u64::from_le_bytes(bytes))
    }
}

/// Compiles the shim.
///
/// # Errors
/// What the compiler said.
pub fn build_shim(library: &Path) -> Result<(), String> {
    let output = Command::new("gcc")
        .args(["-O2", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-o"])
        .arg(library)
        .args([SOURCE, "-ldl", "-lpthread"])
        .output()
        .map_err(|error| format!("gcc, which compiles the shim, could not be started: {error}"))?;
    if output.status.success() {
        Ok(())
    } else {
        Err(format!("the shim does not compile:\n{}", String::from_utf8_lossy(&output.stderr)))
    }
}
