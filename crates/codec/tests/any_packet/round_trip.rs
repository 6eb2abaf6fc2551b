use bytes::Bytes;
use darter_codec::{
    AckView, Message, Packet, Properties, Publish, PublishHead, PublishView, QoS, Scan, Version, frame,
};
use proptest::prelude::*;

use crate::strategy::{publish, versioned_packet};

fn encode(version: Version, packet: &Packet) -> Vec<u8> {
    let mut out = Vec::new();
    packet.encode(version, &mut out).unwrap();
    out
}

fn whole(bytes: &[u8]) -> frame::Frame<'_> {
    match frame::scan(bytes, frame::MAX_PACKET_SIZE) {
        Ok(Scan::Complete(frame)) if frame.len == bytes.len() => frame,
        other => panic!("not exactly one packet: {other:?}"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn every_packet_is_read_as_it_was_written((version, packet) in versioned_packet()) {
        let bytes = encode(version, &packet);
        let frame = whole(&bytes);
        let read = Packet::decode(version, frame.first, &Bytes::copy_from_slice(frame.body));
        prop_assert_eq!(read, Ok(packet));
    }

    #[test]
    fn every_proper_prefix_of_a_body_is_refused_or_another_packet((version, packet) in versioned_packet()) {
        let bytes = encode(version, &packet);
        let frame = whole(&bytes);
        for len in (0..frame.body.len()).take(200) {
            let read = Packet::decode(version, frame.first, &Bytes::copy_from_slice(&frame.body[..len]));
            prop_assert_ne!(read, Ok(packet.clone()));
        }
    }

    #[test]
    fn the_views_read_what_the_packets_read((version, packet) in versioned_packet()) {
        let bytes = encode(version, &packet);
        let frame = whole(&bytes);
        let ack = AckView::decode(version, frame.first, frame.body).ok();
        let expected = match &packet {
            Packet::PubAck(ack) => Some((ack.packet_id, ack.reason)),
            Packet::PubRec(ack) => Some((ack.packet_id, ack.reason)),
            Packet::PubRel(ack) => Some((ack.packet_id, ack.reason)),
            Packet::PubComp(ack) => Some((ack.packet_id, ack.reason)),
            _ => None,
        };
        prop_assert_eq!(ack.map(|ack| (ack.packet_id, ack.reason)), expected);
        if let Packet::Publish(publish) = &packet {
            let view = PublishView::decode_from_server(version, frame.first, frame.body).unwrap();
            prop_assert_eq!(view.topic, &*publish.topic);
            prop_assert_eq!(view.packet_id, publish.packet_id);
            prop_assert_eq!(view.topic_alias, publish.properties.topic_alias());
            prop_assert_eq!(view.message_expiry, publish.properties.message_expiry_interval());
            prop_assert_eq!(view.payload, &*publish.payload);
            let has_ids = publish.properties.subscription_identifiers().next().is_some();
            prop_assert_eq!(PublishView::decode(version, frame.first, frame.body).is_err(), has_ids);
        }
    }

    #[test]
    fn a_head_and_a_payload_are_the_packet(packet in publish(Version::V5), version in crate::strategy::version()) {
        let packet = Publish { topic: if packet.topic.is_empty() { "t".into() } else { packet.topic }, ..packet };
        let bytes = encode(Version::V5, &packet.clone().into());
        let frame = whole(&bytes);
        let view = PublishView::decode_from_server(Version::V5, frame.first, frame.body).unwrap();
        let ids: Vec<_> = packet.properties.subscription_identifiers().collect();
        let forwarded = view.forwarded_properties().collect::<Vec<_>>().concat();
        let head = PublishHead {
            dup: packet.dup,
            qos: packet.qos,
            retain: packet.retain,
            topic: &packet.topic,
            topic_alias: view.topic_alias,
            packet_id: packet.packet_id,
            message_expiry: view.message_expiry,
            subscription_ids: &ids,
            properties: &forwarded,
            payload_len: packet.payload.len(),
        };
        let mut out = Vec::new();
        let packet_id_at = head.encode(version, &mut out);
        out.extend_from_slice(&packet.payload);
        prop_assert_eq!(out.len(), head.packet_len(version));
        match packet.packet_id {
            Some(id) => prop_assert_eq!(&out[packet_id_at..][..2], &id.get().to_be_bytes()),
            None => prop_assert_eq!(packet_id_at, 0),
        }

        let frame = whole(&out);
        let read = Publish::decode(version, frame.first, &Bytes::copy_from_slice(frame.body)).unwrap();
        let sorted = |properties: &Properties| {
            let mut sorted: Vec<_> = properties.iter().map(|property| format!("{property:?}")).collect();
            sorted.sort();
            sorted
        };
        match version {
            Version::V5 => prop_assert_eq!(sorted(&read.properties), sorted(&packet.properties)),
            _ => prop_assert!(read.properties.is_empty()),
        }
        prop_assert_eq!(&read, &Publish { properties: read.properties.clone(), ..packet });
    }

    #[test]
    fn a_message_keeps_what_was_published(packet in publish(Version::V5), expires_at in any::<Option<u64>>()) {
        prop_assume!(!packet.topic.is_empty());
        let bytes = encode(Version::V5, &packet.clone().into());
        let frame = whole(&bytes);
        let view = PublishView::decode_from_server(Version::V5, frame.first, frame.body).unwrap();
        let message = Message::from_view(&view, expires_at);
        prop_assert_eq!(message.topic(), &*packet.topic);
        prop_assert_eq!(&message.payload_bytes(), &packet.payload);
        prop_assert_eq!(message.qos(), packet.qos);
        prop_assert_eq!(message.retain(), packet.retain);
        prop_assert_eq!(message.expires_at(), expires_at);
        let forwarded = view.forwarded_properties().collect::<Vec<_>>().concat();
        prop_assert_eq!(message.properties(), &forwarded);
        prop_assert_eq!(message.size(), 16 + packet.topic.len() + forwarded.len() + packet.payload.len());
        prop_assert_eq!(Message::from_bytes(message.as_bytes().clone()), Ok(message.clone()));
        prop_assert_eq!(message.with_retain(!packet.retain).retain(), !packet.retain);
    }
}

#[test]
fn qos_is_ordered_by_promise() {
    assert!(QoS::AtMostOnce < QoS::AtLeastOnce && QoS::AtLeastOnce < QoS::ExactlyOnce);
}
