//! The client against a server that does what the test says.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on fails")]

mod script;

use darter_client::{
    Client, ConnAck, Disconnect, Error, Lost, Packet, PacketId, Properties, Publish, QoS, ReasonCode,
    Resubscribe, Version,
};
use script::{Script, poll_once};
use tokio::join;

fn message(qos: QoS, topic: &str, payload: &str) -> Publish {
    Publish { qos, topic: topic.into(), payload: payload.to_owned().into(), ..Publish::default() }
}

fn numbered(id: u16, topic: &str, payload: &str) -> Publish {
    Publish { packet_id: PacketId::new(id), ..message(QoS::AtLeastOnce, topic, payload) }
}

#[tokio::test]
async fn a_publish_is_complete_when_it_is_acknowledged_and_not_before() {
    for version in [Version::V31, Version::V311, Version::V5] {
        let mut script = Script::new(version).await;
        let (client, mut peer) = join!(Client::connect(script.take_options()), script.accept(false));
        let client = client.unwrap();
        let mut publication = client.start_publish(message(QoS::AtLeastOnce, "t", "x")).await.unwrap();
        let Some(Packet::Publish(publish)) = peer.next().await else { panic!("no PUBLISH") };
        assert!(poll_once(&mut publication).is_pending());
        let packet_id = publish.packet_id.unwrap();
        let properties = Properties::default();
        peer.send(darter_codec::PubAck { packet_id, reason: ReasonCode::Success, properties }).await;
        assert_eq!(publication.await.unwrap().packet_id, Some(packet_id));
    }
}

#[tokio::test]
async fn a_refused_connection_tells_the_reason() {
    let mut script = Script::new(Version::V5).await;
    let refuse = async {
        let properties = Properties::default();
        let mut peer = script.connect().await;
        peer.send(ConnAck { session_present: false, reason: ReasonCode::NotAuthorized, properties }).await;
    };
    let port = script.options.port;
    let options = darter_client::ClientOptions::new(Version::V5, "me", "127.0.0.1", port);
    let (client, ()) = join!(Client::connect(options), refuse);
    assert!(matches!(client, Err(Lost::Refused(connack)) if connack.reason == ReasonCode::NotAuthorized));
    drop(script.take_options());
}

#[tokio::test]
async fn what_was_not_acknowledged_is_sent_again_after_a_reconnect() {
    let mut script = Script::new(Version::V311).await;
    script.options.session.clean_start = false;
    let (client, mut peer) = join!(Client::connect(script.take_options()), script.accept(false));
    let client = client.unwrap();
    let first = client.start_publish(message(QoS::AtLeastOnce, "t", "first")).await.unwrap();
    assert!(matches!(peer.next().await, Some(Packet::Publish(publish)) if !publish.dup));
    drop(peer);
    let second = client.start_publish(message(QoS::AtLeastOnce, "t", "second")).await.unwrap();
    let mut peer = script.accept(true).await;
    let again = peer.acknowledge_publish().await;
    assert!(again.dup && again.payload == "first");
    assert_eq!(peer.acknowledge_publish().await.payload, "second");
    first.await.unwrap();
    second.await.unwrap();
}

#[tokio::test]
async fn subscriptions_are_made_again_when_the_server_lost_the_session_and_only_then() {
    for (resubscribe, session_present, again) in [
        (Resubscribe::WhenSessionLost, false, true),
        (Resubscribe::WhenSessionLost, true, false),
        (Resubscribe::Always, true, true),
    ] {
        let mut script = Script::new(Version::V5).await;
        script.options.resubscribe = resubscribe;
        let (client, mut peer) = join!(Client::connect(script.take_options()), script.accept(false));
        let client = client.unwrap();
        let (messages, _) = join!(client.subscribe("a/#", QoS::AtLeastOnce), peer.accept_subscribe());
        let mut messages = messages.unwrap();
        drop(peer);
        let mut peer = script.accept(session_present).await;
        if again {
            assert_eq!(peer.accept_subscribe().await, ["a/#"]);
        }
        peer.send(message(QoS::AtMostOnce, "a/b", "after")).await;
        assert!(messages.recv().await.is_some_and(|message| message.payload == "after"));
        client.publish(message(QoS::AtMostOnce, "end", "")).await.unwrap();
        assert!(matches!(peer.next().await, Some(Packet::Publish(_))), "nothing else was sent");
    }
}

#[tokio::test]
async fn a_request_that_the_server_did_not_answer_is_made_again() {
    let mut script = Script::new(Version::V5).await;
    let (client, mut peer) = join!(Client::connect(script.take_options()), script.accept(false));
    let client = client.unwrap();
    let server = async {
        assert!(matches!(peer.next().await, Some(Packet::Subscribe(_))));
        drop(peer);
        let mut peer = script.accept(false).await;
        peer.accept_subscribe().await;
        peer
    };
    let (messages, _peer) = join!(client.subscribe("a", QoS::AtMostOnce), server);
    assert!(messages.is_ok());
}

#[tokio::test]
async fn messages_are_acknowledged_when_they_are_taken_and_a_full_stream_stops_the_reading() {
    let mut script = Script::new(Version::V311).await;
    script.options.stream_capacity = 2;
    let (client, mut peer) = join!(Client::connect(script.take_options()), script.accept(false));
    let client = client.unwrap();
    let (messages, _) = join!(client.subscribe("a", QoS::AtLeastOnce), peer.accept_subscribe());
    let mut messages = messages.unwrap();
    for id in 1..=5 {
        peer.send(numbered(id, "a", "x")).await;
    }
    client.publish(message(QoS::AtMostOnce, "nothing acknowledged", "")).await.unwrap();
    assert!(matches!(peer.next().await, Some(Packet::Publish(_))));
    for id in 1..=5 {
        assert_eq!(messages.recv().await.unwrap().packet_id, PacketId::new(id));
        assert!(
            matches!(peer.next().await, Some(Packet::PubAck(ack)) if Some(ack.packet_id) == PacketId::new(id))
        );
    }
}

#[tokio::test]
async fn the_inbox_gets_what_no_stream_asked_for_and_without_one_it_is_acknowledged_and_dropped() {
    let mut script = Script::new(Version::V311).await;
    let (connected, mut peer) = join!(Client::connect_with_inbox(script.take_options()), script.accept(true));
    let (_client, mut inbox) = connected.unwrap();
    peer.send(numbered(1, "old", "x")).await;
    assert_eq!(inbox.recv().await.unwrap().topic, "old");
    assert!(matches!(peer.next().await, Some(Packet::PubAck(_))));

    let (client, mut peer) = join!(Client::connect(script.take_options()), script.accept(true));
    let _client = client.unwrap();
    peer.send(numbered(1, "old", "x")).await;
    assert!(matches!(peer.next().await, Some(Packet::PubAck(_))));
}

#[tokio::test]
async fn dropping_a_stream_unsubscribes() {
    let mut script = Script::new(Version::V5).await;
    let (client, mut peer) = join!(Client::connect(script.take_options()), script.accept(false));
    let client = client.unwrap();
    let (messages, _) = join!(client.subscribe("a", QoS::AtMostOnce), peer.accept_subscribe());
    drop(messages.unwrap());
    peer.send(message(QoS::AtMostOnce, "a", "nobody listens")).await;
    assert!(matches!(peer.next().await, Some(Packet::Unsubscribe(packet)) if packet.filters == ["a"]));
}

#[tokio::test]
async fn disconnect_comes_after_everything_handed_over_before_it() {
    let mut script = Script::new(Version::V5).await;
    let (client, mut peer) = join!(Client::connect(script.take_options()), script.accept(false));
    let client = client.unwrap();
    for _ in 0..10 {
        client.start_publish(message(QoS::AtMostOnce, "t", "x")).await.unwrap();
    }
    let server = async {
        for _ in 0..10 {
            assert!(matches!(peer.next().await, Some(Packet::Publish(_))));
        }
        assert!(matches!(peer.next().await, Some(Packet::Disconnect(_))));
        assert!(peer.next().await.is_none());
    };
    join!(client.disconnect(), server);
    assert!(matches!(client.closed().await, Lost::Requested));
    assert!(matches!(client.publish(message(QoS::AtMostOnce, "t", "x")).await, Err(Error::Closed)));
}

#[tokio::test]
async fn without_reconnecting_the_end_is_told_to_everyone_who_waits() {
    let mut script = Script::new(Version::V5).await;
    script.options.reconnect = None;
    let (client, mut peer) = join!(Client::connect(script.take_options()), script.accept(false));
    let client = client.unwrap();
    let publication = client.start_publish(message(QoS::AtLeastOnce, "t", "x")).await.unwrap();
    assert!(matches!(peer.next().await, Some(Packet::Publish(_))));
    peer.send(Disconnect { reason: ReasonCode::ServerShuttingDown, properties: Properties::default() }).await;
    drop(peer);
    let reason = client.closed().await;
    assert!(
        matches!(&reason, Lost::Disconnected(told) if told.reason == ReasonCode::ServerShuttingDown),
        "{reason:?}"
    );
    assert!(matches!(publication.await, Err(Error::Closed)));
}

#[tokio::test]
async fn dropping_the_last_client_disconnects() {
    let mut script = Script::new(Version::V311).await;
    let (client, mut peer) = join!(Client::connect(script.take_options()), script.accept(false));
    drop(client.unwrap());
    assert!(matches!(peer.next().await, Some(Packet::Disconnect(_))));
    assert!(peer.next().await.is_none());
}
