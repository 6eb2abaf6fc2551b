use crate::topics::{RetainedTree, ScanCursor};
use darter_codec::{Message, QoS};
use std::borrow::ToOwned;
use std::string::String;
use std::vec::Vec;
use std::{format, vec};

fn message(topic: &str) -> Message {
    Message::new(QoS::AtLeastOnce, true, topic, [], topic.as_bytes(), None)
}

fn tree(topics: &[&str]) -> RetainedTree {
    let mut tree = RetainedTree::new(1);
    for topic in topics {
        assert!(tree.set(message(topic), 0));
    }
    tree
}

fn matching(tree: &RetainedTree, filter: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut cursor = ScanCursor::new();
    while tree.scan(filter, &mut cursor, 2, &mut found) {}
    assert!(cursor.is_done());
    found.iter().map(|message| message.topic().to_owned()).collect()
}

#[test]
fn a_topic_has_the_message_that_was_set_last() {
    let mut tree = tree(&["a", "b"]);
    let newer = Message::new(QoS::AtMostOnce, true, "a", [], b"newer, longer", None);
    assert!(tree.set(newer.clone(), 0));
    assert_eq!(tree.get("a"), Some(&newer));
    assert_eq!((tree.len(), tree.bytes()), (2, newer.size() + message("b").size()));
    assert_eq!(tree.remove("a", 0), Some(newer));
    assert_eq!(tree.remove("a", 0), None);
    assert_eq!((tree.get("a"), tree.len(), tree.bytes()), (None, 1, message("b").size()));
    assert_eq!(tree.iter().collect::<Vec<_>>(), [(&message("b"), 0)]);
}

#[test]
fn filters_find_the_names_the_standard_says() {
    let names =
        ["a", "a!", "a!/b", "a/", "a/b", "a/b/c", "a/c", "b/b", "$SYS/b", "/b", "a level of many bytes/b"];
    let tree = tree(&names);
    assert_eq!(matching(&tree, "a/b"), ["a/b"]);
    assert_eq!(matching(&tree, "a/#"), ["a", "a/", "a/b", "a/b/c", "a/c"]);
    assert_eq!(matching(&tree, "+/b"), ["/b", "a level of many bytes/b", "a!/b", "a/b", "b/b"]);
    assert_eq!(matching(&tree, "+"), ["a", "a!"]);
    assert_eq!(matching(&tree, "#").len(), names.len() - 1);
    assert_eq!(matching(&tree, "$SYS/+"), ["$SYS/b"]);
    assert_eq!(matching(&tree, "+/b/+"), ["a/b/c"]);
    assert_eq!(matching(&tree, "none/+"), [""; 0]);
}

#[test]
fn of_two_changes_the_one_with_the_higher_stamp_wins_in_either_order() {
    let first = Message::new(QoS::AtMostOnce, true, "t", [], b"first", None);
    let second = Message::new(QoS::AtMostOnce, true, "t", [], b"second", None);
    let mut tree = RetainedTree::new(1);
    assert!(tree.set(second.clone(), 2));
    assert!(!tree.set(first.clone(), 1));
    assert_eq!(tree.remove("t", 1), None);
    assert_eq!(tree.get("t"), Some(&second));

    assert_eq!(tree.remove("t", 3), Some(second.clone()));
    assert!(!tree.set(second.clone(), 2), "removed later");
    assert_eq!(tree.get("t"), None);
    assert!(tree.set(first, 4));
    assert_eq!(tree.remove("other", 9), None);
    assert!(!tree.set(message("other"), 8), "a removal of nothing counts too");
}

#[test]
fn a_removal_is_forgotten_after_two_calls() {
    let mut tree = RetainedTree::new(1);
    tree.remove("t", 9);
    tree.forget_removals();
    assert!(!tree.set(message("t"), 8));
    tree.forget_removals();
    assert!(tree.set(message("t"), 8));
}

#[test]
fn a_flood_of_removals_takes_bounded_memory_and_forgets_the_oldest() {
    let mut tree = RetainedTree::new(1);
    for number in 0..100_000 {
        tree.remove(&format!("{number}"), 9);
    }
    assert!(!tree.set(message("99999"), 8));
    assert!(!tree.set(message("85000"), 8));
    assert!(tree.set(message("1"), 8));
}

#[test]
fn expired_messages_are_removed_bit_by_bit_and_no_others() {
    let mut tree = tree(&["never", "not/now"]);
    let expiring = |topic: &str, at| Message::new(QoS::AtMostOnce, true, topic, [], b"x", Some(at));
    for number in 0..100 {
        assert!(tree.set(expiring(&format!("soon/{number}"), 1000 + number), 5));
    }
    let mut removed = Vec::new();
    tree.remove_expired(999, 1000, &mut removed);
    assert_eq!(removed, []);
    for _ in 0..30 {
        let before = removed.len();
        tree.remove_expired(1049, 10, &mut removed);
        assert!(removed.len() <= before + 10);
    }
    assert_eq!((removed.len(), tree.len()), (50, 52));
    assert!(tree.get("soon/49").is_none() && tree.get("soon/50").is_some());
    assert!(!tree.set(expiring("soon/49", 9999), 4), "older than the expired one");
    assert_eq!(matching(&tree, "soon/#").len(), 50);
}

#[test]
fn a_page_that_finds_little_ends_early() {
    let mut tree = RetainedTree::new(1);
    for number in 0..1000 {
        tree.set(message(&format!("{number:04}")), 0);
    }
    tree.set(message("0999/x"), 0);
    let (mut cursor, mut found) = (ScanCursor::new(), Vec::new());
    let mut pages = 1;
    while tree.scan("+/x", &mut cursor, 10, &mut found) {
        pages += 1;
    }
    assert_eq!(found, [message("0999/x")]);
    assert!((10..=15).contains(&pages), "{pages}");
    assert!(!tree.scan("+/x", &mut cursor, 10, &mut found), "a scan that is done stays done");
    assert_eq!(found.len(), 1);
}

#[test]
fn names_of_thousands_of_levels_are_found() {
    let name = vec!["a"; 32_768].join("/");
    let empty = "/".repeat(65_535);
    let tree = tree(&[&name, &empty]);
    assert_eq!(matching(&tree, &vec!["+"; 32_768].join("/")), [&*name]);
    assert_eq!(matching(&tree, "/#"), [&*empty]);
    assert_eq!(matching(&tree, &format!("{empty}#")), [&*empty]);
}
