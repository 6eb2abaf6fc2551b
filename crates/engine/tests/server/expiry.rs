//! The end of sessions (section 3.1.2.11.2) and of messages (section 3.3.2.3.3).

use darter_codec::{Connect, Disconnect, Property, Publish, QoS, ReasonCode};
use darter_engine::DropReason;
use darter_testkit::packets::{connect, properties, publish, publish_1, resume, retained, subscribe};

fn lasting(publish: Publish, seconds: u32) -> Publish {
    Publish { properties: properties([Property::MessageExpiryInterval(seconds)]), ..publish }
}

fn goodbye(expiry: u32) -> Disconnect {
    Disconnect {
        reason: ReasonCode::Success,
        properties: properties([Property::SessionExpiryInterval(expiry)]),
    }
}

battery! {
    fn a_session_ends_when_its_interval_has_passed(pair: &mut Pair) {
        let a = pair.join(resume("a", 10));
        pair.lose(a);
        pair.advance(9_999);
        let (a, connack) = pair.connect(resume("a", 10));
        assert!(connack.session_present);
        pair.advance(1_000_000);
        pair.lose(a);
        pair.advance(10_000);
        assert_eq!(pair.counters().sessions, 0);
        assert_eq!(pair.counters().expired_sessions, 1);
        let (_, connack) = pair.connect(resume("a", 10));
        assert!(!connack.session_present);
    }

    fn an_ended_session_gets_nothing_more(pair: &mut Pair) {
        let a = pair.join(resume("a", 10));
        pair.subscribe(a, subscribe("t", QoS::AtLeastOnce));
        pair.lose(a);
        let p = pair.join(connect("p"));
        pair.exchange(p, publish_1("t", "queued", 1));
        pair.advance(10_000);
        assert_eq!(pair.counters().subscriptions, 0);
        pair.exchange(p, publish_1("t", "later", 2));
        let a = pair.join(resume("a", 10));
        assert!(pair.drain(a).is_empty());
    }

    fn a_session_can_live_for_ever(pair: &mut Pair) {
        let a = pair.join(resume("a", u32::MAX));
        pair.lose(a);
        pair.advance(u64::from(u32::MAX) * 1000 + 1);
        let (_, connack) = pair.connect(resume("a", u32::MAX));
        assert!(connack.session_present);
    }

    fn disconnect_can_change_the_interval(pair: &mut Pair) {
        let a = pair.join(resume("a", 10));
        pair.exchange(a, goodbye(100));
        pair.advance(99_000);
        let (a, connack) = pair.connect(resume("a", 10));
        assert!(connack.session_present);
        pair.exchange(a, goodbye(0));
        let (_, connack) = pair.connect(resume("a", 10));
        assert!(!connack.session_present);
    }

    fn disconnect_cannot_give_an_interval_to_a_session_without(pair: &mut Pair) {
        let a = pair.join(connect("a"));
        pair.send(a, goodbye(100));
        pair.run();
        assert_eq!(pair.farewell(a), ReasonCode::ProtocolError);
        let (_, connack) = pair.connect(resume("a", 10));
        assert!(!connack.session_present);
    }

    fn a_message_that_waits_counts_down(pair: &mut Pair) {
        let a = pair.join(resume("a", 1000));
        pair.subscribe(a, subscribe("t", QoS::AtLeastOnce));
        pair.lose(a);
        let p = pair.join(connect("p"));
        pair.exchange(p, lasting(publish_1("t", "60 s", 1), 60));
        pair.advance(20_000);
        let a = pair.join(resume("a", 1000));
        let messages = pair.drain(a);
        assert_eq!(messages[0].properties.message_expiry_interval(), Some(40), "[MQTT-3.3.2-6]");
    }

    fn a_message_that_waited_too_long_is_dropped_and_counted(pair: &mut Pair) {
        let a = pair.join(resume("a", 1000));
        pair.subscribe(a, subscribe("t", QoS::AtLeastOnce));
        pair.lose(a);
        let p = pair.join(connect("p"));
        pair.exchange(p, lasting(publish_1("t", "short", 1), 5));
        pair.exchange(p, lasting(publish_1("t", "long", 2), 50));
        pair.exchange(p, publish_1("t", "for ever", 3));
        pair.advance(5_000);
        let a = pair.join(resume("a", 1000));
        assert_eq!(pair.drain_texts(a), ["long", "for ever"]);
        assert_eq!(pair.dropped("a", "t", DropReason::Expired), 1);
    }

    fn a_message_that_was_sent_already_does_not_expire(pair: &mut Pair) {
        let a = pair.join(resume("a", 1000));
        pair.subscribe(a, subscribe("t", QoS::AtLeastOnce));
        let p = pair.join(connect("p"));
        pair.exchange(p, lasting(publish_1("t", "x", 1), 5));
        assert_eq!(pair.messages(a).len(), 1);
        pair.lose(a);
        pair.advance(10_000);
        let a = pair.join(resume("a", 1000));
        let again = pair.drain(a);
        assert_eq!(again.len(), 1, "its delivery has begun");
        assert!(again[0].dup);
    }

    fn a_live_message_carries_its_whole_interval(pair: &mut Pair) {
        let a = pair.join(connect("a"));
        pair.subscribe(a, subscribe("t", QoS::AtMostOnce));
        let p = pair.join(connect("p"));
        pair.exchange(p, lasting(publish("t", "x"), 60));
        assert_eq!(pair.drain(a)[0].properties.message_expiry_interval(), Some(60));
    }

    fn a_retained_message_counts_down_and_expires(pair: &mut Pair) {
        let p = pair.join(connect("p"));
        pair.exchange(p, retained(lasting(publish("t", "x"), 60)));
        pair.advance(59_000);
        let a = pair.join(connect("a"));
        pair.subscribe(a, subscribe("t", QoS::AtMostOnce));
        assert_eq!(pair.drain(a)[0].properties.message_expiry_interval(), Some(1));
        pair.advance(1_000);
        let b = pair.join(connect("b"));
        pair.subscribe(b, subscribe("t", QoS::AtMostOnce));
        assert!(pair.drain(b).is_empty());
    }
}

#[test]
fn the_server_may_shorten_a_session() {
    let mut pair = darter_testkit::Pair::new(1);
    pair.limit(|limits| limits.session_expiry = 60);
    let (a, connack) = pair.connect(resume("a", 3600));
    assert_eq!(connack.properties.session_expiry_interval(), Some(60));
    pair.lose(a);
    pair.advance(60_000);
    let (_, connack) = pair.connect(Connect { clean_start: false, ..connect("a") });
    assert!(!connack.session_present);
}
