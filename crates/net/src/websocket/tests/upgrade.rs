//! Requests that open a WebSocket, and others.

use super::*;

/// The answer to a request, and whether it opened a WebSocket.
fn answer(text: &str) -> (String, bool) {
    let mut client = Client::new();
    assert_eq!(client.sends(text.as_bytes()), b"");
    let answer = String::from_utf8(client.answered()).unwrap();
    assert_eq!(client.outcome.is_ok(), answer.starts_with("HTTP/1.1 101 "), "{answer}");
    (answer, client.outcome.is_ok())
}

/// Status and text of a refusal.
fn refused(text: &str) -> (String, String) {
    let mut client = Client::new();
    client.sends(text.as_bytes());
    let answer = String::from_utf8(client.answered()).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let said = body.trim_end();
    assert_eq!(client.outcome, Err(Fault::new(format!("no WebSocket was opened: {said}"))));
    (head["HTTP/1.1 ".len()..][..3].to_owned(), said.to_owned())
}

/// The request with a header in place of the one of the same name, or without it when there is no value.
fn with(header: &str) -> String {
    let (name, value) = header.split_once(':').unwrap();
    let others = HEADERS.iter().filter(|other| !other.starts_with(name)).copied();
    let headers: Vec<_> = others.chain((!value.is_empty()).then_some(header)).collect();
    request("/mqtt", &headers)
}

#[test]
fn a_request_is_answered_as_the_standard_shows() {
    let (answer, open) = answer(&request("/mqtt", &HEADERS));
    assert!(open);
    assert_eq!(
        answer,
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n"
    );
}

#[test]
fn every_configured_path_is_served_whatever_its_query() {
    for target in ["/mqtt", "/mqtt?token=1", "/ws", "http://pi:8083/ws?x", "/mqtt?"] {
        assert!(answer(&request(target, &HEADERS)).1, "{target}");
    }
    for target in ["/", "/mqtt/", "/MQTT", "/mqttx", "/m%71tt", "//mqtt"] {
        let (status, said) = refused(&request(target, &HEADERS));
        assert_eq!(
            (status, said),
            ("404".into(), format!("nothing is served at {target}; connect to /mqtt or /ws"))
        );
    }
}

#[test]
fn the_first_protocol_of_the_clients_that_is_spoken_is_chosen() {
    for (offered, chosen) in [
        ("mqttv3.1, mqtt", "mqttv3.1"),
        ("soap,mqtt,mqttv3.1", "mqtt"),
        ("soap\r\nSec-WebSocket-Protocol: mqttv3.1", "mqttv3.1"),
    ] {
        let (answer, _) = answer(&with(&format!("Sec-WebSocket-Protocol: {offered}")));
        assert!(answer.contains(&format!("Sec-WebSocket-Protocol: {chosen}\r\n")), "{answer}");
    }
}

#[test]
fn a_client_that_offers_no_protocol_is_served_without() {
    for offered in ["Sec-WebSocket-Protocol:", "Sec-WebSocket-Protocol: ,"] {
        let (answer, open) = answer(&with(offered));
        assert!(open);
        assert!(!answer.contains("Sec-WebSocket-Protocol"), "{answer}");
    }
}

#[test]
fn a_client_that_offers_only_other_protocols_is_refused() {
    let (status, said) = refused(&with("Sec-WebSocket-Protocol: MQTT, \u{1}soap").replace('\u{1}', ""));
    assert_eq!(status, "400");
    assert_eq!(
        said,
        "none of the client's sub-protocols (MQTT, soap) is spoken here; offer mqtt or mqttv3.1"
    );
}

#[test]
fn pages_of_other_sites_are_refused() {
    for origin in ["http://pi", "http://pi:9000", "https://app.example", "https://APP.example:443"] {
        assert!(answer(&with(&format!("Origin: {origin}"))).1, "{origin}");
    }
    for origin in ["http://evil.example", "null", "http://app.example", "http://pi@evil.example"] {
        let (status, said) = refused(&with(&format!("Origin: {origin}")));
        assert_eq!(status, "403");
        assert!(said.starts_with(&format!("web pages from {origin} may not connect")), "{said}");
    }
    assert_eq!(refused(&with("Origin: http://pi\r\nOrigin: http://evil.example")).0, "400");
}

#[test]
fn a_browser_is_told_what_this_is() {
    let (answer, _) = answer("GET / HTTP/1.1\r\nHost: pi:8083\r\nAccept: text/html\r\n\r\n");
    assert!(answer.starts_with(
        "HTTP/1.1 426 Upgrade Required\r\nUpgrade: websocket\r\nConnection: Upgrade, close\r\n"
    ));
    assert!(answer.contains("Connect to it with a client: ws://pi:8083/mqtt (wss:// with TLS)"), "{answer}");
}

#[test]
fn every_part_of_the_request_is_looked_at() {
    let cases = [
        ("Upgrade:", "426"),
        ("Upgrade: h2c", "426"),
        ("Connection: close", "400"),
        ("Connection:", "400"),
        ("Sec-WebSocket-Version:", "426"),
        ("Sec-WebSocket-Version: 8", "426"),
        ("Sec-WebSocket-Version: 13\r\nSec-WebSocket-Version: 13", "400"),
        ("Sec-WebSocket-Key:", "400"),
        ("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=", "400"),
        ("Sec-WebSocket-Key: c2hvcnQ=", "400"),
        ("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZSB0b28gbG9uZw==", "400"),
        ("Content-Length: 5", "400"),
        ("Transfer-Encoding: chunked", "400"),
        ("Host: other", "400"),
        ("No-Colon\r\nA: 1", "400"),
    ];
    for (header, status) in cases {
        let text = match header.strip_prefix("No-Colon") {
            Some(_) => request("/mqtt", &["No-Colon"]),
            None => with(header),
        };
        assert_eq!(refused(&text).0, status, "{header}");
    }
    for header in
        ["Upgrade: WebSocket", "Connection: upgrade", "Content-Length: 0", "Upgrade: h2c, websocket"]
    {
        assert!(answer(&with(header)).1, "{header}");
    }
}

#[test]
fn other_methods_and_old_http_are_refused() {
    let text = request("/mqtt", &HEADERS);
    assert_eq!(refused(&text.replacen("GET", "POST", 1)).0, "405");
    assert_eq!(refused(&text.replacen("GET", "CONNECT", 1)).0, "405");
    assert_eq!(refused(&text.replacen("HTTP/1.1", "HTTP/1.0", 1)).0, "505");
    assert_eq!(refused(&text.replacen("HTTP/1.1", "HTTP/2", 1)).0, "400");
}

#[test]
fn who_speaks_no_http_is_not_waited_for() {
    for (first, expected) in [(0x10, Refusal::NotHttp), (0x16, Refusal::Tls), (b'\r', Refusal::NotHttp)] {
        let mut client = Client::new();
        client.sends(&[first]);
        assert_eq!(client.outcome, fails(expected));
        assert_eq!(client.answered(), b"", "it would not understand an answer");
    }
}

#[test]
fn heads_without_measure_are_refused() {
    let many = request("/mqtt", &[&HEADERS[..], &["A: 1"; 100]].concat());
    assert_eq!(refused(&many).0, "431");
    let long = format!("Cookie: {}", "x".repeat(9_000));
    assert_eq!(refused(&request("/mqtt", &[&HEADERS[..], &[&long]].concat())).0, "431");
    let endless = "GET /mqtt HTTP/1.1\r\nA: ".to_owned() + &"x".repeat(1 << 20);
    assert_eq!(refused(&endless).0, "431");
}

#[test]
fn a_refused_connection_gets_nothing_more() {
    let mut client = Client::new();
    client.sends(request("/other", &HEADERS).as_bytes());
    assert_eq!(client.gets(b"late"), b"");
    assert_eq!(client.closed(), b"");
}

#[test]
fn it_is_said_what_is_waited_for() {
    let mut client = Client::new();
    client.sends(b"GET /mqtt HTTP/1.1\r\n");
    assert_eq!(client.connection.waits_for(), Some("the whole request that opens a WebSocket"));
    assert_eq!(client.closed(), b"", "there is nobody who would understand a close frame");
    assert_eq!(Client::opened().connection.waits_for(), None);
}

#[test]
fn frames_right_behind_the_request_are_taken() {
    let bytes = [request("/mqtt", &HEADERS).as_bytes(), &frame(BINARY, b"early")].concat();
    assert_eq!(Client::new().sends(&bytes), b"early");
}
