//! A store that takes its time: what promises something leaves after the commit that keeps the promise.

use darter_codec::{Connect, Disconnect, Packet, Property, QoS, ReasonCode, Version};
use darter_testkit::packets::{
    connect, connect_as, id, properties, puback, pubcomp, publish, publish_1, publish_2, pubrec, pubrel,
    resume, retained, subscribe, unsubscribe, will,
};
use darter_testkit::{Commits, Kept, Pair, RawId, Setup};

fn by_hand(shards: u8) -> Pair {
    Pair::with(Setup { shards, commits: Commits::AtOnce, ..Setup::default() })
}

/// Sends a packet, shows that its answer waits, and commits batch by batch until it comes.
fn answer_after_commit(pair: &mut Pair, raw: RawId, packet: impl Into<Packet>) -> Packet {
    pair.set_commits(Commits::ByHand);
    pair.send(raw, packet);
    pair.run();
    assert!(pair.received(raw).is_empty(), "nothing leaves before the commit");
    assert!((0..pair.shards()).any(|shard| pair.uncommitted(shard) > 0), "something waits for a commit");
    pair.commit_all();
    pair.set_commits(Commits::AtOnce);
    let mut received = pair.received(raw);
    assert_eq!(received.len(), 1, "{received:?}");
    received.remove(0)
}

#[test]
fn connack_of_a_new_session_waits() {
    for shards in [1, 4] {
        let mut pair = by_hand(shards);
        pair.set_commits(Commits::ByHand);
        let a = pair.dial(resume("a", 100));
        assert!(pair.received(a).is_empty());
        pair.commit_all();
        assert!(matches!(&pair.received(a)[..], [Packet::ConnAck(_)]));
    }
}

#[test]
fn connack_of_a_session_that_ends_or_changes_waits() {
    let mut pair = by_hand(1);
    let first = pair.join(resume("a", 100));
    pair.lose(first);
    pair.run();
    pair.set_commits(Commits::ByHand);
    let second = pair.dial(resume("a", 200));
    assert!(pair.received(second).is_empty(), "another interval");
    pair.commit_all();
    assert_eq!(pair.received(second).len(), 1);
    let third = pair.dial(connect("a"));
    assert!(pair.received(third).is_empty(), "the old session's end");
    pair.commit_all();
    assert_eq!(pair.received(third).len(), 1);
}

#[test]
fn connack_of_a_session_without_expiry_waits_for_nothing() {
    let mut pair = by_hand(1);
    pair.set_commits(Commits::ByHand);
    let a = pair.dial(connect("a"));
    assert!(matches!(&pair.received(a)[..], [Packet::ConnAck(_)]));
}

#[test]
fn packets_behind_a_waiting_connack_wait_too() {
    let mut pair = by_hand(4);
    pair.set_commits(Commits::ByHand);
    let a = pair.open(Version::V5);
    pair.send(a, resume("a", 100));
    pair.send(a, subscribe("t", QoS::AtLeastOnce));
    pair.send(a, Packet::PingReq);
    pair.run();
    assert!(pair.received(a).is_empty());
    pair.commit_all();
    let received = pair.received(a);
    assert!(
        matches!(&received[..], [Packet::ConnAck(_), Packet::SubAck(_), Packet::PingResp]),
        "{received:?}"
    );
}

#[test]
fn a_connection_lost_before_its_connack_leaves_no_trouble() {
    let mut pair = by_hand(1);
    pair.set_commits(Commits::ByHand);
    let a = pair.dial(resume("a", 100));
    pair.lose(a);
    pair.run();
    let again = pair.dial(resume("a", 100));
    let third = pair.dial(resume("a", 100));
    pair.commit_all();
    assert!(pair.is_closed(again), "taken over before it was open");
    assert!(matches!(&pair.received(third)[..], [Packet::ConnAck(ack)] if ack.session_present));
    assert_eq!(pair.counters().connected, 1);
}

#[test]
fn suback_and_unsuback_of_a_kept_session_wait() {
    for shards in [1, 4] {
        let mut pair = by_hand(shards);
        let a = pair.join(resume("a", 100));
        for filter in ["t", "$share/group/t"] {
            let answer = answer_after_commit(&mut pair, a, subscribe(filter, QoS::AtLeastOnce));
            assert!(matches!(answer, Packet::SubAck(_)));
            let answer = answer_after_commit(&mut pair, a, unsubscribe(filter));
            assert!(matches!(answer, Packet::UnsubAck(_)));
        }
    }
}

#[test]
fn puback_waits_for_every_queue_that_the_message_joined() {
    for order in [[0, 1, 2, 3], [3, 2, 1, 0], [2, 0, 3, 1]] {
        let mut pair = by_hand(4);
        let mut sessions = Vec::new();
        for shard in 0..4 {
            let name = pair.name_on(shard, "a");
            let a = pair.join(resume(&name, 100));
            pair.subscribe(a, subscribe("t", QoS::AtLeastOnce));
            pair.lose(a);
            sessions.push(name);
        }
        let p = pair.join(connect("p"));
        pair.run();
        pair.set_commits(Commits::ByHand);
        pair.send(p, publish_1("t", "x", 1));
        pair.run();
        for shard in order {
            assert!(pair.received(p).is_empty(), "shard {shard} has not committed");
            while pair.commit(shard) {}
            pair.run();
        }
        assert!(matches!(&pair.received(p)[..], [Packet::PubAck(_)]));
        for (shard, name) in sessions.iter().enumerate() {
            let queued = |kept: &&Kept| matches!(kept, Kept::Queued(_, topic, _) if topic == "t");
            assert_eq!(pair.kept(shard).iter().filter(queued).count(), 1, "{name}");
        }
    }
}

#[test]
fn puback_of_a_retained_message_waits_for_the_retained_store() {
    let mut pair = by_hand(1);
    let p = pair.join(connect("p"));
    let answer = answer_after_commit(&mut pair, p, retained(publish_1("t", "x", 1)));
    assert!(matches!(answer, Packet::PubAck(_)));
    assert!(pair.kept(0).contains(&Kept::Retained("t".into(), Some(b"x".to_vec()))));
}

#[test]
fn both_answers_to_qos_2_wait_for_the_identifier() {
    let mut pair = by_hand(1);
    let p = pair.join(resume("p", 100));
    let answer = answer_after_commit(&mut pair, p, publish_2("t", "x", 5));
    assert!(matches!(answer, Packet::PubRec(_)));
    assert!(
        pair.kept(0).iter().any(|kept| matches!(kept, Kept::Incoming(_, packet_id) if *packet_id == id(5)))
    );
    let answer = answer_after_commit(&mut pair, p, pubrel(id(5)));
    assert!(matches!(answer, Packet::PubComp(_)));
    assert!(
        pair.kept(0).iter().any(|kept| matches!(kept, Kept::Released(_, packet_id) if *packet_id == id(5)))
    );
}

#[test]
fn a_qos_2_message_is_forwarded_after_its_identifier_is_kept() {
    let mut pair = by_hand(1);
    let p = pair.join(resume("p", 100));
    let subscribers: Vec<_> = [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce]
        .into_iter()
        .enumerate()
        .map(|(number, qos)| {
            let a = pair.join(connect(&format!("a{number}")));
            pair.subscribe(a, subscribe("t", qos));
            a
        })
        .collect();
    pair.set_commits(Commits::ByHand);
    pair.send(p, publish_2("t", "x", 5));
    pair.run();
    assert!(subscribers.iter().all(|a| pair.received(*a).is_empty()));
    pair.commit_all();
    assert!(subscribers.iter().all(|a| pair.messages(*a).len() == 1));
}

#[test]
fn a_delivery_of_qos_2_and_its_release_wait_where_the_session_is_kept() {
    let mut pair = by_hand(1);
    let a = pair.join(resume("a", 100));
    pair.subscribe(a, subscribe("t", QoS::ExactlyOnce));
    let p = pair.join(connect("p"));
    pair.set_commits(Commits::ByHand);
    pair.send(p, publish_2("t", "x", 1));
    pair.run();
    assert!(pair.received(a).is_empty(), "its identifier is not kept");
    pair.commit_all();
    pair.set_commits(Commits::AtOnce);
    let message = pair.messages(a).remove(0).packet_id.unwrap();
    let answer = answer_after_commit(&mut pair, a, pubrec(message));
    assert!(matches!(answer, Packet::PubRel(_)));
    assert!(pair.exchange(a, pubcomp(message)).is_empty());
}

#[test]
fn a_delivery_of_qos_1_waits_for_nothing() {
    let mut pair = by_hand(1);
    let a = pair.join(resume("a", 100));
    pair.subscribe(a, subscribe("t", QoS::AtLeastOnce));
    let p = pair.join(connect("p"));
    pair.set_commits(Commits::ByHand);
    pair.send(p, publish_1("t", "x", 1));
    pair.run();
    assert_eq!(pair.messages(a).len(), 1);
    assert!(pair.received(p).is_empty(), "while its PUBACK does");
    pair.commit_all();
    assert_eq!(pair.received(p).len(), 1);
}

#[test]
fn answers_leave_in_the_order_of_arrival() {
    let mut pair = by_hand(1);
    let p = pair.join(resume("p", 100));
    let a = pair.join(resume("a", 100));
    pair.subscribe(a, subscribe("t", QoS::AtLeastOnce));
    pair.set_commits(Commits::ByHand);
    pair.send(p, publish_1("t", "x", 1));
    pair.run();
    pair.send(p, publish_1("nobody", "x", 2));
    pair.send(p, publish_2("t", "x", 3));
    pair.run();
    pair.send(p, Packet::PingReq);
    pair.send(p, subscribe("other", QoS::AtMostOnce));
    pair.run();
    assert!(pair.received(p).is_empty());
    assert!(pair.commit(0));
    pair.run();
    let first = pair.received(p);
    assert!(matches!(&first[..], [Packet::PubAck(_), Packet::PubAck(_)]), "one batch is kept: {first:?}");
    pair.commit_all();
    let rest = pair.received(p);
    assert!(matches!(&rest[..], [Packet::PubRec(_), Packet::PingResp, Packet::SubAck(_)]), "{rest:?}");
}

#[test]
fn a_receive_maximum_counts_what_waits_for_its_commit() {
    let mut pair = by_hand(1);
    pair.limit(|limits| limits.receive_maximum = 3);
    let a = pair.join(resume("a", 100));
    pair.subscribe(a, subscribe("t", QoS::AtLeastOnce));
    pair.lose(a);
    let p = pair.join(connect("p"));
    pair.set_commits(Commits::ByHand);
    for number in 1..=3 {
        pair.send(p, publish_1("t", "x", number));
    }
    pair.run();
    assert!(!pair.is_closed(p));
    pair.send(p, publish_1("t", "x", 4));
    pair.run();
    assert_eq!(pair.farewell(p), ReasonCode::ReceiveMaximumExceeded, "[MQTT-3.3.4-7]");
}

#[test]
fn a_connection_lost_before_its_acknowledgement_sends_again() {
    let mut pair = by_hand(1);
    let a = pair.join(connect("a"));
    pair.subscribe(a, subscribe("t", QoS::ExactlyOnce));
    let p = pair.join(resume("p", 100));
    pair.set_commits(Commits::ByHand);
    pair.send(p, publish_2("t", "x", 1));
    pair.run();
    pair.lose(p);
    pair.commit_all();
    let p = pair.dial(resume("p", 100));
    pair.commit_all();
    pair.received(p);
    pair.send(p, darter_codec::Publish { dup: true, ..publish_2("t", "x", 1) });
    pair.commit_all();
    assert!(matches!(&pair.received(p)[..], [Packet::PubRec(_)]));
    pair.set_commits(Commits::AtOnce);
    assert_eq!(pair.drain_texts(a), ["x"], "exactly once");
}

#[test]
fn messages_that_arrive_while_the_store_reads_come_after_the_others() {
    let mut pair = by_hand(1);
    let a = pair.join(resume("a", 100));
    pair.subscribe(a, subscribe("t", QoS::AtLeastOnce));
    pair.lose(a);
    let p = pair.join(connect("p"));
    for number in 1..=5 {
        pair.exchange(p, publish_1("t", &number.to_string(), number));
    }
    pair.set_commits(Commits::ByHand);
    let a = pair.dial(resume("a", 100));
    for number in 6..=10 {
        pair.send(p, publish_1("t", &number.to_string(), number));
        pair.run();
    }
    assert!(pair.messages(a).is_empty(), "the store has not answered");
    pair.commit_all();
    for number in 11..=12 {
        pair.send(p, publish_1("t", &number.to_string(), number));
    }
    pair.commit_all();
    pair.set_commits(Commits::AtOnce);
    let expected: Vec<_> = (1..=12).map(|number| number.to_string()).collect();
    assert_eq!(pair.drain_texts(a), expected);
}

#[test]
fn a_connection_lost_while_the_store_reads_starts_again() {
    let mut pair = by_hand(1);
    let a = pair.join(resume("a", 100));
    pair.subscribe(a, subscribe("t", QoS::AtLeastOnce));
    pair.lose(a);
    let p = pair.join(connect("p"));
    for number in 1..=5 {
        pair.exchange(p, publish_1("t", &number.to_string(), number));
    }
    pair.set_commits(Commits::ByHand);
    let a = pair.dial(resume("a", 100));
    pair.lose(a);
    pair.run();
    let a = pair.dial(resume("a", 100));
    pair.commit_all();
    pair.set_commits(Commits::AtOnce);
    let expected: Vec<_> = (1..=5).map(|number| number.to_string()).collect();
    assert_eq!(pair.drain_texts(a), expected, "each once");
}

#[test]
fn an_answer_of_the_store_to_an_earlier_connection_is_not_taken_for_a_later_one() {
    let mut pair = by_hand(1);
    let a = pair.join(resume("a", 100));
    pair.subscribe(a, subscribe("t", QoS::AtLeastOnce));
    pair.lose(a);
    let p = pair.join(connect("p"));
    for number in 1..=300 {
        pair.exchange(p, publish_1("t", &number.to_string(), number));
    }
    // The first page fills the window; acknowledgements make room, and the second page is asked for.
    let a = pair.join(resume("a", 100));
    pair.set_commits(Commits::ByHand);
    let first = pair.messages(a);
    for message in &first[..10] {
        pair.send(a, puback(message.packet_id.unwrap()));
    }
    pair.run();
    pair.lose(a);
    pair.run();
    let a = pair.dial(resume("a", 100));
    pair.commit_all();
    pair.set_commits(Commits::AtOnce);
    let expected: Vec<_> = (11..=300).map(|number| number.to_string()).collect();
    assert_eq!(pair.drain_texts(a), expected);
}

#[test]
fn a_receipt_that_comes_while_the_store_reads_is_not_forgotten() {
    let mut pair = by_hand(1);
    let a = pair.join(resume("a", 100));
    pair.subscribe(a, subscribe("t", QoS::ExactlyOnce));
    let p = pair.join(connect("p"));
    pair.exchange(p, publish_2("t", "x", 1));
    let message = pair.messages(a).remove(0).packet_id.unwrap();
    pair.lose(a);
    pair.run();
    pair.set_commits(Commits::ByHand);
    let a = pair.dial(resume("a", 100));
    pair.send(a, pubrec(message));
    pair.run();
    pair.commit_all();
    assert!(pair.messages(a).is_empty(), "the message is received, it must not come again");
    let releases = pair.received(a);
    assert!(releases.iter().skip(1).all(|packet| matches!(packet, Packet::PubRel(_))), "{releases:?}");
    assert!(releases.len() > 1);
}

#[test]
fn everybody_can_be_disconnected_while_commits_wait() {
    let mut pair = by_hand(4);
    pair.set_commits(Commits::ByHand);
    let waiting = pair.dial(Connect { will: Some(will("w", "x")), ..resume("a", 100) });
    let open = pair.join(connect("b"));
    let old = pair.join(connect_as(Version::V311, "c", true));
    pair.send(open, publish("t", "x"));
    pair.shut_down();
    pair.run();
    assert!(pair.is_closed(waiting) && pair.is_closed(old));
    assert_eq!(pair.farewell(open), ReasonCode::ServerShuttingDown);
    pair.commit_all();
    assert_eq!(pair.counters().connected, 0);
}

battery! {
    fn a_kept_promise_survives_any_order_of_commits(pair: &mut Pair) {
        // What was acknowledged is in a committed batch, whatever the order in which things happened.
        let subscribers: Vec<_> = (0..4)
            .map(|shard| {
                let name = pair.name_on(shard, "a");
                let a = pair.join(resume(&name, 1000));
                pair.subscribe(a, subscribe("t/#", QoS::AtLeastOnce));
                a
            })
            .collect();
        let p = pair.join(resume("p", 1000));
        pair.received(p);
        for number in 1..=30u16 {
            pair.send(p, publish_1("t/x", &number.to_string(), number));
            if number == 10 {
                pair.lose(subscribers[0]);
            }
            pair.run_steps(7);
            for packet in pair.received(p) {
                let Packet::PubAck(ack) = packet else { panic!("{packet:?}") };
                let payload = ack.packet_id.get().to_string().into_bytes();
                let is_it = |kept: &&Kept| matches!(kept, Kept::Queued(_, _, body) if *body == payload);
                let copies: usize = (0..pair.shards()).map(|shard| pair.kept(shard).iter().filter(is_it).count()).sum();
                assert_eq!(copies, 4, "message {} is acknowledged", ack.packet_id.get());
            }
        }
        pair.run();
        let acknowledgement = |packet: &Packet| matches!(packet, Packet::PubAck(_));
        assert!(pair.received(p).iter().all(acknowledgement));
    }

    fn a_session_can_be_ended_by_disconnect_at_any_time(pair: &mut Pair) {
        for round in 0..10 {
            let a = pair.open(Version::V5);
            pair.send(a, resume("a", 100));
            pair.send(a, subscribe("t", QoS::AtLeastOnce));
            pair.send(a, publish_1("t", "x", 1));
            let list = properties([Property::SessionExpiryInterval(0)]);
            pair.send(a, Disconnect { reason: ReasonCode::Success, properties: list });
            pair.run_steps(round * 3);
        }
        pair.run();
        let (a, connack) = pair.connect(resume("a", 100));
        assert!(!connack.session_present);
        pair.subscribe(a, subscribe("t", QoS::AtLeastOnce));
        pair.send(a, publish_1("t", "last", 1));
        pair.run();
        let messages = pair.messages(a);
        assert_eq!(messages.len(), 1);
        pair.exchange(a, puback(messages[0].packet_id.unwrap()));
    }
}
