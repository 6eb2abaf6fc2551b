//! A conformance suite for MQTT servers.
//!
//! Every normative statement of MQTT 3.1.1 and MQTT 5.0 is a row of a [`manifest`]; the [`chapter`] modules hold small tests
//! that talk to a server over real TCP, each naming the statements it proves; the [`runner`] runs them against any address
//! and keeps the [`score`].
//!
//! Packets are encoded and decoded here by hand ([`packet`]), apart from the codec the server uses, so that a mistake in
//! that codec cannot hide itself.

pub mod chapter;
pub mod client;
pub mod context;
pub mod manifest;
pub mod outcome;
pub mod packet;
pub mod property;
pub mod received;
pub mod runner;
pub mod score;
pub mod server;
