//! What MQTT asks of the transports below it.

use darter_codec::frame::MAX_PACKET_SIZE;
use darter_net::websocket::Rules;

/// The rules for MQTT over WebSocket: the path `/mqtt`, pages of the same host only, and the sub-protocols `mqtt`
/// ([MQTT-6.0.0-4]) and `mqttv3.1`, which clients of version 3.1 offer. A frame may be as long as the longest packet.
#[must_use]
pub fn websocket_rules() -> Rules {
    Rules {
        paths: vec!["/mqtt".into()],
        protocols: vec!["mqtt".into(), "mqttv3.1".into()],
        origins: Vec::new(),
        frame_limit: MAX_PACKET_SIZE as u64,
    }
}
