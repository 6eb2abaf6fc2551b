use super::super::scene::{connect, done, login, refused};
use super::*;
use bytes::Bytes;
use darter_engine::access::{Action, Policy};
use darter_net::Peer;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

const DEADLINE: Duration = Duration::from_secs(30);

/// A web server whose answers a test writes, one connection each.
struct Server {
    url: String,
    /// What it was sent: the first line and the body.
    questions: Receiver<(String, Value)>,
    answers: Sender<Vec<u8>>,
}

impl Server {
    fn new() -> Self {
        Self::with("http", |stream| Box::new(stream))
    }

    /// With its certificate from `test_certificates`.
    fn with_tls() -> Self {
        let certificate = CertificateDer::from_pem_file(file("server.pem")).unwrap();
        let key = PrivateKeyDer::from_pem_file(file("server.key")).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider);
        let config = config.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
        let config = Arc::new(config.with_single_cert(vec![certificate], key).unwrap());
        Self::with("https", move |stream| {
            let connection = rustls::ServerConnection::new(config.clone()).unwrap();
            Box::new(rustls::StreamOwned::new(connection, stream))
        })
    }

    fn with(scheme: &str, wrap: impl Fn(TcpStream) -> Box<dyn Conversation> + Send + 'static) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let url = format!("{scheme}://{}/login?for=mqtt", listener.local_addr().unwrap());
        let ((asked, questions), (answers, given)) = (channel(), channel::<Vec<u8>>());
        thread::spawn(move || {
            for stream in listener.incoming() {
                let stream = stream.unwrap();
                stream.set_read_timeout(Some(DEADLINE)).unwrap();
                let mut stream = BufReader::new(wrap(stream));
                let Ok(question) = read_question(&mut stream) else { continue };
                if asked.send(question).is_err() {
                    return;
                }
                let Ok(answer) = given.recv() else { return };
                let _ = stream.get_mut().write_all(&answer).and_then(|()| stream.get_mut().flush());
            }
        });
        Self { url, questions, answers }
    }

    fn options(&self) -> Options {
        Options { timeout: DEADLINE, ..Options::new(&self.url) }
    }

    fn method(&self) -> Http {
        Http::new(self.options()).unwrap()
    }

    /// The next answer that it gives.
    fn will_answer(&self, status: &str, body: &str) {
        let answer =
            format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len());
        self.answers.send(answer.into_bytes()).unwrap();
    }

    fn was_asked(&self) -> Value {
        let (line, question) = self.questions.recv_timeout(DEADLINE).unwrap();
        assert_eq!(line.trim_end(), "POST /login?for=mqtt HTTP/1.1");
        question
    }

    fn was_not_asked(&self) {
        assert!(self.questions.try_recv().is_err());
    }
}

trait Conversation: Read + Write {}
impl<T: Read + Write> Conversation for T {}

fn read_question(stream: &mut impl BufRead) -> io::Result<(String, Value)> {
    let (mut first, mut length) = (String::new(), 0);
    stream.read_line(&mut first)?;
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        match line.trim_end().to_ascii_lowercase().split_once(": ") {
            Some(("content-length", digits)) => length = digits.parse().unwrap(),
            Some(("content-type", kind)) => assert_eq!(kind, "application/json"),
            Some(("transfer-encoding", _)) => panic!("small servers do not understand chunks"),
            Some(_) => {}
            None => break,
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body)?;
    Ok((first, serde_json::from_slice(&body).unwrap()))
}

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src/auth/http/test_certificates").join(name)
}

fn ask(method: &Http) -> Outcome {
    method.check(&login(&connect(Some("ann"), Some("secret"))))
}

#[track_caller]
fn accepted(outcome: Outcome) -> Identity {
    match done(outcome) {
        Outcome::Done(Verdict::Accept(identity)) => identity,
        Outcome::Done(Verdict::Refuse { reason, what }) => panic!("{reason:?}: {what}"),
        _ => panic!("it is left to others"),
    }
}

#[test]
fn the_server_is_asked_with_all_that_is_known() {
    let server = Server::new();
    let method = server.method();
    server.will_answer("200 OK", "");
    assert_eq!(accepted(ask(&method)).user.as_deref(), Some("ann"));
    let question = json!({ "client": "dev", "user": "ann", "password": "secret", "address": "127.0.0.1", "listener": "default" });
    assert_eq!(server.was_asked(), question);

    let mut connect = connect(None, None);
    connect.password = Some(Bytes::from_static(b"\xff\x00"));
    let local = Login { peer: Peer::Local { user: None }, listener: "inside", ..login(&connect) };
    server.will_answer("200 OK", "{\"user\":\"bob\"}");
    assert_eq!(accepted(method.check(&local)).user.as_deref(), Some("bob"));
    let question = json!({ "client": "dev", "user": null, "password": null, "password_base64": "/wA=", "address": null, "listener": "inside" });
    assert_eq!(server.was_asked(), question);
}

#[test]
fn an_answer_says_who_the_client_is_and_what_it_may() {
    let server = Server::new();
    let method = server.method();
    server.will_answer(
        "200 OK",
        r#"{"user":"annette","roles":["staff","night"],"permissions":["publish a/%u"]}"#,
    );
    let identity = accepted(ask(&method));
    assert_eq!(identity.user.as_deref(), Some("annette"));
    assert_eq!(identity.roles.iter().map(|role| &**role).collect::<Vec<_>>(), ["staff", "night"]);
    let grant = Policy::open().grant(&identity, "dev").unwrap();
    assert!(grant.may(Action::Publish, "a/annette") && !grant.may(Action::Publish, "b"));
    let nothing = Answer::read(200, br#"{"permissions":[]}"#);
    let Answer::Accept(identity) = nothing else { panic!() };
    assert!(!Policy::open().grant(&identity, "dev").unwrap().may(Action::Publish, "a"));
    assert_eq!(Answer::read(204, b""), Answer::Accept(Identity::default()));
}

#[test]
fn whatever_else_it_answers_lets_nobody_in() {
    let server = Server::new();
    let method = server.method();
    for (status, body) in
        [("401 Unauthorized", "{}"), ("403 Forbidden", ""), ("404 Not Found", "no"), ("400 Bad Request", "")]
    {
        server.will_answer(status, body);
        let reason = ReasonCode::BadUserNameOrPassword;
        assert_eq!(refused(ask(&method)), (reason, "the HTTP server for logins has refused it"), "{status}");
    }
    for (status, body) in [
        ("500 Internal Server Error", ""),
        ("503 Service Unavailable", "{}"),
        ("429 Too Many Requests", ""),
        ("408 Request Timeout", ""),
        ("301 Moved Permanently\r\nLocation: http://127.0.0.1:1/", ""),
        ("201 Created", ""),
        ("202 Accepted", "{}"),
        ("200 OK", "<html>Please log in to the guests' network</html>"),
        ("200 OK", "ok"),
        ("200 OK", "true"),
        ("200 OK", "{\"result\":\"deny\"}"),
        ("200 OK", "{\"superuser\":true}"),
        ("200 OK", "{\"user\":7}"),
        ("200 OK", "{\"user\":\"\"}"),
        ("200 OK", "{\"roles\":\"staff\"}"),
        ("200 OK", "{\"permissions\":[\"a/b\"]}"),
        ("200 OK", "{} {}"),
        ("204 No Content\r\nX-Odd: 1", ""),
    ] {
        server.will_answer(status, body);
        if status.starts_with("204") {
            accepted(ask(&method));
        } else {
            assert_eq!(refused(ask(&method)).0, ReasonCode::ServerUnavailable, "{status} {body}");
        }
    }
    server.will_answer("200 OK", "");
    let refusal = refused(method.check(&login(&connect(None, Some("secret")))));
    assert_eq!(refusal.1, "neither the client nor the HTTP server for logins names a user");
}

#[test]
fn no_answer_lets_nobody_in() {
    let nobody = {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        format!("http://{}", listener.local_addr().unwrap())
    };
    let no_answer = (ReasonCode::ServerUnavailable, "the HTTP server for logins does not answer");
    assert_eq!(refused(ask(&Http::new(Options::new(nobody)).unwrap())), no_answer);

    let silent = Server::new();
    let impatient = Http::new(Options { timeout: Duration::from_millis(100), ..silent.options() }).unwrap();
    assert_eq!(refused(ask(&impatient)), no_answer);
    let (_, what) = refused(ask(&impatient));
    assert_eq!(what, "the HTTP server for logins has not answered a moment ago, or is too busy");

    for rubbish in
        ["", "rubbish\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{}", "HTTP/1.1 200 OK\r\n"]
    {
        let server = Server::new();
        server.answers.send(rubbish.into()).unwrap();
        assert_eq!(refused(ask(&server.method())), no_answer, "{rubbish:?}");
    }
    let endless = Server::new();
    endless.will_answer("200 OK", &" ".repeat(65 * 1024));
    assert_eq!(refused(ask(&endless.method())), no_answer, "its body is too long");
}

#[test]
fn who_was_let_in_is_let_in_again_without_a_question_for_a_while() {
    let server = Server::new();
    let method = server.method();
    server.will_answer("200 OK", r#"{"user":"annette","roles":["staff"]}"#);
    let first = accepted(ask(&method));
    server.was_asked();
    let again = ask(&method);
    assert!(matches!(again, Outcome::Done(_)), "it is known at once");
    assert_eq!(accepted(again), first);
    server.was_not_asked();
    method.flush();
    server.will_answer("200 OK", "");
    accepted(ask(&method));
    server.was_asked();

    let (ann, other) = (connect(Some("ann"), Some("secret")), connect(Some("ann"), Some("Secret")));
    let elsewhere = Login { listener: "other", ..login(&ann) };
    for login in [elsewhere, login(&other)] {
        server.will_answer("403 Forbidden", "");
        refused(method.check(&login));
        server.was_asked();
    }
    for _ in 0..2 {
        server.will_answer("403 Forbidden", "");
        refused(method.check(&login(&other)));
        server.was_asked();
    }
    let forgetful = Http::new(Options { cache: Duration::ZERO, ..server.options() }).unwrap();
    for _ in 0..2 {
        server.will_answer("200 OK", "");
        accepted(ask(&forgetful));
        server.was_asked();
    }
}

#[test]
fn a_login_without_name_and_password_is_left_to_others() {
    let server = Server::new();
    assert!(matches!(server.method().check(&login(&connect(None, None))), Outcome::Pass));
    server.was_not_asked();
}

#[test]
fn over_https_only_a_server_is_asked_for_which_the_authority_vouches() {
    let server = Server::with_tls();
    let trusting = Http::new(Options { authority: Some(file("authority.pem")), ..server.options() }).unwrap();
    server.will_answer("200 OK", "");
    assert_eq!(accepted(ask(&trusting)).user.as_deref(), Some("ann"));
    assert_eq!(server.was_asked()["password"], "secret");

    for authority in [Some(file("other.pem")), None] {
        let Ok(distrusting) = Http::new(Options { authority, ..server.options() }) else { continue };
        let no_answer = (ReasonCode::ServerUnavailable, "the HTTP server for logins does not answer");
        assert_eq!(refused(ask(&distrusting)), no_answer);
        server.was_not_asked();
    }
}

#[test]
fn what_cannot_be_asked_is_an_error_at_the_start() {
    for url in ["", "login", "ftp://host/", "http://", "https:///login", "http://a b/", "file:///etc/passwd"]
    {
        assert!(matches!(Http::new(Options::new(url)), Err(HttpError::Url(_))), "{url}");
    }
    let with = |authority| {
        Http::new(Options { authority: Some(authority), ..Options::new("https://host/") }).unwrap_err()
    };
    let said = with(file("none.pem")).to_string();
    assert!(said.contains("none.pem cannot be read: "), "{said}");
    let said = with(file("server.key")).to_string();
    assert!(said.ends_with("server.key has no certificate of an authority in PEM"), "{said}");
}
