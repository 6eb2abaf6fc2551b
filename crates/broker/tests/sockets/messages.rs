//! Messages over real sockets.

use bytes::Bytes;
use darter_codec::{Connect, Message, Packet, Publish, QoS, Version};
use darter_testkit::packets::{
    connect, connect_as, publish, publish_1, publish_2, pubrel, resume, retained, subscribe, will,
};
use darter_testkit::{BrokerFixture, RawClient};
use std::time::Duration;

fn join(server: &BrokerFixture, connect: Connect) -> RawClient {
    RawClient::join(server.address(), connect).unwrap()
}

fn subscribed(server: &BrokerFixture, connect: Connect, filter: &str, qos: QoS) -> RawClient {
    let mut client = join(server, connect);
    let answer = client.exchange(subscribe(filter, qos)).unwrap();
    assert!(matches!(answer, Packet::SubAck(_)), "{answer:?}");
    client
}

battery! {
    fn messages_of_every_qos_arrive_in_order(shards: u8) {
        let server = BrokerFixture::new(shards);
        let mut reader = subscribed(&server, connect("reader"), "t/#", QoS::AtLeastOnce);
        let mut writer = join(&server, connect("writer"));
        for number in 1..=500 {
            writer.send(publish_1("t/x", &number.to_string(), number)).unwrap();
        }
        for number in 1..=500 {
            let answer = writer.receive().unwrap();
            assert!(matches!(answer, Some(Packet::PubAck(ack)) if ack.packet_id.get() == number));
        }
        for number in 1..=500 {
            assert_eq!(reader.message().unwrap().payload, number.to_string());
        }
        assert!(matches!(writer.exchange(publish_2("t/x", "two", 1)).unwrap(), Packet::PubRec(_)));
        assert!(matches!(writer.exchange(pubrel(darter_testkit::packets::id(1))).unwrap(), Packet::PubComp(_)));
        assert_eq!(reader.message().unwrap().payload, "two");
    }

    fn a_large_message_arrives_whole(shards: u8) {
        let server = BrokerFixture::new(shards);
        let body: Bytes = (0..5_000_000u32).map(|number| (number % 253) as u8).collect::<Vec<_>>().into();
        let mut readers = [
            subscribed(&server, connect("a"), "big", QoS::AtLeastOnce),
            subscribed(&server, connect_as(Version::V311, "b", true), "big", QoS::AtMostOnce),
            subscribed(&server, connect_as(Version::V31, "c", true), "big", QoS::AtLeastOnce),
        ];
        let mut writer = join(&server, connect("writer"));
        let packet = Publish { payload: body.clone(), ..publish_1("big", "", 1) };
        assert!(matches!(writer.exchange(packet).unwrap(), Packet::PubAck(_)));
        for reader in &mut readers {
            assert!(reader.message().unwrap().payload == body);
        }
        writer.send(Publish { payload: body.clone(), retain: true, ..publish("big", "") }).unwrap();
        assert_eq!(writer.exchange(Packet::PingReq).unwrap(), Packet::PingResp);
        let mut late = subscribed(&server, connect("late"), "big", QoS::AtMostOnce);
        assert!(late.message().unwrap().payload == body);
    }

    fn a_session_keeps_its_messages_while_its_client_is_away(shards: u8) {
        let server = BrokerFixture::new(shards);
        drop(subscribed(&server, resume("away", 600), "t", QoS::AtLeastOnce));
        let mut writer = join(&server, connect("writer"));
        for number in 1..=300 {
            let answer = writer.exchange(publish_1("t", &number.to_string(), number)).unwrap();
            assert!(matches!(answer, Packet::PubAck(_)));
        }
        let (mut client, connack) = RawClient::connect(server.address(), resume("away", 600)).unwrap();
        assert!(connack.session_present);
        for number in 1..=300 {
            assert_eq!(client.message().unwrap().payload, number.to_string());
        }
    }

    fn a_retained_message_waits_for_its_subscriber(shards: u8) {
        let server = BrokerFixture::new(shards);
        let mut writer = join(&server, connect("writer"));
        writer.exchange(retained(publish_1("t", "kept", 1))).unwrap();
        for number in 0..4 {
            let mut reader = subscribed(&server, connect(&format!("reader-{number}")), "t", QoS::AtMostOnce);
            let message = reader.message().unwrap();
            assert_eq!((&message.payload[..], message.retain), (&b"kept"[..], true));
        }
    }

    fn a_lost_connection_publishes_its_will(shards: u8) {
        let server = BrokerFixture::new(shards);
        let mut reader = subscribed(&server, connect("reader"), "wills", QoS::AtMostOnce);
        drop(join(&server, Connect { will: Some(will("wills", "gone")), ..connect("a") }));
        assert_eq!(reader.message().unwrap().payload, "gone");
    }

    fn a_client_that_closes_its_sending_half_is_gone(shards: u8) {
        let server = BrokerFixture::new(shards);
        let mut reader = subscribed(&server, connect("reader"), "#", QoS::AtMostOnce);
        let mut client = join(&server, Connect { will: Some(will("wills", "gone")), ..connect("a") });
        client.send(publish("t", "last words")).unwrap();
        client.stream().shutdown(std::net::Shutdown::Write).unwrap();
        assert_eq!(reader.message().unwrap().payload, "last words");
        assert_eq!(reader.message().unwrap().payload, "gone");
    }

    fn shared_subscriptions_share(shards: u8) {
        let server = BrokerFixture::new(shards);
        let mut members: Vec<_> = (0..3)
            .map(|number| {
                let name = format!("member-{number}");
                subscribed(&server, connect(&name), "$share/group/t", QoS::AtLeastOnce)
            })
            .collect();
        let mut writer = join(&server, connect("writer"));
        for number in 1..=30 {
            let answer = writer.exchange(publish_1("t", &number.to_string(), number)).unwrap();
            assert!(matches!(answer, Packet::PubAck(_)), "{answer:?}");
        }
        let mut seen = Vec::new();
        for member in &mut members {
            member.send(Packet::PingReq).unwrap();
            loop {
                match member.receive().unwrap() {
                    Some(Packet::Publish(message)) => {
                        seen.push(String::from_utf8_lossy(&message.payload).parse::<u32>().unwrap());
                    }
                    Some(Packet::PingResp) => break,
                    other => panic!("{other:?}"),
                }
            }
        }
        seen.sort_unstable();
        assert_eq!(seen, (1..=30).collect::<Vec<_>>());
    }

    fn the_server_publishes_messages_of_its_own(shards: u8) {
        let server = BrokerFixture::new(shards);
        let mut reader = subscribed(&server, connect("reader"), "from/server", QoS::AtLeastOnce);
        server.broker().publish(Message::new(QoS::AtLeastOnce, false, "from/server", [], b"hello", None));
        let message = reader.message().unwrap();
        assert_eq!((&message.payload[..], message.qos), (&b"hello"[..], QoS::AtLeastOnce));
    }

    fn the_servers_numbers_are_published(shards: u8) {
        let server = BrokerFixture::with(shards, |options| options.status_interval = Duration::from_millis(20));
        let mut reader = join(&server, connect("reader"));
        // A number that is published now may come before SUBACK.
        reader.send(subscribe("$SYS/broker/clients/connected", QoS::AtMostOnce)).unwrap();
        let _other = join(&server, connect("other"));
        loop {
            let message = reader.message().unwrap();
            if message.payload == "2" {
                break;
            }
        }
        assert_eq!(server.broker().status().counters.connected, 2);
    }
}
