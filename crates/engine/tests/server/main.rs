//! What a server does, as its clients see it: every battery runs with one shard, with four in several arrangements, and
//! with bytes, items between shards and commits flowing in orders drawn from seeds.
#![allow(missing_docs, reason = "the tests are named for what they show")]
#![allow(clippy::unwrap_used, reason = "a test that goes wrong shall end at once")]

use darter_testkit::{Commits, Pair, Setup};

/// Tests of one subject; each gets a server that nobody has connected to.
macro_rules! battery {
    ($($(#[$meta:meta])* fn $name:ident($pair:ident: &mut Pair) $body:block)*) => {
        $(
            $(#[$meta])*
            fn $name($pair: &mut darter_testkit::Pair) $body
        )*

        mod one_shard {
            $(
                #[test]
                fn $name() {
                    super::$name(&mut darter_testkit::Pair::new(1));
                }
            )*
        }

        mod four_shards {
            $(
                #[test]
                fn $name() {
                    crate::each_arrangement(super::$name);
                }
            )*
        }

        mod any_order {
            $(
                #[test]
                fn $name() {
                    crate::each_order(super::$name);
                }
            )*
        }
    };
}

/// Four shards; which client belongs to which differs.
fn each_arrangement(test: fn(&mut Pair)) {
    for key in 1..=6 {
        test(&mut Pair::with(Setup { shards: 4, key, ..Setup::default() }));
    }
}

/// One, two, three and four shards; everything flows in any order and commits come later.
fn each_order(test: fn(&mut Pair)) {
    for seed in 0..24 {
        let shards = 1 + u8::try_from(seed % 4).unwrap();
        let setup =
            Setup { shards, key: seed, commits: Commits::Later, seed: Some(seed), ..Setup::default() };
        test(&mut Pair::with(setup));
    }
}

mod access;
mod aliases;
mod authentication;
mod commits;
mod connecting;
mod crashes;
mod delivery;
mod durability;
mod expiry;
mod fights;
mod full;
mod group_schedules;
mod history;
mod keep_alive;
mod limits;
mod pace;
mod queue_limits;
mod races;
mod restart;
mod retained;
mod schedules;
mod shards;
mod shared;
mod slow_readers;
mod subscriptions;
mod telling;
mod wills;
