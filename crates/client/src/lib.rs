//! An asynchronous MQTT client.
