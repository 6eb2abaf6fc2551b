//! Bytes from a damaged store are refused, or are a message whose every part can be used.
#![no_main]

use bytes::Bytes;
use darter_codec::topic::check_name;
use darter_codec::{Message, PublishHead, PublishView, QoS, Scan, Version, frame};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(message) = Message::from_bytes(Bytes::copy_from_slice(data)) else { return };
    assert!(check_name(message.topic()).is_ok());
    assert_eq!(message.as_bytes(), data);
    assert_eq!(message.payload_bytes(), message.payload());
    let parts = message.topic().len() + message.properties().len() + message.payload().len();
    assert_eq!(message.size(), 16 + parts);
    assert_eq!(message.with_retain(!message.retain()).with_retain(message.retain()), message);

    let head = PublishHead {
        dup: false,
        qos: QoS::AtMostOnce,
        retain: message.retain(),
        topic: message.topic(),
        topic_alias: None,
        packet_id: None,
        message_expiry: None,
        subscription_ids: &[],
        properties: message.properties(),
        payload_len: message.payload().len(),
    };
    let mut out = Vec::new();
    head.encode(Version::V5, &mut out);
    out.extend_from_slice(message.payload());
    let Ok(Scan::Complete(frame)) = frame::scan(&out, frame::MAX_PACKET_SIZE) else {
        panic!("not a whole packet");
    };
    let Ok(view) = PublishView::decode(Version::V5, frame.first, frame.body) else {
        panic!("stored, but not accepted as a PUBLISH");
    };
    assert_eq!((view.topic, view.payload), (message.topic(), message.payload()));
    let parts = view.forwarded_properties().collect::<Vec<_>>().concat();
    assert_eq!(parts, message.properties());
});
