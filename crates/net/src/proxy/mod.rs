//! The PROXY protocol, versions 1 and 2: a proxy says whose connection it passes on.
//!
//! The header stands before everything else on a connection, also before TLS. It is a claim, so it is only believed from
//! proxies that were named ([`Trusted`]). What it tells beside the client's address is read over, a checksum excepted.

mod header;
mod trusted;
mod v1;
mod v2;

pub use trusted::{Trusted, TrustedError};

use crate::peer::Peer;
use std::net::{IpAddr, SocketAddr};
use thiserror::Error;

/// The longest header that is read, in bytes: what a proxy can send at once over every network.
pub const LONGEST_HEADER: usize = 536;

/// What the first bytes of a connection hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scan {
    /// The start of a header.
    Partial,
    /// A whole header.
    Header {
        /// Its length in bytes; what follows is the client's.
        length: usize,
        /// Whose connection it is.
        source: Source,
    },
}

/// Whose connection it is, by the words of the proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// A client with this address.
    Client(SocketAddr),
    /// The proxy's own, such as a check whether the server is well; or one whose address has no IP form.
    Proxy,
}

/// Why the first bytes are no header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Malformed {
    /// The connection begins with something else.
    #[error(
        "the connection does not begin with a PROXY header; send one, or take proxy_protocol_from off this listener"
    )]
    Absent,
    /// It is longer than it may be.
    #[error("the PROXY header is longer than {LONGEST_HEADER} bytes (107 in version 1)")]
    TooLong,
    /// A line of version 1 that breaks its rules.
    #[error("the PROXY header of version 1 is no line such as PROXY TCP4 192.0.2.1 192.0.2.2 56324 1883")]
    Line,
    /// A version or command that does not exist.
    #[error("the PROXY header has a version or command that is not known (byte {0:#04x})")]
    Command(u8),
    /// A kind of address that does not exist or is no stream's.
    #[error("the PROXY header has a kind of address that no stream has (byte {0:#04x})")]
    Family(u8),
    /// It ends before its addresses or further fields do.
    #[error("the PROXY header is shorter than what it announces")]
    Short,
    /// It was changed on its way.
    #[error("the checksum of the PROXY header is wrong")]
    Checksum,
}

/// Looks for a header at the start of a connection. Given more bytes, it never takes back what it has said of fewer.
///
/// # Errors
/// When no header can begin like this.
pub fn scan(bytes: &[u8]) -> Result<Scan, Malformed> {
    for (start, rest) in [(v1::START, v1::scan as fn(&[u8]) -> _), (&v2::START, v2::scan)] {
        let seen = bytes.len().min(start.len());
        if bytes[..seen] == start[..seen] {
            return if seen < start.len() { Ok(Scan::Partial) } else { rest(bytes) };
        }
    }
    Err(Malformed::Absent)
}

impl Source {
    /// Who is on the other end of a connection that `proxy` has passed on.
    ///
    /// A loopback address means the proxy's own computer. Unless that is this one, it says nothing here, and must not
    /// pass for a program on this computer.
    #[must_use]
    pub fn peer(self, proxy: Peer) -> Peer {
        match self {
            Self::Client(address) if is_loopback(address.ip()) && !proxy.is_here() => proxy,
            Self::Client(address) => Peer::Inet(address),
            Self::Proxy => proxy,
        }
    }
}

fn is_loopback(ip: IpAddr) -> bool {
    ip.to_canonical().is_loopback()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;

    fn inet(text: &str) -> Peer {
        Peer::Inet(text.parse().unwrap())
    }

    #[test]
    fn what_can_become_a_header_is_waited_for() {
        assert_eq!(scan(b""), Ok(Scan::Partial));
        assert_eq!(scan(b"PROXY"), Ok(Scan::Partial));
        assert_eq!(scan(b"\r\n\r\n\0\r\nQUIT"), Ok(Scan::Partial));
    }

    #[test]
    fn what_cannot_become_a_header_is_refused_at_once() {
        let others: [&[u8]; 5] =
            [b"\x10", b"GET / HTTP/1.1", b"PROXX", b"\r\n\r\n\0\r\nQUIX", b"\x16\x03\x01"];
        for bytes in others {
            assert_eq!(scan(bytes), Err(Malformed::Absent), "{bytes:?}");
        }
    }

    #[test]
    fn a_client_has_the_address_that_the_proxy_tells() {
        let source = Source::Client("192.0.2.7:4000".parse().unwrap());
        assert_eq!(source.peer(inet("10.0.0.1:555")), inet("192.0.2.7:4000"));
        assert_eq!(Source::Proxy.peer(inet("10.0.0.1:555")), inet("10.0.0.1:555"));
    }

    #[test]
    fn the_loopback_of_another_computer_is_not_ours() {
        for text in ["127.0.0.1:9", "[::1]:9", "[::ffff:127.0.0.1]:9"] {
            let source = Source::Client(text.parse().unwrap());
            assert_eq!(source.peer(inet("10.0.0.1:555")), inet("10.0.0.1:555"));
            assert!(
                source.peer(inet("127.0.0.1:555")).is_here(),
                "the proxy runs here, and so does its client"
            );
        }
    }

    /// Bytes that look like headers.
    fn any_header() -> impl Strategy<Value = Vec<u8>> {
        let line = "PROXY (TCP4|TCP6|UNKNOWN|x) [0-9.:a-f]{0,15} [0-9.:]{0,15} [0-9]{0,6} [0-9]{0,6}(\r)?\n";
        let fields = (
            0x1Fu8..0x23,
            prop_oneof![Just(0u8), Just(0x11), Just(0x21), any::<u8>()],
            vec(any::<u8>(), 0..60),
        );
        let binary =
            (fields, any::<u8>(), any::<bool>()).prop_map(|((command, family, body), off, right)| {
                let length = if right { u8::try_from(body.len()).unwrap() } else { off };
                [&v2::START[..], &[command, family, 0, length], &body].concat()
            });
        prop_oneof![line.prop_map(String::into_bytes), binary, vec(any::<u8>(), 0..40)]
    }

    proptest! {
        #[test]
        fn what_was_said_of_fewer_bytes_stays_true_of_more(header in any_header(), rest in vec(any::<u8>(), 0..20)) {
            let bytes = [header, rest].concat();
            let last = scan(&bytes);
            for end in 0..bytes.len() {
                let early = scan(&bytes[..end]);
                prop_assert!(early == Ok(Scan::Partial) || early == last, "{end}: {early:?}, then {last:?}");
                if let Ok(Scan::Header { length, .. }) = early {
                    prop_assert!(length <= end && length <= LONGEST_HEADER);
                }
            }
        }
    }
}
