use bytes::Bytes;
use darter_codec::{DecodeError, Packet, Scan, Version, frame};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::strategy::{packet, version};

/// Takes whole packets off the front of `pending`.
fn take_packets(
    version: Version,
    pending: &mut Vec<u8>,
    packets: &mut Vec<Packet>,
) -> Result<(), DecodeError> {
    while let Scan::Complete(frame) = frame::scan(pending, frame::MAX_PACKET_SIZE)? {
        packets.push(Packet::decode(version, frame.first, &Bytes::copy_from_slice(frame.body))?);
        let len = frame.len;
        pending.drain(..len);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn packets_are_the_same_however_the_bytes_arrive(
        (version, packets) in version().prop_flat_map(|version| (Just(version), vec(packet(version), 1..6))),
        chunks in vec(1_usize..40, 1..20),
    ) {
        let mut stream = Vec::new();
        for packet in &packets {
            packet.encode(version, &mut stream).unwrap();
        }
        let (mut pending, mut read) = (Vec::new(), Vec::new());
        let mut sizes = chunks.into_iter().cycle();
        let mut rest = &stream[..];
        while !rest.is_empty() {
            let (chunk, later) = rest.split_at(sizes.next().unwrap_or(1).min(rest.len()));
            rest = later;
            pending.extend_from_slice(chunk);
            take_packets(version, &mut pending, &mut read).unwrap();
        }
        prop_assert_eq!(pending, []);
        prop_assert_eq!(read, packets);
    }

    #[test]
    fn a_part_of_a_packet_is_never_a_packet(
        (version, packet) in version().prop_flat_map(|version| (Just(version), packet(version))),
    ) {
        let mut bytes = Vec::new();
        packet.encode(version, &mut bytes).unwrap();
        for len in (0..bytes.len()).take(300) {
            match frame::scan(&bytes[..len], frame::MAX_PACKET_SIZE) {
                Ok(Scan::Partial { total: Some(total) }) => prop_assert_eq!(total, bytes.len()),
                Ok(Scan::Partial { total: None }) => prop_assert!(len < 5),
                other => prop_assert!(false, "{:?} of {} bytes", other, len),
            }
            prop_assert!(frame::scan(&bytes, len).is_err(), "a limit of {} bytes", len);
        }
    }
}
