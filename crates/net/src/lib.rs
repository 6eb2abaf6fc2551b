//! Byte streams: opens listeners and connections; knows nothing of MQTT.
