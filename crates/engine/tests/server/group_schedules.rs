//! Shared subscriptions whose members come, go and end, in schedules drawn by proptest: no message of QoS 1 is lost while
//! one member's session lives, and none of QoS 2 is delivered twice.

use darter_codec::{Property, QoS, Version};
use darter_session::client::Options;
use darter_testkit::packets::{properties, publish, subscribe};
use darter_testkit::{ClientId, Commits, Pair, Setup};
use proptest::prelude::*;

const FILTER: &str = "$share/group/t";
const MEMBERS: usize = 4;

#[derive(Debug, Clone)]
enum Act {
    Publish(QoS),
    Lose(usize),
    CutDown(usize, usize),
    /// Comes back, and subscribes if its session has ended.
    Return(usize),
    Acknowledge(usize, bool),
    Steps(usize),
    Wait(u64),
}

fn act() -> impl Strategy<Value = Act> {
    let member = 0..MEMBERS;
    prop_oneof![
        10 => prop_oneof![Just(QoS::AtLeastOnce), Just(QoS::ExactlyOnce)].prop_map(Act::Publish),
        2 => member.clone().prop_map(Act::Lose),
        1 => (member.clone(), 0..60usize).prop_map(|(member, bytes)| Act::CutDown(member, bytes)),
        3 => member.clone().prop_map(Act::Return),
        2 => (member, any::<bool>()).prop_map(|(member, on)| Act::Acknowledge(member, on)),
        8 => (0..40usize).prop_map(Act::Steps),
        2 => (0..900u64).prop_map(Act::Wait),
    ]
}

struct World {
    pair: Pair,
    publisher: ClientId,
    members: Vec<ClientId>,
    /// CONNACKs of each member after which it has looked whether it must subscribe.
    seen: Vec<usize>,
    sent: Vec<QoS>,
}

impl World {
    fn new(setup: Setup) -> Self {
        let mut pair = Pair::with(setup);
        let mut client = |name: String, expiry| {
            let mut options = Options::new(Version::V5, name);
            options.clean_start = false;
            options.properties =
                properties([Property::SessionExpiryInterval(expiry), Property::ReceiveMaximum(3)]);
            pair.client(options)
        };
        let publisher = client("publisher".into(), 100_000);
        // The first member's session never ends, the others' soon do.
        let members: Vec<_> = (0..MEMBERS)
            .map(|number| client(format!("member-{number}"), if number == 0 { 100_000 } else { 1 }))
            .collect();
        pair.dial_client(publisher);
        pair.run();
        let mut world = Self { pair, publisher, members, seen: vec![0; MEMBERS], sent: Vec::new() };
        for member in 0..MEMBERS {
            world.come_back(member);
            world.pair.run();
            world.subscribe_where_needed();
            world.pair.run();
        }
        world
    }

    fn come_back(&mut self, member: usize) {
        self.pair.dial_client(self.members[member]);
    }

    fn subscribe_where_needed(&mut self) {
        for (member, seen) in self.members.iter().zip(&mut self.seen) {
            let connacks = self.pair.connacks(*member);
            if connacks.len() == *seen || !self.pair.is_connected(*member) {
                continue;
            }
            *seen = connacks.len();
            if connacks.last().is_some_and(|connack| !connack.session_present) {
                self.pair.client_subscribe(*member, subscribe(FILTER, QoS::ExactlyOnce)).unwrap();
            }
        }
    }

    fn play(&mut self, act: &Act) {
        match *act {
            Act::Publish(qos) => {
                let text = self.sent.len().to_string();
                self.sent.push(qos);
                let message = darter_codec::Publish { qos, ..publish("t", &text) };
                self.pair.publish(self.publisher, message).unwrap();
            }
            Act::Lose(member) => self.pair.lose_client(self.members[member]),
            Act::CutDown(member, bytes) => self.pair.cut_client_down(self.members[member], bytes),
            Act::Return(member) => self.come_back(member),
            Act::Acknowledge(member, on) => self.pair.set_acknowledges(self.members[member], on),
            Act::Steps(count) => self.pair.run_steps(count),
            Act::Wait(milliseconds) => self.pair.advance(milliseconds),
        }
        self.subscribe_where_needed();
    }

    fn heal(&mut self) {
        for _ in 0..4 {
            for member in 0..MEMBERS {
                self.pair.set_acknowledges(self.members[member], true);
            }
            self.pair.lose_client(self.members[0]);
            self.come_back(0);
            self.pair.run();
            // Whoever is away ends; what it had goes to the others.
            self.pair.advance(3_000);
        }
    }

    fn check(&self) {
        assert!(self.pair.outcomes(self.publisher).iter().all(|(_, outcome)| outcome.is_ok()));
        assert_eq!(self.pair.outcomes(self.publisher).len(), self.sent.len());
        let mut copies = vec![0; self.sent.len()];
        for member in &self.members {
            for message in self.pair.inbox(*member) {
                copies[String::from_utf8_lossy(&message.payload).parse::<usize>().unwrap()] += 1;
            }
        }
        for (number, (qos, copies)) in self.sent.iter().zip(copies).enumerate() {
            if *qos == QoS::AtLeastOnce {
                assert!(copies > 0, "message {number} is lost");
            } else {
                assert!(copies <= 1, "message {number} came {copies} times");
            }
        }
    }
}

fn run(setup: Setup, acts: &[Act]) {
    let mut world = World::new(setup);
    for act in acts {
        world.play(act);
    }
    world.heal();
    world.check();
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, max_shrink_iters: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn one_shard_loses_nothing(acts in prop::collection::vec(act(), 0..120), seed in any::<u64>(), late in any::<bool>()) {
        let commits = if late { Commits::Later } else { Commits::AtOnce };
        run(Setup { shards: 1, key: seed, commits, seed: Some(seed), ..Setup::default() }, &acts);
    }

    #[test]
    fn four_shards_lose_nothing(acts in prop::collection::vec(act(), 0..120), seed in any::<u64>(), late in any::<bool>()) {
        let commits = if late { Commits::Later } else { Commits::AtOnce };
        run(Setup { shards: 4, key: seed, commits, seed: Some(seed), ..Setup::default() }, &acts);
    }
}
