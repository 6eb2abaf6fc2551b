//! Byte streams: opens listeners and connections; knows nothing of MQTT.

mod filter;
mod listener;
#[cfg(unix)]
pub mod owner_only;
mod peer;
pub mod proxy;
mod reload;
mod stream;
pub mod websocket;

pub use filter::{Fault, Filter, Layer, LayerKind, Received};
pub use listener::{BindError, Listener};
pub use peer::{CertificateNames, Peer};
pub use reload::ReloadError;
pub use stream::Stream;
