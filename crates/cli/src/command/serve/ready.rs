//! `--ready-fd`: a descriptor that another program waits on.

use anyhow::Context;
use std::fs::{File, OpenOptions};

/// The file behind a descriptor that this process was started with. Its name in the file system is the safe way to it.
pub(super) fn open(descriptor: u32) -> anyhow::Result<File> {
    let name = format!("/dev/fd/{descriptor}");
    OpenOptions::new().append(true).open(name).with_context(|| {
        format!(
            "--ready-fd {descriptor}: this is not an open descriptor of a pipe or file that can be written"
        )
    })
}
