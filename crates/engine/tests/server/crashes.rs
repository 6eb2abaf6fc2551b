//! Whole clients and a server that crashes at any moment: nothing that was acknowledged is lost, QoS 2 stays exactly once, and
//! every session is there.

use crate::schedules::{Act, act, config, run};
use darter_codec::{Packet, QoS};
use darter_testkit::packets::{id, publish_2, pubrel, resume, subscribe};
use darter_testkit::{Commits, Pair, RawId, Setup};
use proptest::prelude::*;

fn act_or_crash(shards: impl Strategy<Value = u8> + 'static) -> impl Strategy<Value = Act> {
    let hours = prop_oneof![3 => Just(0), 1 => 1..3_u64];
    let crash = (shards, hours).prop_map(|(shards, hours)| Act::Crash { shards, hours });
    prop_oneof![12 => act(), 1 => crash]
}

fn setup(shards: u8, seed: u64) -> Setup {
    Setup { shards, key: seed, commits: Commits::Later, seed: Some(seed), ..Setup::default() }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn one_shard_keeps_every_promise(acts in prop::collection::vec(act_or_crash(Just(1)), 0..150), seed in any::<u64>()) {
        run(setup(1, seed), &acts);
    }

    #[test]
    fn four_shards_keep_every_promise(acts in prop::collection::vec(act_or_crash(Just(4)), 0..150), seed in any::<u64>()) {
        run(setup(4, seed), &acts);
    }

    #[test]
    fn any_number_of_shards_keeps_every_promise(acts in prop::collection::vec(act_or_crash(1..5_u8), 0..150), seed in any::<u64>()) {
        run(setup(3, seed), &acts);
    }
}

/// A publisher and a receiver on two shards, both of which come back after a crash.
struct Two {
    pair: Pair,
    publisher: String,
    receiver: String,
}

impl Two {
    fn new(filter: &str) -> Self {
        let mut pair = Pair::new(2);
        let (publisher, receiver) = (pair.name_on(0, "publisher"), pair.name_on(1, "receiver"));
        let r = pair.join(resume(&receiver, 1000));
        pair.subscribe(r, subscribe(filter, QoS::ExactlyOnce));
        pair.lose(r);
        Self { pair, publisher, receiver }
    }

    /// With packet identifier 1, which is free again at the end.
    fn publish(&mut self, p: RawId, text: &str) {
        let answer = self.pair.exchange(p, publish_2("t", text, 1));
        assert!(matches!(&answer[..], [Packet::PubRec(_)]), "{answer:?}");
        let answer = self.pair.exchange(p, pubrel(id(1)));
        assert!(matches!(&answer[..], [Packet::PubComp(_)]), "{answer:?}");
    }

    /// Clients have other shards after a crash; it crashes until these two are on different ones.
    fn crash(&mut self) {
        let mut together = true;
        while together {
            self.pair.crash_and_restart(2, self.pair.server_now());
            together = self.pair.owner(&self.publisher) == self.pair.owner(&self.receiver);
        }
    }

    /// The server crashes after it has stored that packet identifier 1 came with "new", and before anybody has a copy.
    fn crash_before_the_new_copy(&mut self, p: RawId) {
        self.pair.send(p, publish_2("t", "new", 1));
        self.pair.run();
        assert!(self.pair.received(p).is_empty(), "it is not acknowledged");
        self.crash();
        let p = self.pair.join(resume(&self.publisher, 1000));
        self.publish(p, "new");
    }

    fn receive(&mut self) -> Vec<String> {
        let r = self.pair.join(resume(&self.receiver, 1000));
        self.pair.drain_texts(r)
    }
}

#[test]
fn a_copy_that_waits_is_none_of_a_later_publication_with_the_same_packet_identifier() {
    for filter in ["t", "$share/group/t"] {
        let mut two = Two::new(filter);
        let p = two.pair.join(resume(&two.publisher, 1000));
        two.publish(p, "old");
        two.pair.hold_lanes();
        two.crash_before_the_new_copy(p);
        assert_eq!(two.receive(), ["old", "new"], "{filter}");
    }
}

#[test]
fn a_copy_of_an_earlier_run_is_none_of_a_later_publication() {
    for filter in ["t", "$share/group/t"] {
        let mut two = Two::new(filter);
        let p = two.pair.join(resume(&two.publisher, 1000));
        two.publish(p, "old");
        two.crash();
        let p = two.pair.join(resume(&two.publisher, 1000));
        two.pair.hold_lanes();
        two.crash_before_the_new_copy(p);
        assert_eq!(two.receive(), ["old", "new"], "{filter}");
    }
}

#[test]
fn a_delivered_copy_that_is_still_stored_is_none_of_a_later_publication() {
    for filter in ["t", "$share/group/t"] {
        let mut two = Two::new(filter);
        let p = two.pair.join(resume(&two.publisher, 1000));
        let answer = two.pair.exchange(p, publish_2("t", "old", 1));
        assert!(matches!(&answer[..], [Packet::PubRec(_)]), "{answer:?}");
        assert_eq!(two.receive(), ["old"]);
        // The release is acknowledged before the other shard knows of it.
        two.pair.hold_lanes();
        let answer = two.pair.exchange(p, pubrel(id(1)));
        assert!(matches!(&answer[..], [Packet::PubComp(_)]), "{answer:?}");
        two.crash_before_the_new_copy(p);
        assert_eq!(two.receive(), ["new"], "{filter}");
    }
}
