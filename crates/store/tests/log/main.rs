//! The durable store over restarts, crashes and damage.
#![allow(missing_docs, reason = "the tests are named for what they show")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that goes wrong shall end at once")]

mod answers;
mod damage;
mod desk;
mod restart;
