//! Listening, and who is let in.

use darter_broker::access::Identity;
use darter_broker::auth::{Login, Verdict};
use darter_broker::{Broker, ListenerOptions, Options, StartError};
use darter_codec::{Connect, Packet, QoS, ReasonCode, Version};
use darter_testkit::packets::{connect, connect_as, publish, resume, subscribe};
use darter_testkit::{BrokerFixture, RawClient};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

/// Knows one password, and one user who may not come in.
fn strict(login: &Login<'_>) -> Verdict {
    assert!(login.peer.is_here());
    let refuse = |reason| Verdict::Refuse { reason, what: "it is not let in" };
    match (login.connect.username.as_deref(), login.connect.password.as_deref()) {
        (Some("banned"), _) => refuse(ReasonCode::NotAuthorized),
        (Some(user), Some(b"secret")) => Verdict::Accept(Identity::of_user(user)),
        _ => refuse(ReasonCode::BadUserNameOrPassword),
    }
}

fn as_user(connect: Connect, user: &'static str, password: &'static str) -> Connect {
    Connect { username: Some(user.into()), password: Some(password.as_bytes().into()), ..connect }
}

battery! {
    fn who_is_refused_learns_the_reason_in_its_version(shards: u8) {
        let server = BrokerFixture::with(shards, |options| options.listeners[0].authenticator = Arc::new(strict));
        let cases = [
            ("good", "secret", ReasonCode::Success),
            ("good", "wrong", ReasonCode::BadUserNameOrPassword),
            ("banned", "secret", ReasonCode::NotAuthorized),
        ];
        for version in [Version::V31, Version::V311, Version::V5] {
            for (user, password, reason) in cases {
                let hello = as_user(connect_as(version, "a", true), user, password);
                let (mut client, connack) = RawClient::connect(server.address(), hello).unwrap();
                assert_eq!(connack.reason, reason, "return codes 4 and 5 in version 3");
                if reason == ReasonCode::Success {
                    assert_eq!(client.exchange(Packet::PingReq).unwrap(), Packet::PingResp);
                } else {
                    assert_eq!(client.receive().unwrap(), None, "[MQTT-3.2.2-5]");
                }
            }
        }
        let (_, connack) = RawClient::connect(server.address(), connect("nobody")).unwrap();
        assert_eq!(connack.reason, ReasonCode::BadUserNameOrPassword);
    }

    fn return_codes_4_and_5_are_on_the_wire(shards: u8) {
        let server = BrokerFixture::with(shards, |options| options.listeners[0].authenticator = Arc::new(strict));
        for (user, code) in [("other", 4), ("banned", 5)] {
            let mut client = RawClient::open(server.address(), Version::V311).unwrap();
            client.send(as_user(connect_as(Version::V311, "a", true), user, "wrong")).unwrap();
            let mut bytes = Vec::new();
            std::io::Read::read_to_end(&mut client.stream(), &mut bytes).unwrap();
            assert_eq!(bytes, [0x20, 2, 0, code]);
        }
    }

    fn many_clients_at_once_are_all_served(shards: u8) {
        let server = BrokerFixture::new(shards);
        let mut clients: Vec<_> = (0..200)
            .map(|number| {
                let mut client = RawClient::open(server.address(), Version::V5).unwrap();
                client.send(resume(&format!("client-{number}"), 60)).unwrap();
                client.send(subscribe(&format!("own/{number}"), QoS::AtMostOnce)).unwrap();
                client
            })
            .collect();
        for client in &mut clients {
            assert!(matches!(client.receive().unwrap(), Some(Packet::ConnAck(_))));
            assert!(matches!(client.receive().unwrap(), Some(Packet::SubAck(_))));
        }
        for (number, client) in clients.iter_mut().enumerate() {
            client.send(publish(&format!("own/{}", 199 - number), &number.to_string())).unwrap();
        }
        for (number, client) in clients.iter_mut().enumerate() {
            assert_eq!(client.message().unwrap().payload, (199 - number).to_string());
        }
    }

    fn bytes_may_arrive_one_by_one(shards: u8) {
        let server = BrokerFixture::new(shards);
        let mut client = RawClient::open(server.address(), Version::V5).unwrap();
        let mut bytes = Vec::new();
        let packets: [Packet; 3] =
            [connect("slow").into(), subscribe("t", QoS::AtLeastOnce).into(), publish("t", "x").into()];
        for packet in packets {
            packet.encode(Version::V5, &mut bytes).unwrap();
        }
        for byte in bytes {
            client.send_bytes(&[byte]).unwrap();
        }
        assert!(matches!(client.receive().unwrap(), Some(Packet::ConnAck(_))));
        // A message may come before its SUBACK (section 3.8.4).
        let answers = [client.receive().unwrap(), client.receive().unwrap()];
        assert!(answers.iter().any(|answer| matches!(answer, Some(Packet::SubAck(_)))));
        assert!(answers.iter().any(|answer| matches!(answer, Some(Packet::Publish(one)) if one.payload == "x")));
    }

    fn a_second_connection_takes_the_session_over(shards: u8) {
        let server = BrokerFixture::new(shards);
        let mut first = RawClient::join(server.address(), resume("a", 60)).unwrap();
        let (_second, connack) = RawClient::connect(server.address(), resume("a", 60)).unwrap();
        assert!(connack.session_present);
        let farewell = first.receive().unwrap();
        assert!(matches!(farewell, Some(Packet::Disconnect(last)) if last.reason == ReasonCode::SessionTakenOver));
        assert_eq!(first.receive().unwrap(), None);
    }

    fn a_connection_without_connect_is_closed_in_time(shards: u8) {
        let server = BrokerFixture::with(shards, |options| options.limits.connect_timeout = 100);
        let mut client = RawClient::open(server.address(), Version::V5).unwrap();
        assert_eq!(client.receive().unwrap(), None);
    }

    fn a_silent_client_is_closed_in_time(shards: u8) {
        let server = BrokerFixture::new(shards);
        let mut client = RawClient::join(server.address(), Connect { keep_alive: 1, ..connect("a") }).unwrap();
        let farewell = client.receive().unwrap();
        assert!(matches!(farewell, Some(Packet::Disconnect(last)) if last.reason == ReasonCode::KeepAliveTimeout));
    }
}

#[test]
fn a_port_in_use_is_an_error_that_names_it() {
    let server = BrokerFixture::new(1);
    let listeners = vec![ListenerOptions::at(server.address())];
    let options = Options { listeners, shards: Some(1), ..Options::default() };
    let error = Broker::start(&options).unwrap_err();
    assert!(matches!(error, StartError::Bind(_)));
    assert!(error.to_string().contains(&server.address().port().to_string()), "{error}");
}

#[test]
fn addresses_with_port_0_share_one_port() {
    let listen = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];
    let listener = ListenerOptions {
        addresses: listen.map(|address| SocketAddr::new(address, 0).into()).to_vec(),
        optional: vec![Ipv6Addr::LOCALHOST.into()],
        ..ListenerOptions::default()
    };
    let options = Options {
        listeners: vec![listener],
        shards: Some(2),
        status_interval: Duration::ZERO,
        ..Options::default()
    };
    let broker = Broker::start(&options).unwrap();
    let port = broker.addresses()[0].port();
    assert_ne!(port, 0);
    for address in broker.addresses() {
        assert_eq!(address.port(), port);
        RawClient::join(*address, connect(&address.to_string())).unwrap();
    }
}
