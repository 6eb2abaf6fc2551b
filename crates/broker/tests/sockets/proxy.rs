//! Clients behind a proxy that says who they are.

use crate::rude::Well;
use darter_broker::access::Identity;
use darter_broker::auth::{Answer, Authenticator, Login, Verdict};
use darter_broker::net::proxy::Trusted;
use darter_broker::net::websocket::WebSocket;
use darter_broker::net::{Layer, Peer};
use darter_broker::{ListenerOptions, Options, websocket_rules};
use darter_codec::{QoS, Version};
use darter_testkit::packets::{connect, publish, subscribe};
use darter_testkit::{BrokerFixture, RawClient, WebStream};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Lets everybody in and remembers where they came from.
#[derive(Default)]
struct Porter(Mutex<Vec<Peer>>);

impl Authenticator for Porter {
    fn answer(&self, login: &Login<'_>) -> Answer {
        self.0.lock().unwrap().push(login.peer);
        Answer::Now(Verdict::Accept(Identity::default()))
    }
}

fn trusting(networks: &[&str]) -> Arc<dyn Layer> {
    Arc::new(Trusted::parse(networks.iter().copied()).unwrap())
}

/// A server with a plain listener and one behind a proxy.
fn server(
    shards: u8,
    layers: Vec<Arc<dyn Layer>>,
    porter: &Arc<Porter>,
    change: impl FnOnce(&mut Options),
) -> BrokerFixture {
    BrokerFixture::with(shards, |options| {
        options.listeners.push(ListenerOptions {
            name: "proxied".into(),
            layers,
            authenticator: porter.clone(),
            ..ListenerOptions::at(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))
        });
        change(options);
    })
}

fn dial(server: &BrokerFixture) -> TcpStream {
    let stream = TcpStream::connect(server.broker().addresses()[1]).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream
}

/// A connection that begins with these bytes.
fn begin(server: &BrokerFixture, start: &[u8]) -> RawClient {
    let mut stream = dial(server);
    stream.write_all(start).unwrap();
    RawClient::over(stream, Version::V5)
}

/// True when the server closes such a connection without a word.
fn is_closed(server: &BrokerFixture, start: &[u8]) -> bool {
    let mut stream = dial(server);
    // It may be closed already.
    let _ = stream.write_all(start);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    answer.is_empty()
}

fn version_2(command: u8, family: u8, body: &[u8]) -> Vec<u8> {
    let length = u16::try_from(body.len()).unwrap().to_be_bytes();
    [b"\r\n\r\n\0\r\nQUIT\n", &[command, family][..], &length, body].concat()
}

battery! {
    fn the_address_that_the_proxy_tells_is_the_clients(shards: u8) {
        let porter = Arc::new(Porter::default());
        let server = server(shards, vec![trusting(&["127.0.0.0/8"])], &porter, |_| {});
        let ip: Ipv6Addr = "2001:db8::7".parse().unwrap();
        let inet6 = [&ip.octets()[..], &[0; 16], &4000u16.to_be_bytes(), &1883u16.to_be_bytes()].concat();
        let inet4 = [192, 0, 2, 9, 10, 0, 0, 1, 0x30, 0x39, 0x07, 0x5B, 0x04, 0, 2, 1, 1];
        let headers: [(&[u8], &str); 3] = [
            (b"PROXY TCP4 192.0.2.1 10.0.0.1 56324 1883\r\n", "192.0.2.1:56324"),
            (&version_2(0x21, 0x21, &inet6), "[2001:db8::7]:4000"),
            (&version_2(0x21, 0x11, &inet4), "192.0.2.9:12345"),
        ];
        let mut inside = Vec::new();
        for (number, (header, _)) in headers.iter().enumerate() {
            let name = format!("behind-{number}");
            let mut client = begin(&server, header).greet(connect(&name)).unwrap().0;
            client.exchange(subscribe(&name, QoS::AtMostOnce)).unwrap();
            client.send(publish(&name, "x")).unwrap();
            assert_eq!(client.message().unwrap().payload, "x");
            inside.push(client);
        }
        let expected: Vec<Peer> = headers.iter().map(|(_, address)| Peer::Inet(address.parse().unwrap())).collect();
        assert_eq!(*porter.0.lock().unwrap(), expected, "who decides about logins is told");
        let seen = server.broker().view().sessions("behind-", |_| true, 10, Duration::from_secs(20));
        let shown: Vec<_> = seen.sessions.iter().map(|(_, peer)| peer.unwrap()).collect();
        assert_eq!(shown, expected, "and who looks at sessions");
    }

    fn a_header_may_come_in_pieces_and_with_what_follows(shards: u8) {
        let porter = Arc::new(Porter::default());
        let server = server(shards, vec![trusting(&["127.0.0.1"])], &porter, |_| {});
        let mut connect_packet = Vec::new();
        darter_codec::Packet::from(connect("pieces")).encode(Version::V5, &mut connect_packet).unwrap();
        let all = [b"PROXY TCP4 192.0.2.1 10.0.0.1 56324 1883\r\n", &connect_packet[..]].concat();
        for pieces in [1, 7, all.len()] {
            let mut stream = dial(&server);
            stream.set_nodelay(true).unwrap();
            for piece in all.chunks(pieces) {
                stream.write_all(piece).unwrap();
            }
            let mut client = RawClient::over(stream, Version::V5);
            assert!(matches!(client.receive().unwrap(), Some(darter_codec::Packet::ConnAck(_))));
        }
        assert_eq!(*porter.0.lock().unwrap(), [Peer::Inet("192.0.2.1:56324".parse().unwrap()); 3]);
    }

    fn a_connection_of_the_proxys_own_has_the_proxys_address(shards: u8) {
        let porter = Arc::new(Porter::default());
        let server = server(shards, vec![trusting(&["127.0.0.1"])], &porter, |_| {});
        for header in [b"PROXY UNKNOWN\r\n".to_vec(), version_2(0x20, 0, b""), version_2(0x21, 0x31, &[0; 216])] {
            let mut client = begin(&server, &header).greet(connect("check")).unwrap().0;
            let address = client.stream_mut().local_addr().unwrap();
            assert_eq!(porter.0.lock().unwrap().pop(), Some(Peer::Inet(address)));
        }
    }

    fn a_header_from_an_address_that_is_not_trusted_is_not_believed(shards: u8) {
        let porter = Arc::new(Porter::default());
        let server = server(shards, vec![trusting(&["192.0.2.0/24", "unix"])], &porter, |_| {});
        let mut well = Well::new(&server);
        for _ in 0..20 {
            assert!(is_closed(&server, b"PROXY TCP4 192.0.2.1 10.0.0.1 56324 1883\r\n\xC0\x00"));
            well.works();
        }
        assert!(porter.0.lock().unwrap().is_empty());
    }

    fn a_header_that_breaks_the_rules_ends_its_connection(shards: u8) {
        let porter = Arc::new(Porter::default());
        let server = server(shards, vec![trusting(&["127.0.0.1"])], &porter, |_| {});
        let mut well = Well::new(&server);
        let mut plain = Vec::new();
        darter_codec::Packet::from(connect("no header")).encode(Version::V5, &mut plain).unwrap();
        let starts: [&[u8]; 7] = [
            &plain,
            b"GET / HTTP/1.1\r\n\r\n",
            b"PROXY TCP4 evil 10.0.0.1 1 2\r\n",
            &[b"PROXY UNKNOWN ", &[b'x'; 1000][..]].concat(),
            &version_2(0x21, 0x11, &[0; 11]),
            &version_2(0x21, 0x11, &[0; 600]),
            &version_2(0x2F, 0x11, &[0; 12]),
        ];
        for start in starts {
            assert!(is_closed(&server, start), "{start:02x?}");
            well.works();
        }
        assert!(porter.0.lock().unwrap().is_empty());
    }

    fn a_header_that_never_ends_is_not_waited_for(shards: u8) {
        let porter = Arc::new(Porter::default());
        let server =
            server(shards, vec![trusting(&["127.0.0.1"])], &porter, |options| options.limits.connect_timeout = 200);
        for start in [&b""[..], b"PROXY TCP4 192.0.2.1", &version_2(0x21, 0x11, &[0; 12])[..20]] {
            assert!(is_closed(&server, start));
        }
    }

    fn websocket_goes_behind_a_proxy(shards: u8) {
        let porter = Arc::new(Porter::default());
        let layers = vec![trusting(&["127.0.0.1"]), Arc::new(WebSocket::new(websocket_rules()))];
        let server = server(shards, layers, &porter, |_| {});
        for number in 0..4 {
            let mut stream = dial(&server);
            stream.write_all(b"PROXY TCP4 192.0.2.1 10.0.0.1 56324 443\r\n").unwrap();
            let socket = WebStream::open(stream).unwrap();
            let name = format!("web-{number}");
            let mut client = RawClient::over(socket, Version::V5).greet(connect(&name)).unwrap().0;
            client.exchange(subscribe(&name, QoS::AtMostOnce)).unwrap();
            client.send(publish(&name, "x")).unwrap();
            assert_eq!(client.message().unwrap().payload, "x");
        }
        assert_eq!(*porter.0.lock().unwrap(), [Peer::Inet("192.0.2.1:56324".parse().unwrap()); 4]);
    }
}
