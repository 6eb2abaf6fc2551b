//! Any body behind any first byte, in every version. What is read can be written, and is then read as the same; the
//! borrowed decoders agree with the owned ones.
#![no_main]

use bytes::Bytes;
use darter_codec::{AckView, Connect, DecodeError, Packet, PacketType, PublishView, Scan, Version, frame};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((&first, body)) = data.split_first() else { return };
    for version in Version::ALL {
        let decoded = Packet::decode(version, first, &Bytes::copy_from_slice(body));
        compare_views(version, first, body, &decoded);
        if let Ok(packet) = decoded {
            round_trip(version, &packet);
        }
    }
});

fn round_trip(version: Version, packet: &Packet) {
    let mut out = Vec::new();
    if let Err(error) = packet.encode(version, &mut out) {
        panic!("read, but not written: {error}: {packet:?}");
    }
    let Ok(Scan::Complete(frame)) = frame::scan(&out, frame::MAX_PACKET_SIZE) else {
        panic!("not a whole packet: {out:?}");
    };
    assert_eq!(frame.len, out.len());
    let again = Packet::decode(version, frame.first, &Bytes::copy_from_slice(frame.body));
    assert_eq!(again.as_ref(), Ok(packet));
}

fn compare_views(version: Version, first: u8, body: &[u8], decoded: &Result<Packet, DecodeError>) {
    match PacketType::of(first) {
        Some(PacketType::Publish) => {
            let view = PublishView::decode_from_server(version, first, body);
            assert_eq!(view.is_ok(), decoded.is_ok());
            if let (Ok(view), Ok(Packet::Publish(packet))) = (view, decoded) {
                assert_eq!(view.topic, &*packet.topic);
                assert_eq!(view.payload, &*packet.payload);
                let mut forwarded = Vec::new();
                packet.properties.encode_forwarded(&mut forwarded);
                assert_eq!(view.forwarded_properties().collect::<Vec<_>>().concat(), forwarded);
                let has_ids = packet.properties.subscription_identifiers().next().is_some();
                assert_eq!(PublishView::decode(version, first, body).is_err(), has_ids);
            }
        }
        Some(PacketType::PubAck | PacketType::PubRec | PacketType::PubRel | PacketType::PubComp) => {
            assert_eq!(AckView::decode(version, first, body).is_ok(), decoded.is_ok());
        }
        Some(PacketType::Connect) => {
            if let Ok(Packet::Connect(packet)) = decoded {
                assert_eq!(Connect::peek_version(body), Some(packet.version));
            }
        }
        _ => assert!(AckView::decode(version, first, body).is_err()),
    }
}
