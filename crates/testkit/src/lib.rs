//! For tests only.
//!
//! - [`pair`]: a whole server and its clients in memory, under a clock moved by hand. No socket, no sleep; the network,
//!   the shards and the store do what the test says, in the order it says.
//! - [`packets`]: short ways to write packets down.
//! - [`authority`] and [`tls_stream`]: certificates, and TLS under a raw client.
//! - [`raw_client`] and [`broker_fixture`]: the same over real sockets; [`web_stream`]: over WebSocket.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that goes wrong shall end at once")]

pub mod authority;
pub mod broker_fixture;
mod dice;
mod disk;
pub mod late_store;
pub mod packets;
pub mod pair;
pub mod raw_client;
pub mod store_model;
pub mod tls_stream;
pub mod web_stream;

pub use authority::{Authority, Issued};
pub use broker_fixture::BrokerFixture;
pub use dice::Dice;
pub use late_store::{Commits, Kept, LateStore};
pub use pair::{ClientId, Pair, RawId, Setup};
pub use raw_client::RawClient;
pub use store_model::{Changes, StoreModel};
pub use tls_stream::{TlsSetup, TlsStream};
pub use web_stream::WebStream;
