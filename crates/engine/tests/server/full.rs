//! A store without room: what could not be stored is refused, and everything else goes on.

use darter_codec::record::Durability;
use darter_codec::{Connect, Packet, Property, QoS, ReasonCode, SubscriptionOptions, Version, Will};
use darter_engine::DropReason;
use darter_testkit::packets::{
    connect, connect_as, id, properties, puback, publish, publish_1, publish_2, pubrel, resume, retained,
    subscribe, subscribe_with, will,
};
use darter_testkit::{Commits, Pair, RawId};

/// A session that wants everything and whose client is away.
fn away(pair: &mut Pair, name: &str) {
    let a = pair.join(resume(name, 1000));
    pair.subscribe(a, subscribe("t/#", QoS::ExactlyOnce));
    pair.lose(a);
    pair.run();
}

fn reason(pair: &mut Pair, raw: RawId, packet: impl Into<Packet>) -> Option<ReasonCode> {
    match &pair.exchange(raw, packet)[..] {
        [] => None,
        [Packet::PubAck(ack)] => Some(ack.reason),
        [Packet::PubRec(ack)] => Some(ack.reason),
        other => panic!("{other:?}"),
    }
}

battery! {
    fn version_5_is_told_that_a_message_cannot_be_stored(pair: &mut Pair) {
        away(pair, "a");
        let live = pair.join(connect("live"));
        pair.subscribe(live, subscribe("#", QoS::AtLeastOnce));
        let p = pair.join(connect("p"));
        pair.set_full(true);
        assert_eq!(reason(pair, p, publish_1("t/x", "x", 1)), Some(ReasonCode::QuotaExceeded));
        assert_eq!(reason(pair, p, publish_2("t/x", "x", 2)), Some(ReasonCode::QuotaExceeded));
        assert_eq!(reason(pair, p, retained(publish_1("r", "x", 3))), Some(ReasonCode::QuotaExceeded));
        assert!(pair.messages(live).is_empty(), "nobody got a part of it");
        assert_eq!(pair.counters().retained, 0);
        assert_eq!(pair.dropped("p", "t/x", DropReason::StoreFull), 2);
        assert_eq!(pair.dropped("p", "r", DropReason::StoreFull), 1);
        pair.set_full(false);
        assert_eq!(reason(pair, p, publish_1("t/x", "again", 1)), Some(ReasonCode::Success));
        assert_eq!(reason(pair, p, publish_2("t/x", "again", 2)), Some(ReasonCode::Success));
        pair.exchange(p, pubrel(id(2)));
        let a = pair.join(resume("a", 1000));
        assert_eq!(pair.drain_texts(a), ["again", "again"]);
    }

    fn version_3_gets_no_answer_and_sends_again(pair: &mut Pair) {
        away(pair, "a");
        let live = pair.join(connect("live"));
        pair.subscribe(live, subscribe("free/#", QoS::AtLeastOnce));
        let p = pair.join(connect_as(Version::V311, "p", true));
        pair.set_full(true);
        assert_eq!(reason(pair, p, publish_1("t/x", "1", 1)), None);
        assert_eq!(reason(pair, p, publish_2("t/x", "2", 2)), None);
        assert!(!pair.is_closed(p));
        assert_eq!(pair.dropped("p", "t/x", DropReason::StoreFull), 2);
        assert_eq!(reason(pair, p, publish_1("free/x", "3", 3)), None, "what comes again would come after it");
        assert!(pair.messages(live).is_empty());
        let other = pair.join(connect_as(Version::V311, "other", true));
        pair.set_full(false);
        pair.run();
        assert!(pair.is_closed(p), "it would wait for ever, and sends again when it connects");
        assert!(!pair.is_closed(other));
        let p = pair.join(connect_as(Version::V311, "p", true));
        assert_eq!(reason(pair, p, publish_1("t/x", "1", 1)), Some(ReasonCode::Success));
        assert_eq!(reason(pair, p, publish_2("t/x", "2", 2)), Some(ReasonCode::Success));
        let a = pair.join(resume("a", 1000));
        assert_eq!(pair.drain_texts(a), ["1", "2"]);
    }

    fn what_nobody_keeps_goes_on(pair: &mut Pair) {
        away(pair, "a");
        let readers = [0, 1, 2, 3].map(|shard| {
            let a = pair.join(connect(&pair.name_on(shard, "clean")));
            pair.subscribe(a, subscribe("#", QoS::ExactlyOnce));
            a
        });
        let p = pair.join(connect("p"));
        pair.set_full(true);
        assert_eq!(reason(pair, p, publish_1("free", "1", 1)), Some(ReasonCode::Success));
        assert_eq!(reason(pair, p, publish_2("free", "2", 2)), Some(ReasonCode::Success));
        pair.exchange(p, pubrel(id(2)));
        pair.exchange(p, publish("t/x", "3"));
        for reader in readers {
            let mut texts = pair.drain_texts(reader);
            texts.sort_unstable();
            assert_eq!(texts, ["1", "2", "3"]);
        }
    }

    fn a_message_that_no_local_keeps_from_its_publisher_needs_no_room(pair: &mut Pair) {
        let p = pair.join(resume("p", 1000));
        let options = SubscriptionOptions { no_local: true, ..SubscriptionOptions::new(QoS::AtLeastOnce) };
        pair.subscribe(p, subscribe_with("own", options));
        pair.set_full(true);
        assert_eq!(reason(pair, p, publish_1("own", "x", 1)), Some(ReasonCode::Success));
        assert!(pair.messages(p).is_empty());
    }

    fn what_is_kept_in_memory_needs_no_room(pair: &mut Pair) {
        pair.limit(|limits| limits.durability_for = vec![("t/memory/#".into(), Durability::Memory), ("t/interval/#".into(), Durability::Interval)]);
        away(pair, "a");
        let p = pair.join(connect("p"));
        pair.set_full(true);
        assert_eq!(reason(pair, p, retained(publish_1("t/memory/x", "m", 1))), Some(ReasonCode::Success));
        assert_eq!(reason(pair, p, publish_1("t/interval/x", "i", 2)), Some(ReasonCode::QuotaExceeded));
        assert_eq!(pair.counters().retained, 1);
    }

    fn a_retained_message_of_qos_0_is_delivered_and_not_retained(pair: &mut Pair) {
        let p = pair.join(connect("p"));
        pair.exchange(p, retained(publish("r", "old")));
        let live = pair.join(connect("live"));
        pair.subscribe(live, subscribe("r", QoS::AtMostOnce));
        assert_eq!(pair.drain_texts(live), ["old"]);
        pair.set_full(true);
        pair.exchange(p, retained(publish("r", "new")));
        assert_eq!(pair.drain_texts(live), ["new"]);
        assert_eq!(pair.dropped("p", "r", DropReason::StoreFull), 1);
        let late = pair.join(connect("late"));
        pair.subscribe(late, subscribe("r", QoS::AtMostOnce));
        assert_eq!(pair.drain_texts(late), ["old"]);
    }

    fn a_retained_will_is_delivered_and_not_retained(pair: &mut Pair) {
        let live = pair.join(connect("live"));
        pair.subscribe(live, subscribe("wills", QoS::AtMostOnce));
        let a = pair.join(Connect { will: Some(Will { retain: true, ..will("wills", "gone") }), ..connect("a") });
        pair.set_full(true);
        pair.lose(a);
        assert_eq!(pair.drain_texts(live), ["gone"]);
        assert_eq!(pair.dropped("a", "wills", DropReason::StoreFull), 1);
        assert_eq!(pair.counters().retained, 0);
    }

    fn new_sessions_that_would_be_kept_are_refused(pair: &mut Pair) {
        away(pair, "old");
        pair.set_full(true);
        let (_, connack) = pair.connect(resume("new", 100));
        assert_eq!(connack.reason, ReasonCode::QuotaExceeded);
        let (_, connack) = pair.connect(resume("", 100));
        assert_eq!(connack.reason, ReasonCode::QuotaExceeded);
        let (_, connack) = pair.connect(connect_as(Version::V311, "new", false));
        assert_eq!(connack.reason, ReasonCode::ServerUnavailable, "return code 3");
        let anew = properties([Property::SessionExpiryInterval(100)]);
        let (_, connack) = pair.connect(Connect { properties: anew, ..connect("old") });
        assert_eq!(connack.reason, ReasonCode::QuotaExceeded);
        pair.join(connect("clean"));
        let (_, connack) = pair.connect(resume("old", 1000));
        assert!(connack.session_present, "it was not touched");
        pair.set_full(false);
        pair.join(resume("new", 100));
    }

    fn subscriptions_that_would_be_kept_are_refused(pair: &mut Pair) {
        let a = pair.join(resume("a", 1000));
        pair.subscribe(a, subscribe("t", QoS::AtLeastOnce));
        let old = pair.join(connect_as(Version::V311, "old", false));
        let clean = pair.join(connect("clean"));
        pair.set_full(true);
        assert_eq!(pair.subscribe(a, subscribe("other", QoS::AtLeastOnce)).reasons, [ReasonCode::QuotaExceeded]);
        assert_eq!(pair.subscribe(a, subscribe("$share/g/t", QoS::AtLeastOnce)).reasons, [ReasonCode::QuotaExceeded]);
        assert_eq!(pair.subscribe(a, subscribe("t", QoS::ExactlyOnce)).reasons, [ReasonCode::QuotaExceeded]);
        assert_eq!(pair.subscribe(a, subscribe("t", QoS::AtLeastOnce)).reasons, [ReasonCode::GrantedQos1], "the store has it");
        assert_eq!(pair.subscribe(old, subscribe("t", QoS::AtLeastOnce)).reasons, [ReasonCode::UnspecifiedError], "0x80");
        assert_eq!(pair.subscribe(clean, subscribe("t", QoS::AtLeastOnce)).reasons, [ReasonCode::GrantedQos1]);
        assert_eq!(pair.counters().subscriptions, 2);
        pair.set_full(false);
        assert_eq!(pair.subscribe(a, subscribe("other", QoS::AtLeastOnce)).reasons, [ReasonCode::GrantedQos1]);
    }

    fn a_queue_can_be_drained_although_nothing_is_stored_meanwhile(pair: &mut Pair) {
        let a = pair.join(resume("a", 1000));
        pair.subscribe(a, subscribe("t/#", QoS::AtLeastOnce));
        pair.lose(a);
        let p = pair.join(connect("p"));
        for number in 1..=9 {
            pair.exchange(p, publish_1("t/x", &number.to_string(), number));
        }
        pair.set_full(true);
        pair.set_commits(Commits::ByHand);
        let a = pair.dial(resume("a", 1000));
        while (0..pair.shards()).any(|shard| pair.answer_load(shard)) {
            pair.run();
        }
        let messages = pair.messages(a);
        assert_eq!(messages.len(), 9);
        for message in messages {
            pair.send(a, puback(message.packet_id.unwrap()));
        }
        pair.run();
        pair.set_commits(Commits::AtOnce);
        pair.commit_all();
        pair.set_full(false);
        pair.lose(a);
        let a = pair.join(resume("a", 1000));
        assert!(pair.drain(a).is_empty());
    }
}

#[test]
fn what_was_not_stored_before_there_was_no_room_is_not_promised() {
    let mut pair = Pair::new(1);
    pair.set_commits(Commits::ByHand);
    let first = pair.dial(resume("a", 1000));
    pair.set_full(true);
    pair.lose(first);
    pair.run();
    let second = pair.dial(resume("a", 1000));
    assert!(pair.received(second).is_empty(), "the session is not stored yet");
    pair.commit_all();
    assert!(matches!(&pair.received(second)[..], [Packet::ConnAck(ack)] if ack.session_present));
}
