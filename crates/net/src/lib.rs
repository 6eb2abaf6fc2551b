//! Byte streams: opens listeners and connections; knows nothing of MQTT.

mod listener;
#[cfg(unix)]
pub mod owner_only;
mod peer;
pub mod proxy;
mod stream;
pub mod websocket;

pub use listener::{BindError, Listener};
pub use peer::{CertificateNames, Peer};
pub use stream::Stream;
