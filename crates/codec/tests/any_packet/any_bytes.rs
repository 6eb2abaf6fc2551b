use bytes::Bytes;
use darter_codec::{
    AckView, Connect, Message, Packet, PublishView, Scan, SharedFilter, Version, frame, topic,
};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::strategy::{version, versioned_packet};

/// Reads bytes by every way there is. What is read as a packet can be written, and is then read as the same.
fn read_every_way(version: Version, first: u8, body: &[u8]) {
    let view = PublishView::decode(version, first, body);
    if let Ok(view) = view {
        let forwarded: usize = view.forwarded_properties().map(<[u8]>::len).sum();
        assert!(forwarded <= view.properties.len());
    }
    let _ = AckView::decode(version, first, body);
    let _ = Connect::peek_version(body);
    let body = Bytes::copy_from_slice(body);
    let Ok(packet) = Packet::decode(version, first, &body) else { return };
    let mut out = Vec::new();
    packet.encode(version, &mut out).unwrap();
    let Ok(Scan::Complete(frame)) = frame::scan(&out, frame::MAX_PACKET_SIZE) else {
        panic!("written, but not a whole packet")
    };
    let again = Packet::decode(version, frame.first, &Bytes::copy_from_slice(frame.body));
    assert_eq!(again, Ok(packet));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn arbitrary_bytes_never_panic(version in version(), first in any::<u8>(), body in vec(any::<u8>(), 0..80)) {
        read_every_way(version, first, &body);
    }

    #[test]
    fn a_packet_with_some_bytes_changed_never_panics(
        (version, packet) in versioned_packet(),
        changes in vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        read_as in version(),
    ) {
        let mut bytes = Vec::new();
        packet.encode(version, &mut bytes).unwrap();
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if let Ok(Scan::Complete(frame)) = frame::scan(&bytes, frame::MAX_PACKET_SIZE) {
            read_every_way(version, frame.first, frame.body);
            read_every_way(read_as, frame.first, frame.body);
        }
    }

    #[test]
    fn arbitrary_bytes_are_no_message_or_a_sound_one(block in vec(any::<u8>(), 0..60)) {
        sound_or_refused(block);
    }

    #[test]
    fn a_damaged_message_is_no_message_or_a_sound_one(
        payload in vec(any::<u8>(), 0..20),
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
        len in any::<prop::sample::Index>(),
    ) {
        let property: &[u8] = &[0x26, 0, 1, b'k', 0, 1, b'v'];
        let message = Message::new(Default::default(), false, "some/topic", [property], &payload, Some(7));
        let mut block = message.as_bytes().to_vec();
        let at = at.index(block.len());
        block[at] = byte;
        block.truncate(len.index(block.len()) + 1);
        sound_or_refused(block);
    }

    #[test]
    fn arbitrary_text_is_checked_without_a_panic(filter in any::<String>(), name in any::<String>()) {
        let _ = (topic::check_filter(&filter), SharedFilter::parse(&filter));
        let _ = topic::matches(&filter, &name);
        let plain = !name.is_empty() && !name.contains(['\0', '+', '#']);
        prop_assert_eq!(topic::check_name(&name).is_ok(), plain);
        prop_assert!(!plain || topic::matches(&name, &name));
    }
}

fn sound_or_refused(block: Vec<u8>) {
    let block = Bytes::from(block);
    let Ok(message) = Message::from_bytes(block.clone()) else { return };
    assert_eq!(message.as_bytes(), &block);
    assert!(topic::check_name(message.topic()).is_ok());
    let topic_at = 16 + message.topic().len();
    let payload_at = topic_at + message.properties().len();
    assert_eq!(&block[16..topic_at], message.topic().as_bytes());
    assert_eq!(&block[topic_at..payload_at], message.properties());
    assert_eq!(&block[payload_at..], message.payload());
}
