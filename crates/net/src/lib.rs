//! Byte streams: opens listeners and connections; knows nothing of MQTT.

mod listener;
mod stream;

pub use listener::{BindError, Listener};
pub use stream::Stream;
