use crate::topics::{FilterId, Matches, Subscriber, SubscriptionTree};
use darter_codec::{QoS, SubscriptionOptions};
use std::string::String;
use std::vec::Vec;
use std::{format, vec};

fn subscriber(session: u32) -> Subscriber {
    Subscriber::new(session, SubscriptionOptions::new(QoS::AtMostOnce), 0)
}

fn tree(filters: &[&str]) -> SubscriptionTree {
    let mut tree = SubscriptionTree::new(1);
    for (session, filter) in (0..).zip(filters) {
        tree.insert(filter, subscriber(session));
    }
    tree
}

fn matching(tree: &SubscriptionTree, topic: &str) -> Vec<String> {
    let mut matches = Matches::new();
    tree.matches(topic, &mut matches);
    let mut filters: Vec<_> = matches.nodes().iter().map(|&node| tree.filter_text(node)).collect();
    filters.sort();
    filters
}

#[test]
fn the_examples_of_the_standard_match() {
    let tree = tree(&[
        "sport/tennis/player1/#",
        "sport/tennis/player1",
        "sport/#",
        "#",
        "+",
        "sport/+",
        "+/+",
        "/+",
        "sport/tennis/+",
        "+/tennis/#",
    ]);
    let sport =
        ["#", "+/tennis/#", "sport/#", "sport/tennis/+", "sport/tennis/player1", "sport/tennis/player1/#"];
    assert_eq!(matching(&tree, "sport/tennis/player1"), sport);
    assert_eq!(
        matching(&tree, "sport/tennis/player1/score/wimbledon"),
        ["#", "+/tennis/#", "sport/#", "sport/tennis/player1/#"]
    );
    assert_eq!(matching(&tree, "sport"), ["#", "+", "sport/#"]);
    assert_eq!(matching(&tree, "sport/"), ["#", "+/+", "sport/#", "sport/+"]);
    assert_eq!(matching(&tree, "/finance"), ["#", "+/+", "/+"]);
}

#[test]
fn topic_names_with_a_dollar_are_hidden_from_leading_wildcards_only() {
    let tree = tree(&["#", "+/monitor/Clients", "+/#", "$SYS/#", "$SYS/monitor/+", "$SYS/+/Clients"]);
    assert_eq!(matching(&tree, "$SYS/monitor/Clients"), ["$SYS/#", "$SYS/+/Clients", "$SYS/monitor/+"]);
    assert_eq!(matching(&tree, "a/$SYS"), ["#", "+/#"]);
    assert_eq!(matching(&tree, "$other"), [""; 0]);
}

#[test]
fn a_filter_nobody_uses_any_more_leaves_nothing_behind() {
    let mut tree = SubscriptionTree::new(1);
    for round in 0..3 {
        for number in 0..1000 {
            tree.insert(
                &format!("a long name of the building {number}/room {round}/+/#"),
                subscriber(number),
            );
        }
        for number in 0..1000 {
            let filter = format!("a long name of the building {number}/room {round}/+/#");
            assert_eq!(tree.remove(&filter, number), Some(subscriber(number)));
            assert_eq!(tree.find(&filter), None);
        }
        assert!(tree.is_empty());
        assert_eq!(matching(&tree, &format!("a long name of the building 1/room {round}/a")), [""; 0]);
        assert!(tree.wildcards.nodes.capacity() <= 4001, "the nodes are used again");
        assert!(tree.has_nothing_at_all());
    }
}

#[test]
fn a_filter_stays_while_a_longer_one_needs_its_node() {
    let mut tree = tree(&["a/b", "a/b/c", "a/#"]);
    tree.remove("a/b", 0);
    assert_eq!(matching(&tree, "a/b"), ["a/#"]);
    assert_eq!(matching(&tree, "a/b/c"), ["a/#", "a/b/c"]);
    tree.remove("a/#", 2);
    assert_eq!(matching(&tree, "a/b/c"), ["a/b/c"]);
}

#[test]
fn an_identifier_nothing_is_stored_for_finds_nothing() {
    let mut tree = tree(&["a/b"]);
    let id = tree.find("a/b").unwrap();
    assert_eq!(tree.filter_text(id), "a/b");
    tree.remove_by_id(id, 0);
    for id in [id, FilterId::of_literal(7), FilterId::of_wildcard(0), FilterId::of_wildcard(7)] {
        assert_eq!(tree.filter_text(id), "");
        assert!(tree.subscribers(id).is_empty());
        assert_eq!(tree.subscriber(id, 0), None);
        assert_eq!(tree.remove_by_id(id, 0), None);
        assert!(!tree.remove_group_by_id(id, 0));
    }
}

#[test]
fn remote_interest_is_joined_over_all_matching_filters() {
    let mut tree = SubscriptionTree::new(1);
    tree.set_remote("a/+", 0, true, false);
    tree.set_remote("a/#", 63, true, true);
    tree.set_remote("b", 5, true, true);
    let mut matches = Matches::new();
    tree.matches("a/b", &mut matches);
    assert!(!matches.is_empty() && matches.nodes().is_empty());
    assert_eq!(matches.remote_any(), 1 | 1 << 63);
    assert_eq!(matches.remote_persistent(), 1 << 63);
    tree.set_remote("a/#", 63, true, false);
    tree.matches("a/b", &mut matches);
    assert_eq!((matches.remote_any(), matches.remote_persistent()), (1 | 1 << 63, 0));
    tree.set_remote_kept("a/#", 63, true);
    tree.set_remote_kept("nobody wants it", 63, true);
    tree.matches("a/x", &mut matches);
    assert_eq!(matches.remote_kept(), 1 << 63);
    tree.set_remote_kept("a/#", 63, false);
    tree.matches("a/x", &mut matches);
    assert_eq!(matches.remote_kept(), 0);
    tree.set_remote_kept("a/#", 63, true);
    for filter in ["a/+", "a/#", "b", "never/there"] {
        for shard in [0, 5, 63] {
            tree.set_remote(filter, shard, false, false);
        }
        assert_eq!(tree.find(filter), None);
    }
    tree.matches("a/b", &mut matches);
    assert!(matches.is_empty());
}

#[test]
fn shared_groups_are_found_with_their_filter() {
    let mut tree = SubscriptionTree::new(1);
    let id = tree.add_group("a/+", 7);
    assert_eq!(tree.add_group("a/+", 8), id);
    assert_eq!(tree.add_group("a/+", 8), id);
    tree.add_group("a/#", 9);
    let mut matches = Matches::new();
    tree.matches("a/b", &mut matches);
    let mut groups = matches.groups().to_vec();
    groups.sort_unstable();
    assert_eq!(groups, [7, 8, 9]);
    assert!(tree.remove_group_by_id(id, 7) && !tree.remove_group("a/+", 7));
    assert!(tree.remove_group("a/+", 8) && tree.remove_group("a/#", 9));
    tree.matches("a/b", &mut matches);
    assert!(matches.is_empty());
    assert_eq!(tree.find("a"), None);
}

#[test]
fn the_deepest_possible_filter_is_matched_rebuilt_and_removed() {
    let levels = 32_768;
    let topic = vec!["a"; levels].join("/");
    let empty = "/".repeat(65_535);
    let mut tree = tree(&[&topic, &vec!["+"; levels].join("/"), "a/#", &empty]);
    assert_eq!(matching(&tree, &topic).len(), 3);
    assert_eq!(matching(&tree, &empty), [&*empty]);
    assert_eq!(tree.remove(&topic, 0), Some(subscriber(0)));
    assert_eq!(tree.remove(&vec!["+"; levels].join("/"), 1), Some(subscriber(1)));
    assert_eq!(tree.remove(&empty, 3), Some(subscriber(3)));
    assert_eq!(matching(&tree, &topic), ["a/#"]);
}
