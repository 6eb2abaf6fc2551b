//! The history, in memory and in files: what is kept comes back, whatever happens to the files.
#![allow(clippy::unwrap_used, reason = "a test that goes wrong shall end at once")]
#![allow(missing_docs, reason = "the tests are named for what they show")]

mod battery;
mod clocks;
mod damage;
mod disk;
mod limits;
mod reopening;
mod rollups;
mod scene;
mod together;
