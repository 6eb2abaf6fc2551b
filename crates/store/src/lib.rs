//! What survives: a narrow storage trait and its in-memory implementation.
