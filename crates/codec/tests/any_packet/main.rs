//! What holds for any packet and for any bytes.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod any_bytes;
mod round_trip;
mod splits;
mod strategy;
