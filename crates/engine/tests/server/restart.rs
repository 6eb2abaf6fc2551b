//! A server that crashed and starts again has what it acknowledged.

use darter_codec::{Connect, Packet, Properties, Property, Publish, QoS, Version, Will};
use darter_testkit::packets::{
    connect, connect_as, id, properties, puback, pubcomp, publish_1, publish_2, pubrec, pubrel, resume,
    retained, subscribe, unsubscribe, will,
};
use darter_testkit::{Commits, Pair, RawId};

const HOUR: u64 = 3_600_000;

/// It comes back with as many shards and a clock that did not go on meanwhile.
fn crash(pair: &mut Pair) {
    crash_for(pair, 0);
}

/// The same with a clock that went on by `milliseconds`.
fn crash_for(pair: &mut Pair, milliseconds: u64) {
    pair.run();
    let shards = u8::try_from(pair.shards()).unwrap();
    pair.crash_and_restart(shards, pair.server_now() + milliseconds);
}

fn with_will(connect: Connect, delay: u32) -> Connect {
    let properties =
        if delay > 0 { properties([Property::WillDelayInterval(delay)]) } else { Properties::default() };
    let will = Will { qos: QoS::AtLeastOnce, properties, ..will("wills", "gone") };
    Connect { will: Some(will), ..connect }
}

/// A session that waits for wills and whose client is away.
fn witness(pair: &mut Pair) {
    let witness = pair.join(resume("witness", u32::MAX));
    pair.subscribe(witness, subscribe("wills", QoS::AtLeastOnce));
    pair.lose(witness);
    pair.run();
}

/// The wills that have come since, as the witness reads them.
fn wills(pair: &mut Pair) -> usize {
    let witness = pair.join(resume("witness", u32::MAX));
    let texts = pair.drain_texts(witness);
    assert!(texts.iter().all(|text| text == "gone"));
    pair.lose(witness);
    pair.run();
    texts.len()
}

fn packet_ids(messages: &[Publish]) -> Vec<u16> {
    messages.iter().filter_map(|message| Some(message.packet_id?.get())).collect()
}

fn is_present(pair: &mut Pair, connect: Connect) -> (RawId, bool) {
    let (raw, connack) = pair.connect(connect);
    (raw, connack.session_present)
}

battery! {
    fn a_message_right_after_a_restart_waits_for_every_session_wherever_it_lives(pair: &mut Pair) {
        let names: Vec<_> = (0..6).map(|number| format!("reader-{number}")).collect();
        for (number, name) in names.iter().enumerate() {
            let a = pair.join(resume(name, 1000));
            let filter = if number % 2 == 0 { "t/+" } else { "t/x" };
            pair.subscribe(a, subscribe(filter, QoS::AtLeastOnce));
        }
        crash(pair);
        assert_eq!((pair.counters().sessions, pair.counters().subscriptions), (6, 6));
        let p = pair.join(connect("p"));
        let answer = pair.exchange(p, publish_1("t/x", "after", 1));
        assert!(matches!(&answer[..], [Packet::PubAck(_)]));
        crash(pair);
        for name in &names {
            let (a, present) = is_present(pair, resume(name, 1000));
            assert!(present);
            assert_eq!(pair.drain_texts(a), ["after"], "{name}");
        }
    }

    fn what_waited_comes_after_a_restart_in_its_order(pair: &mut Pair) {
        let a = pair.join(resume("a", 1000));
        pair.subscribe(a, subscribe("t", QoS::ExactlyOnce));
        pair.lose(a);
        let p = pair.join(connect("p"));
        for number in 1..=20 {
            pair.exchange(p, publish_1("t", &number.to_string(), number));
        }
        crash(pair);
        let p = pair.join(connect("p"));
        for number in 21..=25 {
            pair.exchange(p, publish_1("t", &number.to_string(), number));
        }
        let a = pair.join(resume("a", 1000));
        let expected: Vec<_> = (1..=25).map(|number| number.to_string()).collect();
        assert_eq!(pair.drain_texts(a), expected);
    }

    fn a_subscription_that_was_removed_does_not_come_back(pair: &mut Pair) {
        let a = pair.join(resume("a", 1000));
        for filter in ["t/#", "t/x", "$share/group/t/x"] {
            pair.subscribe(a, subscribe(filter, QoS::AtLeastOnce));
            pair.exchange(a, unsubscribe(filter));
        }
        crash(pair);
        assert_eq!(pair.counters().subscriptions, 0);
        let p = pair.join(connect("p"));
        pair.exchange(p, publish_1("t/x", "x", 1));
        let a = pair.join(resume("a", 1000));
        assert!(pair.drain(a).is_empty());
    }

    fn a_shared_subscription_goes_on_with_its_members(pair: &mut Pair) {
        for name in ["a", "b", "c"] {
            let member = pair.join(resume(name, 1000));
            pair.subscribe(member, subscribe("$share/group/t", QoS::AtLeastOnce));
        }
        crash(pair);
        assert_eq!(pair.counters().shared_subscriptions, 3);
        let p = pair.join(connect("p"));
        for number in 1..=9 {
            pair.exchange(p, publish_1("t", &number.to_string(), number));
        }
        crash(pair);
        let mut all = Vec::new();
        for name in ["a", "b", "c"] {
            let member = pair.join(resume(name, 1000));
            all.extend(pair.drain_texts(member));
        }
        all.sort_unstable();
        assert_eq!(all, ["1", "2", "3", "4", "5", "6", "7", "8", "9"], "each once");
    }

    fn shared_messages_of_a_session_that_ends_after_a_restart_go_to_another_member(pair: &mut Pair) {
        let a = pair.join(resume("a", 10));
        pair.subscribe(a, subscribe("$share/group/t", QoS::AtLeastOnce));
        pair.lose(a);
        let p = pair.join(connect("p"));
        pair.exchange(p, publish_1("t", "x", 1));
        let b = pair.join(resume("b", 1000));
        pair.subscribe(b, subscribe("$share/group/t", QoS::AtLeastOnce));
        crash(pair);
        let b = pair.join(resume("b", 1000));
        pair.advance(10_000);
        assert_eq!(pair.drain_texts(b), ["x"]);
    }

    fn what_was_sent_and_not_acknowledged_comes_again_under_its_identifier(pair: &mut Pair) {
        let a = pair.join(resume("a", 1000));
        pair.subscribe(a, subscribe("t", QoS::ExactlyOnce));
        let p = pair.join(connect("p"));
        for number in 1..=3 {
            pair.exchange(p, publish_2("t", &number.to_string(), number));
            pair.exchange(p, pubrel(id(number)));
        }
        pair.exchange(p, publish_1("t", "4", 4));
        let first = pair.messages(a);
        assert_eq!(packet_ids(&first), [1, 2, 3, 4]);
        let release = pair.exchange(a, pubrec(id(2)));
        assert!(matches!(&release[..], [Packet::PubRel(_)]));
        pair.exchange(a, pubrec(id(3)));
        pair.exchange(a, pubcomp(id(3)));
        crash(pair);
        let a = pair.join(resume("a", 1000));
        let again = pair.received(a);
        let [Packet::Publish(one), Packet::PubRel(two), Packet::Publish(four)] = &again[..] else {
            panic!("{again:?}")
        };
        assert!(one.dup && four.dup);
        assert_eq!((one.packet_id, two.packet_id, four.packet_id), (Some(id(1)), id(2), Some(id(4))));
        pair.exchange(a, pubrec(id(1)));
        pair.exchange(a, pubcomp(id(1)));
        pair.exchange(a, pubcomp(id(2)));
        pair.exchange(a, puback(id(4)));
        let p = pair.join(connect("p"));
        pair.exchange(p, publish_1("t", "5", 1));
        assert_eq!(packet_ids(&pair.messages(a)), [5], "identifiers go on");
    }

    fn a_publication_of_qos_2_is_known_again_until_its_release(pair: &mut Pair) {
        let a = pair.join(resume("a", 1000));
        pair.subscribe(a, subscribe("t", QoS::ExactlyOnce));
        let p = pair.join(resume("p", 1000));
        let answer = pair.exchange(p, publish_2("t", "once", 7));
        assert!(matches!(&answer[..], [Packet::PubRec(_)]));
        crash(pair);
        let p = pair.join(resume("p", 1000));
        let again = Publish { dup: true, ..publish_2("t", "once", 7) };
        assert!(matches!(&pair.exchange(p, again)[..], [Packet::PubRec(_)]));
        pair.exchange(p, pubrel(id(7)));
        crash(pair);
        let p = pair.join(resume("p", 1000));
        pair.exchange(p, publish_2("t", "another", 7));
        let a = pair.join(resume("a", 1000));
        assert_eq!(pair.drain_texts(a), ["once", "another"]);
    }

    fn the_last_acknowledged_retained_message_is_there(pair: &mut Pair) {
        let p = pair.join(connect("p"));
        for (number, topic) in ["a", "b", "c"].into_iter().enumerate() {
            let number = u16::try_from(number).unwrap();
            pair.exchange(p, retained(publish_1(topic, "old", 10 + number)));
            pair.exchange(p, retained(publish_1(topic, "new", 20 + number)));
        }
        pair.exchange(p, retained(publish_1("c", "", 30)));
        crash(pair);
        let a = pair.join(connect("a"));
        pair.subscribe(a, subscribe("#", QoS::AtLeastOnce));
        assert_eq!(pair.drain_texts(a), ["new", "new"]);
        let p = pair.join(connect("p"));
        pair.exchange(p, retained(publish_1("a", "newest", 1)));
        pair.exchange(p, retained(publish_1("b", "", 2)));
        crash(pair);
        let a = pair.join(connect("a"));
        pair.subscribe(a, subscribe("#", QoS::AtLeastOnce));
        assert_eq!(pair.drain_texts(a), ["newest"], "changes of a later run are newer");
    }

    fn a_session_that_was_connected_has_its_whole_interval_after_the_restart(pair: &mut Pair) {
        pair.join(resume("a", 10));
        crash_for(pair, HOUR);
        pair.advance(9_999);
        assert_eq!(pair.counters().sessions, 1);
        crash(pair);
        assert_eq!(pair.counters().sessions, 1);
        pair.advance(1);
        assert_eq!(pair.counters().sessions, 0, "and no more of it after a second crash");
        crash(pair);
        assert_eq!(pair.counters().sessions, 0);
    }

    fn a_session_whose_client_was_gone_keeps_its_deadline(pair: &mut Pair) {
        let a = pair.join(resume("a", 100));
        pair.lose(a);
        pair.advance(40_000);
        crash_for(pair, 30_000);
        pair.advance(29_999);
        assert_eq!(pair.counters().sessions, 1);
        pair.advance(1);
        assert_eq!(pair.counters().sessions, 0);
    }

    fn a_client_that_came_back_is_connected_for_the_next_crash(pair: &mut Pair) {
        let a = pair.join(resume("a", 100));
        pair.lose(a);
        pair.advance(90_000);
        pair.join(resume("a", 100));
        crash_for(pair, HOUR);
        let (_, present) = is_present(pair, resume("a", 100));
        assert!(present);
    }

    fn deadlines_that_pass_while_the_server_is_away_are_kept_at_once(pair: &mut Pair) {
        witness(pair);
        let a = pair.join(with_will(resume("a", 1000), 50));
        let b = pair.join(resume("b", 30));
        pair.lose(a);
        pair.lose(b);
        crash_for(pair, HOUR);
        pair.run();
        assert_eq!(pair.counters().sessions, 1, "only the witness: its clock jumped by an hour");
        assert_eq!(wills(pair), 1);
    }

    fn a_session_that_lives_for_ever_does_so_over_restarts(pair: &mut Pair) {
        let a = pair.join(connect_as(Version::V311, "a", false));
        pair.lose(a);
        crash_for(pair, 1_000_000 * HOUR);
        let (_, present) = is_present(pair, connect_as(Version::V311, "a", false));
        assert!(present);
    }

    fn a_session_that_ends_with_its_connection_is_gone(pair: &mut Pair) {
        let a = pair.join(connect("a"));
        pair.subscribe(a, subscribe("t", QoS::AtLeastOnce));
        let b = pair.join(resume("b", 100));
        pair.subscribe(b, subscribe("t", QoS::AtLeastOnce));
        pair.lose(b);
        pair.run();
        // It goes on, and without an interval from now on.
        pair.join(resume("b", 0));
        crash(pair);
        assert_eq!((pair.counters().sessions, pair.counters().subscriptions), (0, 0));
        let (_, present) = is_present(pair, resume("b", 100));
        assert!(!present);
    }

    fn a_clean_start_leaves_nothing_of_the_session_before(pair: &mut Pair) {
        let a = pair.join(resume("a", 1000));
        pair.subscribe(a, subscribe("t", QoS::AtLeastOnce));
        pair.lose(a);
        let p = pair.join(connect("p"));
        pair.exchange(p, publish_1("t", "old", 1));
        let list = properties([Property::SessionExpiryInterval(1000)]);
        pair.join(Connect { properties: list, ..connect("a") });
        crash(pair);
        let (a, present) = is_present(pair, resume("a", 1000));
        assert!(present);
        assert!(pair.drain(a).is_empty());
        assert_eq!(pair.counters().subscriptions, 0);
    }

    fn the_will_of_a_client_that_stays_away_is_published_after_30_seconds(pair: &mut Pair) {
        witness(pair);
        pair.join(with_will(connect("clean"), 0));
        pair.join(with_will(resume("kept", 1000), 5));
        crash_for(pair, HOUR);
        pair.advance(29_999);
        assert_eq!(wills(pair), 0);
        pair.advance(1);
        assert_eq!(wills(pair), 2);
        crash(pair);
        pair.advance(HOUR);
        assert_eq!(wills(pair), 0, "once");
    }

    fn a_longer_will_delay_counts_from_the_restart(pair: &mut Pair) {
        witness(pair);
        pair.join(with_will(connect("clean"), 60));
        pair.join(with_will(resume("kept", 1000), 60));
        pair.join(with_will(resume("short", 40), 60));
        crash_for(pair, HOUR);
        pair.advance(59_999);
        assert_eq!(wills(pair), 0, "not even that of a session that has ended since");
        assert_eq!(pair.counters().sessions, 2);
        pair.advance(1);
        assert_eq!(wills(pair), 3);
    }

    fn a_client_that_comes_back_in_time_takes_its_will_along(pair: &mut Pair) {
        witness(pair);
        pair.join(with_will(connect("clean"), 0));
        pair.join(with_will(resume("kept", 1000), 5));
        pair.join(with_will(resume("starts anew", 1000), 0));
        crash(pair);
        pair.advance(29_000);
        pair.join(connect("clean"));
        pair.join(resume("kept", 1000));
        pair.join(connect("starts anew"));
        pair.advance(HOUR);
        crash(pair);
        pair.advance(HOUR);
        assert_eq!(wills(pair), 0);
    }

    fn a_new_will_takes_the_place_of_the_one_before_the_crash(pair: &mut Pair) {
        witness(pair);
        pair.join(with_will(resume("a", 1000), 0));
        crash(pair);
        pair.advance(10_000);
        let a = pair.join(with_will(resume("a", 1000), 0));
        pair.lose(a);
        pair.advance(HOUR);
        assert_eq!(wills(pair), 1);
    }

    fn a_will_survives_crash_after_crash(pair: &mut Pair) {
        witness(pair);
        pair.join(with_will(connect("clean"), 0));
        pair.join(with_will(resume("kept", 1000), 0));
        pair.join(with_will(resume("short", 10), 0));
        for _ in 0..3 {
            crash(pair);
            pair.advance(20_000);
        }
        assert_eq!(wills(pair), 1, "that of the session kept has its moment since the first restart");
        pair.advance(10_000);
        assert_eq!(wills(pair), 2);
    }

    fn a_delayed_will_keeps_its_deadline(pair: &mut Pair) {
        witness(pair);
        let a = pair.join(with_will(resume("a", 1000), 60));
        pair.lose(a);
        pair.advance(10_000);
        crash_for(pair, 20_000);
        pair.advance(29_999);
        assert_eq!(wills(pair), 0);
        pair.advance(1);
        assert_eq!(wills(pair), 1);
    }

    fn a_will_that_was_discarded_or_published_stays_so(pair: &mut Pair) {
        witness(pair);
        let a = pair.join(with_will(resume("a", 1000), 0));
        pair.exchange(a, darter_codec::Disconnect {
            reason: darter_codec::ReasonCode::Success,
            properties: Properties::default(),
        });
        let b = pair.join(with_will(resume("b", 1000), 0));
        pair.lose(b);
        pair.run();
        crash(pair);
        pair.advance(HOUR);
        assert_eq!(wills(pair), 1);
    }

    fn a_server_that_was_stopped_publishes_the_wills_of_its_clients_then(pair: &mut Pair) {
        witness(pair);
        pair.join(with_will(resume("a", 1000), 0));
        pair.join(with_will(connect("b"), 0));
        pair.shut_down();
        crash(pair);
        assert_eq!(wills(pair), 2);
        pair.advance(HOUR);
        assert_eq!(wills(pair), 0);
    }
}

#[test]
fn sessions_find_their_shards_however_many_there_are() {
    for (before, after) in [(1, 4), (4, 1), (4, 2), (2, 3)] {
        let mut pair = Pair::new(before);
        for number in 0..8 {
            let a = pair.join(resume(&format!("a{number}"), 1000));
            let filter = if number % 2 == 0 { "t" } else { "$share/group/t" };
            pair.subscribe(a, subscribe(filter, QoS::AtLeastOnce));
        }
        let p = pair.join(connect("p"));
        pair.exchange(p, publish_1("t", "1", 1));
        pair.crash_and_restart(after, pair.now());
        let p = pair.join(connect("p"));
        pair.exchange(p, publish_1("t", "2", 1));
        let mut received = Vec::new();
        for number in 0..8 {
            let (a, present) = is_present(&mut pair, resume(&format!("a{number}"), 1000));
            assert!(present);
            received.extend(pair.drain_texts(a));
        }
        received.sort_unstable();
        assert_eq!(received, ["1", "1", "1", "1", "1", "2", "2", "2", "2", "2"], "{before} to {after}");
    }
}

#[test]
fn session_numbers_are_never_used_again() {
    let mut pair = Pair::new(4);
    let mut names = std::collections::BTreeSet::new();
    for round in 0..5 {
        for number in 0..10 {
            let a = pair.join(resume(&format!("{round}-{number}"), 1000));
            pair.subscribe(a, subscribe("t", QoS::AtLeastOnce));
        }
        for shard in 0..pair.shards() {
            for kept in pair.kept(shard) {
                if let darter_testkit::Kept::Subscribed(number, _) = kept {
                    assert!(names.insert(*number), "{number} twice");
                }
            }
        }
        let shards = [4, 1, 2, 3, 4][round];
        pair.crash_and_restart(shards, pair.now());
    }
    assert_eq!(names.len(), 50);
}

#[test]
fn what_was_not_committed_was_not_acknowledged() {
    for shards in [1, 4] {
        let mut pair = Pair::new(shards);
        let a = pair.join(resume("a", 1000));
        pair.subscribe(a, subscribe("t", QoS::AtLeastOnce));
        let p = pair.join(connect("p"));
        pair.set_commits(Commits::ByHand);
        pair.lose(a);
        pair.send(a, subscribe("other", QoS::AtLeastOnce));
        let b = pair.dial(resume("b", 1000));
        pair.send(p, publish_1("t", "x", 1));
        pair.send(p, retained(publish_1("r", "x", 2)));
        pair.run();
        assert!(pair.received(p).is_empty() && pair.received(b).is_empty());
        pair.set_commits(Commits::AtOnce);
        pair.crash_and_restart(shards, pair.now());
        let (_, present) = is_present(&mut pair, resume("b", 1000));
        assert!(!present);
        let (a, present) = is_present(&mut pair, resume("a", 1000));
        assert!(present);
        assert!(pair.drain(a).is_empty());
        assert_eq!(pair.counters().retained, 0);
    }
}
