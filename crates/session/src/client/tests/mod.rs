mod delivery;
mod pair;

use super::{CommandError, End, Event, Failure, Options, PublishError, Status};
use darter_codec::{
    Disconnect, Packet, Properties, Property, PubAck, PubRec, Publish, QoS, ReasonCode, Subscribe,
    SubscribeFilter, SubscriptionOptions, Version,
};
use pair::{Pair, connack, is_connected, message, options, take_messages};

const VERSIONS: [Version; 3] = [Version::V31, Version::V311, Version::V5];

fn subscribe() -> Subscribe {
    let packet_id = darter_codec::PacketId::MIN;
    let filters = alloc::vec![SubscribeFilter::new("t/#", SubscriptionOptions::default())];
    Subscribe { packet_id, properties: Properties::default(), filters }
}

#[test]
fn a_refused_connection_tells_the_servers_reason() {
    for version in VERSIONS {
        let mut pair = Pair::new(options(version));
        pair.server.connack.reason = ReasonCode::NotAuthorized;
        pair.open();
        pair.carry();
        assert!(
            matches!(pair.event(), Some(Event::Ended(End::Refused(connack))) if connack.reason == ReasonCode::NotAuthorized)
        );
        assert_eq!(pair.client.status(), Status::Ending);
    }
}

#[test]
fn anything_but_connack_is_refused_before_the_connection_stands() {
    let mut pair = Pair::new(options(Version::V311));
    pair.server.answers = false;
    pair.open();
    pair.server.send(message(QoS::AtMostOnce, "early"));
    pair.carry();
    assert!(matches!(pair.event(), Some(Event::Ended(End::Failed(Failure::Unexpected(_))))));
}

#[test]
fn a_server_that_does_not_answer_connect_is_given_up() {
    let mut pair = Pair::new(Options { response_timeout: 5000, ..options(Version::V311) });
    pair.server.answers = false;
    pair.open();
    pair.carry();
    assert_eq!(pair.client.poll_timeout(), Some(5000));
    pair.advance(4999);
    assert_eq!(pair.client.status(), Status::Connecting);
    pair.advance(1);
    pair.carry();
    assert!(matches!(pair.event(), Some(Event::Ended(End::Failed(Failure::NoAnswer)))));
}

#[test]
fn silence_is_broken_by_pings_and_a_dead_server_is_noticed() {
    let mut pair =
        Pair::connected(Options { keep_alive: 10, response_timeout: 5000, ..options(Version::V311) });
    pair.advance(9000);
    pair.client.publish(message(QoS::AtMostOnce, "a sign of life")).unwrap();
    pair.carry();
    assert_eq!(pair.client.poll_timeout(), Some(19_000), "counted from the last packet");
    pair.advance(10_000);
    pair.server.packets.clear();
    pair.carry();
    assert_eq!(pair.server.packets, [Packet::PingReq]);
    assert_eq!(pair.client.poll_timeout(), Some(29_000));
    pair.server.answers = false;
    pair.advance(10_000);
    pair.carry();
    assert_eq!(pair.client.poll_timeout(), Some(34_000));
    pair.client.handle_read_pause(33_000);
    assert_eq!(pair.client.poll_timeout(), Some(38_000), "nothing was read, so nothing can be said");
    pair.events.clear();
    pair.advance(9000);
    pair.carry();
    assert!(matches!(pair.event(), Some(Event::Ended(End::Failed(Failure::NoAnswer)))));
}

#[test]
fn the_servers_keep_alive_wins_and_zero_switches_pings_off() {
    let mut pair = Pair::new(options(Version::V5));
    pair.server.connack.properties.push(Property::ServerKeepAlive(3));
    pair.open();
    pair.carry();
    assert_eq!(pair.client.poll_timeout(), Some(3000));
    let pair = Pair::connected(Options { keep_alive: 0, ..options(Version::V311) });
    assert_eq!(pair.client.poll_timeout(), None);
}

#[test]
fn requests_need_a_connection_and_are_answered_by_token() {
    let mut pair = Pair::new(options(Version::V5));
    assert_eq!(pair.client.subscribe(subscribe()), Err(CommandError::NotConnected));
    pair.open();
    pair.carry();
    pair.events.clear();
    let first = pair.client.subscribe(subscribe()).unwrap();
    let second = pair.client.subscribe(subscribe()).unwrap();
    pair.carry();
    assert!(matches!(pair.event(), Some(Event::Subscribed(token, _)) if token == first));
    assert!(matches!(pair.event(), Some(Event::Subscribed(token, _)) if token == second));
}

#[test]
fn never_more_messages_are_on_the_way_than_the_server_takes() {
    let mut pair = Pair::new(options(Version::V5));
    pair.server.connack.properties.push(Property::ReceiveMaximum(2));
    pair.open();
    pair.carry();
    pair.server.answers = false;
    for payload in ["1", "2", "3", "4"] {
        pair.client.publish(message(QoS::ExactlyOnce, payload)).unwrap();
    }
    pair.carry();
    let is_publish = |packet| if let Packet::Publish(publish) = packet { Some(publish) } else { None };
    let sent = pair.server.take(is_publish);
    assert_eq!(sent.len(), 2);
    assert_eq!(pair.client.queued(), 2);
    // PUBREC with an error ends the handshake; one without does not free the place.
    let (reason, properties) = (ReasonCode::QuotaExceeded, Properties::default());
    pair.server.send(PubRec {
        packet_id: sent[0].packet_id.unwrap(),
        reason,
        properties: properties.clone(),
    });
    pair.server.send(PubRec {
        packet_id: sent[1].packet_id.unwrap(),
        reason: ReasonCode::Success,
        properties,
    });
    pair.events.clear();
    pair.carry();
    assert_eq!(pair.server.take(is_publish).len(), 1);
    assert!(matches!(
        pair.event(),
        Some(Event::Published(_, Err(PublishError::Refused(refusal)))) if refusal.reason == ReasonCode::QuotaExceeded
    ));
}

#[test]
fn a_server_that_sends_more_than_the_receive_maximum_is_disconnected() {
    let mut asked = options(Version::V5);
    asked.properties.push(Property::ReceiveMaximum(2));
    let mut pair = Pair::connected(asked);
    for payload in ["1", "2", "3"] {
        pair.server.publish(message(QoS::AtLeastOnce, payload));
    }
    pair.server.packets.clear();
    pair.carry();
    let ends = pair.server.take(|packet| match packet {
        Packet::Disconnect(disconnect) => Some(disconnect.reason),
        _ => None,
    });
    assert_eq!(ends, [ReasonCode::ReceiveMaximumExceeded]);
    assert_eq!(take_messages(&mut pair).len(), 2);
    assert!(matches!(pair.event(), Some(Event::Ended(End::Failed(Failure::ReceiveMaximumExceeded(2))))));
}

#[test]
fn what_the_server_does_not_take_is_not_sent() {
    let mut pair = Pair::new(options(Version::V5));
    for property in [
        Property::MaximumQoS(QoS::AtLeastOnce),
        Property::RetainAvailable(false),
        Property::MaximumPacketSize(40),
    ] {
        pair.server.connack.properties.push(property);
    }
    pair.open();
    pair.carry();
    pair.events.clear();
    pair.server.packets.clear();
    pair.client.publish(message(QoS::ExactlyOnce, "x")).unwrap();
    pair.client.publish(Publish { retain: true, ..message(QoS::AtMostOnce, "x") }).unwrap();
    pair.client.publish(message(QoS::AtLeastOnce, "a payload that makes more than forty bytes")).unwrap();
    pair.carry();
    assert_eq!(pair.server.packets, []);
    let errors: alloc::vec::Vec<_> = core::mem::take(&mut pair.events)
        .into_iter()
        .map(|event| match event {
            Event::Published(_, Err(error)) => error,
            other => panic!("{other:?}"),
        })
        .collect();
    assert!(matches!(
        errors.as_slice(),
        [
            PublishError::QosNotSupported { maximum: QoS::AtLeastOnce },
            PublishError::RetainNotSupported,
            PublishError::PacketTooLarge { limit: 40, .. }
        ]
    ));
    assert_eq!(pair.client.unacknowledged(), 0);
}

#[test]
fn packets_above_the_clients_maximum_end_the_connection() {
    let mut asked = options(Version::V5);
    asked.properties.push(Property::MaximumPacketSize(20));
    let mut pair = Pair::connected(asked);
    pair.server.packets.clear();
    pair.server.publish(message(QoS::AtMostOnce, "much more than twenty bytes"));
    pair.carry();
    assert!(matches!(
        pair.server.packets.as_slice(),
        [Packet::Disconnect(Disconnect { reason: ReasonCode::PacketTooLarge, .. })]
    ));
}

#[test]
fn topic_aliases_of_the_server_are_resolved() {
    let mut asked = options(Version::V5);
    asked.properties.push(Property::TopicAliasMaximum(1));
    let mut pair = Pair::connected(asked);
    let mut aliased = message(QoS::AtMostOnce, "1");
    aliased.properties.push(Property::TopicAlias(1));
    pair.server.publish(aliased.clone());
    pair.server.publish(Publish { topic: "".into(), ..aliased.clone() });
    pair.carry();
    assert!(take_messages(&mut pair).iter().all(|message| message.topic == "t"));
    aliased.properties = Properties::default();
    aliased.properties.push(Property::TopicAlias(2));
    pair.server.publish(aliased);
    pair.carry();
    assert!(matches!(pair.event(), Some(Event::Ended(End::Failed(Failure::Alias(_))))));
}

#[test]
fn bad_bytes_end_the_connection_with_the_right_reason_code() {
    for version in VERSIONS {
        let mut pair = Pair::connected(options(version));
        pair.server.output.extend_from_slice(&[0x36, 0x02, 0x00, 0x00]);
        pair.server.packets.clear();
        pair.carry();
        assert!(matches!(pair.event(), Some(Event::Ended(End::Failed(Failure::Decode(_))))));
        let told = pair.server.take(|packet| match packet {
            Packet::Disconnect(disconnect) => Some(disconnect.reason),
            _ => None,
        });
        assert_eq!(told.len(), usize::from(version == Version::V5), "only version 5 can say why");
    }
}

#[test]
fn acknowledgements_that_nothing_waits_for_are_left_alone() {
    let mut pair = Pair::connected(options(Version::V311));
    let packet_id = darter_codec::PacketId::MIN;
    pair.server.send(PubAck { packet_id, reason: ReasonCode::Success, properties: Properties::default() });
    pair.carry();
    assert!(is_connected(&pair) && pair.event().is_none());
}

#[test]
fn disconnect_is_the_last_packet() {
    let mut pair = Pair::connected(options(Version::V5));
    pair.client.publish(message(QoS::AtMostOnce, "last words")).unwrap();
    pair.client.disconnect(ReasonCode::DisconnectWithWillMessage, Properties::default());
    pair.client.publish(message(QoS::AtMostOnce, "too late")).unwrap();
    pair.server.packets.clear();
    pair.carry();
    assert!(matches!(
        pair.server.packets.as_slice(),
        [
            Packet::Publish(_),
            Packet::Disconnect(Disconnect { reason: ReasonCode::DisconnectWithWillMessage, .. })
        ]
    ));
}

#[test]
fn an_assigned_client_identifier_is_used_again() {
    let mut pair = Pair::new(Options { clean_start: true, client_id: "".into(), ..options(Version::V5) });
    pair.server.connack.properties.push(Property::AssignedClientIdentifier("made-up".into()));
    pair.open();
    pair.carry();
    assert_eq!(pair.client.client_id(), "made-up");
    pair.break_link();
    pair.server.packets.clear();
    pair.open();
    pair.carry();
    assert!(matches!(
        pair.server.packets.as_slice(),
        [Packet::Connect(connect)] if connect.client_id == "made-up" && !connect.clean_start
    ));
}

#[test]
fn a_full_queue_is_said() {
    let mut pair = Pair::new(Options { queue_limit: 1, ..options(Version::V5) });
    pair.client.publish(message(QoS::AtMostOnce, "1")).unwrap();
    assert_eq!(pair.client.publish(message(QoS::AtMostOnce, "2")), Err(CommandError::QueueFull));
    pair.server.connack = connack();
    pair.open();
    pair.carry();
    assert_eq!(pair.server.delivered.len(), 1);
}
