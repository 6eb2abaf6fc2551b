//! Frames of clients, good and bad.

use super::*;

/// How a WebSocket ends after these bytes, and what it says then.
fn ended(bytes: &[u8]) -> (Option<End>, Vec<u8>) {
    let mut socket = opened();
    take(&mut socket, bytes);
    (socket.end().cloned(), own_bytes(&mut socket))
}

fn assert_violated(bytes: &[u8], violation: Violation, code: u16) {
    assert_eq!(ended(bytes), (Some(End::Violated(violation)), close_frame(code)), "{bytes:02x?}");
}

#[test]
fn payloads_of_every_length_come_out_as_they_were() {
    for length in [0, 1, 3, 4, 7, 8, 9, 125, 126, 127, 65_535, 65_536, 100_000] {
        let payload: Vec<u8> = (0..length).map(|at| (at % 251) as u8).collect();
        let mut socket = opened();
        assert_eq!(take(&mut socket, &frame(BINARY, &payload)), payload);
        assert_eq!(socket.end(), None);
    }
}

#[test]
fn frames_one_behind_the_other_are_one_stream() {
    let mut socket = opened();
    let bytes = [frame(BINARY, b"one "), frame(BINARY, b""), frame(BINARY, b"two ")].concat();
    assert_eq!(take(&mut socket, &bytes), b"one two ");
}

#[test]
fn a_message_in_parts_is_taken_with_pings_between() {
    let mut socket = opened();
    let bytes =
        [frame(0x02, b"a"), frame(PING, b"?"), frame(0x00, b"b"), frame(0x8A, b""), frame(0x80, b"c")];
    assert_eq!(take(&mut socket, &bytes.concat()), b"abc");
    assert_eq!(own_bytes(&mut socket), [0x8A, 1, b'?']);
    assert_eq!(take(&mut socket, &frame(BINARY, b"d")), b"d", "the next message begins anew");
}

#[test]
fn bytes_of_a_frame_come_out_before_it_is_whole() {
    let mut socket = opened();
    let bytes = frame(BINARY, &[7; 1000]);
    assert_eq!(take(&mut socket, &bytes[..108]), [7; 100]);
    assert_eq!(take(&mut socket, &bytes[108..500]), [7; 392]);
    assert_eq!(take(&mut socket, &bytes[500..]), [7; 508]);
}

#[test]
fn a_text_frame_is_refused_as_such() {
    assert_violated(&frame(0x81, b"hello"), Violation::Text, 1003);
    assert_violated(&frame(0x01, b"hello"), Violation::Text, 1003);
}

#[test]
fn what_stands_before_a_bad_frame_still_comes_out() {
    let mut socket = opened();
    assert_eq!(take(&mut socket, &[frame(BINARY, b"last"), frame(0x81, b"text")].concat()), b"last");
    assert_eq!(socket.end(), Some(&End::Violated(Violation::Text)));
}

#[test]
fn frames_against_the_rules_are_refused() {
    assert_violated(&[BINARY, 0x05, b'h'], Violation::Unmasked, 1002);
    for reserved in [0x40, 0x20, 0x10] {
        assert_violated(&frame(BINARY | reserved, b""), Violation::Reserved, 1002);
    }
    for kind in [3, 4, 5, 6, 7, 0xB, 0xC, 0xD, 0xE, 0xF] {
        assert_violated(&frame(0x80 | kind, b""), Violation::Kind(kind), 1002);
    }
    for control in [0x08, 0x09, 0x0A] {
        assert_violated(&frame(control, b""), Violation::PartOfControl, 1002);
    }
    for control in [CLOSE, PING, 0x8A] {
        assert_violated(&frame(control, &[0; 126]), Violation::LongControl, 1002);
    }
    assert_violated(&frame(0x80, b""), Violation::Continuation, 1002);
    assert_violated(&[frame(0x02, b"a"), frame(BINARY, b"b")].concat(), Violation::Unfinished, 1002);
    assert_violated(
        &[frame(0x02, b""), frame(0x80, b""), frame(0x80, b"")].concat(),
        Violation::Continuation,
        1002,
    );
}

#[test]
fn a_length_is_written_in_as_few_bytes_as_it_needs() {
    assert_violated(&[BINARY, 0xFE, 0, 125], Violation::Length, 1002);
    assert_violated(&[BINARY, 0xFF, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF], Violation::Length, 1002);
    assert_violated(&[BINARY, 0xFF, 0x80, 0, 0, 0, 0, 0, 0, 0], Violation::Length, 1002);
}

#[test]
fn a_frame_is_refused_for_its_length_before_it_arrives() {
    let announced = |length: u64| [&[BINARY, 0xFF][..], &length.to_be_bytes()].concat();
    assert_violated(&announced(LIMIT + 1), Violation::TooLong { length: LIMIT + 1, limit: LIMIT }, 1009);
    let most = u64::MAX >> 1;
    assert_violated(&announced(most), Violation::TooLong { length: most, limit: LIMIT }, 1009);
    assert_eq!(ended(&announced(LIMIT)), (None, vec![]));
}

#[test]
fn a_close_frame_is_answered_with_its_code() {
    for code in [1000, 1001, 1003, 1007, 1014, 3000, 4999] {
        let payload = [&u16::to_be_bytes(code)[..], "bye ü".as_bytes()].concat();
        assert_eq!(ended(&frame(CLOSE, &payload)), (Some(End::Closed(Some(code))), close_frame(code)));
    }
    assert_eq!(ended(&frame(CLOSE, b"")), (Some(End::Closed(None)), vec![CLOSE, 0]));
}

#[test]
fn a_close_frame_against_the_rules_is_refused() {
    for code in [0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65_535] {
        assert_violated(&frame(CLOSE, &u16::to_be_bytes(code)), Violation::CloseCode(code), 1002);
    }
    assert_violated(&frame(CLOSE, b"\x03"), Violation::HalfCode, 1002);
    assert_violated(&frame(CLOSE, b"\x03\xE8\xFF\xFE"), Violation::CloseReason, 1007);
}

#[test]
fn nothing_is_taken_or_answered_after_the_end() {
    let mut socket = opened();
    take(&mut socket, &[frame(CLOSE, b""), frame(PING, b""), frame(BINARY, b"x")].concat());
    assert_eq!(own_bytes(&mut socket), [CLOSE, 0]);
    assert_eq!(take(&mut socket, &frame(BINARY, b"more")), b"");
    assert_eq!(take(&mut socket, &frame(PING, b"more")), b"");
    assert!(!socket.wants_write() && socket.is_closed());
}

#[test]
fn only_the_last_of_many_pings_is_answered_while_nothing_can_be_written() {
    let mut socket = opened();
    for round in 0..10_000u32 {
        take(&mut socket, &frame(PING, &round.to_be_bytes()));
    }
    let first = [&[0x8A, 4][..], &0u32.to_be_bytes()].concat();
    let last = [&[0x8A, 4][..], &9_999u32.to_be_bytes()].concat();
    assert_eq!(own_bytes(&mut socket), [first, last].concat());
}
