//! Several listeners, each with settings of its own, and Unix sockets.

use darter_broker::access::Identity;
use darter_broker::auth::{Answer, Authenticator, Login, Verdict};
use darter_broker::net::{Address, Peer};
use darter_broker::{Broker, ListenerOptions, Options, StartError};
use darter_codec::{Packet, QoS, ReasonCode, Version};
use darter_testkit::packets::{connect, connect_as, publish, subscribe};
use darter_testkit::{BrokerFixture, RawClient};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex};

const VERSIONS: [Version; 3] = [Version::V31, Version::V311, Version::V5];

fn here() -> ListenerOptions {
    ListenerOptions::at(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))
}

/// Lets nobody in.
fn closed(_: &Login<'_>) -> Verdict {
    Verdict::Refuse { reason: ReasonCode::NotAuthorized, what: "nobody is let in here" }
}

/// Lets everybody in and remembers where they came from.
#[derive(Default)]
struct Porter(Mutex<Vec<Peer>>);

impl Authenticator for Porter {
    fn answer(&self, login: &Login<'_>) -> Answer {
        self.0.lock().unwrap().push(login.peer);
        Answer::Now(Verdict::Accept(Identity::default()))
    }
}

battery! {
    fn each_listener_decides_for_itself_and_all_lead_to_the_same_sessions(shards: u8) {
        let server = BrokerFixture::with(shards, |options| {
            options.listeners.push(ListenerOptions { authenticator: Arc::new(closed), ..here() });
            options.listeners.push(here());
        });
        let &[first, closed, third] = server.broker().addresses() else { panic!("three listeners") };
        for number in 0..4 {
            let (a, b) = (format!("a-{number}"), format!("b-{number}"));
            let mut reader = RawClient::join(first, connect(&a)).unwrap();
            reader.exchange(subscribe("t", QoS::AtMostOnce)).unwrap();
            let (_, connack) = RawClient::connect(closed, connect(&a)).unwrap();
            assert_eq!(connack.reason, ReasonCode::NotAuthorized, "wherever the session is");
            let mut writer = RawClient::join(third, connect(&b)).unwrap();
            writer.send(publish("t", "x")).unwrap();
            assert_eq!(reader.message().unwrap().payload, "x");
        }
    }

    fn a_version_that_a_listener_does_not_take_is_refused_in_its_own_words(shards: u8) {
        let server = BrokerFixture::with(shards, |options| {
            options.listeners[0].versions = [Version::V311].into_iter().collect();
            options.listeners.push(ListenerOptions { versions: [Version::V31, Version::V5].into_iter().collect(), ..here() });
        });
        for (address, taken) in server.broker().addresses().iter().zip([[false, true, false], [true, false, true]]) {
            for (version, taken) in VERSIONS.into_iter().zip(taken) {
                let (mut client, connack) = RawClient::connect(*address, connect_as(version, "a", true)).unwrap();
                let refused = ReasonCode::UnsupportedProtocolVersion;
                assert_eq!(connack.reason, if taken { ReasonCode::Success } else { refused }, "{version:?}");
                if !taken {
                    assert_eq!(client.receive().unwrap(), None);
                }
            }
        }
    }

    fn a_listener_takes_no_more_connections_than_it_may(shards: u8) {
        let server = BrokerFixture::with(shards, |options| {
            options.listeners[0].connections = Some(3);
            options.listeners.push(here());
        });
        let &[limited, free] = server.broker().addresses() else { panic!("two listeners") };
        let mut inside: Vec<_> =
            (0..3).map(|number| RawClient::join(limited, connect(&format!("in-{number}"))).unwrap()).collect();
        for (version, reason) in VERSIONS.into_iter().zip([
            ReasonCode::ServerUnavailable,
            ReasonCode::ServerUnavailable,
            ReasonCode::QuotaExceeded,
        ]) {
            let (mut client, connack) = RawClient::connect(limited, connect_as(version, "more", true)).unwrap();
            assert_eq!(connack.reason, reason);
            assert_eq!(client.receive().unwrap(), None);
        }
        RawClient::join(free, connect("elsewhere")).unwrap();
        for client in &mut inside {
            assert_eq!(client.exchange(Packet::PingReq).unwrap(), Packet::PingResp);
        }
        // A place becomes free with its connection, whenever the server notices that.
        drop(inside.pop());
        let fourth = std::iter::repeat_with(|| RawClient::join(limited, connect("fourth"))).find_map(Result::ok);
        fourth.unwrap();
    }

    fn those_far_too_many_are_not_even_answered(shards: u8) {
        let server = BrokerFixture::with(shards, |options| options.listeners[0].connections = Some(0));
        let mut crowd: Vec<_> =
            (0..200).map(|_| RawClient::open(server.address(), Version::V5).unwrap()).collect();
        let unanswered = crowd.iter_mut().filter_map(|client| client.send(connect("a")).ok().map(|()| client));
        let answers: Vec<_> = unanswered.map(|client| client.receive().ok().flatten()).collect();
        let answered = answers.iter().flatten().count();
        assert!((1..=64).contains(&answered), "{answered} of 200");
    }

    fn a_unix_socket_is_a_listener_like_others(shards: u8) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mqtt.sock");
        let porter = Arc::new(Porter::default());
        let mut server = BrokerFixture::with(shards, |options| {
            let address = Address::Unix { path: path.clone(), mode: 0o660 };
            let socket = ListenerOptions { authenticator: porter.clone(), ..ListenerOptions::at(address) };
            options.listeners.push(socket);
        });
        assert_eq!(mode(&path), 0o660);
        let mut reader = RawClient::join(server.address(), connect("reader")).unwrap();
        reader.exchange(subscribe("t", QoS::AtMostOnce)).unwrap();
        for number in 0..4 {
            let name = format!("local-{number}");
            let mut local = local(&path).greet(connect(&name)).unwrap().0;
            let large = "x".repeat(300_000);
            local.send(publish("t", &large)).unwrap();
            assert!(reader.message().unwrap().payload == large);
            local.exchange(subscribe(&name, QoS::AtMostOnce)).unwrap();
            reader.send(publish(&name, &large)).unwrap();
            assert!(local.message().unwrap().payload == large);
        }
        let users: Vec<_> = porter.0.lock().unwrap().clone();
        let user = cfg!(target_os = "linux").then(darter_broker::net::owner_only::user);
        assert_eq!(users, [Peer::Local { user }; 4]);
        server.shutdown();
        assert!(!path.exists(), "the file goes with the server");
    }
}

fn local(path: &std::path::Path) -> RawClient<std::os::unix::net::UnixStream> {
    let stream = std::os::unix::net::UnixStream::connect(path).unwrap();
    stream.set_read_timeout(Some(std::time::Duration::from_secs(20))).unwrap();
    RawClient::over(stream, Version::V5)
}

fn mode(path: &std::path::Path) -> u32 {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn a_socket_that_is_in_use_stops_the_start_and_a_dead_one_does_not() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mqtt.sock");
    let start = || {
        let listener = ListenerOptions::at(Address::Unix { path: path.clone(), mode: 0o600 });
        Broker::start(&Options { listeners: vec![listener], shards: Some(2), ..Options::default() })
    };
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    let broker = start().unwrap();
    let error = start().unwrap_err();
    assert!(matches!(error, StartError::Bind(_)));
    assert!(error.to_string().contains("mqtt.sock is the socket of another program"), "{error}");
    local(&path).greet(connect("a")).unwrap();
    drop(broker);
    std::fs::write(&path, "precious").unwrap();
    let error = start().unwrap_err();
    assert!(error.to_string().contains("mqtt.sock: there is a file that is no socket"), "{error}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "precious");
}

#[test]
fn ipv6_is_served_beside_ipv4() {
    let server = BrokerFixture::with(2, |options| {
        options.listeners.push(ListenerOptions::at(SocketAddr::from((Ipv6Addr::LOCALHOST, 0))));
    });
    let listening: Vec<_> = server.broker().listening().iter().map(|open| open.scheme).collect();
    assert_eq!(listening, ["mqtt", "mqtt"]);
    let address = server.broker().addresses()[1];
    assert!(address.is_ipv6());
    let mut client = RawClient::join(address, connect("six")).unwrap();
    assert_eq!(client.exchange(Packet::PingReq).unwrap(), Packet::PingResp);
}
