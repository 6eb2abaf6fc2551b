//! Whole clients and a server that crashes at any moment: nothing that was acknowledged is lost, QoS 2 stays exactly once, and
//! every session is there.

use crate::schedules::{Act, act, config, run};
use darter_testkit::{Commits, Setup};
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
