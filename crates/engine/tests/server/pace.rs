//! How fast clients may publish.

use darter_codec::{Connect, Packet, QoS, ReasonCode, Version};
use darter_engine::{Limits, RatePolicy};
use darter_testkit::packets::{connect, connect_as, publish, publish_1, subscribe};
use darter_testkit::{Pair, RawId};

/// Ten messages a second, and ten at once.
fn ten(limits: &mut Limits) {
    limits.publish_messages = 10;
    limits.publish_burst = 1_000;
}

fn of_user(client: &str, user: &'static str) -> Connect {
    Connect { username: Some(user.into()), ..connect(client) }
}

fn listener(pair: &mut Pair) -> RawId {
    let raw = pair.join(connect("listener"));
    pair.subscribe(raw, subscribe("#", QoS::AtMostOnce));
    raw
}

fn send_many(pair: &mut Pair, raw: RawId, count: usize) {
    for number in 0..count {
        pair.send(raw, publish("t", &number.to_string()));
    }
    pair.run();
}

battery! {
    fn a_client_that_is_too_fast_waits(pair: &mut Pair) {
        pair.limit(ten);
        let listener = listener(pair);
        let fast = pair.join(connect("fast"));
        send_many(pair, fast, 100);
        // The eleventh is the first that was too fast: it is delivered, and nothing after it is read.
        assert_eq!(pair.drain(listener).len(), 11);
        pair.advance(1_000);
        assert_eq!(pair.drain(listener).len(), 10);
        pair.advance(20_000);
        let rest = pair.drain_texts(listener);
        assert_eq!(rest.last().map(String::as_str), Some("99"), "nothing is lost, and in order");
        assert_eq!(rest.len(), 79);
        assert!(!pair.is_closed(fast));
        assert!(pair.counters().too_fast > 0);
    }

    fn who_keeps_to_the_rate_never_waits(pair: &mut Pair) {
        pair.limit(ten);
        let listener = listener(pair);
        let calm = pair.join(connect("calm"));
        for _ in 0..50 {
            send_many(pair, calm, 1);
            assert_eq!(pair.drain(listener).len(), 1);
            pair.advance(100);
        }
        assert_eq!(pair.counters().too_fast, 0);
    }

    fn others_do_not_wait_for_a_client_that_is_too_fast(pair: &mut Pair) {
        pair.limit(ten);
        let listener = listener(pair);
        let fast = pair.join(connect("fast"));
        let calm = pair.join(connect("calm"));
        send_many(pair, fast, 100);
        pair.drain(listener);
        pair.send(calm, publish("t", "calm"));
        pair.run();
        assert_eq!(pair.drain_texts(listener), ["calm"]);
        assert_eq!(pair.exchange(calm, Packet::PingReq), [Packet::PingResp]);
    }

    fn keep_alive_stands_still_while_a_client_waits(pair: &mut Pair) {
        pair.limit(|limits| {
            limits.publish_bytes = 100;
            limits.publish_burst = 1_000;
        });
        let listener = listener(pair);
        let fast = pair.join(Connect { keep_alive: 2, ..connect("fast") });
        pair.send(fast, publish("t", &"x".repeat(2_100)));
        pair.send(fast, publish("t", "y"));
        pair.run();
        assert_eq!(pair.drain(listener).len(), 1);
        pair.advance(15_000);
        assert!(!pair.is_closed(fast), "it is the server that does not listen");
        assert!(pair.drain(listener).is_empty());
        pair.advance(6_000);
        assert_eq!(pair.drain_texts(listener), ["y"]);
        pair.advance(10_000);
        assert_eq!(pair.farewell(fast), ReasonCode::KeepAliveTimeout, "now it is the client that is silent");
    }

    fn a_client_that_is_too_fast_is_disconnected_if_so_set(pair: &mut Pair) {
        pair.limit(|limits| {
            ten(limits);
            limits.rate_policy = RatePolicy::Disconnect;
        });
        let listener = listener(pair);
        let fast = pair.join(connect("fast"));
        send_many(pair, fast, 12);
        assert_eq!(pair.farewell(fast), ReasonCode::MessageRateTooHigh);
        assert_eq!(pair.drain(listener).len(), 10, "the message that was too much is not delivered");
        let old = pair.join(connect_as(Version::V311, "old", true));
        send_many(pair, old, 12);
        assert!(pair.is_closed(old));
        assert!(!pair.is_closed(listener));
    }

    fn acknowledgements_come_when_a_client_is_read_again(pair: &mut Pair) {
        pair.limit(ten);
        let fast = pair.join(connect("fast"));
        for number in 1..=30 {
            pair.send(fast, publish_1("t", "x", number));
        }
        pair.run();
        assert_eq!(pair.received(fast).len(), 11);
        pair.advance(5_000);
        assert_eq!(pair.received(fast).len(), 19);
    }

    fn clients_of_one_user_share_a_rate_on_all_shards(pair: &mut Pair) {
        pair.limit(|limits| {
            limits.user_publish_messages = 10;
            limits.publish_burst = 1_000;
        });
        let listener = listener(pair);
        let clients = [0, 1, 2, 3].map(|shard| {
            let name = pair.name_on(shard, "ann");
            pair.join(of_user(&name, "ann"))
        });
        let bob = pair.join(of_user("bob", "bob"));
        let nobody = pair.join(connect("nobody"));
        for client in clients {
            send_many(pair, client, 20);
        }
        // Ten, and one for each of them that was too fast.
        assert_eq!(pair.drain(listener).len(), 14);
        pair.advance(10_000);
        let count = pair.drain(listener).len();
        assert!((60..=66).contains(&count), "{count}");
        send_many(pair, bob, 10);
        assert_eq!(pair.drain(listener).len(), 10, "another user has a rate of his own");
        send_many(pair, nobody, 100);
        assert_eq!(pair.drain(listener).len(), 100, "who has no user is not counted");
    }

    fn who_leaves_while_waiting_is_forgotten(pair: &mut Pair) {
        pair.limit(ten);
        for _ in 0..3 {
            let fast = pair.join(connect("fast"));
            send_many(pair, fast, 100);
            pair.lose(fast);
        }
        let next = pair.join(connect("next"));
        pair.advance(30_000);
        assert_eq!(pair.exchange(next, Packet::PingReq), [Packet::PingResp]);
        assert_eq!(pair.counters().connected, 1);
    }
}
