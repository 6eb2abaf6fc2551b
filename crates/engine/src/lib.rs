//! The server's brain without IO: sessions, routing, retained messages, shared subscriptions, wills and limits.
