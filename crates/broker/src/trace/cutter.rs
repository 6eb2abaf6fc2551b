//! Cutting a stream of bytes into packets, of which only the beginning is kept.

use darter_codec::frame::{self, MAX_PACKET_SIZE, Scan};

/// Packets up to this size are kept whole.
const WHOLE: usize = 16 * 1024;
/// What is kept of a larger one.
const HEAD: usize = 1024;

/// A packet, or its beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cut<'a> {
    /// The first byte of the fixed header.
    pub(super) first: u8,
    /// Variable header and payload, as far as they are there.
    pub(super) body: &'a [u8],
    /// The size of the whole packet in bytes.
    pub(super) size: usize,
    /// All of it is there.
    pub(super) is_whole: bool,
}

/// Cuts what it is given, piece by piece.
#[derive(Debug, Default)]
pub(super) struct Cutter {
    /// The beginning of a packet.
    kept: Vec<u8>,
    /// Bytes of a packet that was told already.
    skip: usize,
    /// These are no packets.
    is_lost: bool,
}

impl Cutter {
    /// Takes the next bytes and hands over every packet whose beginning is there.
    pub(super) fn cut(&mut self, bytes: &[u8], mut packet: impl FnMut(Cut<'_>)) {
        let skipped = self.skip.min(bytes.len());
        self.skip -= skipped;
        let bytes = &bytes[skipped..];
        if bytes.is_empty() || self.is_lost {
            return;
        }
        let mut kept = std::mem::take(&mut self.kept);
        kept.extend_from_slice(bytes);
        let mut rest = &kept[..];
        while !rest.is_empty() {
            match frame::scan(rest, MAX_PACKET_SIZE) {
                Ok(Scan::Complete(frame)) => {
                    packet(Cut { first: frame.first, body: frame.body, size: frame.len, is_whole: true });
                    rest = &rest[frame.len..];
                }
                Ok(Scan::Partial { total: Some(size) }) if size > WHOLE && rest.len() >= HEAD => {
                    let body = &rest[header(rest)..HEAD];
                    packet(Cut { first: rest[0], body, size, is_whole: false });
                    self.skip = size - rest.len();
                    rest = &[];
                }
                Ok(Scan::Partial { .. }) => break,
                Err(_) => {
                    self.is_lost = true;
                    rest = &[];
                }
            }
        }
        self.kept = rest.to_vec();
    }
}

/// Bytes of the fixed header at the start of a packet.
fn header(packet: &[u8]) -> usize {
    2 + packet.iter().skip(1).take_while(|byte| **byte & 0x80 != 0).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_are_found_in_pieces_of_any_size_and_large_ones_by_their_beginning() {
        let mut stream = vec![0xC0, 0];
        stream.extend([0x30, 0xA0, 0x9C, 0x01]);
        stream.extend((0..20_000_u32).map(|n| n.to_le_bytes()[0]));
        stream.extend([0x40, 2, 0, 7, 0xD0, 0]);
        for size in [1, 2, 3, 7, 1000, 100_000] {
            let mut cutter = Cutter::default();
            let mut found = Vec::new();
            for piece in stream.chunks(size) {
                cutter.cut(piece, |cut| found.push((cut.first, cut.body.len(), cut.size, cut.is_whole)));
            }
            let large = (0x30, HEAD - 4, 20_004, false);
            let whole = (0x30, 20_000, 20_004, true);
            let large = if size == 100_000 { whole } else { large };
            assert_eq!(found, [(0xC0, 0, 2, true), large, (0x40, 2, 4, true), (0xD0, 0, 2, true)], "{size}");
            assert!(cutter.kept.is_empty() && cutter.kept.capacity() < WHOLE + 100_000);
        }
    }

    #[test]
    fn what_is_no_packet_ends_it() {
        let mut cutter = Cutter::default();
        cutter.cut(&[0x30, 0xFF, 0xFF, 0xFF, 0xFF, 1], |_| panic!());
        cutter.cut(&[0xC0, 0], |_| panic!());
    }
}
