//! The header on a connection.

use super::{LONGEST_HEADER, Scan, Trusted, scan};
use crate::filter::{Fault, Filter, Layer, LayerKind, Received};
use crate::peer::Peer;

impl Layer for Trusted {
    fn kind(&self) -> LayerKind {
        LayerKind::Proxy
    }

    fn begin(&self, peer: Peer) -> Result<Box<dyn Filter>, Fault> {
        if !self.contains(peer) {
            return Err(Fault::new(
                "this listener is for trusted proxies, and this address is none of them; name it in proxy_protocol_from, or \
                 connect through the proxy",
            ));
        }
        Ok(Box::new(Header { proxy: peer, start: Vec::new(), peer: None }))
    }
}

/// One connection's header, until it is whole.
#[derive(Debug)]
struct Header {
    proxy: Peer,
    start: Vec<u8>,
    /// Who is behind the proxy.
    peer: Option<Peer>,
}

impl Filter for Header {
    fn receive(
        &mut self,
        bytes: &mut [u8],
        up: &mut Vec<u8>,
        _down: &mut Vec<u8>,
    ) -> Result<Received, Fault> {
        let kept = self.start.len();
        let room = LONGEST_HEADER.saturating_sub(kept);
        self.start.extend_from_slice(&bytes[..bytes.len().min(room)]);
        match scan(&self.start) {
            Ok(Scan::Partial) => Ok(Received::More),
            Ok(Scan::Header { length, source }) => {
                self.peer = Some(source.peer(self.proxy));
                // What came before was no whole header, so it ends in these bytes.
                up.extend_from_slice(&bytes[length - kept..]);
                Ok(Received::Done)
            }
            Err(malformed) => Err(Fault::new(malformed.to_string())),
        }
    }

    fn send(&mut self, bytes: &[u8], down: &mut Vec<u8>) -> Result<(), Fault> {
        down.extend_from_slice(bytes);
        Ok(())
    }

    fn close(&mut self, _down: &mut Vec<u8>) {}

    fn peer(&self) -> Option<Peer> {
        self.peer
    }

    fn waits_for(&self) -> Option<&'static str> {
        self.peer.is_none().then_some("the header of the PROXY protocol")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &[u8] = b"PROXY TCP4 192.0.2.1 192.0.2.2 56324 1883\r\n";

    fn inet(text: &str) -> Peer {
        Peer::Inet(text.parse().unwrap())
    }

    fn begin() -> Box<dyn Filter> {
        let trusted = Trusted::parse(["10.0.0.0/8"]).unwrap();
        trusted.begin(inet("10.0.0.1:9")).unwrap()
    }

    #[test]
    fn what_is_behind_the_header_goes_on_however_it_is_cut() {
        let all = [LINE, b"and the client"].concat();
        for cut in 0..all.len() {
            let mut filter = begin();
            assert_eq!(filter.waits_for(), Some("the header of the PROXY protocol"));
            let (mut up, mut down) = (Vec::new(), Vec::new());
            let (start, rest) = all.split_at(cut);
            let mut received = filter.receive(&mut start.to_vec(), &mut up, &mut down).unwrap();
            if cut < LINE.len() {
                assert_eq!((received, filter.peer(), &up[..]), (Received::More, None, &b""[..]));
                received = filter.receive(&mut rest.to_vec(), &mut up, &mut down).unwrap();
                assert_eq!(up, &all[LINE.len()..]);
            }
            assert_eq!((received, filter.peer()), (Received::Done, Some(inet("192.0.2.1:56324"))));
            assert_eq!(down, b"", "a proxy is answered nothing");
        }
    }

    #[test]
    fn a_proxy_that_is_not_trusted_is_not_let_in() {
        let trusted = Trusted::parse(["10.0.0.0/8"]).unwrap();
        for peer in [inet("192.0.2.1:9"), Peer::Local { user: None }] {
            let fault = trusted.begin(peer).unwrap_err();
            assert!(fault.to_string().starts_with("this listener is for trusted proxies"), "{fault}");
        }
    }

    #[test]
    fn a_header_that_never_ends_is_kept_to_its_bound() {
        let mut filter = begin();
        let mut endless = vec![0; 1 << 20];
        endless[..14].copy_from_slice(b"PROXY UNKNOWN ");
        let fault = filter.receive(&mut endless, &mut Vec::new(), &mut Vec::new()).unwrap_err();
        assert_eq!(fault.to_string(), "the PROXY header is longer than 536 bytes (107 in version 1)");
    }

    #[test]
    fn a_client_without_a_header_is_told_apart() {
        let fault = begin().receive(&mut [0x10, 0x00], &mut Vec::new(), &mut Vec::new()).unwrap_err();
        assert!(
            fault.to_string().starts_with("the connection does not begin with a PROXY header"),
            "{fault}"
        );
    }
}
