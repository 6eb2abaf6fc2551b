//! Frames of clients, good and bad.

use super::*;

/// How it goes on after these bytes, and what the server says then.
fn after(bytes: &[u8]) -> (Result<Received, Fault>, Vec<u8>) {
    let mut client = Client::opened();
    client.sends(bytes);
    let answered = client.answered();
    (client.outcome, answered)
}

fn assert_violated(bytes: &[u8], violation: Violation, code: u16) {
    assert_eq!(after(bytes), (fails(violation), close_frame(code)), "{bytes:02x?}");
}

#[test]
fn payloads_of_every_length_come_out_as_they_were() {
    for length in [0, 1, 3, 4, 7, 8, 9, 125, 126, 127, 65_535, 65_536, 100_000] {
        let payload: Vec<u8> = (0..length).map(|at| (at % 251) as u8).collect();
        let mut client = Client::opened();
        assert_eq!(client.sends(&frame(BINARY, &payload)), payload);
        assert_eq!(client.outcome, Ok(Received::More));
    }
}

#[test]
fn frames_one_behind_the_other_are_one_stream() {
    let mut client = Client::opened();
    let bytes = [frame(BINARY, b"one "), frame(BINARY, b""), frame(BINARY, b"two ")].concat();
    assert_eq!(client.sends(&bytes), b"one two ");
}

#[test]
fn a_message_in_parts_is_taken_with_pings_between() {
    let mut client = Client::opened();
    let bytes =
        [frame(0x02, b"a"), frame(PING, b"?"), frame(0x00, b"b"), frame(0x8A, b""), frame(0x80, b"c")];
    assert_eq!(client.sends(&bytes.concat()), b"abc");
    assert_eq!(client.answered(), [0x8A, 1, b'?']);
    assert_eq!(client.sends(&frame(BINARY, b"d")), b"d", "the next message begins anew");
}

#[test]
fn bytes_of_a_frame_come_out_before_it_is_whole() {
    let mut client = Client::opened();
    let bytes = frame(BINARY, &[7; 1000]);
    assert_eq!(client.sends(&bytes[..108]), [7; 100]);
    assert_eq!(client.sends(&bytes[108..500]), [7; 392]);
    assert_eq!(client.sends(&bytes[500..]), [7; 508]);
}

#[test]
fn a_text_frame_is_refused_as_such() {
    assert_violated(&frame(0x81, b"hello"), Violation::Text, 1003);
    assert_violated(&frame(0x01, b"hello"), Violation::Text, 1003);
}

#[test]
fn what_stands_before_a_bad_frame_still_comes_out() {
    let mut client = Client::opened();
    assert_eq!(client.sends(&[frame(BINARY, b"last"), frame(0x81, b"text")].concat()), b"last");
    assert_eq!(client.outcome, fails(Violation::Text));
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
    assert_eq!(after(&announced(LIMIT)), (Ok(Received::More), vec![]));
}

#[test]
fn a_close_frame_is_answered_with_its_code() {
    for code in [1000, 1001, 1003, 1007, 1014, 3000, 4999] {
        let payload = [&u16::to_be_bytes(code)[..], "bye ü".as_bytes()].concat();
        assert_eq!(after(&frame(CLOSE, &payload)), (Ok(Received::End), close_frame(code)));
    }
    assert_eq!(after(&frame(CLOSE, b"")), (Ok(Received::End), vec![CLOSE, 0]));
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
fn nothing_counts_behind_a_close_frame() {
    let mut client = Client::opened();
    let bytes = [frame(BINARY, b"last"), frame(CLOSE, b""), frame(PING, b""), frame(BINARY, b"x")];
    assert_eq!(client.sends(&bytes.concat()), b"last");
    assert_eq!(client.outcome, Ok(Received::End));
    assert_eq!(client.answered(), [CLOSE, 0]);
    assert_eq!(client.gets(b"late"), b"");
    assert_eq!(client.closed(), b"");
}

#[test]
fn every_ping_is_answered_with_less_than_it_has_sent() {
    let mut client = Client::opened();
    let pings: Vec<u8> = (0..1000u16).flat_map(|round| frame(PING, &round.to_be_bytes())).collect();
    client.sends(&pings);
    let pongs: Vec<u8> = (0..1000u16).flat_map(|round| [[0x8A, 2], round.to_be_bytes()].concat()).collect();
    assert_eq!(client.answered(), pongs);
}

#[test]
fn what_the_server_writes_at_once_is_one_frame() {
    for (length, header) in [
        (1, vec![BINARY, 1]),
        (125, vec![BINARY, 125]),
        (126, vec![BINARY, 126, 0, 126]),
        (65_535, vec![BINARY, 126, 0xFF, 0xFF]),
        (65_536, vec![BINARY, 127, 0, 0, 0, 0, 0, 1, 0, 0]),
    ] {
        let stream = vec![9; length];
        assert_eq!(Client::opened().gets(&stream), [header, stream].concat());
    }
}

#[test]
fn after_the_servers_close_frame_the_client_is_still_heard() {
    let mut client = Client::opened();
    assert_eq!(client.closed(), close_frame(1000));
    assert_eq!(client.closed(), b"", "it is closed once");
    assert_eq!(client.gets(b"late"), b"");
    assert_eq!(client.sends(&[frame(PING, b"?"), frame(BINARY, b"late")].concat()), b"late");
    client.sends(&frame(CLOSE, b""));
    assert_eq!((client.answered(), client.outcome), (vec![], Ok(Received::End)));
}
