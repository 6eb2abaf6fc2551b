//! Looking into the log of a stopped server.
