//! A client's request and frames, in pieces of any size: the stream inside and the end are the same as of the whole,
//! answers are bounded, and nothing follows the last one.
#![no_main]

use darter_net::websocket::{Rules, WebSocket};
use darter_net::{Fault, Filter, Layer, Peer, Received};
use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;

/// Longer than any answer to a request: a refusal with the client's own words in it, escaped.
const LONGEST_ANSWER: usize = 2048;

static LAYER: LazyLock<WebSocket> = LazyLock::new(|| {
    WebSocket::new(Rules {
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
    assert_eq!(split.outcome, whole.outcome);
    assert_eq!(split.down, whole.down);
    assert!(whole.stream.len() <= stream.len() && whole.down.len() <= stream.len() + LONGEST_ANSWER);
    whole.finish(usize::from(sizes[1]));
});

struct Client {
    filter: Box<dyn Filter>,
    stream: Vec<u8>,
    down: Vec<u8>,
    outcome: Result<Received, Fault>,
}

impl Client {
    fn new() -> Self {
        let filter = LAYER.begin(Peer::Local { user: None }).expect("it lets everybody in");
        Self { filter, stream: Vec::new(), down: Vec::new(), outcome: Ok(Received::More) }
    }

    fn send(&mut self, bytes: &[u8]) {
        if self.outcome == Ok(Received::More) {
            self.outcome = self.filter.receive(&mut bytes.to_vec(), &mut self.stream, &mut self.down);
        }
    }

    /// Writes a stream, closes, and looks at all that went out.
    fn finish(mut self, length: usize) {
        let is_open = self.outcome == Ok(Received::More) && self.filter.waits_for().is_none();
        if is_open {
            self.filter.send(&vec![b'x'; 2 * length * length], &mut self.down).expect("it is open");
        }
        self.filter.close(&mut self.down);
        if !self.down.starts_with(b"HTTP/1.1 101 ") {
            assert!(!is_open && (self.down.is_empty() || self.outcome.is_err()));
            return;
        }
        let end = self.down.windows(4).position(|four| four == b"\r\n\r\n").expect("an answer has an end");
        check_frames(&self.down[end + 4..], if is_open { 2 * length * length } else { 0 });
    }
}

/// What the server sends is whole frames, and the last of them closes.
fn check_frames(mut rest: &[u8], expected: usize) {
    let mut stream = 0;
    let mut closed = false;
    while let [first, second, later @ ..] = rest {
        assert!(!closed, "something follows the last frame");
        let width = [0, 2, 8][usize::from(second.saturating_sub(125))];
        let (length, later) = later.split_at(width);
        let wide = length.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte));
        let length = if width == 0 { usize::from(*second) } else { wide };
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
