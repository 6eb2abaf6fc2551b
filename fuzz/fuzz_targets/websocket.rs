//! A client's request and frames, in pieces of any size: the stream inside and the end are the same as of the whole,
//! answers are bounded, and nothing follows the last one.
#![no_main]

use darter_net::websocket::{CLOSE_NORMAL, End, Rules, WebSocket};
use libfuzzer_sys::fuzz_target;
use std::sync::{Arc, LazyLock};

/// Longer than any answer: a refusal with the client's own words in it, escaped.
const LONGEST_ANSWER: usize = 2048;

static RULES: LazyLock<Arc<Rules>> = LazyLock::new(|| {
    Arc::new(Rules {
        paths: vec!["/mqtt".into()],
        protocols: vec!["mqtt".into(), "mqttv3.1".into()],
        origins: "https://app.example".parse().into_iter().collect(),
        frame_limit: 100_000,
    })
});

const REQUEST: &[u8] = b"GET /mqtt HTTP/1.1\r\nHost: pi\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

fuzz_target!(|data: &[u8]| {
    // The first eight bytes say how large the pieces are, their lowest bit whether the request is a good one.
    let Some((sizes, bytes)) = data.split_first_chunk::<8>() else { return };
    let stream = if sizes[0] & 1 == 0 { [REQUEST, bytes].concat() } else { bytes.to_vec() };

    let mut whole = Client::new();
    whole.send(&stream);

    let mut split = Client::new();
    let mut rest = &stream[..];
    for size in sizes.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let (piece, later) = rest.split_at(rest.len().min(usize::from(*size) + 1));
        split.send(piece);
        rest = later;
    }
    assert_eq!(split.stream, whole.stream);
    assert_eq!(split.socket.end(), whole.socket.end());
    for mut client in [whole, split] {
        client.finish(sizes);
    }
});

struct Client {
    socket: WebSocket,
    stream: Vec<u8>,
}

impl Client {
    fn new() -> Self {
        Self { socket: WebSocket::new(RULES.clone()), stream: Vec::new() }
    }

    fn send(&mut self, bytes: &[u8]) {
        let mut bytes = bytes.to_vec();
        let count = self.socket.receive(&mut bytes);
        self.stream.extend_from_slice(&bytes[..count]);
        let (own, follow) = self.socket.announce(0);
        assert!(own.len() <= LONGEST_ANSWER && follow == 0);
    }

    /// Writes a stream of a thousand bytes in pieces, closes, and looks at all that went out.
    fn finish(&mut self, sizes: &[u8; 8]) {
        let is_open = self.socket.end().is_none();
        let mut left = 1000;
        let mut out = Vec::new();
        for size in sizes.iter().cycle() {
            let (own, follow) = self.socket.announce(left);
            let all = [own, &vec![b'x'; follow]].concat();
            let taken = all.len().min(usize::from(*size) + 1);
            out.extend_from_slice(&all[..taken]);
            left -= self.socket.written(taken);
            if taken == 0 {
                break;
            }
            if left == 0 {
                self.socket.close(CLOSE_NORMAL);
            }
        }
        let is_http = out.starts_with(b"HTTP/1.1 ") || out.is_empty();
        assert!(is_http);
        if let (true, Some(end)) = (out.starts_with(b"HTTP/1.1 101 "), out.windows(4).position(|four| four == b"\r\n\r\n")) {
            check_frames(&out[end + 4..], if is_open { 1000 } else { 0 });
        } else {
            assert!(!is_open || out.is_empty(), "not answered, so not open");
            assert!(is_open || matches!(self.socket.end(), Some(End::Refused(_))));
        }
    }
}

/// What the server sends is whole frames, and the last of them closes.
fn check_frames(mut rest: &[u8], expected: usize) {
    let mut stream = 0;
    let mut closed = false;
    while let [first, second, later @ ..] = rest {
        assert!(!closed, "something follows the last frame");
        let (length, later) = match second {
            126 => (usize::from(u16::from_be_bytes([later[0], later[1]])), &later[2..]),
            127 => panic!("a frame longer than what there is"),
            length => (usize::from(*length), later),
        };
        match first {
            0x82 => stream += length,
            0x88 => closed = true,
            0x8A => assert!(length <= 125),
            other => panic!("a frame of kind {other:#x}"),
        }
        rest = &later[length..];
    }
    assert!(rest.is_empty() && closed);
    assert_eq!(stream, expected);
}
