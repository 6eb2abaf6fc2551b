use super::{filters, names};
use crate::topics::{RetainedTree, ScanCursor};
use darter_codec::{Message, QoS, topic};
use proptest::prelude::{Strategy, prop, prop_assert, prop_assert_eq, prop_oneof, proptest};
use std::borrow::ToOwned;
use std::collections::{BTreeMap, BTreeSet};
use std::string::String;
use std::vec::Vec;

#[derive(Debug, Clone)]
enum Change {
    Set(String, u8),
    Remove(String),
}

fn changes() -> impl Strategy<Value = Change> {
    prop_oneof![
        3 => (names(), 0..255_u8).prop_map(|(name, payload)| Change::Set(name, payload)),
        1 => names().prop_map(Change::Remove),
    ]
}

fn message(topic: &str, payload: u8) -> Message {
    Message::new(QoS::AtMostOnce, true, topic, [], &[payload], None)
}

/// The tree, and the same in a map with the stamp of each message.
struct Both {
    tree: RetainedTree,
    reference: BTreeMap<String, (Message, u64)>,
    stamp: u64,
}

impl Both {
    fn new() -> Both {
        Both { tree: RetainedTree::new(5), reference: BTreeMap::new(), stamp: 0 }
    }

    fn apply(&mut self, change: &Change) {
        self.stamp += 1;
        match change {
            Change::Set(name, payload) => {
                let message = message(name, *payload);
                assert!(self.tree.set(message.clone(), self.stamp));
                self.reference.insert(name.clone(), (message, self.stamp));
            }
            Change::Remove(name) => {
                let removed = self.reference.remove(name).map(|(message, _)| message);
                assert_eq!(self.tree.remove(name, self.stamp), removed);
            }
        }
    }

    fn matching(&self, filter: &str) -> Vec<Message> {
        let matching = self.reference.iter().filter(|(name, _)| topic::matches(filter, name));
        matching.map(|(_, (message, _))| message.clone()).collect()
    }
}

proptest! {
    #[test]
    fn a_scan_finds_what_a_map_of_names_finds(
        changes in prop::collection::vec(changes(), 0..200),
        filters in prop::collection::vec(filters(), 1..30),
        page in 1..20_usize,
    ) {
        let mut both = Both::new();
        changes.iter().for_each(|change| both.apply(change));
        let expected: usize = both.reference.values().map(|(message, _)| message.size()).sum();
        prop_assert_eq!((both.tree.len(), both.tree.bytes()), (both.reference.len(), expected));
        for (name, (message, _)) in &both.reference {
            prop_assert_eq!(both.tree.get(name), Some(message));
        }
        for filter in filters {
            let (mut cursor, mut found) = (ScanCursor::new(), Vec::new());
            loop {
                let before = found.len();
                let more = both.tree.scan(&filter, &mut cursor, page, &mut found);
                prop_assert!(found.len() <= before + page);
                if !more {
                    break;
                }
            }
            prop_assert_eq!(found, both.matching(&filter), "{}", filter);
        }
    }

    #[test]
    fn a_scan_between_changes_finds_every_message_that_stays(
        before in prop::collection::vec(changes(), 0..100),
        filter in filters(),
        between in prop::collection::vec(prop::collection::vec(changes(), 0..20), 0..20),
        page in 1..4_usize,
    ) {
        let mut both = Both::new();
        before.iter().for_each(|change| both.apply(change));
        let start = both.stamp;
        let (mut cursor, mut found) = (ScanCursor::new(), Vec::new());
        let mut between = between.iter();
        let mut known: BTreeSet<Vec<u8>> = BTreeSet::new();
        while both.tree.scan(&filter, &mut cursor, page, &mut found) {
            known.extend(both.reference.values().map(|(message, _)| message.as_bytes().to_vec()));
            between.next().into_iter().flatten().for_each(|change| both.apply(change));
        }
        known.extend(both.reference.values().map(|(message, _)| message.as_bytes().to_vec()));
        let names: BTreeSet<_> = found.iter().map(|message| message.topic().to_owned()).collect();
        prop_assert_eq!(names.len(), found.len(), "each name once");
        for message in &found {
            prop_assert!(topic::matches(&filter, message.topic()) && known.contains(&message.as_bytes()[..]));
        }
        for message in both.matching(&filter) {
            let (_, stamp) = both.reference[message.topic()];
            prop_assert!(stamp > start || found.contains(&message), "{:?} is missing", message);
        }
    }

    #[test]
    fn changes_end_alike_in_every_order(
        changes in prop::collection::vec(changes(), 0..60),
        order in prop::collection::vec(0..1000_usize, 60),
    ) {
        let mut both = Both::new();
        changes.iter().for_each(|change| both.apply(change));
        let mut shuffled: Vec<_> = (1_u64..).zip(&changes).collect();
        shuffled.sort_by_key(|(stamp, _)| order[usize::try_from(*stamp).unwrap() - 1]);
        let mut tree = RetainedTree::new(6);
        for (stamp, change) in shuffled {
            match change {
                Change::Set(name, payload) => {
                    tree.set(message(name, *payload), stamp);
                }
                Change::Remove(name) => {
                    tree.remove(name, stamp);
                }
            }
        }
        let all: BTreeMap<_, _> = tree.iter().map(|(message, stamp)| (message.topic(), (message.clone(), stamp))).collect();
        let expected: BTreeMap<_, _> = both.reference.iter().map(|(name, value)| (&**name, value.clone())).collect();
        prop_assert_eq!(all, expected);
    }
}
