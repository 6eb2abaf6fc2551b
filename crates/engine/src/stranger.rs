//! Who begins a connection with something that is not MQTT.

use crate::effect::LinkId;
use crate::shard::Shard;
use darter_codec::ReasonCode;

impl Shard {
    /// Refuses a connection that begins with another protocol, and says which.
    pub(crate) fn is_stranger(&mut self, now: u64, id: LinkId, first: &[u8]) -> bool {
        let what = what(first);
        if let Some(what) = what {
            self.refuse_silently(now, id, ReasonCode::ProtocolError, what);
        }
        what.is_some()
    }
}

/// What speaks there, if its first bytes say so.
fn what(first: &[u8]) -> Option<&'static str> {
    const PROXY_2: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
    // A record of a hand-shake, of SSL 3.0 to TLS 1.3.
    if let [0x16, 3, 0..=4, ..] = first {
        return Some("it speaks TLS, and this listener does not");
    }
    let begins = |with: &[u8]| first.starts_with(with);
    if [&b"GET "[..], b"POST ", b"PUT ", b"HEAD ", b"OPTIONS "].into_iter().any(begins) {
        return Some("it speaks HTTP or WebSocket, and this listener does not");
    }
    if begins(b"PROXY ") || begins(PROXY_2) {
        return Some("it begins with the header of a proxy, and this listener takes none");
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_protocols_are_known_by_their_first_bytes() {
        for (first, word) in [
            (&[0x16, 3, 1, 2, 0, 1][..], "TLS"),
            (b"GET /mqtt HTTP/1.1\r\n", "WebSocket"),
            (b"PROXY TCP4 1.2.3.4", "proxy"),
            (b"\r\n\r\n\0\r\nQUIT\n!", "proxy"),
        ] {
            assert!(what(first).is_some_and(|what| what.contains(word)), "{first:?}");
        }
        for first in [&[][..], &[0x16], &[0x10, 12, 0, 4], &[0x16, 3, 9], b"GETS", &[0xC0, 0]] {
            assert_eq!(what(first), None, "{first:?}");
        }
    }
}
