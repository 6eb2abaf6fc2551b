//! Bytes of the stream on their way to the client.

use super::*;

/// Writes `stream` through a socket that takes `room` bytes at once.
fn write(socket: &mut WebSocket, stream: &[u8], room: usize) -> Vec<u8> {
    let mut out = Vec::new();
    let mut at = 0;
    while at < stream.len() || socket.wants_write() {
        let (own, follow) = socket.announce(stream.len() - at);
        let all = [own, &stream[at..at + follow]].concat();
        let taken = &all[..all.len().min(room)];
        out.extend_from_slice(taken);
        at += socket.written(taken.len());
    }
    out
}

#[test]
fn what_is_written_at_once_is_one_frame() {
    for (length, header) in [
        (1, vec![BINARY, 1]),
        (125, vec![BINARY, 125]),
        (126, vec![BINARY, 126, 0, 126]),
        (65_535, vec![BINARY, 126, 0xFF, 0xFF]),
        (65_536, vec![BINARY, 127, 0, 0, 0, 0, 0, 1, 0, 0]),
    ] {
        let stream = vec![9; length];
        assert_eq!(write(&mut opened(), &stream, usize::MAX), [header, stream].concat());
    }
}

#[test]
fn a_frame_that_the_socket_takes_in_pieces_is_still_one_frame() {
    let stream: Vec<u8> = (0..1000).map(|at| (at % 251) as u8).collect();
    let whole = write(&mut opened(), &stream, usize::MAX);
    for room in [1, 2, 3, 4, 5, 7, 999, 1003] {
        assert_eq!(write(&mut opened(), &stream, room), whole, "{room}");
    }
}

#[test]
fn a_frame_may_be_filled_with_other_bytes_than_it_was_begun_for() {
    let mut socket = opened();
    let (own, follow) = socket.announce(10);
    assert_eq!((own, follow), (&[BINARY, 10][..], 10));
    assert_eq!(socket.written(2 + 4), 4);
    assert_eq!(socket.announce(100), (&[][..], 6), "the frame is filled first");
    assert_eq!(socket.written(6), 6);
    assert_eq!(socket.announce(100), (&[BINARY, 100][..], 100));
}

#[test]
fn answers_wait_for_the_end_of_a_frame() {
    let mut socket = opened();
    socket.announce(3);
    take(&mut socket, &[frame(PING, b"1"), frame(PING, b"2")].concat());
    assert_eq!(socket.written(2 + 2), 2);
    assert!(!socket.wants_write());
    take(&mut socket, &frame(CLOSE, b""));
    assert!(!socket.is_closed(), "a byte of the frame is missing");
    assert_eq!(socket.announce(5), (&[][..], 1));
    assert_eq!(socket.written(1), 1);
    assert_eq!(own_bytes(&mut socket), [0x8A, 1, b'2', CLOSE, 0]);
    assert!(socket.is_closed());
}

#[test]
fn long_streams_go_out_in_frames_that_let_answers_pass() {
    let mut socket = opened();
    let (_, follow) = socket.announce(1 << 30);
    assert_eq!(follow, 256 * 1024);
}

#[test]
fn nothing_of_the_stream_is_written_before_the_upgrade_and_after_the_end() {
    let mut socket = WebSocket::new(rules());
    assert_eq!(socket.announce(5), (&[][..], 0));
    assert!(!socket.is_closed());
    let mut socket = opened();
    socket.close(CLOSE_NORMAL);
    assert_eq!(socket.announce(5), (&close_frame(1000)[..], 0));
    socket.close(1001);
    assert_eq!(own_bytes(&mut socket), close_frame(1000), "it is closed once");
    assert!(socket.is_closed());
    assert_eq!(socket.end(), None, "the client may still send");
    assert_eq!(take(&mut socket, &frame(BINARY, b"late")), b"late");
}
