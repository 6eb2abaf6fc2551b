//! One MQTT connection's protocol for both ends, without IO, clocks or random sources.
