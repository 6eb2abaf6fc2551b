//! `darter serve` as a program, and the commands that are about a server.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on fails")]

mod administration;
mod certificates;
mod reloading;
mod rules;
mod serve;
mod started;
mod storage;
