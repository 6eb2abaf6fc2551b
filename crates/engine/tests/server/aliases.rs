//! Topic aliases in both directions (section 3.3.2.3.4).

use darter_codec::{Connect, Property, Publish, QoS, ReasonCode};
use darter_testkit::packets::{
    connect, id, properties, publish, publish_1, publish_2, pubrel, resume, subscribe,
};

fn aliased(publish: Publish, alias: u16) -> Publish {
    Publish { properties: properties([Property::TopicAlias(alias)]), ..publish }
}

fn allowing(connect: Connect, maximum: u16) -> Connect {
    let mut properties = connect.properties.clone();
    properties.push(Property::TopicAliasMaximum(maximum));
    Connect { properties, ..connect }
}

battery! {
    fn an_alias_of_a_client_stands_for_its_topic(pair: &mut Pair) {
        let a = pair.join(connect("a"));
        pair.subscribe(a, subscribe("#", QoS::AtMostOnce));
        let p = pair.join(connect("p"));
        pair.exchange(p, aliased(publish("one", "1"), 1));
        pair.exchange(p, aliased(publish("", "2"), 1));
        pair.exchange(p, aliased(publish("two", "3"), 64));
        pair.exchange(p, aliased(publish("", "4"), 64));
        pair.exchange(p, aliased(publish("three", "5"), 1));
        pair.exchange(p, aliased(publish_1("", "6", 1), 1));
        let seen: Vec<_> = pair.drain(a).into_iter().map(|message| message.topic.to_string()).collect();
        assert_eq!(seen, ["one", "one", "two", "two", "three", "three"]);
    }

    fn the_alias_itself_is_not_handed_on(pair: &mut Pair) {
        let a = pair.join(connect("a"));
        pair.subscribe(a, subscribe("#", QoS::AtMostOnce));
        let p = pair.join(connect("p"));
        let user = Property::UserProperty(("a".into(), "b".into()));
        let list = properties([Property::TopicAlias(3), user.clone()]);
        pair.exchange(p, Publish { properties: list, ..publish("t", "x") });
        assert_eq!(pair.drain(a)[0].properties, properties([user]));
    }

    fn an_alias_out_of_range_or_unknown_ends_the_connection(pair: &mut Pair) {
        let a = pair.join(connect("a"));
        pair.send(a, aliased(publish("t", "x"), 65));
        pair.run();
        assert_eq!(pair.farewell(a), ReasonCode::TopicAliasInvalid);
        let a = pair.join(connect("a"));
        pair.send(a, aliased(publish("", "x"), 1));
        pair.run();
        assert_eq!(pair.farewell(a), ReasonCode::TopicAliasInvalid);
    }

    fn an_alias_ends_with_its_connection(pair: &mut Pair) {
        let a = pair.join(resume("a", 100));
        pair.exchange(a, aliased(publish("t", "x"), 1));
        pair.lose(a);
        let a = pair.join(resume("a", 100));
        pair.send(a, aliased(publish("", "x"), 1));
        pair.run();
        assert_eq!(pair.farewell(a), ReasonCode::TopicAliasInvalid);
    }

    fn the_server_makes_aliases_for_clients_that_allow_them(pair: &mut Pair) {
        let a = pair.join(allowing(connect("a"), 2));
        let plain = pair.join(connect("plain"));
        for client in [a, plain] {
            pair.subscribe(client, subscribe("#", QoS::AtMostOnce));
        }
        let p = pair.join(connect("p"));
        for topic in ["one", "two", "three", "one", "two", "three"] {
            pair.exchange(p, publish(topic, topic));
        }
        let seen: Vec<_> = pair
            .drain(a)
            .into_iter()
            .map(|message| (message.topic.to_string(), message.properties.topic_alias(), message.payload))
            .collect();
        let seen: Vec<_> = seen.iter().map(|(topic, alias, body)| (&**topic, *alias, &body[..])).collect();
        let expected: [(&str, Option<u16>, &[u8]); 6] = [
            ("one", Some(1), b"one"),
            ("two", Some(2), b"two"),
            ("three", None, b"three"),
            ("", Some(1), b"one"),
            ("", Some(2), b"two"),
            ("three", None, b"three"),
        ];
        assert_eq!(seen, expected);
        assert!(pair.drain(plain).iter().all(|message| message.properties.topic_alias().is_none()));
    }

    fn an_alias_is_never_used_before_the_client_knows_it(pair: &mut Pair) {
        // Deliveries of QoS 2 wait for a commit, those of QoS 0 and 1 do not.
        let a = pair.join(allowing(resume("a", 100), 10));
        pair.subscribe(a, subscribe("#", QoS::ExactlyOnce));
        let p = pair.join(connect("p"));
        for round in 1..=20u16 {
            let topic = format!("t/{}", round % 5);
            pair.send(p, publish_2(&topic, &topic, round));
            pair.send(p, publish(&topic, &topic));
            pair.send(p, publish_1(&topic, &topic, 100 + round));
            pair.send(p, pubrel(id(round)));
        }
        let mut known = std::collections::HashMap::new();
        let messages = pair.drain(a);
        assert_eq!(messages.len(), 60);
        for message in messages {
            let body = message.payload.clone();
            match message.properties.topic_alias() {
                Some(alias) if message.topic.is_empty() => assert_eq!(known.get(&alias), Some(&body)),
                Some(alias) => drop(known.insert(alias, body)),
                None => assert_eq!(message.topic.as_bytes(), &body),
            }
        }
    }

    fn aliases_of_the_server_end_with_the_connection(pair: &mut Pair) {
        let a = pair.join(allowing(resume("a", 100), 10));
        pair.subscribe(a, subscribe("#", QoS::AtLeastOnce));
        let p = pair.join(connect("p"));
        pair.exchange(p, publish_1("t", "1", 1));
        pair.exchange(p, publish_1("t", "2", 2));
        assert_eq!(pair.messages(a).len(), 2);
        pair.lose(a);
        let a = pair.join(allowing(resume("a", 100), 10));
        let again = pair.messages(a);
        assert_eq!(again.len(), 2);
        assert_eq!(&*again[0].topic, "t");
    }
}
