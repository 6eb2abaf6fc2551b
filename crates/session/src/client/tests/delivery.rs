//! Messages in both directions over links that break.

use super::VERSIONS;
use super::pair::{Pair, Step, message, options, take_messages};
use crate::client::{Event, PublishError};
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use bytes::Bytes;
use darter_codec::{Packet, QoS, Version};

/// A small generator of numbers that look random.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

/// Sends numbered messages over a link that breaks every few bytes, in both directions, until all of them are there.
fn over_a_bad_link(version: Version, qos: QoS, seed: u64) -> (Vec<String>, Vec<String>) {
    const COUNT: u32 = 40;
    let mut random = Random(seed);
    let mut pair = Pair::new(options(version));
    let mut received = Vec::new();
    let mut outcomes = 0;
    for number in 0..COUNT {
        pair.client.publish(message(qos, &number.to_string())).unwrap();
        pair.server.publish(message(qos, &number.to_string()));
    }
    for _ in 0..2000 {
        pair.bytes_left = usize::try_from(20 + random.below(600)).unwrap();
        pair.open();
        loop {
            let step = pair.step();
            // The application is slow at times: what it has not taken must not be lost.
            let mut taken = 0;
            if step == Step::Silent || random.below(3) > 0 {
                let messages = take_messages(&mut pair);
                taken = messages.len();
                received.extend(messages.iter().map(|message| text(&message.payload)));
            }
            for event in core::mem::take(&mut pair.events) {
                match event {
                    Event::Published(_, outcome) => {
                        outcome.unwrap();
                        outcomes += 1;
                    }
                    message @ Event::Message(_) => pair.events.push_back(message),
                    _ => {}
                }
            }
            match step {
                Step::Broken => break,
                Step::Silent if taken == 0 => {
                    assert_eq!((outcomes, pair.client.unacknowledged()), (COUNT, 0));
                    return (pair.server.delivered.iter().map(text).collect(), received);
                }
                Step::Silent | Step::Busy => {}
            }
        }
    }
    panic!("no end in sight: {outcomes} of {COUNT} published, {} received", firsts(&received).len());
}

fn text(payload: &Bytes) -> String {
    String::from_utf8(payload.to_vec()).unwrap()
}

/// The numbers without repetitions, in the order of their first arrival.
fn firsts<T: PartialEq + Clone>(all: &[T]) -> Vec<T> {
    let mut firsts: Vec<T> = Vec::new();
    for one in all {
        if !firsts.contains(one) {
            firsts.push(one.clone());
        }
    }
    firsts
}

#[test]
fn qos_1_arrives_at_least_once_and_in_order_over_a_link_that_breaks() {
    for version in VERSIONS {
        for seed in 1..30 {
            let (delivered, received) = over_a_bad_link(version, QoS::AtLeastOnce, seed);
            let expected: Vec<String> = (0..40).map(|number: u32| number.to_string()).collect();
            assert_eq!(firsts(&received), expected, "{version:?} seed {seed}");
            assert_eq!(firsts(&delivered), expected, "{version:?} seed {seed}");
        }
    }
}

#[test]
fn qos_2_arrives_exactly_once_and_in_order_over_a_link_that_breaks() {
    for version in VERSIONS {
        for seed in 1..30 {
            let (delivered, received) = over_a_bad_link(version, QoS::ExactlyOnce, seed);
            let expected: Vec<String> = (0..40).map(|number: u32| number.to_string()).collect();
            assert_eq!(received, expected, "{version:?} seed {seed}");
            assert_eq!(delivered, expected, "{version:?} seed {seed}");
        }
    }
}

#[test]
fn repetitions_carry_dup_and_their_old_identifier_and_new_messages_follow_them() {
    let mut pair = Pair::connected(options(Version::V311));
    pair.server.answers = false;
    pair.client.publish(message(QoS::AtLeastOnce, "1")).unwrap();
    pair.client.publish(message(QoS::ExactlyOnce, "2")).unwrap();
    pair.carry();
    pair.break_link();
    pair.client.publish(message(QoS::AtMostOnce, "3")).unwrap();
    pair.server.packets.clear();
    pair.server.answers = true;
    pair.open();
    pair.carry();
    let sent = pair.server.take(|packet| match packet {
        Packet::Publish(publish) => Some((publish.dup, publish.packet_id.map_or(0, |id| id.get()))),
        _ => None,
    });
    assert_eq!(sent, [(true, 1), (true, 2), (false, 0)]);
}

#[test]
fn without_a_session_at_the_server_qos_1_is_published_anew_and_qos_2_is_not_repeated_blindly() {
    let mut pair = Pair::connected(options(Version::V5));
    pair.server.answers = false;
    pair.client.publish(message(QoS::AtLeastOnce, "again")).unwrap();
    let unknown = pair.client.publish(message(QoS::ExactlyOnce, "perhaps")).unwrap();
    pair.carry();
    pair.break_link();
    pair.server.lose_session();
    pair.server.answers = true;
    pair.server.packets.clear();
    pair.open();
    pair.carry();
    let sent = pair.server.take(|packet| match packet {
        Packet::Publish(publish) => Some((publish.dup, publish.payload)),
        _ => None,
    });
    assert_eq!(sent, [(false, Bytes::from("again"))]);
    let lost = core::mem::take(&mut pair.events).into_iter().any(
        |event| matches!(event, Event::Published(token, Err(PublishError::SessionLost)) if token == unknown),
    );
    assert!(lost);
}

#[test]
fn a_message_is_acknowledged_when_the_application_says_so_and_not_before() {
    for (qos, acknowledgements) in [(QoS::AtLeastOnce, 1), (QoS::ExactlyOnce, 2)] {
        let mut pair = Pair::connected(options(Version::V311));
        pair.server.publish(message(qos, "x"));
        pair.server.packets.clear();
        pair.carry();
        assert_eq!(pair.server.packets, []);
        assert_eq!(take_messages(&mut pair).len(), 1);
        pair.carry();
        assert_eq!(pair.server.packets.len(), acknowledgements);
    }
}
