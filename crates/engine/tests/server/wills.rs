//! Will messages (section 3.1.2.5) and their delay (section 3.1.3.2.2).

use darter_codec::{Connect, Disconnect, Properties, Property, QoS, ReasonCode, Version, Will};
use darter_testkit::packets::{connect, connect_as, properties, resume, subscribe, will};
use darter_testkit::{Pair, RawId};

fn with_will(connect: Connect, delay: u32) -> Connect {
    let properties =
        if delay > 0 { properties([Property::WillDelayInterval(delay)]) } else { Properties::default() };
    Connect { will: Some(Will { properties, ..will("wills", "gone") }), ..connect }
}

fn witness(pair: &mut Pair) -> RawId {
    let witness = pair.join(connect("witness"));
    pair.subscribe(witness, subscribe("wills", QoS::AtLeastOnce));
    witness
}

fn goodbye(reason: ReasonCode) -> Disconnect {
    Disconnect { reason, properties: Properties::default() }
}

battery! {
    fn a_lost_connection_publishes_the_will(pair: &mut Pair) {
        let witness = witness(pair);
        for version in [Version::V31, Version::V311, Version::V5] {
            let a = pair.join(with_will(connect_as(version, "a", true), 0));
            pair.run();
            assert!(pair.drain(witness).is_empty());
            pair.lose(a);
            assert_eq!(pair.drain_texts(witness), ["gone"]);
        }
    }

    fn a_disconnect_discards_the_will(pair: &mut Pair) {
        let witness = witness(pair);
        let a = pair.join(with_will(connect("a"), 0));
        pair.exchange(a, goodbye(ReasonCode::Success));
        assert!(pair.drain(witness).is_empty());
        let a = pair.join(with_will(resume("a", 50), 10));
        pair.exchange(a, goodbye(ReasonCode::Success));
        pair.advance(100_000);
        assert!(pair.drain(witness).is_empty());
    }

    fn a_disconnect_with_reason_4_publishes_it(pair: &mut Pair) {
        let witness = witness(pair);
        let a = pair.join(with_will(connect("a"), 0));
        pair.exchange(a, goodbye(ReasonCode::DisconnectWithWillMessage));
        assert_eq!(pair.drain_texts(witness), ["gone"]);
    }

    fn a_broken_rule_publishes_it(pair: &mut Pair) {
        let witness = witness(pair);
        let a = pair.join(with_will(connect("a"), 0));
        pair.send_bytes(a, &[0xF0, 0xFF, 0xFF, 0xFF, 0xFF]);
        assert_eq!(pair.drain_texts(witness), ["gone"]);
        assert!(pair.is_closed(a));
    }

    fn a_delayed_will_comes_at_its_time_and_never_before(pair: &mut Pair) {
        let witness = witness(pair);
        let a = pair.join(with_will(resume("a", 1000), 30));
        pair.advance(77);
        pair.lose(a);
        pair.advance(29_999);
        assert!(pair.drain(witness).is_empty(), "too early");
        pair.advance(1);
        assert_eq!(pair.drain_texts(witness), ["gone"]);
        pair.advance(2_000_000);
        assert!(pair.drain(witness).is_empty(), "once is enough");
    }

    fn coming_back_in_time_cancels_a_delayed_will(pair: &mut Pair) {
        let witness = witness(pair);
        let a = pair.join(with_will(resume("a", 1000), 30));
        pair.lose(a);
        pair.advance(29_000);
        let a = pair.join(with_will(resume("a", 1000), 30));
        pair.advance(100_000);
        assert!(pair.drain(witness).is_empty(), "[MQTT-3.1.3-9]");
        pair.lose(a);
        pair.advance(30_000);
        assert_eq!(pair.drain_texts(witness), ["gone"], "the second connection's will");
    }

    fn the_delay_starts_anew_with_each_connection(pair: &mut Pair) {
        let witness = witness(pair);
        let a = pair.join(with_will(resume("a", 1000), 30));
        pair.lose(a);
        pair.advance(20_000);
        let a = pair.join(with_will(resume("a", 1000), 30));
        pair.lose(a);
        pair.advance(29_999);
        assert!(pair.drain(witness).is_empty());
        pair.advance(1);
        assert_eq!(pair.drain_texts(witness), ["gone"]);
    }

    fn the_end_of_the_session_publishes_a_will_that_waits(pair: &mut Pair) {
        let witness = witness(pair);
        let a = pair.join(with_will(resume("a", 10), 3600));
        pair.lose(a);
        pair.advance(9_999);
        assert!(pair.drain(witness).is_empty());
        pair.advance(1);
        assert_eq!(pair.drain_texts(witness), ["gone"]);
    }

    fn a_session_without_expiry_publishes_a_delayed_will_at_once(pair: &mut Pair) {
        let witness = witness(pair);
        let a = pair.join(with_will(connect("a"), 3600));
        pair.lose(a);
        assert_eq!(pair.drain_texts(witness), ["gone"]);
    }

    fn a_clean_start_publishes_a_will_that_waits(pair: &mut Pair) {
        let witness = witness(pair);
        let a = pair.join(with_will(resume("a", 1000), 30));
        pair.lose(a);
        assert!(pair.drain(witness).is_empty());
        pair.join(connect("a"));
        assert_eq!(pair.drain_texts(witness), ["gone"]);
    }

    fn a_take_over_publishes_a_will_without_delay(pair: &mut Pair) {
        let witness = witness(pair);
        let first = pair.join(with_will(resume("a", 1000), 0));
        pair.join(resume("a", 1000));
        assert!(pair.is_closed(first));
        assert_eq!(pair.drain_texts(witness), ["gone"]);
    }

    fn a_take_over_that_continues_the_session_cancels_a_delayed_will(pair: &mut Pair) {
        let witness = witness(pair);
        let first = pair.join(with_will(resume("a", 1000), 30));
        pair.join(resume("a", 1000));
        assert!(pair.is_closed(first));
        pair.advance(100_000);
        assert!(pair.drain(witness).is_empty());
    }

    fn a_take_over_that_ends_the_session_publishes_a_delayed_will(pair: &mut Pair) {
        let witness = witness(pair);
        pair.join(with_will(resume("a", 1000), 30));
        pair.join(connect("a"));
        assert_eq!(pair.drain_texts(witness), ["gone"]);
        // A session without expiry ends with its connection, whatever the new one asks for.
        pair.join(with_will(connect("b"), 30));
        pair.join(resume("b", 1000));
        assert_eq!(pair.drain_texts(witness), ["gone"]);
    }

    fn a_will_is_published_as_the_client_wrote_it(pair: &mut Pair) {
        let witness = pair.join(connect("witness"));
        pair.subscribe(witness, subscribe("wills", QoS::ExactlyOnce));
        let list = [
            Property::MessageExpiryInterval(60),
            Property::ContentType("text/plain".into()),
            Property::UserProperty(("a".into(), "1".into())),
            Property::UserProperty(("a".into(), "2".into())),
        ];
        let will = Will { qos: QoS::ExactlyOnce, retain: true, properties: properties(list), ..will("wills", "all of it") };
        let a = pair.join(Connect { will: Some(will), ..connect("a") });
        pair.lose(a);
        let messages = pair.drain(witness);
        assert_eq!(messages.len(), 1);
        let message = &messages[0];
        assert_eq!((message.qos, message.retain), (QoS::ExactlyOnce, false));
        assert_eq!(message.properties.message_expiry_interval(), Some(60));
        assert_eq!(message.properties.content_type().map(|text| &**text), Some("text/plain"));
        let pairs: Vec<_> = message.properties.user_properties().collect();
        assert_eq!(pairs, [("a", "1"), ("a", "2")]);
        pair.advance(20_000);
        let late = pair.join(connect("late"));
        pair.subscribe(late, subscribe("wills", QoS::ExactlyOnce));
        let messages = pair.drain(late);
        assert!(messages[0].retain);
        assert_eq!(messages[0].properties.message_expiry_interval(), Some(40));
    }
}
