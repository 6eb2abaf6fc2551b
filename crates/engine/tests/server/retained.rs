//! Retained messages (section 3.3.1.3).

use darter_codec::{Connect, Property, Publish, QoS};
use darter_testkit::Pair;
use darter_testkit::packets::{
    connect, id, properties, publish, publish_1, publish_2, pubrel, resume, retained, subscribe, unsubscribe,
};

battery! {
    fn retained_messages_come_in_the_order_of_the_subscriptions(pair: &mut Pair) {
        let p = pair.join(connect("p"));
        for topic in ["x", "y", "z"] {
            pair.exchange(p, retained(publish(topic, topic)));
        }
        for order in [["z", "x", "y"], ["y", "z", "x"], ["x", "y", "z"]] {
            let a = pair.join(connect("a"));
            for topic in order {
                pair.send(a, subscribe(topic, QoS::AtMostOnce));
            }
            pair.run();
            let topics: Vec<_> = pair.messages(a).into_iter().map(|one| one.topic.to_string()).collect();
            assert_eq!(topics, order);
            for topic in order.iter().rev() {
                pair.exchange(a, unsubscribe(topic));
            }
        }
    }

    fn a_new_subscriber_gets_the_last_retained_message(pair: &mut Pair) {
        let p = pair.join(connect("p"));
        pair.exchange(p, retained(publish("t", "old")));
        pair.exchange(p, retained(publish_1("t", "new", 1)));
        pair.exchange(p, publish("t", "not retained"));
        let a = pair.join(connect("a"));
        pair.subscribe(a, subscribe("t", QoS::ExactlyOnce));
        let messages = pair.drain(a);
        assert_eq!(messages.len(), 1);
        assert_eq!((&messages[0].payload[..], messages[0].qos, messages[0].retain), (&b"new"[..], QoS::AtLeastOnce, true));
    }

    fn an_empty_retained_message_clears_the_topic(pair: &mut Pair) {
        let a = pair.join(connect("a"));
        pair.subscribe(a, subscribe("t", QoS::AtMostOnce));
        let p = pair.join(connect("p"));
        pair.exchange(p, retained(publish("t", "x")));
        pair.exchange(p, retained(publish("t", "")));
        assert_eq!(pair.drain_texts(a), ["x", ""], "it is delivered as any other");
        assert_eq!(pair.counters().retained, 0);
        let b = pair.join(connect("b"));
        pair.subscribe(b, subscribe("t", QoS::AtMostOnce));
        assert!(pair.drain(b).is_empty());
    }

    fn every_qos_can_be_retained(pair: &mut Pair) {
        let p = pair.join(connect("p"));
        pair.exchange(p, retained(publish("t/0", "0")));
        pair.exchange(p, retained(publish_1("t/1", "1", 1)));
        pair.exchange(p, retained(publish_2("t/2", "2", 2)));
        pair.exchange(p, pubrel(id(2)));
        for granted in [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce] {
            let a = pair.join(resume("a", 100));
            pair.subscribe(a, subscribe("t/+", granted));
            let mut seen: Vec<_> =
                pair.drain(a).iter().map(|one| (one.topic.to_string(), one.qos, one.retain)).collect();
            seen.sort();
            let expected = [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce]
                .map(|qos| (format!("t/{}", qos as u8), qos.min(granted), true));
            assert_eq!(seen, expected);
        }
    }

    fn wildcards_find_every_retained_message_once(pair: &mut Pair) {
        let p = pair.join(connect("p"));
        for number in 0..500 {
            pair.send(p, retained(publish(&format!("room/{}/lamp/{number}", number % 7), &number.to_string())));
        }
        pair.send(p, retained(publish("$hidden/x", "no")));
        pair.run();
        let a = pair.join(Connect { properties: properties([Property::ReceiveMaximum(3)]), ..connect("a") });
        pair.subscribe(a, subscribe("#", QoS::AtMostOnce));
        let mut seen: Vec<u32> = pair.drain_texts(a).iter().map(|text| text.parse().unwrap()).collect();
        seen.sort_unstable();
        assert_eq!(seen, (0..500).collect::<Vec<_>>());
        pair.subscribe(a, subscribe("room/3/+/+", QoS::AtMostOnce));
        assert_eq!(pair.drain(a).len(), (0..500).filter(|number| number % 7 == 3).count());
    }

    fn retained_messages_respect_the_receive_maximum(pair: &mut Pair) {
        let p = pair.join(connect("p"));
        for number in 1..=50 {
            pair.exchange(p, retained(publish_1(&format!("t/{number}"), &number.to_string(), number)));
        }
        let a = pair.join(Connect { properties: properties([Property::ReceiveMaximum(3)]), ..connect("a") });
        pair.subscribe(a, subscribe("t/#", QoS::AtLeastOnce));
        let first = pair.messages(a);
        assert_eq!(first.len(), 3);
        for message in &first {
            pair.send(a, darter_testkit::packets::puback(message.packet_id.unwrap()));
        }
        assert_eq!(pair.drain(a).len(), 47);
    }

    fn overlapping_subscriptions_each_get_the_retained_message(pair: &mut Pair) {
        let p = pair.join(connect("p"));
        pair.exchange(p, retained(publish("t", "x")));
        let a = pair.join(connect("a"));
        pair.subscribe(a, subscribe("t", QoS::AtMostOnce));
        pair.subscribe(a, subscribe("+", QoS::AtMostOnce));
        assert_eq!(pair.drain(a).len(), 2);
    }

    fn a_slow_reader_gets_all_retained_messages(pair: &mut Pair) {
        pair.limit(|limits| limits.output_bytes = 10_000);
        let p = pair.join(connect("p"));
        let body = "x".repeat(900);
        for number in 0..200 {
            pair.send(p, retained(publish(&format!("t/{number}"), &body)));
        }
        pair.run();
        let a = pair.join(connect("a"));
        pair.stop_reading(a, 2_000);
        pair.send(a, subscribe("t/#", QoS::AtMostOnce));
        pair.run();
        pair.read_again(a);
        assert_eq!(pair.drain(a).len(), 200);
        assert_eq!(pair.counters().dropped, 0);
    }

    fn the_newest_of_many_retained_messages_wins_on_every_shard(pair: &mut Pair) {
        let publishers: Vec<_> = (0..4)
            .map(|shard| {
                let name = pair.name_on(shard, "p");
                pair.join(connect(&name))
            })
            .collect();
        for round in 0..20 {
            for (number, p) in publishers.iter().enumerate() {
                pair.send(*p, retained(publish("t", &format!("{round}-{number}"))));
            }
            pair.run_steps(5);
        }
        pair.run();
        let values: Vec<_> = (0..4)
            .map(|shard| {
                let name = pair.name_on(shard, "reader");
                let reader = pair.join(connect(&name));
                pair.subscribe(reader, subscribe("t", QoS::AtMostOnce));
                pair.drain_texts(reader)
            })
            .collect();
        assert!(values.windows(2).all(|two| two[0] == two[1]), "the shards agree: {values:?}");
        assert_eq!(values[0].len(), 1);
    }
}

/// One topic, a publisher on each shard in turn, and a subscriber that comes at any time: what it gets as retained is
/// never older than what it got live before.
#[test]
fn an_older_retained_message_never_follows_a_newer_live_one() {
    for seed in 0..200 {
        let setup = darter_testkit::Setup {
            shards: 4,
            key: seed,
            seed: Some(seed),
            commits: darter_testkit::Commits::Later,
            ..darter_testkit::Setup::default()
        };
        let mut pair = Pair::with(setup);
        let p = pair.join(connect("p"));
        let readers: Vec<_> = (0..4)
            .map(|shard| {
                let name = pair.name_on(shard, "reader");
                pair.join(resume(&name, 100))
            })
            .collect();
        for number in 1..=30u16 {
            pair.send(p, retained(Publish { ..publish_1("t", &number.to_string(), number) }));
            if let Some(reader) = readers.get(usize::from(number) / 7).filter(|_| number % 7 == 0) {
                pair.send(*reader, subscribe("t", QoS::AtMostOnce));
            }
            pair.run_steps(usize::try_from(seed % 13).unwrap());
        }
        pair.run();
        for reader in readers.into_iter().skip(1) {
            let seen: Vec<u16> = pair.drain_texts(reader).iter().map(|text| text.parse().unwrap()).collect();
            assert_eq!(seen.last(), Some(&30), "seed {seed}");
            let first = seen[0];
            let expected: Vec<u16> = (first..=30).collect();
            let mut without_repetition = seen.clone();
            without_repetition.dedup();
            assert_eq!(without_repetition, expected, "seed {seed}: nothing missing, nothing out of order");
        }
    }
}
