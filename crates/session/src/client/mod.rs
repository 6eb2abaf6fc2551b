//! The client's end of an MQTT session as one state machine: bytes and time go in, bytes and events come out.
//!
//! A [`Connection`] lives as long as the client does, over as many network connections as that takes; the session
//! state (section 4.1) stays in it between them. Its methods are of four kinds:
//!
//! 1. **Input**: [`Connection::handle_open`] when a network connection stands, [`Connection::handle_input`] for every
//!    chunk of bytes read from it, [`Connection::handle_timeout`] when the time of [`Connection::poll_timeout`] has
//!    come, [`Connection::handle_close`] when the network connection is gone.
//! 2. **Commands**: [`Connection::publish`], [`Connection::subscribe`], [`Connection::unsubscribe`],
//!    [`Connection::acknowledge`], [`Connection::disconnect`].
//! 3. **Output**: after any of the above, first [`Connection::poll_transmit`] and write what it gives, then
//!    [`Connection::poll_event`] until it is `None`, then wait until [`Connection::poll_timeout`] at the latest.
//! 4. **Getters**, which change nothing.
//!
//! After [`Event::Ended`] the owner writes what is still to be transmitted, closes the network connection and calls
//! [`Connection::handle_close`]; then it may open another one and call [`Connection::handle_open`] again.

mod connection;
mod deliveries;
mod event;
mod options;
mod outgoing;
mod receive;
mod server;
#[cfg(test)]
mod tests;

pub use connection::{CommandError, Connection, Status};
pub use deliveries::Delivery;
pub use event::{Acknowledgement, Direction, End, Event, Failure, Message, PublishError, Token};
pub use options::Options;
pub use server::ServerLimits;
