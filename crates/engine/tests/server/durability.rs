//! How safe a message is when it is acknowledged: on the disk, on its way there, or in memory only.

use darter_codec::record::Durability;
use darter_codec::{Packet, QoS};
use darter_testkit::packets::{
    connect, id, publish_1, publish_2, pubrec, pubrel, resume, retained, subscribe,
};
use darter_testkit::{Commits, Kept, Pair, RawId};

/// Topics under `interval` and `memory` are kept less safely, except some; all the others are on the disk.
fn mixed(pair: &mut Pair) {
    let filters = [
        ("memory/but/not/this", Durability::Always),
        ("memory/#", Durability::Memory),
        ("interval/#", Durability::Interval),
    ];
    pair.limit(|limits| limits.durability_for = filters.map(|(text, one)| (text.into(), one)).into());
}

fn all(pair: &mut Pair, durability: Durability) {
    pair.limit(|limits| limits.durability = durability);
}

fn away(pair: &mut Pair, name: &str) {
    let a = pair.join(resume(name, 1000));
    pair.subscribe(a, subscribe("#", QoS::ExactlyOnce));
    pair.lose(a);
    pair.run();
}

/// Whether the answer to a packet comes although nothing is committed; then everything is.
fn is_answered_at_once(pair: &mut Pair, raw: RawId, packet: impl Into<Packet>) -> bool {
    pair.set_commits(Commits::ByHand);
    pair.send(raw, packet);
    pair.run();
    let answers = pair.received(raw).len();
    pair.commit_all();
    pair.set_commits(Commits::AtOnce);
    assert_eq!(answers + pair.received(raw).len(), 1, "one answer in all");
    answers == 1
}

fn restart(pair: &mut Pair) {
    pair.run();
    let shards = u8::try_from(pair.shards()).unwrap();
    pair.crash_and_restart(shards, pair.server_now());
}

fn texts_of(pair: &mut Pair, name: &str) -> Vec<String> {
    let a = pair.join(resume(name, 1000));
    let mut texts = pair.drain_texts(a);
    texts.sort_unstable();
    pair.lose(a);
    pair.run();
    texts
}

battery! {
    fn the_first_filter_that_matches_says_what_an_acknowledgement_waits_for(pair: &mut Pair) {
        mixed(pair);
        away(pair, "a");
        let p = pair.join(connect("p"));
        for (number, (topic, at_once)) in [("t", false), ("interval/x", true), ("memory/x", true), ("memory/but/not/this", false)]
            .into_iter()
            .enumerate()
        {
            let number = u16::try_from(number).unwrap() + 1;
            assert_eq!(is_answered_at_once(pair, p, publish_1(topic, topic, number)), at_once, "{topic}");
            assert_eq!(is_answered_at_once(pair, p, retained(publish_1(topic, topic, number))), at_once, "{topic}");
        }
    }

    fn what_is_kept_in_memory_is_gone_after_a_restart_and_the_rest_is_not(pair: &mut Pair) {
        mixed(pair);
        away(pair, "a");
        let p = pair.join(connect("p"));
        for (number, topic) in ["t", "interval/x", "memory/x", "memory/but/not/this"].into_iter().enumerate() {
            let number = u16::try_from(number).unwrap() + 1;
            pair.exchange(p, publish_1(topic, topic, number));
            pair.exchange(p, retained(publish_1(topic, "retained", number)));
        }
        let expected = ["interval/x", "memory/but/not/this", "retained", "retained", "retained", "t"];
        restart(pair);
        assert_eq!(pair.counters().retained, 3);
        assert_eq!(texts_of(pair, "a"), expected);
    }

    fn messages_in_memory_are_delivered_like_all_others(pair: &mut Pair) {
        mixed(pair);
        away(pair, "a");
        let p = pair.join(connect("p"));
        for (number, topic) in ["memory/1", "t", "memory/2", "interval/3"].into_iter().enumerate() {
            let number = u16::try_from(number).unwrap() + 1;
            pair.exchange(p, publish_2(topic, topic, number));
            pair.exchange(p, pubrel(id(number)));
        }
        // Order is promised for each topic, and here each has one message.
        assert_eq!(texts_of(pair, "a"), ["interval/3", "memory/1", "memory/2", "t"]);
    }

    fn a_delivery_of_qos_2_waits_only_where_its_topic_does(pair: &mut Pair) {
        mixed(pair);
        let a = pair.join(resume("a", 1000));
        pair.subscribe(a, subscribe("#", QoS::ExactlyOnce));
        let p = pair.join(connect("p"));
        pair.run();
        pair.set_commits(Commits::ByHand);
        for (number, topic) in ["memory/1", "interval/2"].into_iter().enumerate() {
            pair.send(p, publish_2(topic, topic, u16::try_from(number).unwrap() + 1));
            pair.run();
            assert_eq!(pair.messages(a).len(), 1, "{topic}");
        }
        pair.send(p, publish_2("t", "x", 3));
        pair.run();
        assert!(pair.messages(a).is_empty());
        pair.commit_all();
        assert_eq!(pair.messages(a).len(), 1);
    }

    fn retained_messages_in_memory_tell_the_store_nothing(pair: &mut Pair) {
        all(pair, Durability::Memory);
        let p = pair.join(connect("p"));
        pair.exchange(p, retained(publish_1("t", "x", 1)));
        pair.exchange(p, retained(publish_1("t", "y", 2)));
        pair.exchange(p, retained(publish_1("t", "", 3)));
        let told = |pair: &Pair, shard| pair.kept(shard).iter().any(|kept| matches!(kept, Kept::Retained(..)));
        assert!((0..pair.shards()).all(|shard| !told(pair, shard)));
    }

    fn a_retained_message_of_safer_days_does_not_come_back(pair: &mut Pair) {
        let p = pair.join(connect("p"));
        for topic in ["memory/a", "memory/b", "memory/c", "memory/d"] {
            pair.exchange(p, retained(publish_1(topic, "old", 1)));
        }
        pair.run();
        let filters = vec![("memory/#".into(), Durability::Memory)];
        let shards = u8::try_from(pair.shards()).unwrap();
        pair.limit_at_restart(|limits| limits.durability_for = filters);
        pair.crash_and_restart(shards, pair.server_now());
        assert_eq!(pair.counters().retained, 4);
        let p = pair.join(connect("p"));
        pair.exchange(p, retained(publish_1("memory/a", "new", 1)));
        pair.exchange(p, retained(publish_1("memory/b", "", 2)));
        let a = pair.join(connect("a"));
        pair.subscribe(a, subscribe("#", QoS::AtMostOnce));
        let mut texts = pair.drain_texts(a);
        texts.sort_unstable();
        assert_eq!(texts, ["new", "old", "old"]);
        restart(pair);
        assert_eq!(pair.counters().retained, 2, "what has changed since is gone, not back");
    }

    fn nothing_of_a_session_waits_where_the_server_says_so(pair: &mut Pair) {
        for durability in [Durability::Interval, Durability::Memory] {
            *pair = Pair::new(u8::try_from(pair.shards()).unwrap());
            all(pair, durability);
            pair.set_commits(Commits::ByHand);
            let a = pair.join(resume("a", 1000));
            assert!(matches!(&pair.exchange(a, subscribe("t", QoS::ExactlyOnce))[..], [Packet::SubAck(_)]));
            assert!(matches!(&pair.exchange(a, subscribe("$share/g/s", QoS::ExactlyOnce))[..], [Packet::SubAck(_)]));
            let p = pair.join(resume("p", 1000));
            assert!(matches!(&pair.exchange(p, publish_2("t", "x", 1))[..], [Packet::PubRec(_)]));
            assert!(matches!(&pair.exchange(p, pubrel(id(1)))[..], [Packet::PubComp(_)]));
            let message = pair.messages(a).remove(0).packet_id.unwrap();
            assert!(matches!(&pair.exchange(a, pubrec(message))[..], [Packet::PubRel(_)]));
        }
    }

    fn sessions_are_kept_even_where_their_messages_are_not(pair: &mut Pair) {
        all(pair, Durability::Memory);
        away(pair, "a");
        let p = pair.join(connect("p"));
        pair.exchange(p, publish_1("t", "before", 1));
        restart(pair);
        let p = pair.join(connect("p"));
        pair.exchange(p, publish_1("t", "after", 1));
        assert_eq!(texts_of(pair, "a"), ["after"]);
    }
}

#[test]
fn a_message_for_clients_that_keep_nothing_waits_for_nothing() {
    for shards in [1, 4] {
        let mut pair = Pair::new(shards);
        let readers: Vec<_> = (0..8)
            .map(|number| {
                let a = pair.join(connect(&format!("a{number}")));
                pair.subscribe(a, subscribe("t", QoS::AtLeastOnce));
                a
            })
            .collect();
        let p = pair.join(connect("p"));
        pair.run();
        assert!(is_answered_at_once(&mut pair, p, publish_1("t", "x", 1)));
        assert!(readers.iter().all(|a| pair.messages(*a).len() == 1));
    }
}

#[test]
fn a_topic_that_another_shard_retains_on_can_be_cleared() {
    let mut pair = Pair::new(4);
    let (early, late) = (pair.name_on(0, "p"), pair.name_on(1, "p"));
    let writer = pair.join(connect(&early));
    let clearer = pair.join(connect(&late));
    pair.run();
    pair.hold_lanes();
    pair.send(writer, retained(publish_1("t", "x", 1)));
    pair.run();
    // Its stamp is the newer one, and it has not seen what it clears.
    pair.send(clearer, retained(publish_1("t", "", 1)));
    pair.run();
    pair.release_lanes();
    pair.run();
    assert_eq!(pair.counters().retained, 0);
    pair.crash_and_restart(4, pair.server_now());
    assert_eq!(pair.counters().retained, 0);
}
