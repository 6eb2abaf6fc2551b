//! Crashes in the middle of things: after every number of small steps, with one shard and with four, in many orders.

use darter_codec::{Packet, QoS, Version};
use darter_testkit::packets::{connect, id, publish_1, publish_2, pubrel, resume, retained, subscribe};
use darter_testkit::{Commits, Pair, RawId, Setup};

/// Plays a scenario with every arrangement; it gets how many steps to let happen before the crash.
fn with_every_crash(most: usize, scenario: impl Fn(&mut Pair, usize)) {
    for shards in [1, 4] {
        for seed in 0..6 {
            for steps in 0..most {
                let key = seed * 31 + 1;
                let setup =
                    Setup { shards, key, commits: Commits::Later, seed: Some(seed), ..Setup::default() };
                scenario(&mut Pair::with(setup), steps);
            }
        }
    }
}

fn crash_after(pair: &mut Pair, steps: usize) {
    pair.run_steps(steps);
    let shards = u8::try_from(pair.shards()).unwrap();
    pair.crash_and_restart(shards, pair.server_now());
}

fn acknowledged(pair: &mut Pair, raw: RawId) -> Vec<u16> {
    let acks = pair.received(raw).into_iter().filter_map(|packet| match packet {
        Packet::PubAck(ack) => Some(ack.packet_id.get()),
        _ => None,
    });
    acks.collect()
}

fn numbers(pair: &mut Pair, raw: RawId) -> Vec<u16> {
    pair.drain_texts(raw).iter().map(|text| text.parse().unwrap()).collect()
}

#[test]
fn a_session_taken_over_while_the_server_crashes_is_there_and_whole() {
    with_every_crash(40, |pair, steps| {
        let first = pair.join(resume("a", 1000));
        pair.subscribe(first, subscribe("t", QoS::AtLeastOnce));
        let p = pair.join(connect("p"));
        for number in 1..=3 {
            pair.exchange(p, publish_1("t", &number.to_string(), number));
        }
        for _ in 0..3 {
            let next = pair.open(Version::V5);
            pair.send(next, resume("a", 1000));
        }
        crash_after(pair, steps);
        let (a, connack) = pair.connect(resume("a", 1000));
        assert!(connack.session_present);
        assert_eq!(numbers(pair, a), [1, 2, 3]);
        assert_eq!(pair.counters().sessions, 1);
    });
}

#[test]
fn a_clean_start_while_the_server_crashes_leaves_the_old_session_or_none() {
    with_every_crash(40, |pair, steps| {
        for (name, filter) in [("a", "t"), ("b", "$share/group/t")] {
            let old = pair.join(resume(name, 1000));
            pair.subscribe(old, subscribe(filter, QoS::AtLeastOnce));
        }
        let p = pair.join(connect("p"));
        pair.exchange(p, publish_1("t", "1", 1));
        let clean = ["a", "b"].map(|name| {
            let clean = pair.open(Version::V5);
            pair.send(clean, connect(name));
            clean
        });
        pair.run_steps(steps);
        let told = clean.map(|clean| !pair.received(clean).is_empty());
        crash_after(pair, 0);
        for (name, told) in ["a", "b"].into_iter().zip(told) {
            let (_, connack) = pair.connect(resume(name, 1000));
            assert!(!(told && connack.session_present), "{name} was told that its session is gone");
        }
    });
}

#[test]
fn a_subscription_that_was_acknowledged_gets_what_is_acknowledged_later() {
    with_every_crash(40, |pair, steps| {
        let a = pair.join(resume("a", 1000));
        let p = pair.join(connect("p"));
        pair.send(a, subscribe("t/#", QoS::AtLeastOnce));
        for number in 1..=6 {
            pair.send(p, publish_1("t/x", &number.to_string(), number));
            pair.run_steps(steps / 6);
            if number == 3 {
                // From here on SUBACK is there, whatever came before.
                pair.run();
                assert!(!pair.received(a).is_empty());
            }
        }
        pair.run_steps(steps % 6);
        let acked: Vec<_> = acknowledged(pair, p).into_iter().filter(|number| *number > 3).collect();
        crash_after(pair, 0);
        let (a, connack) = pair.connect(resume("a", 1000));
        assert!(connack.session_present);
        let got = numbers(pair, a);
        assert!(acked.iter().all(|number| got.contains(number)), "{acked:?} in {got:?}");
    });
}

#[test]
fn the_retained_message_is_the_last_acknowledged_or_a_later_one() {
    with_every_crash(60, |pair, steps| {
        let names = [pair.name_on(0, "p"), pair.name_on(1, "p")];
        let writers = names.map(|name| pair.join(connect(&name)));
        for number in 1..=5_u16 {
            for (writer, raw) in writers.iter().enumerate() {
                let value = number * 2 + u16::try_from(writer).unwrap();
                // The fourth of the second one clears the topic.
                let text = if value == 9 { String::new() } else { value.to_string() };
                pair.send(*raw, retained(publish_1("t", &text, value)));
            }
            pair.run_steps(steps / 5);
        }
        let last = writers.map(|raw| acknowledged(pair, raw).into_iter().max().unwrap_or(0));
        crash_after(pair, 0);
        let a = pair.join(connect("a"));
        pair.subscribe(a, subscribe("t", QoS::AtLeastOnce));
        let value = numbers(pair, a).first().copied();
        let fine = match value {
            Some(value) => value >= last[usize::from(value % 2)],
            None => last == [0, 0] || last[1] <= 9,
        };
        assert!(fine, "{value:?} after {last:?}");
        // What comes later wins, wherever it is published.
        let p = pair.join(connect("later"));
        pair.exchange(p, retained(publish_1("t", "100", 1)));
        crash_after(pair, 0);
        let a = pair.join(connect("a"));
        pair.subscribe(a, subscribe("t", QoS::AtLeastOnce));
        assert_eq!(numbers(pair, a), [100]);
    });
}

#[test]
fn shared_messages_of_a_session_that_ends_while_the_server_crashes_are_not_lost() {
    with_every_crash(60, |pair, steps| {
        let a = pair.join(resume("a", 1000));
        pair.subscribe(a, subscribe("$share/group/t", QoS::AtLeastOnce));
        pair.lose(a);
        let p = pair.join(connect("p"));
        for number in 1..=3 {
            pair.exchange(p, publish_1("t", &number.to_string(), number));
        }
        for name in ["b", "c"] {
            let member = pair.join(resume(name, 1000));
            pair.subscribe(member, subscribe("$share/group/t", QoS::AtLeastOnce));
            pair.lose(member);
        }
        pair.run();
        let clean = pair.open(Version::V5);
        pair.send(clean, connect("a"));
        crash_after(pair, steps);
        let mut got = Vec::new();
        for name in ["a", "b", "c"] {
            let member = pair.join(resume(name, 1000));
            got.extend(numbers(pair, member));
        }
        got.sort_unstable();
        got.dedup();
        assert_eq!(got, [1, 2, 3]);
    });
}

#[test]
fn a_publication_of_qos_2_for_many_shards_comes_once_wherever_the_crash_is() {
    with_every_crash(50, |pair, steps| {
        let names = [0, 1, 2, 3].map(|shard| pair.name_on(shard, "a"));
        for name in &names {
            let a = pair.join(resume(name, 1000));
            pair.subscribe(a, subscribe("t", QoS::ExactlyOnce));
            pair.subscribe(a, subscribe("$share/group/t", QoS::ExactlyOnce));
        }
        let p = pair.join(resume("p", 1000));
        pair.send(p, publish_2("t", "7", 7));
        pair.run_steps(steps);
        let told = pair.received(p).iter().any(|packet| matches!(packet, Packet::PubRec(_)));
        crash_after(pair, 0);
        let p = pair.join(resume("p", 1000));
        if !told {
            let again = darter_codec::Publish { dup: true, ..publish_2("t", "7", 7) };
            assert!(matches!(&pair.exchange(p, again)[..], [Packet::PubRec(_)]));
        }
        assert!(matches!(&pair.exchange(p, pubrel(id(7)))[..], [Packet::PubComp(_)]));
        let mut copies = 0;
        for name in &names {
            let a = pair.join(resume(name, 1000));
            let got = numbers(pair, a).len();
            assert!(got >= 1, "{name} has its own copy");
            copies += got;
        }
        assert_eq!(copies, 5, "one for each, and one for the group");
        crash_after(pair, 0);
        for name in &names {
            let a = pair.join(resume(name, 1000));
            assert!(numbers(pair, a).is_empty(), "nothing is left");
        }
    });
}

#[test]
fn a_clock_that_is_a_little_behind_does_no_harm() {
    for shards in [1, 4] {
        let mut pair = Pair::new(shards);
        pair.advance(100_000);
        let a = pair.join(resume("a", 10));
        pair.subscribe(a, subscribe("t", QoS::AtLeastOnce));
        pair.lose(a);
        let b = pair.join(resume("b", 10));
        pair.subscribe(b, subscribe("t", QoS::AtLeastOnce));
        let p = pair.join(connect("p"));
        pair.exchange(p, publish_1("t", "1", 1));
        pair.advance(5_000);
        // The store knows the clock only as it was some seconds ago.
        pair.crash_and_restart(shards, pair.server_now() - 4_000);
        let p = pair.join(connect("p"));
        pair.exchange(p, publish_1("t", "2", 1));
        pair.advance(8_999);
        assert_eq!(pair.counters().sessions, 3, "both have some seconds left");
        pair.advance(1_001);
        assert_eq!(pair.counters().sessions, 1);
    }
}
