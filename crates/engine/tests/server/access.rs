//! What clients may do: on every path, and when the rules change.

use darter_codec::{
    Connect, Packet, Properties, QoS, ReasonCode, SubscribeFilter, SubscriptionOptions, Version, Will,
};
use darter_engine::access::{Action, Effect, Identity, Policy, Rule, Who, Why};
use darter_engine::{DropReason, Event, Verdict};
use darter_testkit::packets::{
    connect, connect_as, publish, publish_1, publish_2, resume, retained, subscribe, will,
};
use darter_testkit::{Pair, RawId};

/// A policy of rules such as `ann: publish home/#`; `*` is everyone and a minus denies.
fn policy(rules: &[&str]) -> Policy {
    let mut policy = Policy::closed();
    for text in rules {
        let (who, rule) = text.split_once(": ").unwrap();
        let (effect, rule) = match rule.strip_prefix('-') {
            Some(rule) => (Effect::Deny, rule),
            None => (Effect::Allow, rule),
        };
        let who = if who == "*" { Who::Everyone } else { Who::User(who.into()) };
        policy.add(who, Rule::read(effect, rule, "test".into(), 1).unwrap());
    }
    policy
}

fn of(user: &'static str, connect: Connect) -> Connect {
    Connect { username: Some(user.into()), ..connect }
}

fn reason(pair: &mut Pair, raw: RawId, packet: impl Into<Packet>) -> Option<ReasonCode> {
    match &pair.exchange(raw, packet)[..] {
        [] => None,
        [Packet::PubAck(ack)] => Some(ack.reason),
        [Packet::PubRec(ack)] => Some(ack.reason),
        [Packet::SubAck(ack), ..] => Some(ack.reasons[0]),
        other => panic!("{other:?}"),
    }
}

fn denials(pair: &mut Pair) -> Vec<(String, Action, String)> {
    let denied = |event| match event {
        Event::Denied { client, action, topic, .. } => Some((client.to_string(), action, topic.to_string())),
        _ => None,
    };
    pair.events().into_iter().filter_map(denied).collect()
}

battery! {
    fn what_may_not_be_published_is_refused_counted_and_told_once(pair: &mut Pair) {
        pair.set_policy(policy(&["*: read #", "ann: publish home/#", "ann: retain home/kept"]));
        let reader = pair.join(connect("reader"));
        pair.subscribe(reader, subscribe("#", QoS::ExactlyOnce));
        let ann = pair.join(of("ann", connect("a")));
        let (ok, no) = (Some(ReasonCode::Success), Some(ReasonCode::NotAuthorized));
        assert_eq!(reason(pair, ann, publish_1("home/x", "1", 1)), ok);
        assert_eq!(reason(pair, ann, publish_1("away/x", "no", 2)), no);
        assert_eq!(reason(pair, ann, publish_2("away/x", "no", 3)), no);
        assert_eq!(reason(pair, ann, publish("away/x", "no")), None);
        assert_eq!(reason(pair, ann, retained(publish_1("home/x", "no", 4))), no);
        assert_eq!(reason(pair, ann, retained(publish_1("home/kept", "2", 5))), ok);
        let old = pair.join(of("ann", connect_as(Version::V311, "old", true)));
        assert_eq!(reason(pair, old, publish_1("away/x", "no", 1)), ok, "3.1.1 has no other answer");
        assert_eq!(reason(pair, old, publish_1("home/x", "3", 2)), ok);
        assert_eq!(pair.drain_texts(reader), ["1", "2", "3"]);
        assert_eq!(pair.dropped("a", "away/x", DropReason::Denied), 3);
        assert_eq!(pair.dropped("old", "away/x", DropReason::Denied), 1);
        assert_eq!(pair.counters().retained, 1);
        let mut told = denials(pair);
        told.sort_by(|one, other| (&one.0, &one.2).cmp(&(&other.0, &other.2)));
        let told: Vec<_> = told.iter().map(|(client, action, topic)| (&**client, *action, &**topic)).collect();
        let expected = [
            ("a", Action::Publish, "away/x"),
            ("a", Action::Retain, "home/x"),
            ("old", Action::Publish, "away/x"),
        ];
        assert_eq!(told, expected);
    }

    fn a_filter_is_refused_by_itself_and_the_others_of_its_packet_are_not(pair: &mut Pair) {
        pair.set_policy(policy(&["*: write #", "ann: read home/#"]));
        let ann = pair.join(of("ann", connect("a")));
        let filters = ["home/+", "away", "#", "$share/g/away", "$share/g/home/x", "$SYS/#"].map(|filter| {
            SubscribeFilter { filter: filter.into(), options: SubscriptionOptions::new(QoS::AtLeastOnce) }
        });
        let acks = pair.subscribe_all(ann, filters.into(), Properties::default());
        let (ok, no) = (ReasonCode::GrantedQos1, ReasonCode::NotAuthorized);
        assert_eq!(acks.reasons, [ok, no, no, no, ok, no]);
        let old = pair.join(of("ann", connect_as(Version::V311, "old", true)));
        assert!(reason(pair, old, subscribe("away", QoS::AtLeastOnce)).unwrap().is_error());
        let events = denials(pair);
        assert!(events.contains(&("a".into(), Action::Subscribe, "away".into())), "{events:?}");
    }

    fn only_what_may_be_received_goes_through_a_wide_subscription(pair: &mut Pair) {
        pair.set_policy(policy(&["*: write #", "ann: read #", "ann: -receive secret/#"]));
        let ann = pair.join(of("ann", connect("a")));
        pair.subscribe(ann, subscribe("#", QoS::ExactlyOnce));
        pair.subscribe(ann, subscribe("+/x", QoS::AtMostOnce));
        let p = pair.join(connect("p"));
        pair.exchange(p, publish_1("secret/x", "no", 1));
        pair.exchange(p, publish_1("open/x", "1", 2));
        pair.exchange(p, publish("secret/y", "no"));
        assert_eq!(pair.drain_texts(ann), ["1"]);
        assert!(pair.dropped("a", "secret/x", DropReason::Denied) >= 1);
        assert_eq!(pair.dropped("a", "secret/y", DropReason::Denied), 1);
    }

    fn retained_messages_are_sent_to_those_who_may_receive_them(pair: &mut Pair) {
        let p = pair.join(connect("p"));
        pair.exchange(p, retained(publish_1("open/x", "1", 1)));
        pair.exchange(p, retained(publish_1("secret/x", "no", 2)));
        pair.set_policy(policy(&["ann: read #", "ann: -receive secret/#"]));
        let ann = pair.join(of("ann", connect("a")));
        pair.subscribe(ann, subscribe("#", QoS::AtLeastOnce));
        assert_eq!(pair.drain_texts(ann), ["1"]);
    }

    fn a_queue_is_looked_through_again_when_it_is_sent(pair: &mut Pair) {
        pair.set_policy(policy(&["*: write #", "ann: read #"]));
        let ann = pair.join(of("ann", resume("a", 1000)));
        pair.subscribe(ann, subscribe("#", QoS::AtLeastOnce));
        pair.lose(ann);
        let p = pair.join(connect("p"));
        pair.exchange(p, publish_1("open/x", "1", 1));
        pair.exchange(p, publish_1("secret/x", "no", 2));
        pair.run();
        pair.set_policy(policy(&["*: write #", "ann: read #", "ann: -receive secret/#"]));
        pair.exchange(p, publish_1("secret/y", "no", 3));
        pair.exchange(p, publish_1("open/y", "2", 4));
        let ann = pair.join(of("ann", resume("a", 1000)));
        assert_eq!(pair.drain_texts(ann), ["1", "2"]);
        assert_eq!(pair.dropped("a", "secret/x", DropReason::Denied), 1);
    }

    fn a_subscription_stops_and_goes_on_with_the_rules(pair: &mut Pair) {
        let all = ["*: write #", "ann: read #"];
        pair.set_policy(policy(&all));
        let ann = pair.join(of("ann", resume("a", 1000)));
        pair.subscribe(ann, subscribe("t/#", QoS::AtLeastOnce));
        let p = pair.join(connect("p"));
        pair.exchange(p, publish_1("t/x", "1", 1));
        pair.set_policy(policy(&["*: write #", "ann: receive #"]));
        pair.exchange(p, publish_1("t/x", "not subscribed any more", 2));
        pair.set_policy(policy(&["*: write #"]));
        pair.exchange(p, publish_1("t/x", "nothing", 3));
        pair.set_policy(policy(&all));
        pair.exchange(p, publish_1("t/x", "2", 4));
        pair.set_policy(Policy::open());
        pair.exchange(p, publish_1("t/x", "3", 5));
        assert_eq!(pair.drain_texts(ann), ["1", "2", "3"]);
        assert!(!pair.is_closed(ann), "its session goes on");
        assert_eq!(pair.dropped("a", "t/x", DropReason::Denied), 2);
        pair.set_policy(policy(&["ann: read #"]));
        assert_eq!(reason(pair, p, publish_1("t/x", "no", 6)), Some(ReasonCode::NotAuthorized), "rules made later count");
    }

    fn a_member_of_a_group_gets_what_it_may_receive(pair: &mut Pair) {
        pair.set_policy(policy(&["*: write #", "*: subscribe #", "ann: receive a/#", "bob: receive b/#"]));
        let members = ["ann", "bob"].map(|user| {
            let raw = pair.join(of(user, connect(&pair.name_on(usize::from(user == "bob"), user))));
            pair.subscribe(raw, subscribe("$share/g/+/x", QoS::AtLeastOnce));
            raw
        });
        let p = pair.join(connect("p"));
        for (number, topic) in (1..).zip(["a/x", "a/x", "b/x", "b/x", "c/x"]) {
            pair.exchange(p, publish_1(topic, topic, number));
        }
        assert_eq!(pair.drain_texts(members[0]), ["a/x", "a/x"]);
        assert_eq!(pair.drain_texts(members[1]), ["b/x", "b/x"]);
        assert_eq!(pair.dropped("$share/g/+/x", "c/x", DropReason::Denied), 1);
        pair.set_policy(policy(&["*: write #", "*: subscribe #", "bob: receive #"]));
        pair.run();
        pair.exchange(p, publish_1("a/x", "now bob", 6));
        assert_eq!(pair.drain_texts(members[1]), ["now bob"]);
        assert!(pair.drain_texts(members[0]).is_empty());
    }

    fn a_will_is_looked_at_when_it_is_left_and_when_it_is_published(pair: &mut Pair) {
        let rules = ["*: read #", "ann: publish last/#"];
        pair.set_policy(policy(&rules));
        let reader = pair.join(connect("reader"));
        pair.subscribe(reader, subscribe("#", QoS::AtLeastOnce));
        let with = |will: Will| Connect { will: Some(will), ..of("ann", connect("a")) };
        let (refused, connack) = pair.connect(with(will("other/words", "no")));
        assert_eq!(connack.reason, ReasonCode::NotAuthorized);
        assert!(pair.is_closed(refused));
        let (_, connack) = pair.connect(with(Will { retain: true, ..will("last/words", "no") }));
        assert_eq!(connack.reason, ReasonCode::NotAuthorized, "it may not be retained");
        let ann = pair.join(with(will("last/words", "1")));
        pair.lose(ann);
        pair.run();
        let ann = pair.join(with(will("last/words", "no")));
        pair.set_policy(policy(&["*: read #"]));
        pair.lose(ann);
        pair.run();
        assert_eq!(pair.drain_texts(reader), ["1"]);
        assert_eq!(pair.dropped("a", "last/words", DropReason::Denied), 1);
    }

    fn a_session_belongs_to_the_user_that_made_it(pair: &mut Pair) {
        pair.set_verdict(|connect| {
            let user = connect.username.as_ref().map(|name| (&**name).into());
            Verdict::Accept(Identity { user, guarded: true, ..Identity::default() })
        });
        let ann = pair.join(of("ann", resume("a", 1000)));
        pair.subscribe(ann, subscribe("t", QoS::AtLeastOnce));
        for version in [Version::V5, Version::V311] {
            for clean in [true, false] {
                for stranger in [of("bob", connect_as(version, "a", clean)), connect_as(version, "a", clean)] {
                    let (refused, connack) = pair.connect(stranger);
                    assert_eq!(connack.reason, ReasonCode::NotAuthorized);
                    assert!(pair.is_closed(refused));
                }
            }
        }
        assert!(!pair.is_closed(ann));
        pair.lose(ann);
        let p = pair.join(connect("p"));
        pair.exchange(p, publish_1("t", "for ann", 1));
        let shards = u8::try_from(pair.shards()).unwrap();
        pair.run();
        pair.crash_and_restart(shards, 50_000);
        let (_, connack) = pair.connect(of("bob", resume("a", 1000)));
        assert_eq!(connack.reason, ReasonCode::NotAuthorized, "after a start too");
        let ann = pair.join(of("ann", resume("a", 1000)));
        assert_eq!(pair.drain_texts(ann), ["for ann"]);
    }

    fn a_session_without_a_user_belongs_to_the_first_one_who_comes(pair: &mut Pair) {
        pair.set_verdict(|connect| {
            let user = connect.username.as_ref().map(|name| (&**name).into());
            Verdict::Accept(Identity { user, guarded: true, ..Identity::default() })
        });
        let nobody = pair.join(resume("a", 1000));
        pair.lose(nobody);
        let (ann, connack) = pair.connect(of("ann", resume("a", 1000)));
        assert!(connack.session_present);
        pair.lose(ann);
        let (_, connack) = pair.connect(of("bob", resume("a", 1000)));
        assert_eq!(connack.reason, ReasonCode::NotAuthorized);
    }

    fn what_waits_over_a_start_is_looked_at_when_its_client_is_back(pair: &mut Pair) {
        pair.set_policy(policy(&["*: write #", "ann: read #"]));
        let ann = pair.join(of("ann", resume("a", 1000)));
        pair.subscribe(ann, subscribe("#", QoS::AtLeastOnce));
        pair.lose(ann);
        pair.run();
        let shards = u8::try_from(pair.shards()).unwrap();
        pair.crash_and_restart(shards, 50_000);
        pair.set_policy(policy(&["*: write #", "ann: read #", "ann: -receive secret/#"]));
        let p = pair.join(connect("p"));
        pair.exchange(p, publish_1("open/x", "1", 1));
        pair.exchange(p, publish_1("secret/x", "no", 2));
        let ann = pair.join(of("ann", resume("a", 1000)));
        assert_eq!(pair.drain_texts(ann), ["1"]);
        pair.exchange(p, publish_1("secret/x", "no", 3));
        assert!(pair.drain_texts(ann).is_empty());
    }

    fn what_the_server_tells_of_clients_needs_a_rule_of_its_own(pair: &mut Pair) {
        let open = pair.join(connect("open"));
        assert_eq!(reason(pair, open, subscribe("$SYS/broker/events/#", QoS::AtMostOnce)), Some(ReasonCode::NotAuthorized));
        assert_eq!(reason(pair, open, subscribe("$SYS/#", QoS::AtMostOnce)), Some(ReasonCode::Success));
        pair.set_policy(policy(&["*: read $SYS/#", "ann: read $SYS/broker/events/#"]));
        let ann = pair.join(of("ann", connect("a")));
        assert_eq!(reason(pair, ann, subscribe("$SYS/broker/events/#", QoS::AtMostOnce)), Some(ReasonCode::Success));
        let bob = pair.join(of("bob", connect("b")));
        assert_eq!(reason(pair, bob, subscribe("$SYS/broker/events/#", QoS::AtMostOnce)), Some(ReasonCode::NotAuthorized));
    }

    fn a_denial_says_what_decided(pair: &mut Pair) {
        pair.set_policy(policy(&["ann: write #", "ann: -write closed/#"]));
        let ann = pair.join(of("ann", connect("a")));
        pair.exchange(ann, publish_1("closed/x", "no", 1));
        let whys: Vec<_> = pair.events().into_iter().filter_map(|event| match event {
            Event::Denied { why, user, .. } => Some((why, user)),
            _ => None,
        }).collect();
        let [(Why::Rule(origin), Some(user))] = &whys[..] else { panic!("{whys:?}") };
        assert_eq!((&*origin.text, &**user), ("write closed/#", "ann"));
    }
}
