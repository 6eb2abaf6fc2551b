//! Whole clients over connections that break anywhere, in schedules drawn by proptest: QoS 1 at least once, QoS 2 exactly
//! once, and the order of each topic and QoS.

use darter_codec::{Property, QoS, ReasonCode, Version};
use darter_session::client::{End, Failure, Options};
use darter_testkit::packets::{properties, publish, subscribe};
use darter_testkit::{ClientId, Commits, Pair, Setup};
use proptest::prelude::*;
use std::collections::HashMap;

const PUBLISHERS: usize = 2;
const SUBSCRIBERS: usize = 3;
const MEMBERS: usize = 2;
const CLIENTS: usize = PUBLISHERS + SUBSCRIBERS + MEMBERS;
const TOPICS: [&str; 2] = ["t/a", "t/b"];

/// One thing that a test does to the clients and their connections.
#[derive(Debug, Clone)]
pub(crate) enum Act {
    Publish {
        publisher: usize,
        topic: usize,
        qos: QoS,
    },
    /// Both ends learn that the connection is gone.
    Lose(usize),
    /// Only the client learns it.
    Abandon(usize),
    CutUp(usize, usize),
    CutDown(usize, usize),
    Disconnect(usize),
    Dial(usize),
    Acknowledge(usize, bool),
    Steps(usize),
    Wait(u64),
    /// The server crashes and is there again with so many shards, so many hours later by its clock.
    Crash {
        shards: u8,
        hours: u64,
    },
}

pub(crate) fn act() -> impl Strategy<Value = Act> {
    let client = 0..CLIENTS;
    let qos = prop_oneof![Just(QoS::AtMostOnce), Just(QoS::AtLeastOnce), Just(QoS::ExactlyOnce)];
    prop_oneof![
        12 => (0..PUBLISHERS, 0..TOPICS.len(), qos)
            .prop_map(|(publisher, topic, qos)| Act::Publish { publisher, topic, qos }),
        1 => client.clone().prop_map(Act::Lose),
        1 => client.clone().prop_map(Act::Abandon),
        1 => (client.clone(), 0..80usize).prop_map(|(client, bytes)| Act::CutUp(client, bytes)),
        1 => (client.clone(), 0..80usize).prop_map(|(client, bytes)| Act::CutDown(client, bytes)),
        1 => client.clone().prop_map(Act::Disconnect),
        5 => client.clone().prop_map(Act::Dial),
        1 => (client, any::<bool>()).prop_map(|(client, on)| Act::Acknowledge(client, on)),
        8 => (0..60usize).prop_map(Act::Steps),
        1 => (0..700u64).prop_map(Act::Wait),
    ]
}

/// What was published: for each publisher, topic and QoS the numbers from 1 on.
type Sent = HashMap<(usize, usize, QoS), u32>;

struct World {
    pair: Pair,
    clients: Vec<ClientId>,
    sent: Sent,
}

impl World {
    fn new(setup: Setup) -> Self {
        let mut pair = Pair::with(setup);
        let clients: Vec<_> = (0..CLIENTS)
            .map(|number| {
                let version = if number % 3 == 2 { Version::V311 } else { Version::V5 };
                let mut options = Options::new(version, format!("client-{number}"));
                options.clean_start = false;
                options.properties = properties([
                    Property::SessionExpiryInterval(100_000),
                    Property::ReceiveMaximum(5),
                    Property::TopicAliasMaximum(2),
                ]);
                options.max_in_flight = 7;
                let client = pair.client(options);
                pair.dial_client(client);
                client
            })
            .collect();
        pair.run();
        for (number, client) in clients.iter().enumerate().skip(PUBLISHERS) {
            let filter = if number < PUBLISHERS + SUBSCRIBERS { "t/#" } else { "$share/group/t/#" };
            pair.client_subscribe(*client, subscribe(filter, QoS::ExactlyOnce)).unwrap();
        }
        pair.run();
        assert!(clients.iter().skip(PUBLISHERS).all(|client| pair.subacks(*client).len() == 1));
        Self { pair, clients, sent: Sent::new() }
    }

    fn play(&mut self, act: &Act) {
        let Self { pair, clients, sent } = self;
        match *act {
            Act::Publish { publisher, topic, qos } => {
                let number = sent.entry((publisher, topic, qos)).or_default();
                *number += 1;
                let text = format!("{publisher} {topic} {} {number}", qos as u8);
                let message = darter_codec::Publish { qos, ..publish(TOPICS[topic], &text) };
                pair.publish(clients[publisher], message).unwrap();
            }
            Act::Lose(client) => pair.lose_client(clients[client]),
            Act::Abandon(client) => pair.abandon_client(clients[client]),
            Act::CutUp(client, bytes) => pair.cut_client_up(clients[client], bytes),
            Act::CutDown(client, bytes) => pair.cut_client_down(clients[client], bytes),
            Act::Disconnect(client) => pair.disconnect(clients[client], ReasonCode::Success),
            Act::Dial(client) => pair.dial_client(clients[client]),
            Act::Acknowledge(client, on) => pair.set_acknowledges(clients[client], on),
            Act::Steps(count) => pair.run_steps(count),
            Act::Wait(milliseconds) => pair.advance(milliseconds),
            Act::Crash { shards, hours } => {
                pair.crash_and_restart(shards, pair.server_now() + hours * 3_600_000);
            }
        }
    }

    /// Every connection works again, and everything comes to rest.
    fn heal(&mut self) {
        for round in 0..20 {
            for client in &self.clients {
                self.pair.lose_client(*client);
                self.pair.dial_client(*client);
                self.pair.set_acknowledges(*client, true);
            }
            self.pair.run();
            let rests = |client: &ClientId| {
                let connection = self.pair.connection(*client);
                self.pair.is_connected(*client) && connection.queued() + connection.unacknowledged() == 0
            };
            if round > 2 && self.clients.iter().all(rests) {
                return;
            }
        }
        panic!("it never comes to rest");
    }

    /// Everything that a client received, by publisher, topic and QoS of the publication.
    fn received(&self, client: usize) -> HashMap<(usize, usize, QoS), Vec<u32>> {
        let mut all: HashMap<_, Vec<u32>> = HashMap::new();
        for message in self.pair.inbox(self.clients[client]) {
            let text = String::from_utf8_lossy(&message.payload).into_owned();
            let parts: Vec<u32> = text.split(' ').map(|part| part.parse().unwrap()).collect();
            let qos = QoS::from_u8(u8::try_from(parts[2]).unwrap()).unwrap();
            assert_eq!(message.qos, qos);
            let (publisher, topic) = (usize::try_from(parts[0]).unwrap(), usize::try_from(parts[1]).unwrap());
            assert_eq!(&*message.topic, TOPICS[topic]);
            all.entry((publisher, topic, qos)).or_default().push(parts[3]);
        }
        all
    }

    fn check(&self) {
        for client in &self.clients {
            for end in self.pair.ends(*client) {
                let fine = match end {
                    End::Requested | End::Failed(Failure::NoAnswer) => true,
                    // CONNECT of an earlier connection may arrive after that of a later one.
                    End::Disconnected(disconnect) => disconnect.reason == ReasonCode::SessionTakenOver,
                    _ => false,
                };
                assert!(fine, "{end:?}");
            }
            assert!(self.pair.outcomes(*client).iter().all(|(_, outcome)| outcome.is_ok()));
            assert!(self.pair.connacks(*client).iter().skip(1).all(|connack| connack.session_present));
        }
        for client in PUBLISHERS..PUBLISHERS + SUBSCRIBERS {
            let received = self.received(client);
            for (key, count) in &self.sent {
                let seen = received.get(key).cloned().unwrap_or_default();
                check_stream(key.2, *count, &seen, &format!("client {client}, {key:?}"));
            }
        }
        for (key, count) in &self.sent {
            let members = PUBLISHERS + SUBSCRIBERS..CLIENTS;
            let mut seen: Vec<u32> =
                members.flat_map(|client| self.received(client).remove(key).unwrap_or_default()).collect();
            seen.sort_unstable();
            if key.2 != QoS::ExactlyOnce {
                seen.dedup();
            }
            match key.2 {
                QoS::AtMostOnce => assert!(seen.iter().all(|number| number <= count)),
                _ => assert_eq!(seen, (1..=*count).collect::<Vec<_>>(), "the group, {key:?}"),
            }
        }
    }
}

fn check_stream(qos: QoS, count: u32, seen: &[u32], what: &str) {
    let all: Vec<u32> = (1..=count).collect();
    match qos {
        QoS::AtMostOnce => {
            assert!(seen.windows(2).all(|two| two[0] < two[1]), "{what}: at most once, in order: {seen:?}");
        }
        QoS::AtLeastOnce => {
            let mut first = Vec::new();
            for number in seen {
                if !first.contains(number) {
                    first.push(*number);
                }
            }
            assert_eq!(first, all, "{what}: at least once, first copies in order: {seen:?}");
        }
        QoS::ExactlyOnce => assert_eq!(seen, all, "{what}: exactly once, in order"),
    }
}

pub(crate) fn run(setup: Setup, acts: &[Act]) {
    let mut world = World::new(setup);
    for act in acts {
        world.play(act);
    }
    world.heal();
    world.check();
}

/// `PROPTEST_CASES` sets the number of cases.
pub(crate) fn config() -> ProptestConfig {
    ProptestConfig { failure_persistence: None, max_shrink_iters: 2_000, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn one_shard_keeps_every_promise(acts in prop::collection::vec(act(), 0..150), seed in any::<u64>(), late in any::<bool>()) {
        let commits = if late { Commits::Later } else { Commits::AtOnce };
        run(Setup { shards: 1, key: seed, commits, seed: Some(seed), ..Setup::default() }, &acts);
    }

    #[test]
    fn four_shards_keep_every_promise(acts in prop::collection::vec(act(), 0..150), seed in any::<u64>(), late in any::<bool>()) {
        let commits = if late { Commits::Later } else { Commits::AtOnce };
        run(Setup { shards: 4, key: seed, commits, seed: Some(seed), ..Setup::default() }, &acts);
    }
}
