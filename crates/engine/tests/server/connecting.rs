//! CONNECT, sessions that go on, and take-over (sections 3.1, 3.2 and 4.1).

use darter_codec::{Connect, Packet, Property, QoS, ReasonCode, Version};
use darter_engine::Verdict;
use darter_engine::access::Identity;
use darter_testkit::packets::{
    connect, connect_as, properties, puback, publish, publish_1, publish_2, resume, subscribe,
};

battery! {
    fn a_new_session_is_not_present_and_a_kept_one_is(pair: &mut Pair) {
        let (first, connack) = pair.connect(resume("a", 100));
        assert!(!connack.session_present);
        pair.lose(first);
        let (_, connack) = pair.connect(resume("a", 100));
        assert!(connack.session_present);
    }

    fn a_session_of_version_3_is_kept_unless_it_is_clean(pair: &mut Pair) {
        for version in [Version::V31, Version::V311] {
            let name = format!("client-{}", version.level());
            let (first, connack) = pair.connect(connect_as(version, &name, false));
            assert!(!connack.session_present);
            pair.subscribe(first, subscribe("t", QoS::AtLeastOnce));
            pair.lose(first);
            let publisher = pair.join(connect("p"));
            pair.exchange(publisher, publish_1("t", "while away", 1));
            let (second, connack) = pair.connect(connect_as(version, &name, false));
            // Version 3.1 has no such flag in CONNACK.
            assert_eq!(connack.session_present, version == Version::V311);
            assert_eq!(pair.drain_texts(second), ["while away"]);
            pair.lose(second);
            let (third, connack) = pair.connect(connect_as(version, &name, true));
            assert!(!connack.session_present);
            pair.lose(third);
            let (_, connack) = pair.connect(connect_as(version, &name, false));
            assert!(!connack.session_present, "a clean session leaves nothing behind [MQTT-3.1.2-6]");
        }
    }

    fn a_clean_start_ends_the_old_session(pair: &mut Pair) {
        let a = pair.join(resume("a", 100));
        pair.subscribe(a, subscribe("t", QoS::AtLeastOnce));
        pair.lose(a);
        let publisher = pair.join(connect("p"));
        pair.exchange(publisher, publish_1("t", "queued", 1));
        let clean = Connect { clean_start: true, ..resume("a", 100) };
        let (a, connack) = pair.connect(clean);
        assert!(!connack.session_present);
        pair.exchange(publisher, publish_1("t", "live", 2));
        assert_eq!(pair.drain_texts(a), Vec::<String>::new(), "subscriptions and queue are gone");
        pair.lose(a);
        let (_, connack) = pair.connect(resume("a", 100));
        assert!(connack.session_present);
    }

    fn a_resumed_session_gets_new_messages_when_nothing_waited(pair: &mut Pair) {
        let a = pair.join(resume("a", 100));
        let publisher = pair.join(connect("p"));
        pair.subscribe(a, subscribe("t", QoS::ExactlyOnce));
        pair.exchange(publisher, publish_1("t", "one", 1));
        assert_eq!(pair.drain_texts(a), ["one"]);
        for (round, text) in ["two", "three", "four"].into_iter().enumerate() {
            pair.lose(a);
            let a = pair.join(resume("a", 100));
            pair.exchange(publisher, publish_1("t", text, 2 + u16::try_from(round).unwrap()));
            assert_eq!(pair.drain_texts(a), [text]);
        }
    }

    fn unacknowledged_messages_come_again_in_order_with_their_identifiers(pair: &mut Pair) {
        let a = pair.join(resume("a", 100));
        pair.subscribe(a, subscribe("t", QoS::ExactlyOnce));
        let publisher = pair.join(connect("p"));
        for number in 1..=5 {
            pair.exchange(publisher, publish_1("t", &number.to_string(), number));
        }
        let first = pair.messages(a);
        assert_eq!(first.len(), 5);
        assert!(first.iter().all(|message| !message.dup));
        pair.send(a, puback(first[1].packet_id.unwrap()));
        pair.run();
        pair.lose(a);
        pair.exchange(publisher, publish_1("t", "6", 6));
        let a = pair.join(resume("a", 100));
        let again = pair.messages(a);
        let kept: Vec<_> = first.iter().filter(|one| one.packet_id != first[1].packet_id).collect();
        assert_eq!(again.len(), 5);
        for (old, new) in kept.iter().zip(&again) {
            assert_eq!((old.packet_id, &old.payload), (new.packet_id, &new.payload));
            assert!(new.dup, "[MQTT-3.3.1-1]");
        }
        assert_eq!((&again[4].payload[..], again[4].dup), (&b"6"[..], false));
    }

    fn a_release_is_repeated_after_reconnecting(pair: &mut Pair) {
        let a = pair.join(resume("a", 100));
        pair.subscribe(a, subscribe("t", QoS::ExactlyOnce));
        let publisher = pair.join(connect("p"));
        pair.exchange(publisher, publish_2("t", "x", 1));
        let message = pair.messages(a).remove(0);
        let id = message.packet_id.unwrap();
        let answer = pair.exchange(a, darter_testkit::packets::pubrec(id));
        assert!(matches!(&answer[..], [Packet::PubRel(release)] if release.packet_id == id));
        pair.lose(a);
        let a = pair.join(resume("a", 100));
        let again = pair.received(a);
        assert!(matches!(&again[..], [Packet::PubRel(release)] if release.packet_id == id), "{again:?}");
        pair.exchange(a, darter_testkit::packets::pubcomp(id));
        pair.lose(a);
        let a = pair.join(resume("a", 100));
        assert!(pair.received(a).is_empty(), "nothing is left of it");
    }

    fn a_second_connection_takes_the_session_over(pair: &mut Pair) {
        let first = pair.join(resume("a", 100));
        pair.subscribe(first, subscribe("t", QoS::AtMostOnce));
        let (second, connack) = pair.connect(resume("a", 100));
        assert!(connack.session_present);
        assert_eq!(pair.farewell(first), ReasonCode::SessionTakenOver);
        let publisher = pair.join(connect("p"));
        pair.exchange(publisher, publish("t", "x"));
        assert_eq!(pair.drain_texts(second), ["x"]);
        assert_eq!(pair.counters().connected, 2);
    }

    fn a_taken_over_session_without_expiry_has_ended(pair: &mut Pair) {
        // Section 3.1.4: the old connection's session ends with it.
        let first = pair.join(connect("a"));
        pair.subscribe(first, subscribe("t", QoS::AtMostOnce));
        let (second, connack) = pair.connect(resume("a", 100));
        assert!(!connack.session_present);
        assert_eq!(pair.farewell(first), ReasonCode::SessionTakenOver);
        let publisher = pair.join(connect("p"));
        pair.exchange(publisher, publish("t", "x"));
        assert!(pair.drain(second).is_empty());
    }

    fn a_taken_over_client_of_version_3_is_just_closed(pair: &mut Pair) {
        let first = pair.join(connect_as(Version::V311, "a", true));
        let (_, connack) = pair.connect(connect_as(Version::V311, "a", false));
        assert!(!connack.session_present, "[MQTT-3.1.2-6]");
        assert!(pair.is_closed(first));
        assert!(pair.received(first).is_empty(), "version 3 servers never send DISCONNECT");
    }

    fn a_half_open_connection_is_taken_over(pair: &mut Pair) {
        let first = pair.join(resume("a", 100));
        pair.subscribe(first, subscribe("t", QoS::AtLeastOnce));
        let publisher = pair.join(connect("p"));
        pair.vanish(first);
        pair.exchange(publisher, publish_1("t", "into the dark", 1));
        let (second, connack) = pair.connect(resume("a", 100));
        assert!(connack.session_present);
        assert_eq!(pair.drain_texts(second), ["into the dark"]);
        assert_eq!(pair.counters().connected, 2);
    }

    fn empty_identifiers_are_replaced_or_refused(pair: &mut Pair) {
        let (_, connack) = pair.connect(connect(""));
        let assigned = connack.properties.assigned_client_identifier().cloned().unwrap();
        let (_, other) = pair.connect(connect(""));
        assert_ne!(other.properties.assigned_client_identifier(), Some(&assigned));
        let (_, connack) = pair.connect(connect_as(Version::V311, "", true));
        assert_eq!(connack.reason, ReasonCode::Success);
        let (refused, connack) = pair.connect(connect_as(Version::V311, "", false));
        assert_eq!(connack.reason, ReasonCode::ClientIdentifierNotValid);
        assert!(pair.is_closed(refused));
        let (refused, _) = pair.connect(connect_as(Version::V31, "", true));
        assert!(pair.is_closed(refused));
    }

    fn an_assigned_identifier_can_be_resumed(pair: &mut Pair) {
        let (first, connack) = pair.connect(resume("", 100));
        let assigned = connack.properties.assigned_client_identifier().cloned().unwrap();
        pair.lose(first);
        let (_, connack) = pair.connect(resume(&assigned, 100));
        assert!(connack.session_present);
    }

    fn who_is_refused_leaves_the_session_alone(pair: &mut Pair) {
        let owner = pair.join(resume("a", 100));
        pair.subscribe(owner, subscribe("t", QoS::AtLeastOnce));
        pair.set_verdict(|connect| match connect.username.as_deref() {
            Some("stranger") => Verdict::Refuse { reason: ReasonCode::BadUserNameOrPassword, what: "unknown" },
            Some("banned") => Verdict::Refuse { reason: ReasonCode::NotAuthorized, what: "banned" },
            _ => Verdict::Accept(Identity::default()),
        });
        for (name, reason) in [("stranger", ReasonCode::BadUserNameOrPassword), ("banned", ReasonCode::NotAuthorized)] {
            for version in [Version::V5, Version::V311, Version::V31] {
                let clean = connect_as(version, "a", true);
                let (refused, connack) = pair.connect(Connect { username: Some(name.into()), ..clean });
                assert_eq!(connack.reason, reason);
                assert!(pair.is_closed(refused));
            }
        }
        assert!(!pair.is_closed(owner));
        let publisher = pair.join(connect("p"));
        pair.exchange(publisher, publish_1("t", "still here", 1));
        assert_eq!(pair.drain_texts(owner), ["still here"]);
    }

    fn anything_before_connect_ends_the_connection(pair: &mut Pair) {
        let early = pair.open(Version::V311);
        pair.send(early, publish("t", "x"));
        pair.run();
        assert!(pair.is_closed(early));
        assert!(pair.received(early).is_empty());
    }

    fn a_second_connect_ends_the_connection(pair: &mut Pair) {
        let a = pair.join(connect("a"));
        pair.exchange(a, connect("a"));
        assert!(pair.is_closed(a));
        let a = pair.join(connect("a"));
        pair.send(a, connect("a"));
        pair.run();
        assert_eq!(pair.farewell(a), ReasonCode::ProtocolError);
    }

    fn packets_behind_connect_are_not_lost(pair: &mut Pair) {
        // Sent before CONNACK, as a client may; the socket may move to another shard in between.
        for number in 0..4 {
            let name = pair.name_on(number, "eager");
            let a = pair.open(Version::V5);
            pair.send(a, resume(&name, 100));
            pair.send(a, subscribe("t", QoS::AtLeastOnce));
            pair.send(a, publish_1("t", "to myself", 7));
            pair.run();
            let received = pair.received(a);
            assert_eq!(received.len(), 4, "{received:?}");
            assert!(matches!(&received[0], Packet::ConnAck(_)), "{received:?}");
            let count = |wanted: fn(&Packet) -> bool| received.iter().filter(|packet| wanted(packet)).count();
            assert_eq!(count(|packet| matches!(packet, Packet::SubAck(_))), 1);
            assert_eq!(count(|packet| matches!(packet, Packet::PubAck(_))), 1);
            assert_eq!(count(|packet| matches!(packet, Packet::Publish(_))), 1);
            pair.exchange(a, darter_codec::Disconnect {
                reason: ReasonCode::Success,
                properties: properties([Property::SessionExpiryInterval(0)]),
            });
        }
    }

    fn what_the_server_allows_stands_in_connack(pair: &mut Pair) {
        let (_, connack) = pair.connect(resume("a", 100));
        let limits = darter_engine::Limits::default();
        assert_eq!(connack.properties.receive_maximum(), Some(limits.receive_maximum));
        assert_eq!(connack.properties.maximum_packet_size(), u32::try_from(limits.packet_size).ok());
        assert_eq!(connack.properties.topic_alias_maximum(), Some(limits.topic_alias_maximum));
        assert_eq!(connack.properties.session_expiry_interval(), None, "it is what the client asked for");
    }

    fn response_information_is_given_on_request(pair: &mut Pair) {
        let asks = Connect { properties: properties([Property::RequestResponseInformation(true)]), ..connect("a") };
        let (_, connack) = pair.connect(asks);
        assert!(connack.properties.response_information().is_some());
        let (_, connack) = pair.connect(connect("b"));
        assert!(connack.properties.response_information().is_none());
    }
}
