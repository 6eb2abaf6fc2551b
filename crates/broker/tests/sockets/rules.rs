//! Rules while the server runs, and what it tells of refusals.

use darter_broker::access::{Effect, Policy, Rule, Who};
use darter_broker::admin::{Subject, answer};
use darter_codec::{Packet, QoS, ReasonCode};
use darter_testkit::packets::{connect, publish_1, subscribe};
use darter_testkit::{BrokerFixture, RawClient};
use serde_json::{Value, json};
use std::sync::Arc;

fn policy(rules: &[&str]) -> Arc<Policy> {
    let mut policy = Policy::closed();
    for rule in rules {
        policy.add(Who::Everyone, Rule::read(Effect::Allow, rule, "rules".into(), 7).unwrap());
    }
    Arc::new(policy)
}

fn publish(client: &mut RawClient, topic: &str, number: u16) -> ReasonCode {
    client.send(publish_1(topic, "x", number)).unwrap();
    match client.receive().unwrap() {
        Some(Packet::PubAck(ack)) => ack.reason,
        other => panic!("{other:?}"),
    }
}

fn ask(server: &BrokerFixture, request: &Value) -> Value {
    answer(&Subject::new(server.broker().view()), request.to_string().as_bytes())["ok"].take()
}

battery! {
    fn rules_change_while_clients_are_there_and_refusals_are_told(shards: u8) {
        let events = ["write #", "read $SYS/broker/events/#"];
        let server = BrokerFixture::with(shards, |options| options.policy = policy(&events));
        let mut watcher = RawClient::join(server.address(), connect("watcher")).unwrap();
        watcher.send(subscribe("$SYS/broker/events/#", QoS::AtMostOnce)).unwrap();
        assert!(matches!(watcher.receive().unwrap(), Some(Packet::SubAck(_))));
        let mut client = RawClient::join(server.address(), connect("c")).unwrap();
        assert_ne!(publish(&mut client, "t/x", 1), ReasonCode::NotAuthorized);
        server.broker().set_policy(&policy(&["write u/#", "read $SYS/broker/events/#"]));
        // The shard may take them between two packets; the client stays.
        while publish(&mut client, "t/x", 2) != ReasonCode::NotAuthorized {}
        assert_ne!(publish(&mut client, "u/x", 3), ReasonCode::NotAuthorized);
        let Some(Packet::Publish(event)) = watcher.receive().unwrap() else { panic!() };
        let event: Value = serde_json::from_slice(&event.payload).unwrap();
        assert_eq!((&event["client"], &event["action"], &event["topic"]), (&json!("c"), &json!("publish"), &json!("t/x")));
        assert_eq!(event["why"], json!("no rule allows it"));
        assert!(event["address"].as_str().unwrap().starts_with("127.0.0.1:"), "{event}");
        let kept = ask(&server, &json!({ "do": "refusals", "client": "c" }));
        assert_eq!(kept["refusals"].as_array().unwrap().len(), 1, "{kept}");
        let explained = ask(&server, &json!({ "do": "explain", "action": "publish", "client": "c", "topic": "u/x" }));
        assert_eq!((&explained["allowed"], &explained["rule"]["line"]), (&json!(true), &json!(7)));
    }
}
