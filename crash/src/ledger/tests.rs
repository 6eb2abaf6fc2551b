//! Every kind of violation is found, and what is allowed is not taken for one.

use super::*;
use crate::message::Lane;

const ONCE: Stream = Stream { publisher: 0, lane: Lane::Once };
const EXACTLY: Stream = Stream { publisher: 0, lane: Lane::Exactly };
const RETAINED: Stream = Stream { publisher: 0, lane: Lane::OnceRetained };
const WILL: Stream = Stream { publisher: 90, lane: Lane::Will };
const CLEARED: Stream = Stream { publisher: 0, lane: Lane::OnceCleared };

/// A ledger with one session, subscribed to everything with QoS 2.
fn subscribed() -> Ledger {
    let mut ledger = Ledger::default();
    ledger.begin_cycle(1);
    ledger.connected("s", false);
    ledger.subscribing("s", "load/#", QoS::ExactlyOnce);
    ledger.subscribed("s", "load/#");
    ledger
}

fn sent(ledger: &mut Ledger, stream: Stream) -> MessageId {
    ledger.next(stream)
}

fn acknowledged(ledger: &mut Ledger, stream: Stream) -> MessageId {
    let id = ledger.next(stream);
    ledger.acknowledged(id);
    id
}

fn deliver(ledger: &mut Ledger, id: MessageId) {
    ledger.delivered("s", &id.stream.topic(), &id.payload(), id.stream.lane.qos(), false);
}

fn faults(ledger: &Ledger) -> Vec<Fault> {
    ledger.violations().iter().map(|violation| violation.fault.clone()).collect()
}

#[test]
fn messages_that_arrive_in_order_and_once_are_fine() {
    let mut ledger = subscribed();
    for stream in [ONCE, EXACTLY, ONCE, EXACTLY] {
        let id = acknowledged(&mut ledger, stream);
        assert_eq!(ledger.owed("s"), 1);
        deliver(&mut ledger, id);
    }
    assert!(ledger.is_settled());
    ledger.settle();
    assert_eq!(faults(&ledger), []);
}

#[test]
fn an_acknowledged_message_that_never_comes_is_lost() {
    let mut ledger = subscribed();
    let id = acknowledged(&mut ledger, ONCE);
    ledger.begin_cycle(2);
    assert!(!ledger.is_settled());
    ledger.settle();
    let expected = Violation { cycle: 2, client: "s".to_owned(), fault: Fault::Lost { id, acknowledged: 1 } };
    assert_eq!(ledger.violations(), [expected]);
}

#[test]
fn a_message_without_acknowledgement_may_be_lost() {
    let mut ledger = subscribed();
    sent(&mut ledger, ONCE);
    assert!(ledger.is_settled());
    ledger.settle();
    assert_eq!(faults(&ledger), []);
}

#[test]
fn a_qos_2_message_must_not_come_again_and_a_qos_1_message_may_on_the_next_connection() {
    let mut ledger = subscribed();
    let (once, exactly) = (acknowledged(&mut ledger, ONCE), acknowledged(&mut ledger, EXACTLY));
    deliver(&mut ledger, once);
    ledger.connected("s", true);
    deliver(&mut ledger, once);
    deliver(&mut ledger, exactly);
    assert_eq!(faults(&ledger), []);
    assert_eq!(ledger.counts().repeated, 1);
    deliver(&mut ledger, exactly);
    deliver(&mut ledger, once);
    assert_eq!(faults(&ledger), [Fault::Twice(exactly), Fault::Repeated(once)]);
}

#[test]
fn a_message_whose_puback_was_sent_long_before_the_connection_ended_does_not_come_again() {
    for (time, expected) in [(Duration::ZERO, 0), (lines::SURELY, 0), (lines::SURELY * 2, 1)] {
        let mut ledger = subscribed();
        let id = acknowledged(&mut ledger, ONCE);
        deliver(&mut ledger, id);
        ledger.confirmed("s", id);
        ledger.pass(time);
        ledger.disconnected("s");
        ledger.pass(lines::SURELY * 5);
        ledger.connected("s", true);
        deliver(&mut ledger, id);
        assert_eq!(faults(&ledger), vec![Fault::Repeated(id); expected], "{time:?}");
    }
}

#[test]
fn a_qos_1_message_comes_as_often_as_its_publisher_sent_it() {
    let mut ledger = subscribed();
    let id = acknowledged(&mut ledger, ONCE);
    ledger.sent_again(id);
    for _ in 0..2 {
        deliver(&mut ledger, id);
    }
    assert_eq!(faults(&ledger), []);
    deliver(&mut ledger, id);
    assert_eq!(faults(&ledger), [Fault::Repeated(id)]);
}

#[test]
fn a_message_behind_a_later_one_is_out_of_order() {
    let mut ledger = subscribed();
    let (first, second) = (acknowledged(&mut ledger, ONCE), acknowledged(&mut ledger, ONCE));
    deliver(&mut ledger, second);
    deliver(&mut ledger, first);
    assert_eq!(faults(&ledger), [Fault::Disordered { id: first, after: 2 }]);
}

#[test]
fn a_qos_2_message_comes_once_however_often_its_publisher_sent_it() {
    let mut ledger = subscribed();
    let id = acknowledged(&mut ledger, EXACTLY);
    ledger.sent_again(id);
    for _ in 0..2 {
        deliver(&mut ledger, id);
    }
    assert_eq!(faults(&ledger), [Fault::Twice(id)]);
}

/// A will of a client that has just ended: it left, or it vanished.
fn ended(ledger: &mut Ledger, left: bool) -> MessageId {
    let id = sent(ledger, WILL);
    if left {
        ledger.withdrawn(id);
    } else {
        ledger.died(id);
    }
    id
}

#[test]
fn the_will_of_a_client_that_vanished_must_come_when_the_server_had_the_time_to_store_it() {
    let mut ledger = subscribed();
    let id = ended(&mut ledger, false);
    assert!(ledger.is_settled());
    ledger.pass(lines::SURELY * 2);
    assert_eq!(ledger.owed("s"), 1);
    ledger.server_ended();
    ledger.settle();
    assert_eq!(faults(&ledger), [Fault::Lost { id, acknowledged: 1 }]);
}

#[test]
fn a_will_need_not_come_when_the_server_ended_or_its_disk_failed_before_it_was_stored() {
    let mut ledger = subscribed();
    ended(&mut ledger, false);
    ledger.server_ended();
    ended(&mut ledger, false);
    ledger.excuse_wills();
    ledger.pass(lines::SURELY * 2);
    assert!(ledger.is_settled());
}

#[test]
fn wills_have_no_order() {
    let mut ledger = subscribed();
    let (first, second) = (ended(&mut ledger, false), ended(&mut ledger, false));
    deliver(&mut ledger, second);
    deliver(&mut ledger, first);
    assert_eq!(faults(&ledger), []);
}

#[test]
fn the_will_of_a_client_that_left_comes_only_when_the_server_may_have_ended_without_knowing_it() {
    for (time, ends, expected) in [(1, false, 1), (1, true, 0), (3, true, 1)] {
        let mut ledger = subscribed();
        let id = ended(&mut ledger, true);
        ledger.pass(Duration::from_secs(time));
        if ends {
            ledger.server_ended();
        }
        deliver(&mut ledger, id);
        assert_eq!(faults(&ledger), vec![Fault::Unwanted(id); expected], "{time} s, {ends}");
    }
}

/// A ledger with two members of one shared subscription, `a` and `b`.
fn shared() -> Ledger {
    let mut ledger = Ledger::default();
    ledger.begin_cycle(1);
    for member in ["a", "b"] {
        ledger.connected(member, false);
        ledger.subscribing(member, "$share/pair/load/#", QoS::ExactlyOnce);
        ledger.subscribed(member, "$share/pair/load/#");
    }
    ledger
}

fn deliver_to(ledger: &mut Ledger, client: &str, id: MessageId) {
    ledger.delivered(client, &id.stream.topic(), &id.payload(), id.stream.lane.qos(), false);
}

#[test]
fn a_message_of_a_shared_subscription_comes_to_one_member_in_any_order() {
    let mut ledger = shared();
    let (first, second) = (acknowledged(&mut ledger, ONCE), acknowledged(&mut ledger, ONCE));
    assert_eq!(ledger.owed_in_all(), 2);
    deliver_to(&mut ledger, "a", second);
    deliver_to(&mut ledger, "b", first);
    assert!(ledger.is_settled());
    assert_eq!(faults(&ledger), []);
    assert_eq!(ledger.counts().shared, 2);
}

#[test]
fn a_qos_2_message_comes_to_one_member_only_and_a_lost_one_came_to_none() {
    let mut ledger = shared();
    let (given, lost) = (acknowledged(&mut ledger, EXACTLY), acknowledged(&mut ledger, EXACTLY));
    deliver_to(&mut ledger, "a", given);
    ledger.connected("a", true);
    deliver_to(&mut ledger, "b", given);
    ledger.settle();
    assert_eq!(faults(&ledger), [Fault::Twice(given), Fault::Lost { id: lost, acknowledged: 1 }]);
}

#[test]
fn a_repetition_of_earlier_messages_keeps_their_order() {
    let mut ledger = subscribed();
    let (first, second) = (acknowledged(&mut ledger, ONCE), acknowledged(&mut ledger, ONCE));
    for _ in 0..2 {
        ledger.connected("s", true);
        deliver(&mut ledger, first);
        deliver(&mut ledger, second);
    }
    assert_eq!(faults(&ledger), []);
    ledger.connected("s", true);
    deliver(&mut ledger, second);
    deliver(&mut ledger, first);
    assert_eq!(faults(&ledger), [Fault::Disordered { id: first, after: 2 }]);
}

#[test]
fn what_a_faulty_disk_held_up_may_come_late() {
    let mut ledger = subscribed();
    let (first, second) = (sent(&mut ledger, ONCE), acknowledged(&mut ledger, ONCE));
    ledger.forgive_order_of_open();
    for id in [second, first] {
        deliver(&mut ledger, id);
    }
    assert_eq!(faults(&ledger), []);
}

#[test]
fn a_changed_payload_and_a_number_that_was_not_sent_were_never_sent() {
    let mut ledger = subscribed();
    let id = acknowledged(&mut ledger, ONCE);
    let mut payload = id.payload().to_vec();
    payload.pop();
    ledger.delivered("s", &ONCE.topic(), &payload, QoS::AtLeastOnce, false);
    let future = MessageId { sequence: 2, ..id };
    deliver(&mut ledger, future);
    ledger.delivered("s", "load/else/0", b"x", QoS::AtLeastOnce, false);
    assert_eq!(faults(&ledger).len(), 3);
    assert!(faults(&ledger).iter().all(|fault| matches!(fault, Fault::NeverSent { .. })));
}

#[test]
fn the_wrong_qos_is_noticed() {
    let mut ledger = subscribed();
    let id = acknowledged(&mut ledger, EXACTLY);
    ledger.delivered("s", &EXACTLY.topic(), &id.payload(), QoS::AtLeastOnce, false);
    assert_eq!(faults(&ledger), [Fault::WrongQos { id, qos: QoS::AtLeastOnce }]);
}

#[test]
fn a_subscription_counts_from_its_suback_on_and_may_count_before() {
    let mut ledger = Ledger::default();
    ledger.connected("s", false);
    let early = acknowledged(&mut ledger, ONCE);
    let under_way = sent(&mut ledger, ONCE);
    ledger.subscribing("s", "load/#", QoS::AtLeastOnce);
    let between = acknowledged(&mut ledger, ONCE);
    assert!(ledger.is_settled(), "there is no SUBACK yet");
    for id in [under_way, between] {
        deliver(&mut ledger, id);
    }
    assert_eq!(faults(&ledger), []);
    deliver(&mut ledger, early);
    assert_eq!(faults(&ledger), [Fault::NotSubscribed(early)]);
}

#[test]
fn a_subscription_that_was_removed_does_not_come_back() {
    let mut ledger = subscribed();
    let before = acknowledged(&mut ledger, ONCE);
    ledger.unsubscribing("s", "load/#");
    assert!(ledger.is_settled(), "what is queued need not be delivered any more");
    let between = acknowledged(&mut ledger, ONCE);
    ledger.unsubscribed("s", "load/#");
    let after = acknowledged(&mut ledger, ONCE);
    for id in [before, between] {
        deliver(&mut ledger, id);
    }
    assert_eq!(faults(&ledger), []);
    deliver(&mut ledger, after);
    assert_eq!(faults(&ledger), [Fault::NotSubscribed(after)]);
}

#[test]
fn a_session_that_is_gone_is_lost_with_all_that_it_is_owed() {
    let mut ledger = subscribed();
    let id = acknowledged(&mut ledger, ONCE);
    ledger.connected("s", true);
    assert_eq!(faults(&ledger), []);
    ledger.connected("s", false);
    assert_eq!(faults(&ledger), [Fault::SessionLost { owed: 1 }, Fault::Lost { id, acknowledged: 1 }]);
}

#[test]
fn a_session_that_was_ended_does_not_come_back_nor_do_its_messages() {
    let mut ledger = subscribed();
    let id = acknowledged(&mut ledger, ONCE);
    ledger.renewing("s");
    assert!(ledger.is_settled());
    ledger.connected("s", false);
    assert_eq!(faults(&ledger), []);
    deliver(&mut ledger, id);
    ledger.renewing("s");
    ledger.connected("s", true);
    assert_eq!(faults(&ledger), [Fault::NotSubscribed(id), Fault::SessionBack]);
}

#[test]
fn a_refused_message_is_owed_to_nobody() {
    let mut ledger = subscribed();
    let id = sent(&mut ledger, ONCE);
    ledger.refused(id);
    ledger.acknowledged(id);
    ledger.settle();
    assert_eq!(faults(&ledger), []);
    assert_eq!(ledger.counts().refused, 1);
}

#[test]
fn a_retained_copy_is_not_older_than_the_subscription() {
    let mut ledger = Ledger::default();
    ledger.connected("s", false);
    let (old, new) = (acknowledged(&mut ledger, RETAINED), acknowledged(&mut ledger, RETAINED));
    ledger.subscribing("s", "load/#", QoS::AtLeastOnce);
    ledger.delivered("s", &RETAINED.topic(), &new.payload(), QoS::AtLeastOnce, true);
    assert_eq!(faults(&ledger), []);
    ledger.delivered("s", &RETAINED.topic(), &old.payload(), QoS::AtLeastOnce, true);
    let expected = Fault::Retained { topic: RETAINED.topic(), found: Some(1), acknowledged: 2 };
    assert_eq!(faults(&ledger), [expected]);
}

#[test]
fn a_retained_copy_may_be_younger_than_the_subscription_and_needs_one() {
    let mut ledger = subscribed();
    let id = acknowledged(&mut ledger, RETAINED);
    ledger.delivered("s", &RETAINED.topic(), &id.payload(), QoS::AtLeastOnce, true);
    deliver(&mut ledger, id);
    assert_eq!(faults(&ledger), []);
    ledger.connected("other", false);
    ledger.delivered("other", &RETAINED.topic(), &id.payload(), QoS::AtLeastOnce, true);
    assert_eq!(faults(&ledger), [Fault::NotSubscribed(id)]);
}

fn inspect(ledger: &mut Ledger, seen: &[MessageId]) {
    let snapshot = ledger.snapshot();
    let mut found = BTreeMap::new();
    for id in seen {
        found.extend(ledger.seen("i", &snapshot, &id.stream.topic(), &id.payload()));
    }
    ledger.inspected("i", &snapshot, &found);
}

#[test]
fn a_topic_has_the_last_acknowledged_retained_message_or_a_later_one() {
    let mut ledger = Ledger::default();
    let old = acknowledged(&mut ledger, RETAINED);
    let acknowledged = acknowledged(&mut ledger, RETAINED);
    let later = sent(&mut ledger, RETAINED);
    inspect(&mut ledger, &[acknowledged]);
    inspect(&mut ledger, &[later]);
    assert_eq!(faults(&ledger), []);
    inspect(&mut ledger, &[old]);
    let topic = RETAINED.topic();
    assert_eq!(faults(&ledger), [Fault::Retained { topic, found: Some(1), acknowledged: 2 }]);
}

#[test]
fn a_retained_message_that_a_faulty_disk_held_up_may_replace_later_ones_until_a_newer_one_is_acknowledged() {
    let mut ledger = Ledger::default();
    let held_up = sent(&mut ledger, RETAINED);
    let later = acknowledged(&mut ledger, RETAINED);
    ledger.forgive_order_of_open();
    let sent_meanwhile = sent(&mut ledger, RETAINED);
    ledger.acknowledged(held_up);
    ledger.acknowledged(sent_meanwhile);
    for id in [held_up, later, sent_meanwhile] {
        inspect(&mut ledger, &[id]);
    }
    assert_eq!(faults(&ledger), []);
    acknowledged(&mut ledger, RETAINED);
    inspect(&mut ledger, &[later]);
    let topic = RETAINED.topic();
    assert_eq!(faults(&ledger), [Fault::Retained { topic, found: Some(2), acknowledged: 4 }]);
}

#[test]
fn a_missing_retained_message_is_noticed_and_one_that_may_be_cleared_is_not_missed() {
    let mut ledger = Ledger::default();
    acknowledged(&mut ledger, CLEARED);
    inspect(&mut ledger, &[]);
    let topic = CLEARED.topic();
    assert_eq!(faults(&ledger), [Fault::Retained { topic, found: None, acknowledged: 1 }]);
    let clearing = (2..=5).map(|_| acknowledged(&mut ledger, CLEARED)).last();
    assert!(clearing.is_some_and(MessageId::clears));
    inspect(&mut ledger, &[]);
    assert_eq!(faults(&ledger).len(), 1);
}

#[test]
fn a_retained_message_that_was_cleared_must_not_come_back() {
    let mut ledger = Ledger::default();
    let first = acknowledged(&mut ledger, CLEARED);
    for _ in 2..=5 {
        acknowledged(&mut ledger, CLEARED);
    }
    inspect(&mut ledger, &[first]);
    let topic = CLEARED.topic();
    assert_eq!(faults(&ledger), [Fault::Retained { topic, found: Some(1), acknowledged: 5 }]);
}

#[test]
fn a_run_in_which_something_never_happened_proves_nothing() {
    assert_eq!(Ledger::default().counts().missing().len(), 6);
    let all =
        Counts { once: 1, exactly: 1, delivered: 1, shared: 1, resumed: 1, retained: 1, ..Counts::default() };
    assert!(all.missing().is_empty());
    assert_eq!(Counts { resumed: 0, ..all }.missing(), ["no session was resumed"]);
}

#[test]
fn every_violation_says_cycle_client_and_message() {
    let id = MessageId { stream: EXACTLY, sequence: 7 };
    let fault = Fault::Lost { id, acknowledged: 3 };
    let violation = Violation { cycle: 4, client: "subscriber-1".to_owned(), fault };
    let expected = "cycle 4, subscriber-1: lost: load/exactly/0 number 7 was acknowledged in cycle 3 and never delivered";
    assert_eq!(violation.to_string(), expected);
}
