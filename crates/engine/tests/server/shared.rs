//! Shared subscriptions (section 4.8.2).

use darter_codec::{
    Packet, Publish, QoS, ReasonCode, Subscribe, SubscribeFilter, SubscriptionOptions, Unsubscribe,
};
use darter_engine::DropReason;
use darter_testkit::packets::{
    connect, pubcomp, publish, publish_1, publish_2, pubrec, resume, retained, subscribe, subscribe_with,
    unsubscribe,
};
use darter_testkit::{Pair, RawId};

const FILTER: &str = "$share/group/t/#";

fn members(pair: &mut Pair, count: usize, qos: QoS) -> Vec<RawId> {
    (0..count)
        .map(|number| {
            let name = pair.name_on(number, "member");
            let member = pair.join(resume(&name, 100));
            pair.subscribe(member, subscribe(FILTER, qos));
            member
        })
        .collect()
}

fn texts(messages: &[Publish]) -> Vec<String> {
    messages.iter().map(|one| String::from_utf8_lossy(&one.payload).into_owned()).collect()
}

battery! {
    fn each_message_goes_to_one_member(pair: &mut Pair) {
        let members = members(pair, 4, QoS::ExactlyOnce);
        let p = pair.join(connect("p"));
        let mut expected = Vec::new();
        for number in 1..=40u16 {
            let text = number.to_string();
            pair.exchange(p, publish("t/0", &format!("0-{text}")));
            pair.exchange(p, publish_1("t/1", &format!("1-{text}"), number));
            pair.exchange(p, publish_2("t/2", &format!("2-{text}"), 100 + number));
            pair.exchange(p, darter_testkit::packets::pubrel(darter_testkit::packets::id(100 + number)));
            expected.extend((0..3).map(|qos| format!("{qos}-{text}")));
        }
        let mut seen = Vec::new();
        for member in members {
            let got = pair.drain_texts(member);
            assert!(got.len() >= 20, "every member has its part");
            seen.extend(got);
        }
        seen.sort();
        expected.sort();
        assert_eq!(seen, expected);
    }

    fn what_concerns_groups_of_many_owners_is_answered(pair: &mut Pair) {
        for number in 0..8 {
            let name = pair.name_on(number, "member");
            let member = pair.join(connect(&name));
            pair.subscribe(member, subscribe(&format!("$share/group-{number}/t/#"), QoS::AtLeastOnce));
        }
        let p = pair.join(connect("p"));
        let filters: Vec<_> = (0..8).map(|number| format!("$share/group-{number}/t/#").into()).collect();
        let options = SubscriptionOptions { qos: QoS::AtLeastOnce, ..SubscriptionOptions::default() };
        let entries = filters.iter().map(|filter: &darter_codec::ByteString| SubscribeFilter { filter: filter.clone(), options });
        let subscribe_all = Subscribe { filters: entries.collect(), ..subscribe("t", QoS::AtMostOnce) };
        for packet_id in 1..=20 {
            pair.send(p, publish_1("t/x", "x", packet_id));
            pair.run();
            let answered = |packet: &Packet| matches!(packet, Packet::PubAck(ack) if ack.packet_id.get() == packet_id);
            assert!(pair.received(p).iter().any(answered), "PUBACK {packet_id}");
            pair.send(p, subscribe_all.clone());
            pair.run();
            assert!(pair.received(p).iter().any(|packet| matches!(packet, Packet::SubAck(_))), "SUBACK {packet_id}");
            pair.send(p, Unsubscribe { filters: filters.clone(), ..unsubscribe("t") });
            pair.run();
            assert!(pair.received(p).iter().any(|packet| matches!(packet, Packet::UnsubAck(_))), "UNSUBACK {packet_id}");
        }
    }

    fn groups_and_plain_subscriptions_are_apart(pair: &mut Pair) {
        let one = pair.join(connect("one"));
        let other = pair.join(connect("other"));
        let plain = pair.join(connect("plain"));
        pair.subscribe(one, subscribe("$share/first/t", QoS::AtMostOnce));
        pair.subscribe(other, subscribe("$share/second/t", QoS::AtMostOnce));
        pair.subscribe(plain, subscribe("t", QoS::AtMostOnce));
        let p = pair.join(connect("p"));
        pair.exchange(p, publish("t", "x"));
        for client in [one, other, plain] {
            assert_eq!(pair.drain_texts(client), ["x"]);
        }
    }

    fn a_client_in_a_group_and_beside_it_gets_both(pair: &mut Pair) {
        let a = pair.join(connect("a"));
        pair.subscribe(a, subscribe("$share/group/t", QoS::AtMostOnce));
        pair.subscribe(a, subscribe("t", QoS::AtMostOnce));
        let p = pair.join(connect("p"));
        pair.exchange(p, publish("t", "x"));
        assert_eq!(pair.drain_texts(a), ["x", "x"]);
    }

    fn members_that_are_away_get_nothing_while_others_are_there(pair: &mut Pair) {
        let members = members(pair, 3, QoS::AtLeastOnce);
        pair.lose(members[0]);
        pair.lose(members[2]);
        let p = pair.join(connect("p"));
        for number in 1..=20 {
            pair.exchange(p, publish_1("t/x", &number.to_string(), number));
        }
        assert_eq!(pair.drain(members[1]).len(), 20);
    }

    fn messages_wait_for_a_member_when_all_are_away(pair: &mut Pair) {
        let members = members(pair, 2, QoS::AtLeastOnce);
        for member in &members {
            pair.lose(*member);
        }
        let p = pair.join(connect("p"));
        for number in 1..=10 {
            pair.exchange(p, publish_1("t/x", &number.to_string(), number));
        }
        let mut seen = Vec::new();
        for number in 0..2 {
            let name = pair.name_on(number, "member");
            let member = pair.join(resume(&name, 100));
            seen.extend(pair.drain(member));
        }
        let mut seen: Vec<u32> = texts(&seen).iter().map(|text| text.parse().unwrap()).collect();
        seen.sort_unstable();
        assert_eq!(seen, (1..=10).collect::<Vec<_>>());
    }

    fn qos_0_with_nobody_there_is_counted(pair: &mut Pair) {
        let members = members(pair, 1, QoS::AtMostOnce);
        pair.lose(members[0]);
        let p = pair.join(connect("p"));
        pair.exchange(p, publish("t/x", "lost"));
        assert_eq!(pair.dropped(FILTER, "t/x", DropReason::NoMember), 1);
    }

    fn what_an_ended_member_did_not_acknowledge_goes_to_another(pair: &mut Pair) {
        let members = members(pair, 2, QoS::AtLeastOnce);
        let p = pair.join(connect("p"));
        for number in 1..=10 {
            pair.exchange(p, publish_1("t/x", &number.to_string(), number));
        }
        let stays = pair.drain_texts(members[0]);
        let leaves = texts(&pair.messages(members[1]));
        assert_eq!(stays.len() + leaves.len(), 10);
        assert!(!leaves.is_empty());
        pair.lose(members[1]);
        pair.advance(99_000);
        assert!(pair.drain(members[0]).is_empty(), "the session may come back");
        pair.advance(1_000);
        assert_eq!(pair.drain_texts(members[0]), leaves, "in order");
        pair.advance(1_000);
        assert!(pair.drain(members[0]).is_empty(), "once");
    }

    fn a_long_queue_of_an_ended_member_goes_to_another_whole(pair: &mut Pair) {
        const MESSAGES: u16 = 3_000;
        let members = members(pair, 2, QoS::AtLeastOnce);
        pair.lose(members[0]);
        pair.lose(members[1]);
        let p = pair.join(connect("p"));
        for number in 1..=MESSAGES {
            pair.exchange(p, publish_1("t/x", &number.to_string(), number));
        }
        pair.advance(50_000);
        let stays = pair.join(resume(&pair.name_on(0, "member"), 100));
        let mut seen = pair.drain_texts(stays);
        assert!(seen.len() < 2_500, "the other one has many");
        pair.advance(51_000);
        seen.extend(pair.drain_texts(stays));
        let mut seen: Vec<u16> = seen.iter().map(|text| text.parse().unwrap()).collect();
        seen.sort_unstable();
        assert!(seen.iter().copied().eq(1..=MESSAGES), "{} of {MESSAGES}", seen.len());
    }

    fn qos_2_that_was_sent_never_moves(pair: &mut Pair) {
        let members = members(pair, 2, QoS::ExactlyOnce);
        let p = pair.join(connect("p"));
        for number in 1..=6 {
            pair.exchange(p, publish_2("t/x", &number.to_string(), number));
        }
        let stays = pair.drain(members[0]);
        let sent = pair.messages(members[1]);
        assert_eq!(stays.len() + sent.len(), 6);
        assert!(!sent.is_empty());
        pair.lose(members[1]);
        pair.advance(100_000);
        assert!(pair.drain(members[0]).is_empty(), "[MQTT-4.8.2-5]");
    }

    fn qos_2_that_waits_moves(pair: &mut Pair) {
        let members = members(pair, 2, QoS::ExactlyOnce);
        for member in &members {
            pair.lose(*member);
        }
        let p = pair.join(connect("p"));
        for number in 1..=6 {
            pair.exchange(p, publish_2("t/x", &number.to_string(), number));
        }
        let name = pair.name_on(0, "member");
        let stays = pair.join(resume(&name, 100));
        let before = pair.drain(stays).len();
        assert!(before < 6);
        pair.advance(100_000);
        assert_eq!(before + pair.drain(stays).len(), 6, "what was never sent may go to another member");
    }

    fn unsubscribing_takes_a_member_out(pair: &mut Pair) {
        let members = members(pair, 3, QoS::AtLeastOnce);
        let answer = pair.exchange(members[1], unsubscribe(FILTER));
        assert!(matches!(&answer[..], [Packet::UnsubAck(ack)] if ack.reasons == [ReasonCode::Success]));
        let p = pair.join(connect("p"));
        for number in 1..=20 {
            pair.exchange(p, publish_1("t/x", &number.to_string(), number));
        }
        assert!(pair.drain(members[1]).is_empty());
        assert_eq!(pair.drain(members[0]).len() + pair.drain(members[2]).len(), 20);
        for member in [members[0], members[2]] {
            pair.exchange(member, unsubscribe(FILTER));
        }
        assert_eq!(pair.counters().shared_subscriptions, 0);
        let answer = pair.exchange(p, publish_1("t/x", "nobody", 30));
        assert!(matches!(&answer[..], [Packet::PubAck(ack)] if ack.reason == ReasonCode::NoMatchingSubscribers));
    }

    fn joining_again_changes_the_options(pair: &mut Pair) {
        let a = pair.join(connect("a"));
        pair.subscribe(a, subscribe(FILTER, QoS::AtMostOnce));
        pair.subscribe(a, subscribe(FILTER, QoS::AtLeastOnce));
        assert_eq!(pair.counters().shared_subscriptions, 1);
        let p = pair.join(connect("p"));
        pair.exchange(p, publish_1("t/x", "x", 1));
        let messages = pair.drain(a);
        assert_eq!((messages.len(), messages[0].qos), (1, QoS::AtLeastOnce));
    }

    fn retained_messages_are_not_sent_to_a_group(pair: &mut Pair) {
        let p = pair.join(connect("p"));
        pair.exchange(p, retained(publish("t/x", "x")));
        let a = pair.join(connect("a"));
        pair.subscribe(a, subscribe(FILTER, QoS::AtMostOnce));
        assert!(pair.drain(a).is_empty());
        pair.exchange(p, retained(publish("t/x", "live")));
        let messages = pair.drain(a);
        assert_eq!(texts(&messages), ["live"]);
        assert!(!messages[0].retain);
    }

    fn no_local_is_not_for_groups(pair: &mut Pair) {
        let a = pair.join(connect("a"));
        let bytes = [0x82, 6 + 16, 0, 1, 0, 0, 16];
        let no_local = SubscriptionOptions { no_local: true, ..SubscriptionOptions::new(QoS::AtMostOnce) };
        pair.send_bytes(a, &bytes);
        pair.send_bytes(a, FILTER.as_bytes());
        pair.send_bytes(a, &[no_local.to_u8()]);
        pair.run();
        assert_eq!(pair.farewell(a), ReasonCode::ProtocolError, "[MQTT-3.8.3-4]");
        let a = pair.join(connect("a"));
        pair.subscribe(a, subscribe_with("t", no_local));
        assert!(!pair.is_closed(a));
    }

    fn a_member_publishes_to_its_own_group(pair: &mut Pair) {
        let members = members(pair, 3, QoS::AtLeastOnce);
        for number in 1..=30 {
            pair.send(members[0], publish_1("t/x", &number.to_string(), number));
        }
        let mut seen = 0;
        for member in members {
            seen += pair.drain(member).len();
        }
        assert_eq!(seen, 30);
    }

    fn a_member_finishes_qos_2_after_reconnecting(pair: &mut Pair) {
        let members = members(pair, 1, QoS::ExactlyOnce);
        let p = pair.join(connect("p"));
        pair.exchange(p, publish_2("t/x", "x", 1));
        let id = pair.messages(members[0])[0].packet_id.unwrap();
        pair.lose(members[0]);
        let name = pair.name_on(0, "member");
        let member = pair.join(resume(&name, 100));
        let again = pair.messages(member);
        assert_eq!((again[0].packet_id, again[0].dup), (Some(id), true));
        pair.exchange(member, pubrec(id));
        pair.exchange(member, pubcomp(id));
        pair.lose(member);
        let member = pair.join(resume(&name, 100));
        assert!(pair.received(member).is_empty());
    }

    fn a_busy_member_does_not_hold_up_the_group(pair: &mut Pair) {
        pair.limit(|limits| limits.inflight = 2);
        let members = members(pair, 2, QoS::AtLeastOnce);
        let p = pair.join(connect("p"));
        // The second member acknowledges nothing: at most its window stays with it, while the first keeps up.
        let mut kept_up = 0;
        for number in 1..=20 {
            pair.exchange(p, publish_1("t/x", &number.to_string(), number));
            kept_up += pair.drain(members[0]).len();
        }
        let stuck = pair.messages(members[1]).len();
        assert!(stuck <= 2);
        if pair.shards() == 1 {
            assert_eq!(kept_up, 18);
        }
    }
}
