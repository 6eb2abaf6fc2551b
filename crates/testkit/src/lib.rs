//! For tests: a pair of peers in memory, a raw client, and a server fixture on real sockets.
