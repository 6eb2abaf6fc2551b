//! MQTT over TLS.

use darter_broker::access::Identity;
use darter_broker::auth::{Answer, Authenticator, Login, Verdict};
use darter_broker::net::Layer;
use darter_broker::net::tls::{Acceptor, ClientCertificates, Files, Version as TlsVersion};
use darter_broker::net::websocket::WebSocket;
use darter_broker::{ListenerOptions, websocket_rules};
use darter_codec::{Packet, QoS, ReasonCode, Version};
use darter_testkit::packets::{connect, connect_as, publish, publish_1, subscribe};
use darter_testkit::tls_stream::{TLS12, TLS13};
use darter_testkit::{Authority, BrokerFixture, Issued, RawClient, TlsSetup, TlsStream, WebStream};
use std::fs;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tempfile::TempDir;

const PATIENCE: Duration = Duration::from_secs(20);

/// A server with a TLS listener, and what clients need to trust it.
struct Secure {
    server: BrokerFixture,
    authority: Authority,
    folder: TempDir,
}

type Client = RawClient<TlsStream<TcpStream>>;

impl Secure {
    fn new(shards: u8) -> Self {
        Self::with(shards, |_, _| {})
    }

    /// With other transports above TLS.
    fn with_layers(shards: u8, above: &[Arc<dyn Layer>]) -> Self {
        Self::with(shards, |_, listener| listener.layers = above.to_vec())
    }

    /// The listener's files and settings can be changed. The folder has `server.pem`, `server.key` and `authority.pem`.
    fn with(shards: u8, change: impl FnOnce(&mut Files, &mut ListenerOptions)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let authority = Authority::new("the authority");
        authority.server().write(folder.path(), "server");
        fs::write(folder.path().join("authority.pem"), authority.certificate()).unwrap();
        let mut files = Files::new(folder.path().join("server.pem"), folder.path().join("server.key"));
        let server = BrokerFixture::with(shards, |options| {
            let listener = &mut options.listeners[0];
            change(&mut files, listener);
            listener.layers.insert(0, Arc::new(Acceptor::open(files.clone()).unwrap()));
        });
        Self { server, authority, folder }
    }

    fn socket(&self) -> TcpStream {
        let stream = TcpStream::connect(self.server.address()).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    fn setup(&self) -> TlsSetup {
        TlsSetup::new(&self.authority)
    }

    fn join(&self, client: &str) -> Client {
        self.join_with(&self.setup(), client).unwrap()
    }

    fn join_with(&self, setup: &TlsSetup, client: &str) -> io::Result<Client> {
        let client = RawClient::over(setup.over(self.socket()), Version::V5).greet(connect(client))?;
        assert_eq!(client.1.reason, ReasonCode::Success);
        Ok(client.0)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

fn is_served<S: Read + Write>(client: &mut RawClient<S>) {
    client.exchange(subscribe("t", QoS::AtMostOnce)).unwrap();
    for size in [0, 1, 500, 16_384, 70_000, 1_000_000] {
        let body = "x".repeat(size);
        client.send(publish("t", &body)).unwrap();
        assert!(client.message().unwrap().payload == body, "{size}");
    }
    for number in 0..1_000 {
        client.send(publish("t", &number.to_string())).unwrap();
    }
    for number in 0..1_000 {
        assert_eq!(client.message().unwrap().payload, number.to_string());
    }
}

/// Lets everybody in and remembers the common names in their certificates.
#[derive(Default)]
struct Names(Mutex<Vec<Option<String>>>);

impl Authenticator for Names {
    fn answer(&self, login: &Login<'_>) -> Answer {
        self.0.lock().unwrap().push(login.certificate.and_then(|names| names.common_name.clone()));
        Answer::Now(Verdict::Accept(Identity::default()))
    }
}

fn asked(files: &Files, required: bool, revoked: &[&str]) -> ClientCertificates {
    let beside = |name: &str| files.certificate.with_file_name(name);
    ClientCertificates::Asked {
        authorities: beside("authority.pem"),
        required,
        revoked: revoked.iter().copied().map(beside).collect(),
    }
}

battery! {
    fn messages_of_any_size_go_over_both_versions(shards: u8) {
        let secure = Secure::new(shards);
        assert_eq!(secure.server.broker().listening()[0].scheme, "mqtts");
        for (number, version) in [&TLS12, &TLS13, &TLS12, &TLS13].into_iter().enumerate() {
            let setup = TlsSetup::with(&secure.authority, None, &[version]);
            is_served(&mut secure.join_with(&setup, &format!("client-{number}")).unwrap());
        }
    }

    fn an_old_version_is_refused_where_a_newer_one_is_asked_for(shards: u8) {
        let secure = Secure::with(shards, |files, _| files.least = TlsVersion::V13);
        let old = TlsSetup::with(&secure.authority, None, &[&TLS12]);
        assert!(secure.join_with(&old, "old").unwrap_err().to_string().contains("ProtocolVersion"));
        secure.join("new");
    }

    fn a_version_older_than_1_2_is_refused_with_an_alert(shards: u8) {
        let secure = Secure::new(shards);
        // A ClientHello of TLS 1.0 and one of TLS 1.1: ECDHE-RSA-AES256-SHA, no session, no extensions.
        for minor in [1, 2] {
            let body = [&[3, minor][..], &[7; 32], &[0, 0, 2, 0xC0, 0x14, 1, 0]].concat();
            let length = u8::try_from(body.len()).unwrap();
            let hello = [&[0x16, 3, 1, 0, length + 4, 1, 0, 0, length][..], &body].concat();
            let mut stream = secure.socket();
            stream.write_all(&hello).unwrap();
            let mut answer = Vec::new();
            let _ = stream.read_to_end(&mut answer);
            // A fatal alert: handshake_failure or protocol_version.
            assert!(matches!(answer[..], [0x15, 3, _, 0, 2, 2, 40 | 70]), "{answer:02x?}");
        }
    }

    fn websocket_goes_inside_tls(shards: u8) {
        let secure = Secure::with_layers(shards, &[Arc::new(WebSocket::new(websocket_rules()))]);
        assert_eq!(secure.server.broker().listening()[0].scheme, "wss");
        for (number, version) in [&TLS12, &TLS13, &TLS12, &TLS13].into_iter().enumerate() {
            let setup = TlsSetup::with(&secure.authority, None, &[version]);
            let stream = WebStream::open(setup.over(secure.socket())).unwrap();
            let name = format!("client-{number}");
            let mut web = RawClient::over(stream, Version::V5).greet(connect(&name)).unwrap().0;
            is_served(&mut web);
            web.send_bytes(&[0xE0, 0x00]).unwrap();
            assert_eq!(web.stream_mut().close_code().unwrap(), 1000);
        }
    }

    fn what_follows_connect_in_the_same_record_is_not_lost(shards: u8) {
        const COUNT: usize = 2_000;
        let secure = Secure::new(shards);
        for number in 0..8 {
            let mut bytes = Vec::new();
            let packets: [Packet; 2] =
                [connect(&format!("client-{number}")).into(), subscribe("t", QoS::AtMostOnce).into()];
            packets.into_iter().for_each(|packet| packet.encode(Version::V5, &mut bytes).unwrap());
            for number in 0..COUNT {
                Packet::from(publish("t", &number.to_string())).encode(Version::V5, &mut bytes).unwrap();
            }
            let mut client = RawClient::over(secure.setup().over(secure.socket()), Version::V5);
            client.send_bytes(&bytes).unwrap();
            for number in 0..COUNT {
                assert_eq!(client.message().unwrap().payload, number.to_string());
            }
        }
    }

    fn records_may_have_one_byte_and_arrive_byte_by_byte(shards: u8) {
        let secure = Secure::new(shards);
        let mut client = RawClient::over(secure.setup().over(Dribbling(secure.socket())), Version::V5);
        let mut bytes = Vec::new();
        Packet::from(connect("slow")).encode(Version::V5, &mut bytes).unwrap();
        Packet::from(subscribe("t", QoS::AtMostOnce)).encode(Version::V5, &mut bytes).unwrap();
        for byte in bytes {
            client.send_bytes(&[byte]).unwrap();
        }
        assert!(matches!(client.receive().unwrap(), Some(Packet::ConnAck(_))));
        assert!(matches!(client.receive().unwrap(), Some(Packet::SubAck(_))));
    }

    fn the_name_in_a_certificate_is_known_at_the_login(shards: u8) {
        let names = Arc::new(Names::default());
        let secure = Secure::with(shards, |files, listener| {
            files.clients = asked(files, false, &[]);
            listener.authenticator = names.clone();
        });
        for (number, version) in [&TLS12, &TLS13, &TLS12, &TLS13].into_iter().enumerate() {
            let board = secure.authority.client(&format!("board-{number}"));
            let setup = TlsSetup::with(&secure.authority, Some(&board), &[version]);
            secure.join_with(&setup, &format!("client-{number}")).unwrap();
        }
        secure.join("without");
        let boards = (0..4).map(|number| Some(format!("board-{number}")));
        assert_eq!(*names.0.lock().unwrap(), boards.chain([None]).collect::<Vec<_>>());
    }

    fn certificates_that_do_not_count_are_refused(shards: u8) {
        let other = Authority::new("another authority");
        let secure = Secure::with(shards, |files, _| files.clients = asked(files, true, &[]));
        let refused = |client: Option<&Issued>, why: &str| for version in [&TLS12, &TLS13] {
            let setup = TlsSetup::with(&secure.authority, client, &[version]);
            let error = secure.join_with(&setup, "a").unwrap_err().to_string();
            assert!(error.contains(why), "{error}");
        };
        refused(None, "CertificateRequired");
        refused(Some(&other.client("board")), "UnknownCA");
        refused(Some(&secure.authority.expired_client("board")), "CertificateExpired");
        refused(Some(&secure.authority.server()), "");
        let board = secure.authority.client("board");
        is_served(&mut secure.join_with(&TlsSetup::with(&secure.authority, Some(&board), &[&TLS13]), "a").unwrap());
    }

    fn a_revoked_certificate_is_refused_from_the_reload_on(shards: u8) {
        let folder = tempfile::tempdir().unwrap();
        let list = folder.path().join("revoked.pem");
        let authority = Authority::new("clients");
        fs::write(folder.path().join("clients.pem"), authority.certificate()).unwrap();
        fs::write(&list, authority.revoke(&[])).unwrap();
        let secure = Secure::with(shards, |files, _| {
            files.clients = ClientCertificates::Asked {
                authorities: folder.path().join("clients.pem"),
                required: true,
                revoked: vec![list.clone()],
            };
        });
        let (good, bad) = (authority.client("good"), authority.client("bad"));
        let setup = |issued| TlsSetup::with(&secure.authority, Some(issued), &[&TLS12, &TLS13]);
        let with_bad = setup(&bad);
        let mut before = secure.join_with(&with_bad, "before").unwrap();
        fs::write(&list, authority.revoke(&[&bad])).unwrap();
        assert_eq!(secure.server.broker().reload(), []);
        // The same setup: nothing that it got before lets it in.
        let error = secure.join_with(&with_bad, "after").unwrap_err().to_string();
        assert!(error.contains("CertificateRevoked"), "{error}");
        secure.join_with(&setup(&good), "good").unwrap();
        assert_eq!(before.exchange(Packet::PingReq).unwrap(), Packet::PingResp, "connections go on");
    }

    fn another_certificate_is_shown_from_the_reload_on_and_no_connection_drops(shards: u8) {
        let secure = Secure::new(shards);
        let (stop, dropped) = (AtomicBool::new(false), AtomicBool::new(false));
        let mut clients: Vec<_> = (0..4).map(|number| secure.join(&format!("load-{number}"))).collect();
        std::thread::scope(|scope| {
            for client in &mut clients {
                scope.spawn(|| {
                    client.exchange(subscribe("t", QoS::AtMostOnce)).unwrap();
                    while !stop.load(Ordering::Relaxed) {
                        let sent = client.send(publish("t", &"x".repeat(3_000)));
                        if sent.and_then(|()| client.message()).is_err() {
                            dropped.store(true, Ordering::Relaxed);
                            return;
                        }
                    }
                });
            }
            let next = Authority::new("the next authority");
            next.server().write(secure.folder.path(), "server");
            assert_eq!(secure.server.broker().reload(), []);
            let now = |setup: &TlsSetup| secure.join_with(setup, "new").map(|_| ());
            let error = now(&secure.setup()).unwrap_err().to_string();
            assert!(error.contains("UnknownIssuer") || error.contains("BadSignature"), "{error}");
            now(&TlsSetup::new(&next)).unwrap();
            stop.store(true, Ordering::Relaxed);
        });
        assert!(!dropped.load(Ordering::Relaxed));
        for client in &mut clients {
            client.send(Packet::PingReq).unwrap();
            while client.receive().unwrap() != Some(Packet::PingResp) {}
        }
    }

    fn files_that_change_are_noticed(shards: u8) {
        let secure = Secure::new(shards);
        let next = Authority::new("the next authority");
        next.server().write(secure.folder.path(), "server");
        let setup = TlsSetup::new(&next);
        // Until the files were looked at twice, the old certificate is shown.
        while secure.join_with(&setup, "a").is_err() {}
    }

    fn files_that_cannot_be_used_change_nothing(shards: u8) {
        let secure = Secure::new(shards);
        let keep = fs::read(secure.file("server.key")).unwrap();
        let stranger = Authority::new("x").client("x").key;
        let broken = [
            ("server.pem", "", "there is no certificate in PEM in it"),
            ("server.pem", "-----BEGIN CERTIFICATE-----\nAAAA", "the end of a section in PEM is missing"),
            ("server.key", &stranger, "it is not the key of the certificate"),
            ("server.key", "-----BEGIN ENCRYPTED PRIVATE KEY-----\n-----END ENCRYPTED PRIVATE KEY-----", "passphrase"),
        ];
        for (name, text, why) in broken {
            let path = secure.file(name);
            let good = fs::read(&path).unwrap();
            fs::write(&path, text).unwrap();
            let errors = secure.server.broker().reload();
            assert_eq!(errors.len(), 1, "{errors:?}");
            assert_eq!(errors[0].file(), path);
            assert!(errors[0].to_string().contains(why), "{}", errors[0]);
            secure.join("still");
            fs::write(&path, good).unwrap();
        }
        fs::remove_file(secure.file("server.key")).unwrap();
        assert!(secure.server.broker().reload()[0].to_string().contains("server.key: No such file"));
        secure.join("still");
        fs::write(secure.file("server.key"), keep).unwrap();
        assert_eq!(secure.server.broker().reload(), []);
    }

    fn a_hand_shake_that_never_ends_is_dropped_in_time_and_disturbs_nobody(shards: u8) {
        let folder = tempfile::tempdir().unwrap();
        let authority = Authority::new("the authority");
        authority.server().write(folder.path(), "server");
        let files = Files::new(folder.path().join("server.pem"), folder.path().join("server.key"));
        let server = BrokerFixture::with(shards, |options| {
            options.limits.connect_timeout = 300;
            options.listeners[0].layers = vec![Arc::new(Acceptor::open(files).unwrap())];
        });
        let hello = client_hello(&authority);
        let mut slow: Vec<_> = (0..20)
            .map(|cut| {
                let mut stream = TcpStream::connect(server.address()).unwrap();
                stream.set_read_timeout(Some(PATIENCE)).unwrap();
                stream.write_all(&hello[..hello.len() * cut / 19]).unwrap();
                stream
            })
            .collect();
        let stream = TcpStream::connect(server.address()).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        is_served(&mut RawClient::over(TlsSetup::new(&authority).over(stream), Version::V5).greet(connect("a")).unwrap().0);
        for stream in &mut slow {
            let mut all = Vec::new();
            let outcome = stream.read_to_end(&mut all);
            assert!(outcome.is_ok() || outcome.is_err_and(|error| error.kind() == io::ErrorKind::ConnectionReset));
        }
    }

    fn who_speaks_no_tls_is_closed_at_once(shards: u8) {
        let secure = Secure::with(shards, |_, _| {});
        let mut plain = RawClient::open(secure.server.address(), Version::V5).unwrap();
        plain.send(connect("plain")).unwrap();
        assert_eq!(plain.receive().unwrap(), None);
        let garbage: [&[u8]; 5] = [
            b"GET /mqtt HTTP/1.1\r\n\r\n",
            &[0xFF; 5_000],
            // The header of a record, and noise.
            &[&[0x16, 3, 1, 0x40, 0][..], &[0xAA; 0x4000]].concat(),
            // A message of the hand-shake that is to have 16 MB.
            &[&[0x16, 3, 1, 0x40, 0, 1, 0xFF, 0xFF, 0xFF][..], &[0; 0x3FFC]].concat(),
            // A record that is longer than any may be.
            &[0x16, 3, 1, 0xFF, 0xFF, 1, 0, 0],
        ];
        for bytes in garbage {
            let mut stream = secure.socket();
            // The server may have closed before all is written.
            let _ = stream.write_all(bytes);
            let mut answer = Vec::new();
            let _ = stream.read_to_end(&mut answer);
            assert!(answer.len() < 16, "an alert at most: {answer:?}");
        }
        is_served(&mut secure.join("a"));
    }

    fn who_closes_its_half_or_damages_a_record_is_gone(shards: u8) {
        let secure = Secure::new(shards);
        let mut half = secure.join("half");
        half.stream().sock.shutdown(Shutdown::Write).unwrap();
        assert_eq!(half.receive().unwrap(), None);
        let mut bad = secure.join("bad");
        bad.stream_mut().sock.write_all(&[0x17, 3, 3, 0, 20, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20]).unwrap();
        assert!(bad.receive().unwrap_err().to_string().contains("BadRecordMac"));
        let mut leaving = secure.join("leaving");
        leaving.stream_mut().conn.send_close_notify();
        leaving.stream_mut().flush().unwrap();
        assert_eq!(leaving.receive().unwrap(), None);
        is_served(&mut secure.join("a"));
    }

    fn new_keys_may_be_asked_for_but_not_for_ever(shards: u8) {
        let secure = Secure::new(shards);
        let mut client = secure.join("fair");
        for _ in 0..100 {
            client.stream_mut().conn.refresh_traffic_keys().unwrap();
            assert_eq!(client.exchange(Packet::PingReq).unwrap(), Packet::PingResp);
        }
        let mut rude = secure.join("rude");
        let asked = (0..1_000).try_for_each(|_| {
            let _ = rude.stream_mut().conn.refresh_traffic_keys();
            rude.stream_mut().flush()
        });
        let over = asked.and_then(|()| rude.exchange(Packet::PingReq));
        assert!(over.is_err(), "{over:?}");
        is_served(&mut secure.join("a"));
    }

    fn a_slow_reader_gets_everything_over_tls(shards: u8) {
        const COUNT: u16 = 200;
        let secure = Secure::new(shards);
        let mut reader = secure.join("reader");
        reader.exchange(subscribe("t", QoS::AtLeastOnce)).unwrap();
        let mut writer = secure.join("writer");
        let body = "y".repeat(50_000);
        for number in 0..COUNT {
            let message = publish_1("t", &format!("{number} {body}"), number + 1);
            assert!(matches!(writer.exchange(message).unwrap(), Packet::PubAck(_)));
        }
        for number in 0..COUNT {
            assert!(reader.message().unwrap().payload == format!("{number} {body}"), "{number}");
        }
    }

    fn the_server_says_good_bye_in_tls(shards: u8) {
        let mut secure = Secure::new(shards);
        let mut client = secure.join("a");
        let mut old = RawClient::over(secure.setup().over(secure.socket()), Version::V311);
        old = old.greet(connect_as(Version::V311, "old", true)).unwrap().0;
        secure.server.shutdown();
        assert!(matches!(client.receive().unwrap(), Some(Packet::Disconnect(_))));
        // Without a `close_notify` it would be an error.
        assert_eq!(client.receive().unwrap(), None);
        assert_eq!(old.receive().unwrap(), None);
    }

    fn listeners_with_tls_and_without_lead_to_the_same_sessions(shards: u8) {
        let folder = tempfile::tempdir().unwrap();
        let authorities = ["one", "two"].map(Authority::new);
        let server = BrokerFixture::with(shards, |options| {
            for (authority, name) in authorities.iter().zip(["one", "two"]) {
                authority.server().write(folder.path(), name);
                let path = folder.path().join(name);
                let files = Files::new(path.with_extension("pem"), path.with_extension("key"));
                let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
                let layers: Vec<Arc<dyn Layer>> = vec![Arc::new(Acceptor::open(files).unwrap())];
                options.listeners.push(ListenerOptions { layers, ..ListenerOptions::at(address) });
            }
        });
        let &[plain, one, two] = server.broker().addresses() else { panic!("three listeners") };
        let mut writer = RawClient::join(plain, connect("writer")).unwrap();
        for (address, authority) in [one, two].into_iter().zip(&authorities) {
            let stream = TcpStream::connect(address).unwrap();
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            let stream = TlsSetup::new(authority).over(stream);
            let mut reader = RawClient::over(stream, Version::V5).greet(connect("reader")).unwrap().0;
            reader.exchange(subscribe("t", QoS::AtMostOnce)).unwrap();
            writer.send(publish("t", "x")).unwrap();
            assert_eq!(reader.message().unwrap().payload, "x");
        }
    }

    fn who_speaks_another_protocol_at_a_plain_port_is_closed_at_once(shards: u8) {
        let server = BrokerFixture::new(shards);
        let hello = client_hello(&Authority::new("any"));
        let strangers: [&[u8]; 3] = [&hello, b"GET /mqtt HTTP/1.1\r\n", b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n"];
        for first in strangers {
            let mut stream = TcpStream::connect(server.address()).unwrap();
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            stream.write_all(first).unwrap();
            let mut answer = Vec::new();
            let _ = stream.read_to_end(&mut answer);
            assert!(answer.is_empty(), "{answer:?}");
        }
    }
}

/// Writes single bytes.
struct Dribbling(TcpStream);

impl Read for Dribbling {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl Write for Dribbling {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(&bytes[..bytes.len().min(1)])
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// What a client begins with.
fn client_hello(authority: &Authority) -> Vec<u8> {
    struct Nobody;
    impl Read for Nobody {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Ok(0)
        }
    }
    impl Write for Nobody {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let mut bytes = Vec::new();
    TlsSetup::new(authority).over(Nobody).conn.write_tls(&mut bytes).unwrap();
    bytes
}
