//! The pages that are made from the records of the keys are the ones in the repository.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use darter_config::reference;
use std::path::{Path, PathBuf};
use std::{env, fs};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

#[track_caller]
fn is_current(page: &str, made: &str) {
    let file = root().join(page);
    if env::var_os("UPDATE_PAGES").is_some() {
        fs::write(&file, made).unwrap();
    }
    let there = fs::read_to_string(&file).unwrap_or_default().replace("\r\n", "\n");
    assert!(there == made, "{page} is out of date; run: UPDATE_PAGES=1 cargo test -p darter-config");
}

#[test]
fn the_reference_is_current() {
    is_current("docs/config.md", &reference::markdown());
}

#[test]
fn the_sample_is_current() {
    is_current("examples/darter.toml", &reference::sample());
}
