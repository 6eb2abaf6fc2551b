//! A WebSocket that is spoken to in bytes.

mod frames;
mod splits;
mod upgrade;
mod writing;

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

/// What the socket would be given now, if it takes all of it; the stream has nothing to write.
pub(super) fn own_bytes(socket: &mut WebSocket) -> Vec<u8> {
    let mut all = Vec::new();
    while socket.wants_write() {
        let (own, follow) = socket.announce(0);
        assert_eq!(follow, 0);
        all.extend_from_slice(own);
        let count = own.len();
        assert_eq!(socket.written(count), 0);
    }
    all
}

/// Takes bytes and gives the stream's among them.
pub(super) fn take(socket: &mut WebSocket, bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    let count = socket.receive(&mut bytes);
    bytes.truncate(count);
    bytes
}

/// An open WebSocket whose answer is out.
pub(super) fn opened() -> WebSocket {
    let mut socket = WebSocket::new(rules());
    assert_eq!(take(&mut socket, request("/mqtt", &HEADERS).as_bytes()), b"");
    assert!(own_bytes(&mut socket).starts_with(b"HTTP/1.1 101 "));
    socket
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
