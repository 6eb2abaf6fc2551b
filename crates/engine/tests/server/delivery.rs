//! The ways of a message: QoS 0, 1 and 2, order, and what comes twice (sections 4.3, 4.4 and 4.6).

use bytes::Bytes;
use darter_codec::{Packet, Publish, QoS, ReasonCode, Version};
use darter_testkit::packets::{
    connect, connect_as, id, puback, publish, publish_1, publish_2, pubrec, pubrel, resume, subscribe,
};

const ALL: [QoS; 3] = [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce];

battery! {
    fn a_copy_has_the_lower_qos_of_message_and_subscription(pair: &mut Pair) {
        let p = pair.join(connect("p"));
        for version in [Version::V31, Version::V311, Version::V5] {
            for granted in ALL {
                let a = pair.join(connect_as(version, "a", true));
                pair.subscribe(a, subscribe("t", granted));
                pair.exchange(p, publish("t", "0"));
                pair.exchange(p, publish_1("t", "1", 1));
                pair.exchange(p, publish_2("t", "2", 2));
                pair.exchange(p, pubrel(id(2)));
                let seen: Vec<_> = pair.drain(a).into_iter().map(|message| (message.payload, message.qos)).collect();
                let expected: Vec<_> =
                    ALL.iter().map(|qos| (Bytes::from((*qos as u8).to_string()), granted.min(*qos))).collect();
                assert_eq!(seen.len(), 3);
                for one in expected {
                    assert!(seen.contains(&one), "{one:?} of {seen:?}");
                }
                pair.lose(a);
            }
        }
    }

    fn messages_of_one_topic_and_qos_keep_their_order(pair: &mut Pair) {
        let a = pair.join(connect("a"));
        pair.subscribe(a, subscribe("#", QoS::ExactlyOnce));
        let p = pair.join(connect("p"));
        for qos in ALL {
            for number in 1..=100u16 {
                let packet_id = (qos != QoS::AtMostOnce).then(|| id(number));
                pair.send(p, Publish { qos, packet_id, ..publish("t", &number.to_string()) });
            }
            for number in 1..=100 {
                if qos == QoS::ExactlyOnce {
                    pair.send(p, pubrel(id(number)));
                }
            }
            let expected: Vec<_> = (1..=100).map(|number| number.to_string()).collect();
            assert_eq!(pair.drain_texts(a), expected);
        }
    }

    fn acknowledgements_come_in_the_order_of_the_messages(pair: &mut Pair) {
        let subscriber = pair.join(resume("a", 100));
        pair.subscribe(subscriber, subscribe("somebody", QoS::ExactlyOnce));
        let p = pair.join(resume("p", 100));
        for number in 1..=40u16 {
            let topic = if number % 3 == 0 { "nobody" } else { "somebody" };
            if number % 2 == 0 {
                pair.send(p, publish_1(topic, "x", number));
            } else {
                pair.send(p, publish_2(topic, "x", number));
            }
        }
        pair.run();
        let answers: Vec<_> = pair
            .received(p)
            .iter()
            .map(|packet| match packet {
                Packet::PubAck(ack) => ack.packet_id.get(),
                Packet::PubRec(ack) => ack.packet_id.get(),
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(answers, (1..=40).collect::<Vec<_>>(), "[MQTT-4.6.0-2] and [MQTT-4.6.0-3]");
    }

    fn version_5_learns_that_nobody_subscribes(pair: &mut Pair) {
        let p = pair.join(connect("p"));
        let answer = pair.exchange(p, publish_1("t", "x", 1));
        assert!(matches!(&answer[..], [Packet::PubAck(ack)] if ack.reason == ReasonCode::NoMatchingSubscribers));
        let answer = pair.exchange(p, publish_2("t", "x", 2));
        assert!(matches!(&answer[..], [Packet::PubRec(ack)] if ack.reason == ReasonCode::NoMatchingSubscribers));
        let a = pair.join(connect("a"));
        pair.subscribe(a, subscribe("t", QoS::AtMostOnce));
        let answer = pair.exchange(p, publish_1("t", "x", 3));
        assert!(matches!(&answer[..], [Packet::PubAck(ack)] if ack.reason == ReasonCode::Success));
    }

    fn a_repeated_qos_2_message_is_forwarded_once(pair: &mut Pair) {
        let a = pair.join(connect("a"));
        pair.subscribe(a, subscribe("t", QoS::ExactlyOnce));
        let mut p = pair.join(resume("p", 100));
        let message = publish_2("t", "x", 7);
        pair.exchange(p, message.clone());
        let again = Publish { dup: true, ..message.clone() };
        let answer = pair.exchange(p, again.clone());
        assert!(matches!(&answer[..], [Packet::PubRec(ack)] if ack.packet_id == id(7)), "{answer:?}");
        for _ in 0..3 {
            pair.lose(p);
            p = pair.join(resume("p", 100));
            let answer = pair.exchange(p, again.clone());
            assert!(matches!(&answer[..], [Packet::PubRec(_)]), "{answer:?}");
        }
        assert_eq!(pair.drain_texts(a), ["x"]);
        let answer = pair.exchange(p, pubrel(id(7)));
        assert!(matches!(&answer[..], [Packet::PubComp(ack)] if ack.reason == ReasonCode::Success));
        pair.exchange(p, message);
        assert_eq!(pair.drain_texts(a), ["x"], "the identifier is free for a new message");
    }

    fn releases_and_receipts_of_unknown_identifiers_are_answered(pair: &mut Pair) {
        let a = pair.join(connect("a"));
        let answer = pair.exchange(a, pubrel(id(9)));
        assert!(
            matches!(&answer[..], [Packet::PubComp(ack)] if ack.reason == ReasonCode::PacketIdentifierNotFound),
            "{answer:?}"
        );
        let answer = pair.exchange(a, pubrec(id(9)));
        assert!(
            matches!(&answer[..], [Packet::PubRel(ack)] if ack.reason == ReasonCode::PacketIdentifierNotFound),
            "{answer:?}"
        );
        assert!(pair.exchange(a, puback(id(9))).is_empty());
        let old = pair.join(connect_as(Version::V311, "old", true));
        let answer = pair.exchange(old, pubrel(id(9)));
        assert!(matches!(&answer[..], [Packet::PubComp(_)]), "version 3 gets its answer without a reason");
    }

    fn a_refused_qos_2_message_is_done_with(pair: &mut Pair) {
        let a = pair.join(resume("a", 100));
        pair.subscribe(a, subscribe("t", QoS::ExactlyOnce));
        let p = pair.join(connect("p"));
        pair.exchange(p, publish_2("t", "x", 1));
        let message = pair.messages(a).remove(0);
        let refusal = darter_codec::PubRec {
            reason: ReasonCode::QuotaExceeded,
            ..pubrec(message.packet_id.unwrap())
        };
        assert!(pair.exchange(a, refusal).is_empty(), "no PUBREL follows an error");
        pair.lose(a);
        let a = pair.join(resume("a", 100));
        assert!(pair.received(a).is_empty());
    }

    fn a_large_body_arrives_whole_at_clients_of_all_versions(pair: &mut Pair) {
        let body: Bytes = (0..300_000u32).map(|number| u8::try_from(number % 251).unwrap()).collect::<Vec<_>>().into();
        let names = ["a", "b", "c", "d", "e"];
        let versions = [Version::V5, Version::V311, Version::V31, Version::V5, Version::V311];
        let clients: Vec<_> = names
            .into_iter()
            .zip(versions)
            .map(|(name, version)| {
                let client = pair.join(connect_as(version, name, true));
                pair.subscribe(client, subscribe("big", QoS::AtLeastOnce));
                client
            })
            .collect();
        let p = pair.join(connect("p"));
        pair.exchange(p, Publish { payload: body.clone(), ..publish_1("big", "", 1) });
        pair.exchange(p, Publish { payload: body.clone(), ..publish("big", "") });
        for client in clients {
            let messages = pair.drain(client);
            assert_eq!(messages.len(), 2);
            assert!(messages.iter().all(|message| message.payload == body));
        }
    }

    fn properties_go_on_unchanged_and_in_order(pair: &mut Pair) {
        use darter_codec::Property;
        let list = [
            Property::PayloadFormatIndicator(true),
            Property::UserProperty(("b".into(), "1".into())),
            Property::ResponseTopic("answers".into()),
            Property::CorrelationData(Bytes::from_static(&[0, 1, 2])),
            Property::ContentType("json".into()),
            Property::UserProperty(("a".into(), "2".into())),
        ];
        let properties = darter_testkit::packets::properties(list);
        let a = pair.join(connect("a"));
        let old = pair.join(connect_as(Version::V311, "old", true));
        pair.subscribe(a, subscribe("t", QoS::AtMostOnce));
        pair.subscribe(old, subscribe("t", QoS::AtMostOnce));
        let p = pair.join(connect("p"));
        pair.exchange(p, Publish { properties: properties.clone(), ..publish("t", "{}") });
        assert_eq!(pair.drain(a)[0].properties, properties);
        assert_eq!(pair.drain_texts(old), ["{}"]);
    }

    fn nobody_but_the_server_publishes_under_sys(pair: &mut Pair) {
        let a = pair.join(connect("a"));
        pair.subscribe(a, subscribe("$SYS/#", QoS::ExactlyOnce));
        pair.exchange(a, publish("$SYS/fake", "x"));
        let answer = pair.exchange(a, publish_1("$SYS/fake", "x", 1));
        assert!(matches!(&answer[..], [Packet::PubAck(ack)] if ack.reason == ReasonCode::NotAuthorized));
        let answer = pair.exchange(a, publish_2("$SYS/fake", "x", 2));
        assert!(matches!(&answer[..], [Packet::PubRec(ack)] if ack.reason == ReasonCode::NotAuthorized));
    }
}
