use super::{filters, names};
use crate::topics::{Matches, Subscriber, SubscriptionTree};
use darter_codec::{QoS, SubscriptionOptions, topic};
use proptest::prelude::{Strategy, any, prop, prop_assert, prop_assert_eq, prop_oneof, proptest};
use proptest::test_runner::TestCaseResult;
use std::collections::{BTreeMap, BTreeSet};
use std::string::String;
use std::vec::Vec;

#[derive(Debug, Clone)]
enum Change {
    Insert(String, u32, u32),
    Remove(String, u32),
    Remote(String, u8, bool, bool),
    AddGroup(String, u32),
    RemoveGroup(String, u32),
    Match(String),
}

fn changes() -> impl Strategy<Value = Change> {
    prop_oneof![
        4 => (filters(), 0..4_u32, 0..9_u32).prop_map(|(filter, session, id)| Change::Insert(filter, session, id)),
        3 => (filters(), 0..4_u32).prop_map(|(filter, session)| Change::Remove(filter, session)),
        1 => (filters(), 0..3_u8, any::<bool>(), any::<bool>())
            .prop_map(|(filter, shard, any, kept)| Change::Remote(filter, shard, any, kept)),
        1 => (filters(), 0..3_u32).prop_map(|(filter, group)| Change::AddGroup(filter, group)),
        1 => (filters(), 0..3_u32).prop_map(|(filter, group)| Change::RemoveGroup(filter, group)),
        4 => names().prop_map(Change::Match),
    ]
}

/// Everything by filter, in maps.
#[derive(Debug, Default)]
struct Reference {
    subscribers: BTreeMap<(String, u32), Subscriber>,
    any: BTreeSet<(String, u8)>,
    persistent: BTreeSet<(String, u8)>,
    groups: BTreeSet<(String, u32)>,
}

fn apply(tree: &mut SubscriptionTree, reference: &mut Reference, change: Change) -> TestCaseResult {
    match change {
        Change::Insert(filter, session, identifier) => {
            let subscriber = Subscriber::new(session, SubscriptionOptions::new(QoS::AtLeastOnce), identifier);
            let (id, replaced) = tree.insert(&filter, subscriber);
            prop_assert_eq!(tree.find(&filter), Some(id));
            prop_assert_eq!(tree.filter_text(id), &*filter);
            prop_assert_eq!(tree.subscriber(id, session), Some(&subscriber));
            prop_assert_eq!(replaced, reference.subscribers.insert((filter, session), subscriber));
        }
        Change::Remove(filter, session) => {
            let removed = tree.remove(&filter, session);
            prop_assert_eq!(removed, reference.subscribers.remove(&(filter, session)));
        }
        Change::Remote(filter, shard, any, persistent) => {
            tree.set_remote(&filter, shard, any, persistent);
            for (wanted, set) in [(any, &mut reference.any), (persistent, &mut reference.persistent)] {
                if wanted {
                    set.insert((filter.clone(), shard));
                } else {
                    set.remove(&(filter.clone(), shard));
                }
            }
        }
        Change::AddGroup(filter, group) => {
            tree.add_group(&filter, group);
            reference.groups.insert((filter, group));
        }
        Change::RemoveGroup(filter, group) => {
            let removed = tree.remove_group(&filter, group);
            prop_assert_eq!(removed, reference.groups.remove(&(filter, group)));
        }
        Change::Match(name) => check(tree, reference, &name)?,
    }
    prop_assert_eq!(tree.len(), reference.subscribers.len());
    Ok(())
}

fn check(tree: &SubscriptionTree, reference: &Reference, name: &str) -> TestCaseResult {
    let mut matches = Matches::new();
    tree.matches(name, &mut matches);
    let mut found = BTreeMap::new();
    for &node in matches.nodes() {
        prop_assert!(!tree.subscribers(node).is_empty());
        for subscriber in tree.subscribers(node) {
            let double = found.insert((tree.filter_text(node), subscriber.session), *subscriber);
            prop_assert_eq!(double, None);
        }
    }
    let mut expected = reference.subscribers.clone();
    expected.retain(|(filter, _), _| topic::matches(filter, name));
    prop_assert_eq!(found, expected);

    let bits = |set: &BTreeSet<(String, u8)>| {
        let matching = set.iter().filter(|(filter, _)| topic::matches(filter, name));
        matching.fold(0_u64, |bits, (_, shard)| bits | 1 << shard)
    };
    prop_assert_eq!(matches.remote_any(), bits(&reference.any));
    prop_assert_eq!(matches.remote_persistent(), bits(&reference.persistent));

    let mut groups = matches.groups().to_vec();
    groups.sort_unstable();
    let matching = reference.groups.iter().filter(|(filter, _)| topic::matches(filter, name));
    let mut expected: Vec<_> = matching.map(|(_, group)| *group).collect();
    expected.sort_unstable();
    prop_assert_eq!(groups, expected);
    Ok(())
}

proptest! {
    #[test]
    fn the_tree_finds_what_a_list_of_filters_finds(changes in prop::collection::vec(changes(), 1..120)) {
        let mut tree = SubscriptionTree::new(3);
        let mut reference = Reference::default();
        for change in changes {
            apply(&mut tree, &mut reference, change)?;
        }
        for (filter, session) in reference.subscribers.keys() {
            prop_assert!(tree.remove(filter, *session).is_some());
        }
        for (filter, group) in &reference.groups {
            prop_assert!(tree.remove_group(filter, *group));
        }
        for (filter, shard) in reference.any.iter().chain(&reference.persistent) {
            tree.set_remote(filter, *shard, false, false);
        }
        prop_assert!(tree.has_nothing_at_all());
    }
}
