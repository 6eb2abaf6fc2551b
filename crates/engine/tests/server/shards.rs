//! Several shards as one server: what is confirmed is known everywhere.

use darter_codec::{Packet, QoS, ReasonCode};
use darter_testkit::packets::{connect, publish, publish_1, resume, retained, subscribe, unsubscribe};
use darter_testkit::{Pair, RawId, Setup};

fn four(key: u64) -> Pair {
    Pair::with(Setup { shards: 4, key, ..Setup::default() })
}

fn on(pair: &mut Pair, shard: usize, name: &str) -> RawId {
    let name = pair.name_on(shard, name);
    pair.join(connect(&name))
}

#[test]
fn a_connection_moves_to_the_shard_of_its_client() {
    let mut pair = four(1);
    for door in 0..4 {
        for owner in 0..4 {
            let client = on(&mut pair, owner, &format!("client-{door}"));
            assert_eq!(pair.exchange(client, Packet::PingReq), [Packet::PingResp]);
            if owner == 3 {
                // The next round comes through other doors.
                let extra = pair.open(darter_codec::Version::V5);
                pair.lose(extra);
            }
        }
    }
    assert_eq!(pair.counters().connected, 16);
}

#[test]
fn suback_follows_the_confirmation_of_every_shard() {
    for late in 1..4 {
        let mut pair = four(2);
        let a = on(&mut pair, 0, "a");
        pair.hold_lane(late, 0);
        pair.send(a, subscribe("t", QoS::AtLeastOnce));
        pair.run();
        assert!(pair.received(a).is_empty(), "shard {late} has not confirmed");
        pair.release_lanes();
        pair.run();
        assert!(matches!(&pair.received(a)[..], [Packet::SubAck(_)]));
    }
}

#[test]
fn after_suback_a_message_from_any_shard_arrives() {
    for key in 0..8 {
        let mut pair = four(key);
        let a = on(&mut pair, 0, "a");
        let publishers: Vec<_> = (0..4).map(|shard| on(&mut pair, shard, "p")).collect();
        for late in 1..4 {
            let topic = format!("t/{late}");
            pair.hold_lane(0, late);
            pair.send(a, subscribe(&topic, QoS::AtLeastOnce));
            pair.run();
            assert!(pair.received(a).is_empty(), "shard {late} does not know yet");
            pair.release_lanes();
            pair.run();
            assert!(matches!(&pair.received(a)[..], [Packet::SubAck(_)]));
            for (number, p) in publishers.iter().enumerate() {
                pair.exchange(*p, publish_1(&topic, &number.to_string(), 1));
            }
            assert_eq!(pair.drain(a).len(), 4);
        }
    }
}

#[test]
fn suback_of_a_shared_subscription_follows_every_shard_too() {
    // The group may belong to another shard than its member, and must be known to the publisher's shard.
    for group in 0..4 {
        for publisher in 0..4 {
            let mut pair = four(3);
            let a = on(&mut pair, 0, "a");
            let p = on(&mut pair, publisher, "p");
            let (filter, topic) = pair.shared_on(group, "t");
            for from in 0..4 {
                if from != publisher {
                    pair.hold_lane(from, publisher);
                }
            }
            pair.send(a, subscribe(&filter, QoS::AtLeastOnce));
            pair.run();
            let confirmed = pair.received(a).iter().any(|packet| matches!(packet, Packet::SubAck(_)));
            if confirmed {
                pair.exchange(p, publish_1(&topic, "x", 1));
                pair.release_lanes();
                assert_eq!(pair.drain(a).len(), 1, "group on {group}, publisher on {publisher}");
            } else {
                pair.release_lanes();
                pair.run();
                assert!(matches!(&pair.received(a)[..], [Packet::SubAck(_)]));
            }
        }
    }
}

#[test]
fn a_second_subscriber_waits_for_what_the_first_one_announced() {
    for filter in ["t", "$share/group/t"] {
        for second in 0..4 {
            let mut pair = four(2);
            let a = on(&mut pair, 0, "a");
            let b = on(&mut pair, second, "b");
            let p = on(&mut pair, 3, "p");
            for from in 0..3 {
                pair.hold_lane(from, 3);
            }
            pair.send(a, subscribe(filter, QoS::AtLeastOnce));
            pair.run();
            pair.send(b, subscribe(filter, QoS::AtLeastOnce));
            pair.run();
            let confirmed = pair.received(b).iter().any(|packet| matches!(packet, Packet::SubAck(_)));
            pair.send(p, publish_1("t", "x", 1));
            pair.run();
            let seen = pair.messages(a).len() + pair.messages(b).len();
            assert!(
                !confirmed || seen > 0,
                "{filter}: confirmed on shard {second}, but not known on shard 3"
            );
            pair.release_lanes();
            pair.run();
        }
    }
}

#[test]
fn unsuback_follows_every_shard() {
    let mut pair = four(4);
    let a = on(&mut pair, 0, "a");
    pair.subscribe(a, subscribe("t", QoS::AtLeastOnce));
    pair.hold_lane(0, 2);
    pair.send(a, unsubscribe("t"));
    pair.run();
    assert!(pair.received(a).is_empty());
    pair.release_lanes();
    pair.run();
    assert!(matches!(&pair.received(a)[..], [Packet::UnsubAck(_)]));
}

#[test]
fn puback_waits_for_every_shard_with_a_receiver_of_qos_1() {
    let mut pair = four(5);
    let p = on(&mut pair, 0, "p");
    let name = pair.name_on(1, "a");
    let a = pair.join(resume(&name, 100));
    let b = on(&mut pair, 2, "b");
    pair.subscribe(a, subscribe("t", QoS::AtLeastOnce));
    pair.subscribe(b, subscribe("t", QoS::AtMostOnce));
    pair.hold_lane(1, 0);
    pair.hold_lane(2, 0);
    pair.send(p, publish_1("t", "x", 1));
    pair.run();
    assert!(pair.received(p).is_empty(), "shard 1 has not confirmed");
    pair.release_lane(1, 0);
    pair.run();
    assert!(matches!(&pair.received(p)[..], [Packet::PubAck(_)]), "QoS 0 is not waited for");
}

#[test]
fn acknowledgements_keep_their_order_when_shards_answer_in_another() {
    let mut pair = four(6);
    let p = on(&mut pair, 0, "p");
    for shard in 1..3 {
        let name = pair.name_on(shard, "a");
        let a = pair.join(resume(&name, 100));
        pair.subscribe(a, subscribe(&format!("t/{shard}"), QoS::AtLeastOnce));
    }
    pair.hold_lane(1, 0);
    pair.send(p, publish_1("t/1", "x", 1));
    pair.send(p, publish_1("t/2", "x", 2));
    pair.send(p, publish_1("t/nobody", "x", 3));
    pair.send(p, Packet::PingReq);
    pair.run();
    assert!(pair.received(p).is_empty(), "the first is not stored yet");
    pair.release_lanes();
    pair.run();
    let received = pair.received(p);
    let ids: Vec<_> = received
        .iter()
        .filter_map(|packet| match packet {
            Packet::PubAck(ack) => Some(ack.packet_id.get()),
            _ => None,
        })
        .collect();
    assert_eq!(ids, [1, 2, 3]);
    assert_eq!(received.last(), Some(&Packet::PingResp));
}

#[test]
fn an_older_retained_message_on_its_way_never_replaces_a_newer_one() {
    let mut pair = four(7);
    let first = on(&mut pair, 1, "first");
    let second = on(&mut pair, 2, "second");
    let reader = on(&mut pair, 0, "reader");
    pair.subscribe(reader, subscribe("t", QoS::AtMostOnce));
    pair.hold_lane(1, 0);
    pair.exchange(first, retained(publish("t", "old")));
    pair.exchange(second, retained(publish("t", "new")));
    assert_eq!(pair.drain_texts(reader), ["new"]);
    pair.release_lanes();
    pair.run();
    for shard in 0..4 {
        let late = on(&mut pair, shard, "late");
        pair.subscribe(late, subscribe("t", QoS::AtMostOnce));
        assert_eq!(pair.drain_texts(late), ["new"], "shard {shard}");
    }
}

#[test]
fn a_cleared_retained_message_stays_cleared() {
    let mut pair = four(8);
    let first = on(&mut pair, 1, "first");
    let second = on(&mut pair, 2, "second");
    pair.hold_lane(1, 0);
    pair.exchange(first, retained(publish("t", "old")));
    pair.exchange(second, retained(publish("t", "")));
    pair.release_lanes();
    pair.run();
    for shard in 0..4 {
        let late = on(&mut pair, shard, "late");
        pair.subscribe(late, subscribe("t", QoS::AtMostOnce));
        assert!(pair.drain(late).is_empty(), "shard {shard}");
    }
}

#[test]
fn a_shared_message_between_three_shards_is_acknowledged() {
    // Publisher, owner of the group and member on different shards, in every arrangement.
    for publisher in 0..4 {
        for group in 0..4 {
            for member in 0..4 {
                let mut pair = four(9);
                let p = on(&mut pair, publisher, "p");
                let a = on(&mut pair, member, "a");
                let (filter, topic) = pair.shared_on(group, "t");
                pair.subscribe(a, subscribe(&filter, QoS::AtLeastOnce));
                for number in 1..=3 {
                    let answer = pair.exchange(p, publish_1(&topic, "x", number));
                    let [Packet::PubAck(ack)] = &answer[..] else { panic!("{answer:?}") };
                    assert_eq!(ack.reason, ReasonCode::Success);
                }
                assert_eq!(pair.drain(a).len(), 3);
            }
        }
    }
}
