//! SUBSCRIBE and UNSUBSCRIBE with their options (sections 3.8 to 3.11).

use darter_codec::{
    Packet, Properties, Property, QoS, ReasonCode, RetainHandling, Subscribe, SubscribeFilter,
    SubscriptionOptions, Unsubscribe, Version,
};
use darter_testkit::packets::{
    connect, connect_as, id, properties, publish, publish_1, publish_2, pubrel, resume, retained, subscribe,
    subscribe_with, unsubscribe,
};

fn options(qos: QoS) -> SubscriptionOptions {
    SubscriptionOptions::new(qos)
}

fn identified(identifier: u32, subscribe: Subscribe) -> Subscribe {
    Subscribe { properties: properties([Property::SubscriptionIdentifier(identifier)]), ..subscribe }
}

battery! {
    fn overlapping_subscriptions_give_one_copy_with_every_identifier(pair: &mut Pair) {
        let a = pair.join(connect("a"));
        pair.subscribe(a, identified(1, subscribe("t/+", QoS::AtMostOnce)));
        pair.subscribe(a, identified(200, subscribe("t/#", QoS::ExactlyOnce)));
        pair.subscribe(a, identified(268_435_455, subscribe("t/a", QoS::AtLeastOnce)));
        pair.subscribe(a, subscribe("#", QoS::AtMostOnce));
        let p = pair.join(connect("p"));
        pair.exchange(p, publish_1("t/a", "x", 1));
        let messages = pair.drain(a);
        assert_eq!(messages.len(), 1, "one copy");
        assert_eq!(messages[0].qos, QoS::AtLeastOnce, "with the highest QoS [MQTT-3.3.4-2]");
        let mut identifiers: Vec<_> = messages[0].properties.subscription_identifiers().collect();
        identifiers.sort_unstable();
        assert_eq!(identifiers, [1, 200, 268_435_455], "[MQTT-3.3.4-4]");
    }

    fn the_highest_qos_of_overlapping_subscriptions_counts(pair: &mut Pair) {
        let p = pair.join(connect("p"));
        let filters = ["t", "+", "#"];
        for turn in 0..filters.len() {
            let a = pair.join(connect("a"));
            for (number, filter) in filters.iter().enumerate() {
                let qos = [QoS::AtMostOnce, QoS::ExactlyOnce, QoS::AtLeastOnce][(number + turn) % 3];
                pair.subscribe(a, subscribe(filter, qos));
            }
            pair.exchange(p, publish_2("t", "x", 1));
            pair.exchange(p, pubrel(id(1)));
            let messages = pair.drain(a);
            assert_eq!((messages.len(), messages[0].qos), (1, QoS::ExactlyOnce));
            pair.lose(a);
        }
    }

    fn identifiers_are_kept_for_queued_messages(pair: &mut Pair) {
        let a = pair.join(resume("a", 100));
        pair.subscribe(a, identified(5, subscribe("t", QoS::AtLeastOnce)));
        pair.subscribe(a, identified(6, subscribe("+", QoS::AtLeastOnce)));
        pair.lose(a);
        let p = pair.join(connect("p"));
        pair.exchange(p, publish_1("t", "x", 1));
        let a = pair.join(resume("a", 100));
        let mut identifiers: Vec<_> = pair.drain(a)[0].properties.subscription_identifiers().collect();
        identifiers.sort_unstable();
        assert_eq!(identifiers, [5, 6]);
    }

    fn subscribing_again_replaces_options_and_identifier(pair: &mut Pair) {
        let a = pair.join(connect("a"));
        pair.subscribe(a, identified(1, subscribe("t", QoS::AtMostOnce)));
        pair.subscribe(a, identified(2, subscribe("t", QoS::AtLeastOnce)));
        let p = pair.join(connect("p"));
        pair.exchange(p, publish_1("t", "x", 1));
        let messages = pair.drain(a);
        assert_eq!(messages.len(), 1, "[MQTT-3.8.4-3]");
        assert_eq!(messages[0].qos, QoS::AtLeastOnce);
        assert_eq!(messages[0].properties.subscription_identifiers().collect::<Vec<_>>(), [2]);
        pair.subscribe(a, subscribe("t", QoS::AtMostOnce));
        pair.exchange(p, publish_1("t", "x", 2));
        let messages = pair.drain(a);
        assert_eq!((messages.len(), messages[0].qos), (1, QoS::AtMostOnce));
        assert_eq!(messages[0].properties.subscription_identifiers().count(), 0);
    }

    fn no_local_leaves_out_what_the_client_published_itself(pair: &mut Pair) {
        let a = pair.join(resume("a", 100));
        let b = pair.join(connect("b"));
        let no_local = SubscriptionOptions { no_local: true, ..options(QoS::AtLeastOnce) };
        for client in [a, b] {
            pair.subscribe(client, subscribe_with("t", no_local));
        }
        pair.send(a, publish_1("t", "from a", 1));
        pair.send(b, publish_1("t", "from b", 1));
        assert_eq!(pair.drain_texts(a), ["from b"], "[MQTT-3.8.3-3]");
        assert_eq!(pair.drain_texts(b), ["from a"]);
        pair.subscribe(a, subscribe("+", QoS::AtMostOnce));
        pair.send(a, publish("t", "through the other one"));
        assert_eq!(pair.drain_texts(a), ["through the other one"]);
    }

    fn retain_as_published_keeps_the_flag(pair: &mut Pair) {
        let plain = pair.join(connect("plain"));
        let keeps = pair.join(connect("keeps"));
        pair.subscribe(plain, subscribe("t", QoS::AtMostOnce));
        let as_published = SubscriptionOptions { retain_as_published: true, ..options(QoS::AtMostOnce) };
        pair.subscribe(keeps, subscribe_with("t", as_published));
        let p = pair.join(connect("p"));
        pair.exchange(p, retained(publish("t", "x")));
        pair.exchange(p, publish("t", "y"));
        let flags = |messages: Vec<darter_codec::Publish>| messages.iter().map(|one| one.retain).collect::<Vec<_>>();
        assert_eq!(flags(pair.drain(plain)), [false, false], "[MQTT-3.3.1-12]");
        assert_eq!(flags(pair.drain(keeps)), [true, false], "[MQTT-3.3.1-13]");
    }

    fn retain_handling_decides_about_retained_messages(pair: &mut Pair) {
        let p = pair.join(connect("p"));
        pair.exchange(p, retained(publish("t", "x")));
        let a = pair.join(resume("a", 100));
        let with = |retain_handling| subscribe_with("t", SubscriptionOptions { retain_handling, ..options(QoS::AtMostOnce) });
        let expected = [
            (RetainHandling::DoNotSend, 0),
            (RetainHandling::SendIfNew, 0),
            (RetainHandling::Send, 1),
            (RetainHandling::Send, 1),
            (RetainHandling::SendIfNew, 0),
        ];
        for (handling, count) in expected {
            pair.subscribe(a, with(handling));
            assert_eq!(pair.drain(a).len(), count, "{handling:?}");
        }
        pair.subscribe(a, subscribe("other", QoS::AtMostOnce));
        pair.exchange(a, unsubscribe("t"));
        pair.subscribe(a, with(RetainHandling::SendIfNew));
        assert_eq!(pair.drain(a).len(), 1, "the subscription is new again");
        pair.lose(a);
        let a = pair.join(resume("a", 100));
        pair.subscribe(a, with(RetainHandling::SendIfNew));
        assert!(pair.drain(a).is_empty(), "it came with the session");
    }

    fn unsubscribing_ends_the_subscription(pair: &mut Pair) {
        for durable in [false, true] {
            let a = pair.join(if durable { resume("a", 100) } else { connect("a") });
            let p = pair.join(connect("p"));
            pair.subscribe(a, subscribe("t", QoS::AtLeastOnce));
            let filters = vec!["t".into(), "never".into()];
            let packet = Unsubscribe { packet_id: id(77), properties: Properties::default(), filters };
            let answer = pair.exchange(a, packet);
            let [Packet::UnsubAck(ack)] = &answer[..] else { panic!("{answer:?}") };
            assert_eq!(ack.packet_id, id(77));
            assert_eq!(ack.reasons, [ReasonCode::Success, ReasonCode::NoSubscriptionExisted]);
            pair.exchange(p, publish_1("t", "x", 1));
            assert!(pair.drain(a).is_empty());
            let answer = pair.exchange(a, unsubscribe("never"));
            assert!(matches!(&answer[..], [Packet::UnsubAck(_)]), "{answer:?}");
        }
    }

    fn each_filter_gets_its_own_reason(pair: &mut Pair) {
        let list = || {
            vec![
                SubscribeFilter::new("a", options(QoS::ExactlyOnce)),
                SubscribeFilter::new("c", options(QoS::AtLeastOnce)),
                SubscribeFilter::new("+/+/#", options(QoS::AtMostOnce)),
            ]
        };
        let a = pair.join(resume("a", 100));
        let ack = pair.subscribe_all(a, list(), Properties::default());
        assert_eq!(ack.reasons, [ReasonCode::GrantedQos2, ReasonCode::GrantedQos1, ReasonCode::Success]);
        let old = pair.join(connect_as(Version::V311, "old", true));
        let ack = pair.subscribe_all(old, list(), Properties::default());
        assert_eq!(ack.reasons, [ReasonCode::GrantedQos2, ReasonCode::GrantedQos1, ReasonCode::Success]);
    }

    fn an_invalid_filter_ends_the_connection(pair: &mut Pair) {
        for filter in ["a/#/b", "b+", "$share/group", "$share//a", "$share/a+/b", ""] {
            let a = pair.join(connect("a"));
            let length = u8::try_from(filter.len()).unwrap();
            let mut bytes = vec![0x82, 6 + length, 0, 1, 0, 0, length];
            bytes.extend_from_slice(filter.as_bytes());
            bytes.push(0);
            pair.send_bytes(a, &bytes);
            pair.run();
            let reason = pair.farewell(a);
            assert!(matches!(reason, ReasonCode::TopicFilterInvalid | ReasonCode::ProtocolError), "{filter}: {reason:?}");
        }
        assert_eq!(pair.counters().subscriptions, 0);
    }

    fn wildcards_leave_dollar_topics_out(pair: &mut Pair) {
        let a = pair.join(connect("a"));
        pair.subscribe(a, subscribe("#", QoS::AtMostOnce));
        pair.subscribe(a, subscribe("+/x", QoS::AtMostOnce));
        let p = pair.join(connect("p"));
        pair.exchange(p, publish("$private/x", "no"));
        assert!(pair.drain(a).is_empty(), "[MQTT-4.7.2-1]");
        pair.subscribe(a, subscribe("$private/#", QoS::AtMostOnce));
        pair.exchange(p, publish("$private/x", "yes"));
        assert_eq!(pair.drain_texts(a), ["yes"]);
    }

    fn subscriptions_come_and_go_on_every_shard(pair: &mut Pair) {
        // Interest is told to other shards when the first subscriber comes and the last one goes.
        let clients: Vec<_> = (0..8).map(|number| pair.join(connect(&format!("client-{number}")))).collect();
        let p = pair.join(connect("p"));
        for round in 0..3u16 {
            for (number, client) in clients.iter().enumerate() {
                let qos = if number % 2 == 0 { QoS::AtMostOnce } else { QoS::AtLeastOnce };
                pair.subscribe(*client, subscribe("t/+", qos));
                pair.exchange(p, publish_1("t/x", "x", round + 1));
                for (other, client) in clients.iter().enumerate() {
                    assert_eq!(pair.drain(*client).len(), usize::from(other <= number));
                }
            }
            for (number, client) in clients.iter().enumerate() {
                pair.exchange(*client, unsubscribe("t/+"));
                pair.exchange(p, publish_1("t/x", "x", round + 1));
                for (other, client) in clients.iter().enumerate() {
                    assert_eq!(pair.drain(*client).len(), usize::from(other > number));
                }
            }
        }
        let answer = pair.exchange(p, publish_1("t/x", "x", 9));
        assert!(matches!(&answer[..], [Packet::PubAck(ack)] if ack.reason == ReasonCode::NoMatchingSubscribers));
        assert_eq!(pair.counters().subscriptions, 0);
    }
}
