//! What one side can bear: Receive Maximum (section 4.9), Maximum Packet Size, and the limits of queues.

use bytes::Bytes;
use darter_codec::{Connect, Packet, Property, Publish, QoS, ReasonCode, Version};
use darter_engine::DropReason;
use darter_testkit::packets::{
    connect, connect_as, id, properties, puback, pubcomp, publish, publish_1, publish_2, pubrec, resume,
    subscribe,
};

fn announcing(connect: Connect, property: Property) -> Connect {
    let mut properties = connect.properties.clone();
    properties.push(property);
    Connect { properties, ..connect }
}

battery! {
    fn a_client_never_gets_more_than_its_receive_maximum(pair: &mut Pair) {
        let a = pair.join(announcing(connect("a"), Property::ReceiveMaximum(2)));
        pair.subscribe(a, subscribe("t", QoS::ExactlyOnce));
        let p = pair.join(connect("p"));
        for number in 1..=6 {
            pair.exchange(p, publish_1("t", &number.to_string(), number));
        }
        let first = pair.messages(a);
        assert_eq!(first.len(), 2, "[MQTT-3.3.4-9]");
        pair.exchange(p, publish("t", "QoS 0 is not counted"));
        assert_eq!(pair.messages(a).len(), 1);
        pair.send(a, puback(first[1].packet_id.unwrap()));
        pair.run();
        let next = pair.messages(a);
        assert_eq!(next.len(), 1);
        assert_eq!(&next[0].payload[..], b"3");
        pair.send(a, puback(first[0].packet_id.unwrap()));
        pair.send(a, puback(next[0].packet_id.unwrap()));
        assert_eq!(pair.drain_texts(a), ["4", "5", "6"]);
    }

    fn qos_2_counts_until_pubcomp(pair: &mut Pair) {
        let a = pair.join(announcing(connect("a"), Property::ReceiveMaximum(1)));
        pair.subscribe(a, subscribe("t", QoS::ExactlyOnce));
        let p = pair.join(connect("p"));
        pair.exchange(p, publish_2("t", "1", 1));
        pair.exchange(p, publish_2("t", "2", 2));
        let first = pair.messages(a).remove(0).packet_id.unwrap();
        pair.exchange(a, pubrec(first));
        assert!(pair.messages(a).is_empty());
        let next = pair.exchange(a, pubcomp(first));
        assert!(matches!(&next[..], [Packet::Publish(publish)] if &publish.payload[..] == b"2"), "{next:?}");
    }

    fn one_message_that_is_never_acknowledged_never_blocks_the_others(pair: &mut Pair) {
        pair.limit(|limits| limits.inflight = 3);
        let a = pair.join(connect_as(Version::V311, "a", true));
        pair.subscribe(a, subscribe("t", QoS::AtLeastOnce));
        let p = pair.join(connect("p"));
        pair.exchange(p, publish_1("t", "stuck", 1));
        assert_eq!(pair.messages(a).len(), 1);
        for number in 2..=300 {
            pair.exchange(p, publish_1("t", &number.to_string(), number));
        }
        let expected: Vec<_> = (2..=300).map(|number| number.to_string()).collect();
        assert_eq!(pair.drain_texts(a), expected);
    }

    fn a_client_that_exceeds_the_servers_receive_maximum_is_told(pair: &mut Pair) {
        pair.limit(|limits| limits.receive_maximum = 3);
        let a = pair.join(connect("a"));
        for number in 1..=3 {
            pair.exchange(a, publish_2("t", "x", number));
        }
        assert!(!pair.is_closed(a));
        pair.send(a, publish_2("t", "x", 4));
        pair.run();
        assert_eq!(pair.farewell(a), ReasonCode::ReceiveMaximumExceeded);
    }

    fn acknowledged_messages_do_not_count(pair: &mut Pair) {
        pair.limit(|limits| limits.receive_maximum = 3);
        let a = pair.join(connect("a"));
        for number in 1..=50 {
            pair.exchange(a, publish_1("t", "x", number));
            pair.exchange(a, publish_2("t", "x", number));
            pair.exchange(a, darter_testkit::packets::pubrel(id(number)));
        }
        assert!(!pair.is_closed(a));
    }

    fn repetitions_do_not_count_twice(pair: &mut Pair) {
        pair.limit(|limits| limits.receive_maximum = 3);
        let mut a = pair.join(resume("a", 100));
        for number in 1..=3 {
            pair.exchange(a, publish_2("t", "x", number));
        }
        pair.lose(a);
        a = pair.join(resume("a", 100));
        for number in 1..=3 {
            pair.exchange(a, Publish { dup: true, ..publish_2("t", "x", number) });
        }
        assert!(!pair.is_closed(a));
    }

    fn identifiers_of_an_earlier_connection_do_not_count(pair: &mut Pair) {
        // Section 4.9: the quota begins anew with each network connection.
        pair.limit(|limits| limits.receive_maximum = 3);
        let a = pair.join(resume("a", 100));
        for number in 1..=3 {
            pair.exchange(a, publish_2("t", "x", number));
        }
        pair.lose(a);
        let a = pair.join(resume("a", 100));
        for number in 11..=13 {
            pair.exchange(a, publish_2("t", "x", number));
        }
        assert!(!pair.is_closed(a));
        pair.send(a, publish_2("t", "x", 14));
        pair.run();
        assert_eq!(pair.farewell(a), ReasonCode::ReceiveMaximumExceeded);
    }

    fn a_message_too_large_for_a_client_is_dropped_for_it_alone(pair: &mut Pair) {
        let small = pair.join(announcing(resume("small", 100), Property::MaximumPacketSize(100)));
        let large = pair.join(resume("large", 100));
        let p = pair.join(connect("p"));
        for client in [small, large] {
            pair.subscribe(client, subscribe("t", QoS::ExactlyOnce));
        }
        let body = "x".repeat(100);
        pair.exchange(p, publish("t", &body));
        pair.exchange(p, publish_1("t", &body, 1));
        pair.exchange(p, publish_2("t", &body, 2));
        pair.exchange(p, publish_1("t", "fits", 3));
        assert_eq!(pair.drain_texts(small), ["fits"], "[MQTT-3.1.2-24]");
        assert_eq!(pair.drain(large).len(), 4);
        assert_eq!(pair.dropped("small", "t", DropReason::PacketTooLarge), 3);
    }

    fn a_queued_message_too_large_for_the_new_connection_is_dropped(pair: &mut Pair) {
        let a = pair.join(resume("a", 100));
        pair.subscribe(a, subscribe("t", QoS::ExactlyOnce));
        pair.lose(a);
        let p = pair.join(connect("p"));
        pair.exchange(p, publish_1("t", &"x".repeat(100), 1));
        pair.exchange(p, publish_1("t", "fits", 2));
        let a = pair.join(announcing(resume("a", 100), Property::MaximumPacketSize(100)));
        assert_eq!(pair.drain_texts(a), ["fits"]);
        assert_eq!(pair.dropped("a", "t", DropReason::PacketTooLarge), 1);
    }

    fn the_size_counts_to_the_byte(pair: &mut Pair) {
        let a = pair.join(announcing(connect("a"), Property::MaximumPacketSize(50)));
        pair.subscribe(a, subscribe("t", QoS::AtMostOnce));
        let p = pair.join(connect("p"));
        // Header 2, topic 3, properties 1: 44 bytes are left.
        pair.exchange(p, publish("t", &"x".repeat(44)));
        pair.exchange(p, publish("t", &"x".repeat(45)));
        assert_eq!(pair.drain(a).len(), 1);
    }

    fn a_packet_too_large_for_the_server_ends_the_connection(pair: &mut Pair) {
        pair.limit(|limits| limits.packet_size = 1000);
        let (a, connack) = pair.connect(connect("a"));
        assert_eq!(connack.properties.maximum_packet_size(), Some(1000));
        let fits = Publish { payload: Bytes::from(vec![0; 1000 - 3 - 3 - 1]), ..publish("t", "") };
        pair.exchange(a, fits);
        assert!(!pair.is_closed(a));
        // Its header alone says enough.
        pair.send_bytes(a, &[0x30, 0xFF, 0xFF, 0xFF, 0x7F]);
        pair.run();
        assert_eq!(pair.farewell(a), ReasonCode::PacketTooLarge);
    }

    fn a_connect_too_large_is_not_even_looked_at(pair: &mut Pair) {
        pair.limit(|limits| limits.connect_size = 200);
        let a = pair.dial(Connect { password: Some(Bytes::from(vec![0; 200])), ..connect("a") });
        assert!(pair.is_closed(a));
        assert_eq!(pair.counters().sessions, 0);
        pair.join(Connect { password: Some(Bytes::from(vec![0; 150])), ..connect("a") });
    }

    fn a_full_queue_keeps_what_it_has_and_counts_the_rest(pair: &mut Pair) {
        pair.limit(|limits| limits.queue_messages = 5);
        let a = pair.join(resume("a", 100));
        pair.subscribe(a, subscribe("#", QoS::ExactlyOnce));
        let other = pair.join(connect("b"));
        pair.subscribe(other, subscribe("#", QoS::AtMostOnce));
        pair.lose(a);
        let p = pair.join(connect("p"));
        for number in 1..=8 {
            let answer = pair.exchange(p, publish_1(&format!("t/{}", number % 2), &number.to_string(), number));
            assert!(matches!(&answer[..], [Packet::PubAck(_)]));
        }
        pair.exchange(p, publish("t/0", "QoS 0"));
        assert_eq!(pair.dropped("a", "t/0", DropReason::QueueFull), 2);
        assert_eq!(pair.dropped("a", "t/1", DropReason::QueueFull), 1);
        assert_eq!(pair.dropped("a", "t/0", DropReason::Offline), 1);
        assert_eq!(pair.counters().dropped, 4);
        let a = pair.join(resume("a", 100));
        assert_eq!(pair.drain_texts(a), ["1", "2", "3", "4", "5"]);
        assert_eq!(pair.drain(other).len(), 9, "nobody else is touched");
        for number in 1..=8 {
            pair.exchange(p, publish_1("t", &number.to_string(), number));
        }
        assert_eq!(pair.drain(a).len(), 8, "the room is there again");
    }

    fn a_queue_is_full_by_bytes_too(pair: &mut Pair) {
        pair.limit(|limits| limits.queue_bytes = 1000);
        let a = pair.join(resume("a", 100));
        pair.subscribe(a, subscribe("t", QoS::AtLeastOnce));
        pair.lose(a);
        let p = pair.join(connect("p"));
        for number in 1..=10 {
            pair.exchange(p, publish_1("t", &"x".repeat(300), number));
        }
        assert_eq!(pair.dropped("a", "t", DropReason::QueueFull), 7);
        let a = pair.join(resume("a", 100));
        assert_eq!(pair.drain(a).len(), 3);
    }

    fn a_session_has_only_so_many_subscriptions(pair: &mut Pair) {
        pair.limit(|limits| limits.subscriptions = 2);
        let a = pair.join(connect("a"));
        for filter in ["a", "b"] {
            assert_eq!(pair.subscribe(a, subscribe(filter, QoS::AtMostOnce)).reasons, [ReasonCode::Success]);
        }
        assert_eq!(pair.subscribe(a, subscribe("c", QoS::AtMostOnce)).reasons, [ReasonCode::QuotaExceeded]);
    }

    fn a_topic_has_only_so_many_levels(pair: &mut Pair) {
        pair.limit(|limits| limits.topic_levels = 4);
        let a = pair.join(connect("a"));
        assert_eq!(pair.subscribe(a, subscribe("a/b/c/d", QoS::AtMostOnce)).reasons, [ReasonCode::Success]);
        assert_eq!(pair.subscribe(a, subscribe("a/b/c/d/e", QoS::AtMostOnce)).reasons, [ReasonCode::TopicFilterInvalid]);
        pair.exchange(a, publish("a/b/c/d", "x"));
        assert!(!pair.is_closed(a));
        pair.send(a, publish("a/b/c/d/e", "x"));
        pair.run();
        assert_eq!(pair.farewell(a), ReasonCode::TopicNameInvalid);
    }

    fn a_receive_maximum_lasts_as_long_as_its_connection(pair: &mut Pair) {
        let a = pair.join(announcing(resume("a", 100), Property::ReceiveMaximum(1)));
        pair.subscribe(a, subscribe("t", QoS::AtLeastOnce));
        let p = pair.join(connect("p"));
        for number in 1..=5 {
            pair.exchange(p, publish_1("t", &number.to_string(), number));
        }
        assert_eq!(pair.messages(a).len(), 1);
        pair.lose(a);
        let a = pair.join(resume("a", 100));
        assert_eq!(pair.messages(a).len(), 5);
        pair.lose(a);
        let a = pair.join(announcing(resume("a", 100), Property::ReceiveMaximum(2)));
        assert_eq!(pair.messages(a).len(), 2, "repetitions count as well");
        pair.exchange(a, puback(id(1)));
    }

    fn properties_that_break_a_limit_are_refused(pair: &mut Pair) {
        let list = properties([Property::SessionExpiryInterval(10)]);
        let a = pair.join(Connect { properties: list, ..connect("a") });
        pair.send_bytes(a, &[0x30, 0x04, 0x00, 0x01, b'#', 0x00]);
        pair.run();
        assert_eq!(pair.farewell(a), ReasonCode::TopicNameInvalid);
    }
}
