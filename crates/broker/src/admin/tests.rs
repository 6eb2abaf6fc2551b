//! Questions to a running server, over its socket.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use super::history::Request;
use super::{
    AskError, Connection, DropsRequest, Queries, SessionsRequest, Socket, Subject, answer, find, history,
};
use crate::store::history::{HistoryOptions, HistoryReport, Point, Sample};
use crate::store::{Keeper, Lost, Report, in_memory};
use crate::{Broker, ListenerOptions, Options};
use darter_codec::{Message, QoS};
use serde_json::{Value, json};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::ops::Range;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver, Sender, TryRecvError};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use std::{fs, process, thread};

/// A server with its socket in a folder of its own.
struct Server {
    broker: Broker,
    socket: Option<Socket>,
    folder: PathBuf,
}

fn here() -> ListenerOptions {
    ListenerOptions::at(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))
}

/// What takes this long hangs.
const DEADLINE: Duration = Duration::from_secs(30);

impl Server {
    fn new(name: &str) -> Self {
        Self::with(name, DEADLINE, None, |_| {})
    }

    fn with(
        name: &str,
        patience: Duration,
        history: Option<Arc<dyn Queries>>,
        change: impl FnOnce(&mut Options),
    ) -> Self {
        let folder = Path::new("/tmp").join(format!("darter-admin-{name}-{}", process::id()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir(&folder).unwrap();
        let mut options = Options {
            listeners: vec![here()],
            shards: Some(2),
            status_interval: Duration::ZERO,
            ..Options::default()
        };
        change(&mut options);
        let broker = Broker::start(&options).unwrap();
        let subject = Subject { history, ..Subject::new(broker.view()) };
        let socket = Some(Socket::open_with(Some(&folder), subject, patience).unwrap());
        Self { broker, socket, folder }
    }

    fn raw(&self) -> UnixStream {
        let stream = UnixStream::connect(self.socket.as_ref().unwrap().path()).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        stream.set_write_timeout(Some(DEADLINE)).unwrap();
        stream
    }

    fn ask(&self, wanted: &str, request: Value) -> Result<Value, AskError> {
        Connection::new(find(&self.folder).unwrap().unwrap()).unwrap().ask(wanted, request)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.socket = None;
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn line(reader: &mut impl BufRead) -> Value {
    let mut line = String::new();
    reader.read_line(&mut line).unwrap();
    serde_json::from_str(&line).unwrap()
}

#[test]
fn the_socket_is_for_its_owner_and_goes_with_the_server() {
    let mut server = Server::new("owner");
    let path = server.folder.join("darter.sock");
    assert_eq!(server.socket.as_ref().unwrap().path(), path);
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    server.socket = None;
    assert_eq!(fs::read_dir(&server.folder).unwrap().count(), 0);
    assert!(find(&server.folder).unwrap().is_none());
}

#[test]
fn a_second_socket_in_the_same_folder_is_refused() {
    let server = Server::new("second");
    let subject = Subject { history: None, ..Subject::new(server.broker.view()) };
    let error = Socket::open(Some(&server.folder), subject).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
    assert!(server.ask("status", json!({})).is_ok());
}

#[test]
fn status_tells_where_the_server_listens_and_how_its_store_is() {
    let server = Server::new("status");
    let status = server.ask("status", json!({})).unwrap();
    assert_eq!(status["addresses"], json!([server.broker.addresses()[0].to_string()]));
    assert_eq!((&status["version"], &status["shards"]), (&json!(env!("CARGO_PKG_VERSION")), &json!(2)));
    assert_eq!((&status["process"], &status["history"]), (&json!(process::id()), &Value::Null));
    assert_eq!((&status["store"]["folder"], &status["store"]["full"]), (&Value::Null, &json!(false)));
    assert_eq!(status["messages"]["dropped_for"].as_object().unwrap().len(), crate::DropReason::ALL.len());
}

#[derive(Debug)]
struct Damaged;

impl Keeper for Damaged {
    fn waiting(&self) -> Duration {
        Duration::ZERO
    }

    fn report(&self) -> Report {
        let lost = Lost { sessions: 3, queued: 1, at_least: true, ..Lost::default() };
        Report { folder: Some("/data".into()), lost, bytes: 10, ..Report::default() }
    }

    fn tick(&self, _: u64) {}

    fn finish(&self) {}
}

#[test]
fn the_store_tells_what_it_has_lost() {
    let server = Server::with("lost", DEADLINE, None, |options| {
        options.store = Arc::new(|shards| {
            let mut opened = in_memory()(shards)?;
            opened.keeper = Box::new(Damaged);
            Ok(opened)
        });
    });
    let store = server.ask("store", json!({})).unwrap();
    assert_eq!((&store["folder"], &store["bytes"]), (&json!("/data"), &json!(10)));
    assert_eq!(store["lost"]["words"], json!("at least 3 sessions, 1 queued message"));
    assert_eq!((&store["lost"]["sessions"], &store["lost"]["at_least"]), (&json!(3), &json!(true)));
}

#[test]
fn drops_of_all_shards_are_told() {
    let server = Server::new("drops");
    let drops = server.ask("drops", json!(DropsRequest { limit: Some(5), client: None })).unwrap();
    assert_eq!(drops, json!({ "messages": 0, "rows": 0, "complete": true, "drops": [] }));
}

#[test]
fn sessions_of_all_shards_are_told_with_where_their_clients_are() {
    let server = Server::new("sessions");
    let address = server.broker.addresses()[0];
    let clients: Vec<_> = (0..20).map(|number| connected(address, &format!("board-{number:02}"))).collect();
    let ask = |request: SessionsRequest| server.ask("sessions", json!(request)).unwrap();
    let all = ask(SessionsRequest { prefix: Some("board-".into()), ..SessionsRequest::default() });
    let told = all["sessions"].as_array().unwrap();
    let names: Vec<_> = told.iter().map(|session| session["client"].as_str().unwrap()).collect();
    let expected: Vec<_> = (0..20).map(|number| format!("board-{number:02}")).collect();
    assert_eq!((names, &all["more"]), (expected.iter().map(String::as_str).collect(), &json!(false)));
    for (session, client) in told.iter().zip(&clients) {
        assert_eq!(session["address"], json!(client.local_addr().unwrap().to_string()));
        assert_eq!((&session["subscriptions"], &session["expiry"]), (&json!(0), &json!(0)));
    }
    for limit in [1, 3, 7] {
        let few = ask(SessionsRequest { prefix: None, limit: Some(limit), ..SessionsRequest::default() });
        assert_eq!((&few["sessions"].as_array().unwrap()[..], &few["more"]), (&told[..limit], &json!(true)));
    }
    let away = ask(SessionsRequest { connected: Some(false), ..SessionsRequest::default() });
    assert_eq!(away, json!({ "sessions": [], "more": false, "complete": true }));
    let one = ask(SessionsRequest { prefix: Some("board-1".into()), connected: Some(true), limit: None });
    assert_eq!(one["sessions"].as_array().unwrap().len(), 10);
}

/// A client of version 3.1.1 that the server has accepted.
fn connected(address: SocketAddr, name: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    let mut connect = b"\x10\x14\x00\x04MQTT\x04\x02\x00\x3c\x00\x08".to_vec();
    connect.extend_from_slice(name.as_bytes());
    stream.write_all(&connect).unwrap();
    let mut connack = [0; 4];
    stream.read_exact(&mut connack).unwrap();
    assert_eq!(connack, [0x20, 2, 0, 0]);
    stream
}

#[test]
fn what_is_no_request_is_answered_with_what_would_be() {
    let server = Server::new("bad");
    let mut reader = BufReader::new(server.raw());
    let cases = [
        (
            "{}",
            "\"do\" is missing; it names one of status, drops, sessions, refusals, explain, store, history, trace",
        ),
        (
            "{\"do\":\"dance\"}",
            "\"dance\" is not known; there are status, drops, sessions, refusals, explain, store, history, trace",
        ),
        ("{\"do\":\"status\",\"colour\":1}", "status: unknown field `colour`"),
        ("{\"do\":\"drops\",\"limit\":-1}", "drops: invalid value"),
        ("{\"do\":\"history\",\"topic\":\"t\"}", "history: this server keeps no history"),
        ("[1]", "a request is a JSON object on one line"),
        ("\u{1}", "a request is a JSON object on one line"),
    ];
    for (request, why) in cases {
        reader.get_mut().write_all(format!("{request}\n").as_bytes()).unwrap();
        let answer = line(&mut reader);
        assert!(answer["error"].as_str().unwrap().starts_with(why), "{request}: {answer}");
    }
}

#[test]
fn requests_that_come_at_once_or_in_pieces_are_all_answered() {
    let server = Server::new("pieces");
    let mut reader = BufReader::new(server.raw());
    let many = "\n{\"do\":\"store\"}\n".repeat(300);
    reader.get_mut().write_all(many.as_bytes()).unwrap();
    for _ in 0..300 {
        assert_eq!(line(&mut reader)["ok"]["full"], json!(false));
    }
    for byte in b"{\"do\":\"store\"}" {
        reader.get_mut().write_all(&[*byte]).unwrap();
    }
    // The end of the input ends the last request as well.
    reader.get_mut().shutdown(std::net::Shutdown::Write).unwrap();
    assert_eq!(line(&mut reader)["ok"]["full"], json!(false));
    assert_eq!(reader.read(&mut [0]).unwrap(), 0);
}

#[test]
fn a_request_without_end_is_refused() {
    let server = Server::new("long");
    let mut reader = BufReader::new(server.raw());
    // The server may close before it has everything.
    let _ = reader.get_mut().write_all(&vec![b' '; 200_000]);
    assert!(line(&mut reader)["error"].as_str().unwrap().contains("at most 65536 bytes"));
    assert!(server.ask("store", json!({})).is_ok());
}

#[test]
fn clients_that_say_or_read_nothing_are_closed_and_others_served_meanwhile() {
    let server = Server::with("idle", Duration::from_millis(200), None, |_| {});
    let mut idle = server.raw();
    let mut deaf = server.raw();
    // Far more answers than the system keeps for a client that reads none.
    deaf.set_write_timeout(Some(Duration::from_millis(100))).unwrap();
    let _ = deaf.write_all("{\"do\":\"status\"}\n".repeat(20_000).as_bytes());
    assert!(server.ask("store", json!({})).is_ok());
    assert_eq!(idle.read(&mut [0]).unwrap(), 0, "closed by the server");
    let mut rest = Vec::new();
    let _ = deaf.read_to_end(&mut rest);
    assert!(rest.iter().filter(|byte| **byte == b'\n').count() < 20_000);
}

#[test]
fn too_many_connections_are_refused_in_words() {
    let server = Server::new("many");
    let clients: Vec<_> = (0..16).map(|_| server.raw()).collect();
    let mut refused = BufReader::new(server.raw());
    assert!(line(&mut refused)["error"].as_str().unwrap().contains("16 connections"));
    let mut first = BufReader::new(&clients[0]);
    (&clients[0]).write_all(b"{\"do\":\"store\"}\n").unwrap();
    assert_eq!(line(&mut first)["ok"]["full"], json!(false));
}

/// Answers with what it was asked.
#[derive(Debug)]
struct Echo;

fn echoed(time_ms: u64, payload: impl Into<Vec<u8>>) -> Point {
    Point { time_ms, payload: payload.into().into(), qos: QoS::AtLeastOnce, retain: true }
}

impl Queries for Echo {
    fn last(&self, topic: &str, most: usize) -> Vec<Point> {
        vec![echoed(1, format!("last {most} of {topic}")), echoed(2, [0xFF, 0x01])]
    }

    fn range(&self, topic: &str, range: Range<u64>, most: usize) -> Vec<Point> {
        vec![echoed(3, format!("{topic} {range:?} {most}"))]
    }

    fn downsampled(&self, _: &str, field: Option<&str>, range: Range<u64>, points: usize) -> Vec<Sample> {
        let count = points as u64 + field.map_or(0, |field| field.len() as u64);
        vec![Sample { time_ms: range.start, count, min: 1.0, mean: 1.5, max: 2.0 }]
    }

    fn topics(&self, prefix: &str, most: usize) -> Vec<String> {
        vec![format!("{prefix}{most}")]
    }

    fn report(&self) -> HistoryReport {
        HistoryReport { points: 7, oldest: Some(1), ..HistoryReport::default() }
    }
}

#[test]
fn a_history_is_asked_for_points_ranges_parts_and_topics() {
    let server = Server::with("history", DEADLINE, Some(Arc::new(Echo)), |_| {});
    let ask = |request: Request| server.ask("history", json!(request)).unwrap();
    let topic = || Request { topic: Some("t".into()), ..Request::default() };
    let points = ask(Request { last: Some(7), ..topic() });
    let expected = json!([
        { "at": 1, "payload": "last 8 of t", "qos": 1, "retain": true },
        { "at": 2, "hex": "ff01", "qos": 1, "retain": true },
    ]);
    assert_eq!(points, json!({ "topic": "t", "points": expected, "more": false }));
    let range = ask(Request { from: Some(5), limit: Some(6), ..topic() });
    assert_eq!(range["points"][0]["payload"], json!(format!("t 5..{} 7", u64::MAX)));
    let parts =
        ask(Request { from: Some(5), to: Some(6), points: Some(9), field: Some("a".into()), ..topic() });
    assert_eq!(parts["parts"], json!([{ "at": 5, "count": 10, "min": 1.0, "mean": 1.5, "max": 2.0 }]));
    let topics = ask(Request { prefix: Some("a/".into()), limit: Some(3), ..Request::default() });
    assert_eq!(topics, json!({ "topics": ["a/4"], "more": false }));
    let status = server.ask("status", json!({})).unwrap();
    assert_eq!((&status["history"]["points"], &status["history"]["oldest"]), (&json!(7), &json!(1)));
}

#[test]
fn what_is_published_can_be_asked_for_at_once() {
    let server = Server::with("recorded", DEADLINE, None, |options| {
        options.history = Some(HistoryOptions::in_memory());
    });
    let subject = Subject::new(server.broker.view());
    for (topic, payload) in [("t/1", "1"), ("t/2", "2")] {
        server.broker.publish(Message::new(QoS::AtMostOnce, false, topic, [], payload.as_bytes(), None));
    }
    // The shards work off what they get in its order: behind the answer everything is recorded, but for this turn's.
    let history = subject.history.clone().unwrap();
    while history.topics("", 10).len() < 2 {
        assert!(server.broker.view().drops(DEADLINE).drops.is_empty());
    }
    let ask = |request: Value| answer(&subject, request.to_string().as_bytes())["ok"].clone();
    assert_eq!(
        ask(json!({ "do": "history", "prefix": "t/" })),
        json!({ "topics": ["t/1", "t/2"], "more": false })
    );
    let first = ask(json!({ "do": "history", "prefix": "t/", "limit": 1 }));
    assert_eq!(first, json!({ "topics": ["t/1"], "more": true }));
    let last = ask(json!({ "do": "history", "topic": "t/2", "last": 5 }));
    assert_eq!(last["points"][0]["payload"], json!("2"));
    let from = last["points"][0]["at"].as_u64().unwrap() - 1_000;
    let parts = json!({ "do": "history", "topic": "t/2", "from": from, "to": from + 2_000, "points": 1 });
    assert_eq!(ask(parts)["parts"][0]["mean"], json!(2.0));
}

#[test]
fn questions_to_a_history_that_make_no_sense_are_refused() {
    let topic = || Request { topic: Some("t".into()), ..Request::default() };
    let cases = [
        (Request::default(), "either a topic or a prefix"),
        (Request { prefix: Some(String::new()), ..topic() }, "either a topic or a prefix"),
        (Request { last: Some(1), from: Some(1), ..topic() }, "last goes with neither"),
        (Request { last: Some(1), points: Some(1), ..topic() }, "last goes with neither"),
        (Request { points: Some(2), from: Some(1), ..topic() }, "both from and to"),
        (Request { points: Some(0), ..topic() }, "points must be at least 1"),
        (Request { field: Some("f".into()), ..topic() }, "field goes with points only"),
    ];
    for (request, why) in cases {
        let refusal = history::answer(&Echo, &request).unwrap_err();
        assert!(refusal.0.contains(why), "{request:?}: {refusal}");
    }
}

#[test]
fn a_server_that_has_stopped_is_still_told_of() {
    let mut server = Server::new("stopped");
    let subject = Subject { history: None, ..Subject::new(server.broker.view()) };
    server.socket = None;
    let Server { broker, .. } = &mut server;
    let options = Options { listeners: vec![here()], ..Options::default() };
    std::mem::replace(broker, Broker::start(&options).unwrap()).shutdown();
    let drops = answer(&subject, b"{\"do\":\"drops\"}");
    assert_eq!(drops["ok"]["complete"], json!(false), "nobody is there to ask");
    assert_eq!(answer(&subject, b"{\"do\":\"status\"}")["ok"]["shards"], json!(2));
}

/// A topic of so many large points.
#[derive(Debug)]
struct Large(u64);

const LARGE: usize = 256 << 10;

impl Large {
    fn points(&self) -> impl DoubleEndedIterator<Item = Point> {
        let payload = echoed(0, vec![b'x'; LARGE]).payload;
        (0..self.0).map(move |time_ms| Point { payload: payload.clone(), ..echoed(time_ms, []) })
    }
}

impl Queries for Large {
    fn last(&self, _: &str, most: usize) -> Vec<Point> {
        let mut points: Vec<_> = self.points().rev().take(most).collect();
        points.reverse();
        points
    }

    fn range(&self, _: &str, range: Range<u64>, most: usize) -> Vec<Point> {
        self.points().filter(|point| range.contains(&point.time_ms)).take(most).collect()
    }

    fn downsampled(&self, _: &str, _: Option<&str>, _: Range<u64>, _: usize) -> Vec<Sample> {
        Vec::new()
    }

    fn topics(&self, _: &str, _: usize) -> Vec<String> {
        Vec::new()
    }

    fn report(&self) -> HistoryReport {
        HistoryReport::default()
    }
}

#[test]
fn an_answer_is_cut_where_it_would_be_too_large_and_says_so() {
    let times = |request: Request| {
        let answer = history::answer(&Large(200), &request).unwrap();
        let points = answer["points"].as_array().unwrap().iter();
        (points.map(|point| point["at"].as_u64().unwrap()).collect::<Vec<_>>(), answer["more"].clone())
    };
    let topic = || Request { topic: Some("t".into()), ..Request::default() };
    let fitting = (16 << 20) / LARGE as u64 - 1;
    let (from_ten_on, more) = times(Request { from: Some(10), ..topic() });
    assert_eq!((from_ten_on, more), ((10..10 + fitting).collect(), json!(true)));
    let (last, more) = times(Request { last: Some(150), ..topic() });
    assert_eq!((last, more), ((200 - fitting..200).collect(), json!(true)));
    let (few, more) = times(Request { from: Some(10), to: Some(13), ..topic() });
    assert_eq!((few, more), (vec![10, 11, 12], json!(false)));
}

/// Tells of each question, and answers none before it may.
#[derive(Debug)]
struct Slow {
    asked: Sender<()>,
    may_answer: Mutex<Receiver<()>>,
}

impl Queries for Slow {
    fn last(&self, _: &str, _: usize) -> Vec<Point> {
        let _ = self.asked.send(());
        let _ = self.may_answer.lock().unwrap().recv();
        Vec::new()
    }

    fn range(&self, _: &str, _: Range<u64>, _: usize) -> Vec<Point> {
        Vec::new()
    }

    fn downsampled(&self, _: &str, _: Option<&str>, _: Range<u64>, _: usize) -> Vec<Sample> {
        Vec::new()
    }

    fn topics(&self, _: &str, _: usize) -> Vec<String> {
        Vec::new()
    }

    fn report(&self) -> HistoryReport {
        HistoryReport::default()
    }
}

#[test]
fn the_end_waits_neither_for_a_slow_answer_nor_for_requests_that_wait() {
    let (asked, questions) = mpsc::channel();
    let (allow, may_answer) = mpsc::channel();
    let slow = Slow { asked, may_answer: Mutex::new(may_answer) };
    let mut server = Server::with("slow", DEADLINE, Some(Arc::new(slow)), |_| {});
    let clients: Vec<_> = (0..3).map(|_| server.raw()).collect();
    for mut client in &clients {
        client.write_all(b"{\"do\":\"history\",\"topic\":\"t\"}\n").unwrap();
    }
    questions.recv_timeout(DEADLINE).unwrap();
    let (path, socket) = (server.folder.join("darter.sock"), server.socket.take());
    let (ended, end) = mpsc::channel();
    let dropping = thread::spawn(move || {
        drop(socket);
        ended.send(()).unwrap();
    });
    end.recv_timeout(DEADLINE).unwrap();
    dropping.join().unwrap();
    assert!(!path.exists());
    // Now the answer may be made; the others are not even begun, and everybody is closed.
    drop(allow);
    for mut client in &clients {
        let _ = client.read_to_end(&mut Vec::new());
    }
    assert_eq!(questions.try_recv(), Err(TryRecvError::Disconnected), "no other question was begun");
}
