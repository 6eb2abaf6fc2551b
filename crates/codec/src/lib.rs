//! MQTT 3.1, 3.1.1 and 5 packets, topic names and topic filters: bytes to values and back.
