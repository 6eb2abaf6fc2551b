//! The embeddable MQTT server: listeners, shards, authentication and status topics.
