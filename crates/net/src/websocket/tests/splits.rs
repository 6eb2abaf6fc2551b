//! However bytes are cut on their way, the outcome is the same.

use super::*;
use proptest::collection::vec;
use proptest::prelude::*;

/// What came of bytes: the stream, how it went on, the answers.
type Outcome = (Vec<u8>, Result<Received, Fault>, Vec<u8>);

fn outcome<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Outcome {
    let mut client = Client::new();
    for piece in pieces {
        client.sends(piece);
    }
    (client.stream, client.outcome, client.answers)
}

/// Frames, most of them good.
fn any_frame() -> impl Strategy<Value = Vec<u8>> {
    let payload = vec(any::<u8>(), 0..200);
    prop_oneof![
        8 => payload.clone().prop_map(|payload| frame(BINARY, &payload)),
        2 => (payload.clone(), payload.clone())
            .prop_map(|(one, two)| [frame(0x02, &one), frame(0x80, &two)].concat()),
        2 => vec(any::<u8>(), 0..126).prop_map(|payload| frame(PING, &payload)),
        1 => Just(frame(BINARY, &[1; 70_000])),
        1 => (any::<u8>(), payload).prop_map(|(first, payload)| frame(first, &payload)),
        1 => vec(any::<u8>(), 0..20),
        1 => vec(any::<u8>(), 0..10).prop_map(|payload| frame(CLOSE, &payload)),
    ]
}

fn any_start() -> impl Strategy<Value = Vec<u8>> {
    let header = prop_oneof![
        Just("Origin: http://pi".to_owned()),
        Just("Origin: http://evil.example".to_owned()),
        Just("Sec-WebSocket-Version: 12".to_owned()),
        "[ -~]{0,20}: [ -~\r\n]{0,20}",
    ];
    let good = request("/mqtt", &HEADERS).into_bytes();
    let odd = vec(header, 0..3).prop_map(|more| {
        let more: Vec<_> = HEADERS.into_iter().chain(more.iter().map(String::as_str)).collect();
        request("/mqtt", &more).into_bytes()
    });
    prop_oneof![6 => Just(good), 2 => odd, 1 => vec(any::<u8>(), 0..100)]
}

proptest! {
    #[test]
    fn any_cut_gives_the_same_stream_end_and_answers(
        start in any_start(),
        frames in vec(any_frame(), 0..12),
        cuts in vec(any::<prop::sample::Index>(), 0..20),
    ) {
        let bytes = [start, frames.concat()].concat();
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
        cuts.sort_unstable();
        let mut rest = &bytes[..];
        let mut pieces = Vec::new();
        for (at, cut) in cuts.iter().enumerate() {
            let (piece, later) = rest.split_at(cut - if at == 0 { 0 } else { cuts[at - 1] });
            pieces.push(piece);
            rest = later;
        }
        pieces.push(rest);
        let whole = outcome([&bytes[..]]);
        prop_assert_eq!(&outcome(pieces), &whole);
        prop_assert_eq!(&outcome(bytes.chunks(1)), &whole);
    }

    #[test]
    fn whatever_comes_is_taken_without_a_fault(bytes in vec(any::<u8>(), 0..2000)) {
        let mut client = Client::opened();
        client.sends(&bytes);
        prop_assert!(client.stream.len() <= bytes.len() && client.answers.len() <= bytes.len() + 4);
    }
}

#[test]
fn every_place_to_cut_a_conversation_in_two_gives_the_same() {
    let frames =
        [frame(0x02, b"one"), frame(PING, b"?"), frame(0x80, &[5; 300]), frame(CLOSE, b"\x03\xE8bye")];
    let bytes = [request("/mqtt", &HEADERS).into_bytes(), frames.concat()].concat();
    let whole = outcome([&bytes[..]]);
    assert_eq!(whole.1, Ok(Received::End));
    for cut in 0..=bytes.len() {
        let (start, rest) = bytes.split_at(cut);
        assert_eq!(outcome([start, rest]), whole, "{cut}");
    }
}
