//! MQTT over WebSocket: good clients, and such as break its rules.

use crate::rude::Well;
use darter_broker::net::websocket::WebSocket;
use darter_broker::{ListenerOptions, Options, websocket_rules};
use darter_codec::{Packet, QoS, ReasonCode, Version};
use darter_testkit::packets::{connect, connect_as, publish, subscribe};
use darter_testkit::web_stream::{BINARY, CLOSE, PING, TEXT, frame, read_head, request};
use darter_testkit::{BrokerFixture, RawClient, WebStream};
use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

type WebClient = RawClient<WebStream<TcpStream>>;

/// A server with a plain listener and one for WebSocket.
fn server(shards: u8, change: impl FnOnce(&mut Options)) -> BrokerFixture {
    BrokerFixture::with(shards, |options| {
        options.listeners.push(ListenerOptions {
            name: "web".into(),
            layers: vec![Arc::new(WebSocket::new(websocket_rules()))],
            ..ListenerOptions::at(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))
        });
        change(options);
    })
}

/// A connection to the listener for WebSocket.
fn dial(server: &BrokerFixture) -> TcpStream {
    let stream = TcpStream::connect(server.broker().addresses()[1]).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream.set_nodelay(true).unwrap();
    stream
}

fn join_as(server: &BrokerFixture, version: Version, client: &str) -> WebClient {
    let stream = WebStream::open(dial(server)).unwrap();
    let (joined, connack) =
        RawClient::over(stream, version).greet(connect_as(version, client, true)).unwrap();
    assert_eq!(connack.reason, ReasonCode::Success);
    joined
}

fn join(server: &BrokerFixture, client: &str) -> WebClient {
    join_as(server, Version::V5, client)
}

fn encoded(packets: &[Packet]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for packet in packets {
        packet.encode(Version::V5, &mut bytes).unwrap();
    }
    bytes
}

/// All that a server answers to these bytes until it closes the connection.
fn answer_to(server: &BrokerFixture, bytes: &[u8]) -> String {
    let mut stream = dial(server);
    stream.write_all(bytes).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

battery! {
    fn a_client_over_websocket_is_a_client_like_others(shards: u8) {
        let server = server(shards, |_| {});
        let mut plain = RawClient::join(server.address(), connect("plain")).unwrap();
        plain.exchange(subscribe("up", QoS::AtMostOnce)).unwrap();
        for (number, version) in [Version::V31, Version::V311, Version::V5, Version::V5].into_iter().enumerate() {
            let name = format!("web-{number}");
            let mut web = join_as(&server, version, &name);
            web.exchange(subscribe(&name, QoS::AtMostOnce)).unwrap();
            for length in [0, 1, 130, 70_000, 1_000_000] {
                let body = "x".repeat(length);
                web.send(publish("up", &body)).unwrap();
                assert!(plain.message().unwrap().payload == body, "{length} up");
                plain.send(publish(&name, &body)).unwrap();
                assert!(web.message().unwrap().payload == body, "{length} down");
            }
        }
    }

    fn packets_and_frames_need_not_fit(shards: u8) {
        let server = server(shards, |_| {});
        for number in 0..4 {
            let name = format!("web-{number}");
            let mut socket = WebStream::open(dial(&server)).unwrap();
            // Every byte of CONNECT in a frame of its own; SUBSCRIBE and PUBLISH in one message of three parts.
            for byte in encoded(&[connect(&name).into()]) {
                socket.write_all(&[byte]).unwrap();
            }
            let rest = encoded(&[subscribe(&name, QoS::AtMostOnce).into(), publish(&name, "hello").into()]);
            let (one, two) = rest.split_at(7);
            let parts = [frame(0x02, one), frame(PING, b"?"), frame(0x00, two), frame(0x80, b"")];
            socket.inner().write_all(&parts.concat()).unwrap();
            let mut web = RawClient::over(socket, Version::V5);
            assert!(matches!(web.receive().unwrap(), Some(Packet::ConnAck(_))));
            let answers = [web.receive().unwrap(), web.receive().unwrap()];
            assert!(answers.iter().any(|answer| matches!(answer, Some(Packet::SubAck(_)))));
            assert!(answers.iter().any(|answer| matches!(answer, Some(Packet::Publish(one)) if one.payload == "hello")));
            assert_eq!(web.stream_mut().take_pongs(), [b"?"]);
        }
    }

    fn each_breach_of_the_rules_ends_its_connection_with_the_right_code(shards: u8) {
        let server = server(shards, |_| {});
        let mut well = Well::new(&server);
        let announces = |length: u64| [&[BINARY, 0xFF][..], &length.to_be_bytes()].concat();
        let breaches = [
            (frame(TEXT, b"hello"), 1003),
            (vec![BINARY, 2, 0xC0, 0], 1002),
            (frame(0x09, b""), 1002),
            (frame(PING, &[0; 126]), 1002),
            (frame(0xC2, b""), 1002),
            (frame(0x83, b""), 1002),
            (frame(0x80, b""), 1002),
            (vec![BINARY, 0xFE, 0, 1], 1002),
            (announces(1 << 29), 1009),
            (announces(u64::MAX >> 1), 1009),
            (announces(u64::MAX), 1002),
            // More than was announced: what is left is no frame.
            ([frame(BINARY, &[0xC0, 0]), vec![0xC0, 0]].concat(), 1002),
            (frame(CLOSE, b"\x03\xE8bye"), 1000),
            (frame(CLOSE, b"\x03\xED"), 1002),
            (frame(CLOSE, b"\x03\xE8\xFF"), 1007),
        ];
        for (number, (bytes, code)) in breaches.into_iter().enumerate() {
            let mut web = join(&server, &format!("rude-{number}"));
            let socket = web.stream_mut();
            socket.inner().write_all(&bytes).unwrap();
            assert_eq!(socket.close_code().unwrap(), code, "{bytes:02x?}");
            well.works();
        }
    }

    fn the_server_says_good_bye_with_a_close_frame(shards: u8) {
        let mut server = server(shards, |_| {});
        let mut one = join(&server, "one");
        one.send_bytes(&[0xC1, 0x00]).unwrap();
        assert!(matches!(one.receive().unwrap(), Some(Packet::Disconnect(last)) if last.reason.is_error()));
        assert_eq!(one.stream_mut().close_code().unwrap(), 1000);
        let mut two = join(&server, "two");
        two.send_bytes(&[0xE0, 0x00]).unwrap();
        assert_eq!(two.stream_mut().close_code().unwrap(), 1000);
        let mut three = join(&server, "three");
        server.shutdown();
        assert!(matches!(three.receive().unwrap(), Some(Packet::Disconnect(_))));
    }

    fn a_connection_that_is_no_websocket_is_told_why(shards: u8) {
        let server = server(shards, |_| {});
        let mut well = Well::new(&server);
        let cases = [
            ("GET / HTTP/1.1\r\nHost: pi\r\n\r\n".to_owned(), "426", "ws://pi/mqtt"),
            (request("/chat", ""), "404", "connect to /mqtt"),
            (request("/mqtt", "Origin: https://evil.example\r\n"), "403", "https://evil.example may not connect"),
            (request("/mqtt", "").replace("13\r\n", "8\r\n"), "426", "version 13"),
            (request("/mqtt", "").replace("dGhl", ""), "400", "16 bytes in base64"),
            (request("/mqtt", "").replace("Protocol: mqtt", "Protocol: chat"), "400", "offer mqtt or mqttv3.1"),
            (request("/mqtt", &"A: 1\r\n".repeat(100)), "431", "more than 100 headers"),
            (request("/mqtt", &format!("A: {}\r\n", "x".repeat(9_000))), "431", "longer than 8192 bytes"),
        ];
        for (text, status, said) in cases {
            let answer = answer_to(&server, text.as_bytes());
            assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
            assert!(answer.contains("\r\nContent-Type: text/plain;") && answer.contains(said), "{answer}");
            well.works();
        }
        // MQTT and TLS are not answered in HTTP, but they are not kept waiting either.
        assert_eq!(answer_to(&server, &encoded(&[connect("a").into()])), "");
        assert_eq!(answer_to(&server, b"\x16\x03\x01\x02\x00"), "");
        well.works();
    }

    fn pages_of_the_same_host_and_named_ones_may_connect(shards: u8) {
        let server = server(shards, |options| {
            let rules = websocket_rules();
            let origins = vec!["https://app.example".parse().unwrap()];
            options.listeners[1].layers = vec![Arc::new(WebSocket::new(
                darter_broker::net::websocket::Rules { origins, ..rules },
            ))];
        });
        for origin in ["http://darter.test", "https://darter.test:8443", "https://app.example"] {
            let mut stream = dial(&server);
            stream.write_all(request("/mqtt", &format!("Origin: {origin}\r\n")).as_bytes()).unwrap();
            assert!(read_head(&mut stream).unwrap().starts_with("HTTP/1.1 101 "), "{origin}");
        }
    }

    fn headers_without_end_are_cut_off(shards: u8) {
        let server = server(shards, |_| {});
        let mut well = Well::new(&server);
        let mut stream = dial(&server);
        let bomb = format!("GET /mqtt HTTP/1.1\r\n{}", "A: xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\r\n".repeat(100_000));
        // The server stops listening after a few KiB, so writing may fail, and what it said may be lost on the way.
        let _ = stream.write_all(bomb.as_bytes());
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 431 "));
        well.works();
    }

    fn an_upgrade_that_is_never_finished_ends_in_time(shards: u8) {
        let server = server(shards, |options| options.limits.connect_timeout = 200);
        let starts = ["", "G", "GET /mqtt HTTP/1.1\r\nHost: pi\r\nA: ", &request("/mqtt", "")];
        for start in starts {
            let answer = answer_to(&server, start.as_bytes());
            assert_eq!(answer.starts_with("HTTP/1.1 101 "), start.ends_with("\r\n\r\n"), "{answer}");
        }
        // A frame that is never finished either.
        let mut socket = WebStream::open(dial(&server)).unwrap();
        socket.inner().write_all(&frame(BINARY, &[0; 100])[..9]).unwrap();
        assert_eq!(socket.close_code().unwrap(), 1000);
    }

    fn pings_keep_no_silent_client_alive(shards: u8) {
        let server = server(shards, |_| {});
        let stream = WebStream::open(dial(&server)).unwrap();
        let silent = darter_codec::Connect { keep_alive: 1, ..connect("silent") };
        let (mut web, _) = RawClient::over(stream, Version::V5).greet(silent).unwrap();
        let mut pinging = web.stream_mut().inner().try_clone().unwrap();
        let pings = std::thread::spawn(move || while pinging.write_all(&frame(PING, b"?")).is_ok() {});
        let last = web.receive().unwrap();
        assert!(matches!(last, Some(Packet::Disconnect(last)) if last.reason == ReasonCode::KeepAliveTimeout));
        web.stream_mut().inner().shutdown(Shutdown::Both).unwrap();
        pings.join().unwrap();
    }

    fn a_client_that_only_pings_and_never_reads_is_not_read_from_for_ever(shards: u8) {
        let server = server(shards, |_| {});
        let mut well = Well::new(&server);
        let mut web = join(&server, "lazy");
        let stream = web.stream_mut().inner();
        stream.set_nonblocking(true).unwrap();
        let pings = frame(PING, &[b'x'; 125]).repeat(500);
        let mut accepted = 0usize;
        // The system's buffers fill up; after that the server must have stopped reading.
        for _ in 0..400 {
            match stream.write(&pings) {
                Ok(count) => accepted += count,
                Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
            }
            well.works();
        }
        assert!(accepted < 400 * pings.len(), "it read everything: {accepted}");
    }

    fn a_slow_reader_gets_whole_packets_in_whole_frames(shards: u8) {
        let server = server(shards, |options| options.limits.output_bytes = 256 * 1024);
        let mut well = Well::new(&server);
        let mut lazy = join(&server, "lazy");
        lazy.exchange(subscribe("flood", QoS::AtMostOnce)).unwrap();
        let mut writer = RawClient::join(server.address(), connect("writer")).unwrap();
        let body = "x".repeat(4_000);
        for _ in 0..5_000 {
            writer.send(publish("flood", &body)).unwrap();
        }
        assert_eq!(writer.exchange(Packet::PingReq).unwrap(), Packet::PingResp);
        well.works();
        lazy.send(Packet::PingReq).unwrap();
        let mut count = 0;
        loop {
            match lazy.receive().unwrap() {
                Some(Packet::Publish(message)) => {
                    assert!(message.payload == body);
                    count += 1;
                }
                Some(Packet::PingResp) => break,
                other => panic!("{other:?}"),
            }
        }
        assert!((1..5_000).contains(&count), "{count}");
    }
}
