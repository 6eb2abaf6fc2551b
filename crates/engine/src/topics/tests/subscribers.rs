use crate::topics::{Subscriber, SubscriptionTree};
use darter_codec::{QoS, SubscriptionOptions};
use std::collections::BTreeSet;

fn subscriber(session: u32) -> Subscriber {
    Subscriber::new(session, SubscriptionOptions::new(QoS::AtLeastOnce), session + 1)
}

fn sessions(tree: &SubscriptionTree, filter: &str) -> BTreeSet<u32> {
    let id = tree.find(filter).unwrap();
    tree.subscribers(id).iter().map(|subscriber| subscriber.session).collect()
}

#[test]
fn a_filter_with_thousands_of_subscribers_finds_each_of_them() {
    const MANY: u32 = 10_000;
    let mut tree = SubscriptionTree::new(1);
    for session in 0..MANY {
        assert_eq!(tree.insert("all/#", subscriber(session)).1, None);
    }
    let id = tree.find("all/#").unwrap();
    assert_eq!(tree.subscribers(id).len(), MANY as usize);
    for session in 0..MANY {
        assert_eq!(tree.subscriber(id, session), Some(&subscriber(session)));
    }
    for session in (0..MANY).filter(|session| session % 3 > 0) {
        assert_eq!(tree.remove_by_id(id, session), Some(subscriber(session)));
        assert_eq!(tree.remove_by_id(id, session), None);
    }
    assert_eq!(sessions(&tree, "all/#"), (0..MANY).step_by(3).collect());
    for session in (0..MANY).step_by(3) {
        assert_eq!(tree.subscriber(id, session), Some(&subscriber(session)));
        assert_eq!(tree.remove_by_id(id, session), Some(subscriber(session)));
    }
    assert_eq!(tree.find("all/#"), None);
    assert!(tree.is_empty());
}

#[test]
fn a_list_that_shrinks_and_grows_around_every_threshold_keeps_its_members() {
    let mut tree = SubscriptionTree::new(1);
    let mut expected = BTreeSet::new();
    tree.insert("f", subscriber(1000));
    expected.insert(1000);
    for size in [1, 2, 3, 47, 48, 49, 200, 30, 24, 23, 1, 60, 5] {
        while expected.len() > size {
            let session = *expected.iter().nth(expected.len() / 2).unwrap();
            assert!(tree.remove("f", session).is_some());
            expected.remove(&session);
        }
        for session in 0.. {
            if expected.len() >= size {
                break;
            }
            assert_eq!(tree.insert("f", subscriber(session)).1.is_none(), expected.insert(session));
        }
        assert_eq!(sessions(&tree, "f"), expected);
        assert_eq!(tree.len(), size);
    }
}

#[test]
fn a_second_subscription_of_a_session_replaces_the_first() {
    let mut tree = SubscriptionTree::new(1);
    for others in [0, 1, 100] {
        for session in 0..=others {
            tree.insert("f", subscriber(session));
        }
        let id = tree.find("f").unwrap();
        let better = Subscriber::new(0, SubscriptionOptions::new(QoS::ExactlyOnce), 77);
        let count = tree.len();
        assert_eq!(tree.insert("f", better), (id, Some(subscriber(0))));
        assert_eq!(tree.subscriber(id, 0), Some(&better));
        assert_eq!(tree.len(), count);
        assert_eq!(tree.insert("f", subscriber(0)), (id, Some(better)));
    }
}
