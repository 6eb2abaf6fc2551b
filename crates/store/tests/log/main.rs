//! The durable store over restarts, crashes and damage.
#![allow(missing_docs, reason = "the tests are named for what they show")]

mod damage;
mod desk;
mod restart;
