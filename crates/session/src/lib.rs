//! One MQTT connection's protocol for both ends, without IO, clocks or random sources.
//!
//! - [`window`]: packets sent with QoS 1 or 2 that wait for the other side's acknowledgement, and their packet
//!   identifiers (section 4.3, section 4.6).
//! - [`incoming`]: packet identifiers received with QoS 2 and not yet released (section 4.3.3).
//! - [`alias`]: topic aliases in both directions (section 3.3.2.3.4).
//! - [`client`]: the client's end of a connection as one state machine.
//!
//! Nothing here reads a clock: time arrives as an argument, in milliseconds of any monotonic origin.
#![no_std]

extern crate alloc;

pub mod alias;
pub mod client;
pub mod incoming;
pub mod window;

pub use alias::{AliasError, IncomingAliases, OutgoingAliases};
pub use incoming::IncomingIds;
pub use window::{Phase, UnexpectedAck, Window};
