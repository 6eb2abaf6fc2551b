//! The server's brain without IO: sessions, routing, retained messages, shared subscriptions, wills and limits.
//!
//! One [`Shard`] serves the clients of one thread. It reads no clock, opens no socket and writes no file: a driver hands
//! in `now` and bytes, and takes out bytes for each connection, changes to be stored, and [`Effect`]s.
#![no_std]

extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod access;
mod connect;
mod counters;
mod effect;
mod enqueue;
mod event;
mod fight;
mod forward;
mod full;
mod groups;
mod held;
mod history;
mod incoming;
mod interest;
mod lifecycle;
mod limits;
mod link;
mod login;
mod outbox;
mod output;
mod pace;
mod peer;
mod permit;
mod place;
mod queue;
mod recent;
mod restore;
mod returning;
mod routing;
mod seen;
mod session;
mod shard;
mod spread;
mod stranger;
mod subscribe;
mod template;
mod timers;
pub mod topics;
mod trim;
mod wheel;

pub use counters::{Counters, Drop, Drops};
pub use effect::{Effect, LinkId};
pub use event::{DropReason, Ending, Event};
pub use forward::Frames;
pub use groups::Member;
pub use interest::Interests;
pub use limits::{Limits, QueuePolicy, RatePolicy};
pub use login::{Step, Verdict};
pub use output::Output;
pub use pace::Allowance;
pub use peer::{DirectTo, Numbers, PeerItem};
pub use place::Place;
pub use recent::Recent;
pub use seen::{SessionSeen, SessionsSeen};
pub use shard::Shard;
