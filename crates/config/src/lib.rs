//! The configuration file: TOML to raw to validated.
