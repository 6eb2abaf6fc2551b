//! A stream of packets that arrives in pieces is cut into the same packets as one that arrives whole, and ends in the
//! same error.
#![no_main]

use darter_codec::{DecodeError, Scan, frame};
use libfuzzer_sys::fuzz_target;

const LIMIT: usize = 512;

fuzz_target!(|data: &[u8]| {
    // The first eight bytes say how large the pieces are.
    let Some((sizes, stream)) = data.split_first_chunk::<8>() else { return };
    let mut whole = Receiver::default();
    whole.receive(stream);

    let mut split = Receiver::default();
    let mut rest = stream;
    for size in sizes.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let (piece, later) = rest.split_at(rest.len().min(usize::from(*size) + 1));
        split.receive(piece);
        rest = later;
    }
    assert_eq!(split.packets, whole.packets);
    assert_eq!(split.error, whole.error);
});

#[derive(Default)]
struct Receiver {
    pending: Vec<u8>,
    packets: Vec<(u8, Vec<u8>)>,
    error: Option<DecodeError>,
}

impl Receiver {
    fn receive(&mut self, bytes: &[u8]) {
        self.pending.extend_from_slice(bytes);
        while self.error.is_none() {
            match frame::scan(&self.pending, LIMIT) {
                Ok(Scan::Complete(frame)) => {
                    assert!(frame.len <= LIMIT && frame.len >= frame.body.len() + 2);
                    self.packets.push((frame.first, frame.body.to_vec()));
                    let len = frame.len;
                    self.pending.drain(..len);
                }
                Ok(Scan::Partial { total }) => {
                    assert!(total.is_none_or(|total| total > self.pending.len() && total <= LIMIT));
                    return;
                }
                Err(error) => self.error = Some(error),
            }
        }
    }
}
