//! Logins whose check takes time or several steps.

use darter_broker::access::Identity;
use darter_broker::auth::{
    Anonymous, Answer, Authenticator, Chain, Current, Exchange, Login, LoginPoolOptions, Method, Outcome,
    Step, Verdict,
};
use darter_codec::{Auth, Connect, Packet, Property, QoS, ReasonCode, Version};
use darter_testkit::packets::{connect, connect_as, properties, publish, subscribe};
use darter_testkit::{BrokerFixture, RawClient};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(20);

/// Knows everybody whose name begins with "slow"; each check waits until the test lets it go on. By the method "twice"
/// it knows who answers what it is asked.
#[derive(Debug)]
struct Slow {
    begun: Mutex<Sender<String>>,
    go_on: Arc<Mutex<Receiver<()>>>,
}

/// The test's end of [`Slow`].
struct Hand {
    begun: Receiver<String>,
    go_on: Sender<()>,
}

impl Hand {
    /// Waits until a check has begun; gives the user's name.
    fn begun(&self) -> String {
        self.begun.recv_timeout(PATIENCE).unwrap()
    }

    fn let_go(&self) {
        self.go_on.send(()).unwrap();
    }
}

fn slow() -> (Arc<Slow>, Hand) {
    let ((tell, begun), (go_on, wait)) = (channel(), channel());
    let method = Slow { begun: Mutex::new(tell), go_on: Arc::new(Mutex::new(wait)) };
    (Arc::new(method), Hand { begun, go_on })
}

impl Method for Slow {
    fn name(&self) -> &'static str {
        "slow"
    }

    fn check(&self, login: &Login<'_>) -> Outcome {
        let Some(user) = login.connect.username.clone().filter(|user| user.starts_with("slow")) else {
            return Outcome::Pass;
        };
        let (tell, wait) = (self.begun.lock().unwrap().clone(), self.go_on.clone());
        Outcome::Work(Box::new(move || {
            tell.send(user.to_string()).unwrap();
            wait.lock().unwrap().recv_timeout(PATIENCE).unwrap();
            Outcome::Done(Verdict::Accept(Identity::of_user(&*user)))
        }))
    }

    fn exchange(&self, login: &Login<'_>) -> Option<Box<dyn Exchange>> {
        let method = login.connect.properties.authentication_method()?;
        (&**method == "twice").then(|| Box::new(Twice(0)) as Box<dyn Exchange>)
    }
}

/// Asks for "1" and then for "2".
#[derive(Debug)]
struct Twice(u8);

impl Exchange for Twice {
    fn go_on(&mut self, data: &[u8]) -> Step {
        let wanted = [b"".as_slice(), b"1", b"2"][usize::from(self.0)];
        self.0 += 1;
        match (data == wanted, self.0) {
            (false, _) => Step::Refuse("the wrong number"),
            (true, 3) => Step::Accept { identity: Identity::of_user("counter"), data: b"3".to_vec() },
            (true, asked) => Step::Challenge(vec![b'0' + asked]),
        }
    }
}

fn with(method: Arc<Slow>, anonymous: Anonymous) -> Arc<dyn Authenticator> {
    Arc::new(Chain::new(vec![method], anonymous))
}

fn as_user(client: &str, user: &'static str) -> Connect {
    Connect { username: Some(user.into()), ..connect(client) }
}

fn auth(reason: ReasonCode, data: &'static str) -> Auth {
    let list = [Property::AuthenticationMethod("twice".into()), Property::AuthenticationData(data.into())];
    Auth { reason, properties: properties(list) }
}

fn challenge(packet: Option<Packet>) -> Vec<u8> {
    let Some(Packet::Auth(auth)) = packet else { panic!("{packet:?} instead of AUTH") };
    assert_eq!(auth.reason, ReasonCode::ContinueAuthentication);
    auth.properties.authentication_data().unwrap().to_vec()
}

battery! {
    fn clients_are_served_while_a_login_is_checked(shards: u8) {
        let (method, hand) = slow();
        let server = BrokerFixture::with(shards, |options| options.listeners[0].authenticator = with(method, Anonymous::Everybody));
        let mut waiting = RawClient::open(server.address(), Version::V5).unwrap();
        waiting.send(as_user("w", "slow")).unwrap();
        waiting.send(subscribe("w", QoS::AtMostOnce)).unwrap();
        assert_eq!(hand.begun(), "slow");
        for number in 0..20 {
            let name = format!("quick-{number}");
            let mut quick = RawClient::join(server.address(), connect(&name)).unwrap();
            quick.exchange(subscribe(&name, QoS::AtMostOnce)).unwrap();
            quick.send(publish(&name, "x")).unwrap();
            assert_eq!(quick.message().unwrap().payload, "x");
        }
        hand.let_go();
        assert!(matches!(waiting.receive().unwrap(), Some(Packet::ConnAck(connack)) if !connack.reason.is_error()));
        assert!(matches!(waiting.receive().unwrap(), Some(Packet::SubAck(_))));
    }

    fn a_client_that_does_not_wait_for_its_verdict_leaves_nothing_behind(shards: u8) {
        let (method, hand) = slow();
        let server = BrokerFixture::with(shards, |options| {
            options.listeners[0].authenticator = with(method, Anonymous::Everybody);
            options.logins.threads = Some(1);
        });
        for _ in 0..3 {
            let mut gone = RawClient::open(server.address(), Version::V5).unwrap();
            gone.send(as_user("a", "slow")).unwrap();
            assert_eq!(hand.begun(), "slow");
            drop(gone);
            hand.let_go();
        }
        let mut stays = RawClient::open(server.address(), Version::V5).unwrap();
        stays.send(as_user("b", "slow")).unwrap();
        hand.begun();
        hand.let_go();
        assert!(matches!(stays.receive().unwrap(), Some(Packet::ConnAck(connack)) if !connack.reason.is_error()));
        // Its shard may still have to read that a client of version 5 is gone which it has let in.
        let deadline = std::time::Instant::now() + PATIENCE;
        while server.broker().status().counters.connected != 1 {
            assert!(std::time::Instant::now() < deadline, "{:?}", server.broker().status().counters);
            stays.exchange(Packet::PingReq).unwrap();
        }
    }

    fn a_full_pool_refuses_whoever_comes_next_as_busy(shards: u8) {
        let (method, hand) = slow();
        let server = BrokerFixture::with(shards, |options| {
            options.listeners[0].authenticator = with(method, Anonymous::Everybody);
            options.logins = LoginPoolOptions { threads: Some(1), waiting: 2, ..LoginPoolOptions::default() };
        });
        let mut checked = RawClient::open(server.address(), Version::V5).unwrap();
        checked.send(as_user("checked", "slow")).unwrap();
        hand.begun();
        let (tell, answers) = channel();
        let clients: Vec<_> = (0..6)
            .map(|number| {
                let version = if number % 2 == 0 { Version::V5 } else { Version::V311 };
                let hello = connect_as(version, &format!("w-{number}"), true);
                let mut client = RawClient::open(server.address(), version).unwrap();
                client.send(Connect { username: Some("slow".into()), ..hello }).unwrap();
                let tell = tell.clone();
                thread::spawn(move || {
                    let Ok(Some(Packet::ConnAck(connack))) = client.receive() else { panic!("no CONNACK") };
                    tell.send((version, connack.reason)).unwrap();
                    if connack.reason.is_error() {
                        assert_eq!(client.receive().unwrap(), None);
                    }
                })
            })
            .collect();
        // Whose CONNECT is read first is not said, but all but two are refused.
        for _ in 0..4 {
            let (version, reason) = answers.recv_timeout(PATIENCE).unwrap();
            let v5 = version == Version::V5;
            assert_eq!(reason, if v5 { ReasonCode::ServerBusy } else { ReasonCode::ServerUnavailable });
        }
        for _ in 0..3 {
            hand.let_go();
        }
        for _ in 0..2 {
            assert_eq!(answers.recv_timeout(PATIENCE).unwrap().1, ReasonCode::Success);
        }
        assert!(matches!(checked.receive().unwrap(), Some(Packet::ConnAck(connack)) if !connack.reason.is_error()));
        clients.into_iter().for_each(|client| client.join().unwrap());
    }

    fn a_server_stops_although_a_login_is_being_checked(shards: u8) {
        let (method, hand) = slow();
        let mut server = BrokerFixture::with(shards, |options| options.listeners[0].authenticator = with(method, Anonymous::Nobody));
        let mut client = RawClient::open(server.address(), Version::V5).unwrap();
        client.send(as_user("a", "slow")).unwrap();
        hand.begun();
        server.shutdown();
        assert_eq!(client.receive().unwrap(), None);
        hand.let_go();
    }

    fn enhanced_authentication_takes_as_many_steps_as_it_needs(shards: u8) {
        let (method, _hand) = slow();
        let server = BrokerFixture::with(shards, |options| options.listeners[0].authenticator = with(method, Anonymous::Nobody));
        let hello = Connect { properties: properties([Property::AuthenticationMethod("twice".into())]), ..connect("a") };
        let mut client = RawClient::open(server.address(), Version::V5).unwrap();
        client.send(hello.clone()).unwrap();
        assert_eq!(challenge(client.receive().unwrap()), b"1");
        assert_eq!(challenge(Some(client.exchange(auth(ReasonCode::ContinueAuthentication, "1")).unwrap())), b"2");
        let answer = client.exchange(auth(ReasonCode::ContinueAuthentication, "2")).unwrap();
        let Packet::ConnAck(connack) = answer else { panic!("{answer:?}") };
        assert_eq!(connack.reason, ReasonCode::Success);
        assert_eq!(connack.properties.authentication_data().map(|data| &data[..]), Some(&b"3"[..]));
        // And anew, with a wrong end.
        let mut again = |reason, data| client.exchange(auth(reason, data)).unwrap();
        assert_eq!(challenge(Some(again(ReasonCode::ReAuthenticate, ""))), b"1");
        assert_eq!(challenge(Some(again(ReasonCode::ContinueAuthentication, "1"))), b"2");
        let answer = again(ReasonCode::ContinueAuthentication, "2");
        assert!(matches!(&answer, Packet::Auth(auth) if auth.reason == ReasonCode::Success), "{answer:?}");
        assert_eq!(challenge(Some(again(ReasonCode::ReAuthenticate, ""))), b"1");
        let answer = again(ReasonCode::ContinueAuthentication, "7");
        assert!(matches!(&answer, Packet::Disconnect(last) if last.reason == ReasonCode::NotAuthorized), "{answer:?}");
        assert_eq!(client.receive().unwrap(), None);
        // Another method is not known, and nobody comes in without.
        let other = properties([Property::AuthenticationMethod("thrice".into())]);
        let (_, connack) = RawClient::connect(server.address(), Connect { properties: other, ..connect("a") }).unwrap();
        assert_eq!(connack.reason, ReasonCode::BadAuthenticationMethod);
        let (_, connack) = RawClient::connect(server.address(), connect("a")).unwrap();
        assert_eq!(connack.reason, ReasonCode::NotAuthorized);
    }

    fn who_may_come_in_changes_without_a_restart(shards: u8) {
        let only = |user: &'static str| move |login: &Login<'_>| match login.connect.username.as_deref() {
            Some(name) if name == user => Verdict::Accept(Identity::of_user(name)),
            _ => Verdict::Refuse { reason: ReasonCode::BadUserNameOrPassword, what: "somebody else" },
        };
        let current = Arc::new(Current::new(Arc::new(only("ann"))));
        let server = BrokerFixture::with(shards, |options| options.listeners[0].authenticator = current.clone());
        let reason = |user| RawClient::connect(server.address(), as_user(user, user)).unwrap().1.reason;
        let mut ann = RawClient::join(server.address(), as_user("stays", "ann")).unwrap();
        assert_eq!((reason("ann"), reason("bob")), (ReasonCode::Success, ReasonCode::BadUserNameOrPassword));
        current.replace(Arc::new(only("bob")));
        assert_eq!((reason("ann"), reason("bob")), (ReasonCode::BadUserNameOrPassword, ReasonCode::Success));
        assert_eq!(ann.exchange(Packet::PingReq).unwrap(), Packet::PingResp, "who is in stays");
    }
}

/// What a program may put in the place of all of this.
#[test]
fn an_authenticator_of_ones_own_may_answer_late() {
    struct Own;
    impl Authenticator for Own {
        fn answer(&self, login: &Login<'_>) -> Answer {
            let user = login.connect.username.clone().unwrap_or_default();
            Answer::Later(Box::new(move || Verdict::Accept(Identity::of_user(&*user))))
        }
    }
    let server = BrokerFixture::with(1, |options| options.listeners[0].authenticator = Arc::new(Own));
    RawClient::join(server.address(), as_user("a", "ann")).unwrap();
}
