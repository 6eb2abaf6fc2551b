//! Stores of other kinds behind the server, and shards that fail.

use darter_broker::access::Identity;
use darter_broker::auth::{Login, Verdict};
use darter_broker::store::history::HistoryOptions;
use darter_broker::store::{Answer, Keeper, MemoryStore, OpenError, Opened, Report, Store, in_memory};
use darter_broker::{Broker, ListenerOptions, Options, StartError};
use darter_codec::record::{Batch, Change, SessionNumber};
use darter_codec::{Packet, QoS, Version};
use darter_testkit::packets::{connect, publish_1, resume, subscribe};
use darter_testkit::{BrokerFixture, RawClient};
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::task::Waker;
use std::thread;
use std::time::{Duration, Instant};

enum Job {
    Submit(Batch, Vec<Change>),
    Load(SessionNumber, u64, usize),
}

/// Keeps everything on a thread of its own and answers from there.
#[derive(Default)]
struct Elsewhere {
    thread: Option<(Sender<Job>, Receiver<Answer>)>,
}

impl Elsewhere {
    fn work(jobs: &Receiver<Job>, answers: &Sender<Answer>, waker: &Waker) {
        let mut store = MemoryStore::new();
        for job in jobs {
            match job {
                Job::Submit(batch, mut changes) => store.submit(batch, &mut changes),
                Job::Load(session, from, limit) => store.load(session, from, limit),
            }
            while let Some(answer) = store.poll() {
                // The server may have ended meanwhile.
                let _ = answers.send(answer);
            }
            waker.wake_by_ref();
        }
    }

    fn ask(&self, job: Job) {
        self.thread.as_ref().unwrap().0.send(job).unwrap();
    }
}

impl Store for Elsewhere {
    fn start(&mut self, waker: Waker) {
        let (jobs, jobs_there) = channel();
        let (answers_there, answers) = channel();
        thread::spawn(move || Self::work(&jobs_there, &answers_there, &waker));
        self.thread = Some((jobs, answers));
    }

    fn submit(&mut self, batch: Batch, changes: &mut Vec<Change>) {
        self.ask(Job::Submit(batch, std::mem::take(changes)));
    }

    fn load(&mut self, session: SessionNumber, from: u64, limit: usize) {
        self.ask(Job::Load(session, from, limit));
    }

    fn poll(&mut self) -> Option<Answer> {
        self.thread.as_ref()?.1.try_recv().ok()
    }
}

/// Panics when a client of that name comes.
fn trap(login: &Login<'_>) -> Verdict {
    assert_ne!(login.connect.client_id, "trap", "this is meant to happen");
    Verdict::Accept(Identity::default())
}

battery! {
    fn a_store_on_another_thread_wakes_its_shard(shards: u8) {
        let server = BrokerFixture::with(shards, |options| {
            options.store = Arc::new(|shards| {
                let mut opened = in_memory()(shards)?;
                opened.stores.iter_mut().for_each(|store| *store = Box::new(Elsewhere::default()));
                Ok(opened)
            });
        });
        let began = Instant::now();
        let mut away = RawClient::join(server.address(), resume("away", 600)).unwrap();
        away.exchange(subscribe("t", QoS::AtLeastOnce)).unwrap();
        drop(away);
        let mut writer = RawClient::join(server.address(), connect("writer")).unwrap();
        for number in 1..=300 {
            let answer = writer.exchange(publish_1("t", &number.to_string(), number)).unwrap();
            assert!(matches!(answer, Packet::PubAck(_)));
        }
        let (mut client, connack) = RawClient::connect(server.address(), resume("away", 600)).unwrap();
        assert!(connack.session_present);
        for number in 1..=300 {
            assert_eq!(client.message().unwrap().payload, number.to_string());
        }
        // Far less than if the shard looked for answers only when something else woke it.
        assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    }

    fn a_shard_that_fails_is_noticed(shards: u8) {
        let mut server = BrokerFixture::with(shards, |options| options.listeners[0].authenticator = Arc::new(trap));
        let watch = server.broker().watch();
        assert_eq!(watch.failure(), None);
        let waiting = thread::spawn(move || watch.wait());
        let mut client = RawClient::open(server.address(), Version::V5).unwrap();
        client.send(connect("trap")).unwrap();
        let failure = waiting.join().unwrap().unwrap();
        assert!(failure.shard < shards, "{failure}");
        assert_eq!(client.receive().unwrap(), None);
        assert_eq!(server.drops(), [], "the other shards answer");
        assert_eq!(server.broker().watch().failure(), Some(failure));
        server.shutdown();
    }

    fn a_server_that_stops_has_not_failed(shards: u8) {
        let mut server = BrokerFixture::new(shards);
        let watch = server.broker().watch();
        server.shutdown();
        assert_eq!(watch.wait(), None);
    }

    fn a_connection_counts_once_wherever_it_is_served(shards: u8) {
        let server = BrokerFixture::new(shards);
        let clients: Vec<_> = (0..20)
            .map(|number| RawClient::join(server.address(), connect(&number.to_string())).unwrap())
            .collect();
        let mut status = server.broker().status();
        while status.counters.connected < 20 || status.sockets < 20 {
            thread::yield_now();
            status = server.broker().status();
        }
        assert_eq!(status.sockets, 20);
        drop(clients);
    }
}

fn here() -> ListenerOptions {
    ListenerOptions::at(SocketAddr::from(([127, 0, 0, 1], 0)))
}

#[test]
fn a_store_that_cannot_be_opened_stops_the_start() {
    let options = Options {
        listeners: vec![here()],
        shards: Some(3),
        store: Arc::new(|_| {
            Err(OpenError::Folder { folder: "data".into(), source: io::Error::other("the disk is gone") })
        }),
        ..Options::default()
    };
    let error = Broker::start(&options).unwrap_err();
    assert!(matches!(error, StartError::Store(OpenError::Folder { .. })));
    assert!(error.to_string().contains("the disk is gone"), "{error}");
}

/// Looks, when it gives the folder back, whether the history still writes there.
#[derive(Debug)]
struct Landlord {
    history: PathBuf,
    all_closed: Arc<AtomicBool>,
}

impl Keeper for Landlord {
    fn report(&self) -> Report {
        Report::default()
    }

    fn waiting(&self) -> Duration {
        Duration::ZERO
    }

    fn tick(&self, _now: u64) {}

    fn finish(&self) {
        let files = std::fs::read_dir(&self.history).unwrap().map(|entry| entry.unwrap().path());
        let ends: Vec<bool> = files
            .map(|file| std::fs::read(file).unwrap().rchunks(12).next().unwrap().starts_with(b"DHIX"))
            .collect();
        self.all_closed.fetch_or(!ends.is_empty() && ends.iter().all(|closed| *closed), Ordering::Relaxed);
    }
}

#[test]
fn the_history_is_closed_before_the_folder_is_given_back_though_others_look_at_it() {
    let folder = tempfile::tempdir().unwrap();
    let all_closed = Arc::new(AtomicBool::new(false));
    let landlord = (folder.path().join("history"), all_closed.clone());
    let options = Options {
        listeners: vec![here()],
        shards: Some(1),
        history: Some(HistoryOptions::in_folder(&landlord.0)),
        store: Arc::new(move |shards| {
            let (history, all_closed) = landlord.clone();
            let opened = in_memory()(shards)?;
            Ok(Opened { keeper: Box::new(Landlord { history, all_closed }), ..opened })
        }),
        ..Options::default()
    };
    let broker = Broker::start(&options).unwrap();
    let view = broker.view();
    let mut client = RawClient::join(broker.addresses()[0], connect("a")).unwrap();
    client.exchange(publish_1("t", "1", 1)).unwrap();
    broker.shutdown();
    assert!(all_closed.load(Ordering::Relaxed));
    assert_eq!(view.history().unwrap().last("t", 9).len(), 1);
}

#[test]
fn what_is_wrong_with_the_history_is_published() {
    let folder = tempfile::tempdir().unwrap();
    // A file stands where the folder should be.
    let place = folder.path().join("history");
    std::fs::write(&place, "in the way").unwrap();
    let options = Options {
        listeners: vec![here()],
        shards: Some(1),
        status_interval: Duration::from_millis(20),
        history: Some(HistoryOptions::in_folder(&place)),
        ..Options::default()
    };
    let broker = Broker::start(&options).unwrap();
    let mut client = RawClient::join(broker.addresses()[0], connect("a")).unwrap();
    client.exchange(publish_1("t", "1", 1)).unwrap();
    broker.view().history().unwrap().flush();
    client.exchange(subscribe("$SYS/broker/history/#", QoS::AtMostOnce)).unwrap();
    let mut seen = std::collections::HashMap::new();
    while seen.get("$SYS/broker/history/points/lost").map(String::as_str) != Some("1")
        || seen.get("$SYS/broker/history/trouble").map(String::as_str) != Some("1")
    {
        let message = client.message().unwrap();
        seen.insert(message.topic.to_string(), String::from_utf8(message.payload.to_vec()).unwrap());
    }
    broker.shutdown();
}
