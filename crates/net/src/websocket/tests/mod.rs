//! A WebSocket that is spoken to in bytes.

mod frames;
mod splits;
mod upgrade;

use super::*;

pub(super) const LIMIT: u64 = 100_000;

pub(super) fn rules() -> Arc<Rules> {
    Arc::new(Rules {
        paths: vec!["/mqtt".into(), "/ws".into()],
        protocols: vec!["mqtt".into(), "mqttv3.1".into()],
        origins: vec!["https://app.example".parse().unwrap()],
        frame_limit: LIMIT,
    })
}

/// The headers of a request that opens a WebSocket, the host excepted.
pub(super) const HEADERS: [&str; 5] = [
    "Upgrade: websocket",
    "Connection: keep-alive, Upgrade",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Protocol: mqtt",
];

pub(super) fn request(target: &str, headers: &[&str]) -> String {
    let headers: String = headers.iter().map(|header| format!("{header}\r\n")).collect();
    format!("GET {target} HTTP/1.1\r\nHost: pi:8083\r\n{headers}\r\n")
}

/// One connection, what came out of it, and how it went on.
pub(super) struct Client {
    pub(super) connection: Connection,
    pub(super) stream: Vec<u8>,
    pub(super) answers: Vec<u8>,
    pub(super) outcome: Result<Received, Fault>,
}

impl Client {
    pub(super) fn new() -> Self {
        let connection = Connection::new(rules());
        Self { connection, stream: Vec::new(), answers: Vec::new(), outcome: Ok(Received::More) }
    }

    /// One whose WebSocket is open.
    pub(super) fn opened() -> Self {
        let mut client = Self::new();
        assert_eq!(client.sends(request("/mqtt", &HEADERS).as_bytes()), b"");
        assert!(client.answered().starts_with(b"HTTP/1.1 101 "));
        client
    }

    /// Sends bytes; gives those of the stream among them. Nothing is taken after the end.
    pub(super) fn sends(&mut self, bytes: &[u8]) -> Vec<u8> {
        let from = self.stream.len();
        if self.outcome == Ok(Received::More) {
            let mut bytes = bytes.to_vec();
            self.outcome = self.connection.receive(&mut bytes, &mut self.stream, &mut self.answers);
        }
        self.stream[from..].to_vec()
    }

    /// What was answered since the last call.
    pub(super) fn answered(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.answers)
    }

    /// What the server's stream becomes.
    pub(super) fn gets(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut down = Vec::new();
        self.connection.send(bytes, &mut down).unwrap();
        down
    }

    pub(super) fn closed(&mut self) -> Vec<u8> {
        let mut down = Vec::new();
        self.connection.close(&mut down);
        down
    }
}

pub(super) fn fails(failure: impl Into<Failure>) -> Result<Received, Fault> {
    Err(Fault::new(failure.into().to_string()))
}

pub(super) const BINARY: u8 = 0x82;
pub(super) const PING: u8 = 0x89;
pub(super) const CLOSE: u8 = 0x88;

/// A frame of a client's, masked.
pub(super) fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    match payload.len() {
        length @ 0..126 => frame.push(0x80 | u8::try_from(length).unwrap()),
        length @ 126..=0xFFFF => {
            frame.push(0x80 | 126);
            frame.extend(u16::try_from(length).unwrap().to_be_bytes());
        }
        length => {
            frame.push(0x80 | 127);
            frame.extend((length as u64).to_be_bytes());
        }
    }
    let mask = [0x37, 0xFA, 0x21, 0x3D];
    frame.extend(mask);
    frame.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, key)| byte ^ key));
    frame
}

pub(super) fn close_frame(code: u16) -> Vec<u8> {
    [&[CLOSE, 2][..], &code.to_be_bytes()].concat()
}
