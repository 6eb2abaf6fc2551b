//! Byte streams: opens listeners and connections; knows nothing of MQTT.
//!
//! A [`Listener`] at an [`Address`] accepts a [`Stream`], which is a socket and, if the listener has [`Layer`]s such as TLS,
//! the [`Filter`]s that its bytes go through.

mod address;
mod file_error;
mod filter;
mod listener;
#[cfg(unix)]
pub mod owner_only;
mod peer;
pub mod proxy;
#[cfg(unix)]
mod socket_file;
mod stack;
mod stream;
pub mod tls;
pub mod websocket;

pub use address::Address;
pub use file_error::FileError;
pub use filter::{Fault, Filter, Layer, LayerKind, Received};
pub use listener::{BindError, Listener};
pub use peer::{CertificateNames, Peer};
pub use stream::Stream;
