//! Queues have limits, each for itself and all together; what does not fit goes as the policy says, and is counted.

use darter_codec::{Packet, QoS, ReasonCode};
use darter_engine::{DropReason, QueuePolicy};
use darter_testkit::packets::{connect, publish_1, resume, subscribe};
use darter_testkit::{Commits, Pair, RawId};

fn limit(pair: &mut Pair, policy: QueuePolicy, messages: usize) {
    pair.limit(|limits| {
        limits.queue_messages = messages;
        limits.queue_policy = policy;
        limits.inflight = 4;
    });
}

fn away(pair: &mut Pair, name: &str) {
    let a = pair.join(resume(name, 1000));
    pair.subscribe(a, subscribe("t/#", QoS::AtLeastOnce));
    pair.lose(a);
    pair.run();
}

/// Publishes numbers, each acknowledged whatever becomes of it.
fn fill(pair: &mut Pair, p: RawId, numbers: std::ops::RangeInclusive<u16>) {
    for number in numbers {
        let answer = pair.exchange(p, publish_1("t/x", &number.to_string(), number));
        assert!(matches!(&answer[..], [Packet::PubAck(_)]));
    }
}

fn texts(numbers: impl IntoIterator<Item = u16>) -> Vec<String> {
    numbers.into_iter().map(|number| number.to_string()).collect()
}

fn restart(pair: &mut Pair) {
    pair.run();
    let shards = u8::try_from(pair.shards()).unwrap();
    pair.crash_and_restart(shards, pair.server_now());
}

battery! {
    fn the_oldest_make_room(pair: &mut Pair) {
        limit(pair, QueuePolicy::DropOldest, 5);
        away(pair, "a");
        let p = pair.join(connect("p"));
        fill(pair, p, 1..=12);
        assert_eq!(pair.dropped("a", "t/x", DropReason::QueueFull), 7);
        let a = pair.join(resume("a", 1000));
        assert_eq!(pair.drain_texts(a), texts(8..=12));
        pair.lose(a);
        fill(pair, p, 13..=20);
        restart(pair);
        let p = pair.join(connect("p"));
        fill(pair, p, 21..=22);
        let a = pair.join(resume("a", 1000));
        assert_eq!(pair.drain_texts(a), texts(18..=22));
    }

    fn what_was_sent_is_not_among_the_oldest(pair: &mut Pair) {
        limit(pair, QueuePolicy::DropOldest, 5);
        let a = pair.join(resume("a", 1000));
        pair.subscribe(a, subscribe("t/#", QoS::AtLeastOnce));
        let p = pair.join(connect("p"));
        fill(pair, p, 1..=20);
        assert_eq!(pair.messages(a).len(), 4, "the rest waits for acknowledgements");
        pair.lose(a);
        fill(pair, p, 21..=22);
        restart(pair);
        let p = pair.join(connect("p"));
        fill(pair, p, 23..=24);
        let a = pair.join(resume("a", 1000));
        assert_eq!(pair.drain_texts(a), texts((1..=4).chain(20..=24)));
        assert_eq!(pair.counters().dropped, 2, "since the restart");
    }

    fn the_oldest_make_room_by_bytes(pair: &mut Pair) {
        pair.limit(|limits| {
            limits.queue_bytes = 1_000;
            limits.queue_policy = QueuePolicy::DropOldest;
        });
        away(pair, "a");
        let p = pair.join(connect("p"));
        for number in 0..10 {
            pair.exchange(p, publish_1("t/x", &number.to_string().repeat(300), 1));
        }
        pair.exchange(p, publish_1("t/x", &"large".repeat(300), 1));
        assert_eq!(pair.dropped("a", "t/x", DropReason::QueueFull), 8);
        let a = pair.join(resume("a", 1000));
        assert_eq!(pair.drain_texts(a), ["7".repeat(300), "8".repeat(300), "9".repeat(300)]);
    }

    fn whoever_does_not_keep_up_can_be_disconnected(pair: &mut Pair) {
        limit(pair, QueuePolicy::Disconnect, 5);
        let a = pair.join(resume("a", 1000));
        pair.subscribe(a, subscribe("t/#", QoS::AtLeastOnce));
        let p = pair.join(connect("p"));
        fill(pair, p, 1..=9);
        assert!(!pair.is_closed(a), "four are on their way and five wait");
        fill(pair, p, 10..=12);
        assert_eq!(pair.messages(a).len(), 4);
        assert_eq!(pair.farewell(a), ReasonCode::QuotaExceeded);
        assert_eq!(pair.dropped("a", "t/x", DropReason::QueueFull), 3);
        let a = pair.join(resume("a", 1000));
        assert_eq!(pair.drain_texts(a), texts(1..=9));
        fill(pair, p, 13..=13);
        assert_eq!(pair.drain_texts(a), texts(13..=13));
    }

    fn a_publisher_that_disconnects_itself_harms_nobody(pair: &mut Pair) {
        limit(pair, QueuePolicy::Disconnect, 2);
        let a = pair.join(resume("a", 1000));
        pair.subscribe(a, subscribe("t/#", QoS::AtLeastOnce));
        for number in 1..=10 {
            pair.send(a, publish_1("t/x", &number.to_string(), number));
        }
        pair.run();
        assert!(pair.is_closed(a));
        let a = pair.join(resume("a", 1000));
        assert!(pair.drain_texts(a).len() >= 6);
    }
}

/// Sessions on one shard, so that they share its part of what all queues may have.
fn crowded(shards: u8, policy: QueuePolicy) -> (Pair, Vec<String>, RawId) {
    let mut pair = Pair::new(shards);
    pair.limit(|limits| {
        limits.queues_messages = 10 * usize::from(shards);
        limits.queue_policy = policy;
    });
    let names: Vec<_> =
        (0..20).map(|number| format!("a{number}")).filter(|name| pair.owner(name) == 0).take(2).collect();
    for name in &names {
        let a = pair.join(resume(name, 1000));
        pair.subscribe(a, subscribe(&format!("t/{name}"), QoS::AtLeastOnce));
        pair.lose(a);
    }
    let p = pair.join(connect("p"));
    (pair, names, p)
}

fn publish_to(pair: &mut Pair, p: RawId, name: &str, numbers: std::ops::RangeInclusive<u16>) {
    for number in numbers {
        pair.exchange(p, publish_1(&format!("t/{name}"), &number.to_string(), 1));
    }
}

fn drain(pair: &mut Pair, name: &str) -> Vec<String> {
    let a = pair.join(resume(name, 1000));
    let texts = pair.drain_texts(a);
    pair.lose(a);
    pair.run();
    texts
}

#[test]
fn all_queues_together_have_a_limit() {
    for shards in [1, 4] {
        let (mut pair, names, p) = crowded(shards, QueuePolicy::DropNewest);
        publish_to(&mut pair, p, &names[0], 1..=7);
        publish_to(&mut pair, p, &names[1], 1..=7);
        assert_eq!(pair.dropped(&names[1], &format!("t/{}", names[1]), DropReason::QueueFull), 4);
        pair.crash_and_restart(1, pair.server_now());
        let p = pair.join(connect("p"));
        if shards == 1 {
            publish_to(&mut pair, p, &names[0], 8..=8);
            assert_eq!(
                pair.dropped(&names[0], &format!("t/{}", names[0]), DropReason::QueueFull),
                1,
                "still full"
            );
        }
        assert_eq!(drain(&mut pair, &names[0]), texts(1..=7));
        publish_to(&mut pair, p, &names[1], 8..=9);
        assert_eq!(drain(&mut pair, &names[1]), texts([1, 2, 3, 8, 9]));
    }
}

#[test]
fn a_session_makes_room_for_itself_and_not_at_the_cost_of_others() {
    for shards in [1, 4] {
        let (mut pair, names, p) = crowded(shards, QueuePolicy::DropOldest);
        publish_to(&mut pair, p, &names[0], 1..=7);
        publish_to(&mut pair, p, &names[1], 1..=8);
        assert_eq!(drain(&mut pair, &names[0]), texts(1..=7));
        assert_eq!(drain(&mut pair, &names[1]), texts(6..=8));
    }
}

#[test]
fn a_session_that_ends_gives_its_room_back() {
    let (mut pair, names, p) = crowded(1, QueuePolicy::DropNewest);
    publish_to(&mut pair, p, &names[0], 1..=10);
    pair.join(connect(&names[0]));
    publish_to(&mut pair, p, &names[1], 1..=10);
    assert_eq!(drain(&mut pair, &names[1]).len(), 10);
}

#[test]
fn a_store_that_takes_its_time_lets_a_queue_grow_only_so_far() {
    let mut pair = Pair::new(1);
    limit(&mut pair, QueuePolicy::DropOldest, 5);
    away(&mut pair, "a");
    let p = pair.join(connect("p"));
    pair.set_commits(Commits::ByHand);
    for number in 1..=1_200_u16 {
        pair.send(p, publish_1("t/x", &number.to_string(), 1 + (number - 1) % 100));
        if number % 100 == 0 {
            pair.run();
            while pair.commit(0) {}
            pair.run();
        }
    }
    assert_eq!(pair.dropped("a", "t/x", DropReason::QueueFull), 1_200 - 5 - 1_024, "the newest, beyond that");
    pair.commit_all();
    pair.set_commits(Commits::AtOnce);
    assert_eq!(pair.dropped("a", "t/x", DropReason::QueueFull), 1_195);
    let a = pair.join(resume("a", 1000));
    assert_eq!(pair.drain_texts(a), texts(1_025..=1_029));
}

#[test]
fn a_client_that_comes_while_its_queue_is_cut_gets_the_newest() {
    for steps in 0..6 {
        let mut pair = Pair::new(1);
        limit(&mut pair, QueuePolicy::DropOldest, 5);
        away(&mut pair, "a");
        let p = pair.join(connect("p"));
        pair.set_commits(Commits::ByHand);
        for number in 1..=30_u16 {
            pair.send(p, publish_1("t/x", &number.to_string(), number));
        }
        pair.run();
        while pair.commit(0) {}
        pair.run();
        let a = pair.dial(resume("a", 1000));
        for _ in 0..steps {
            pair.commit(0);
            pair.answer_load(0);
            pair.run();
        }
        pair.lose(a);
        pair.commit_all();
        pair.set_commits(Commits::AtOnce);
        pair.run();
        let a = pair.join(resume("a", 1000));
        assert_eq!(pair.drain_texts(a), texts(26..=30), "{steps}");
        assert_eq!(pair.dropped("a", "t/x", DropReason::QueueFull), 25);
    }
}
