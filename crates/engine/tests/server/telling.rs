//! What the store is told of sessions as their clients come and go.

use darter_codec::record::{Change, Left};
use darter_codec::{Connect, Disconnect, Packet, Properties, Property, ReasonCode, Version, Will};
use darter_engine::access::Identity;
use darter_engine::{Effect, Limits, LinkId, Place, Shard, Verdict};
use darter_testkit::packets::{connect, properties, resume, will};

/// One shard, and what it told since it was last asked.
struct Told {
    shard: Shard,
    now: u64,
    waits: bool,
}

impl Told {
    fn new() -> Self {
        let place = Place { index: 0, shards: 1, key: 1 };
        Self { shard: Shard::new(place, Limits::default(), 1, 1_000), now: 1_000, waits: false }
    }

    fn join(&mut self, connect: Connect) -> LinkId {
        let link = self.shard.accept(self.now);
        self.send(link, connect.version, connect);
        while let Some(effect) = self.shard.poll_effect() {
            if let Effect::Authenticate { link, connect } = effect {
                let user = connect.username.as_ref().map(|name| (&**name).into());
                let identity = Identity { user, ..Identity::default() };
                self.shard.handle_verdict(self.now, link, Verdict::Accept(identity));
            }
        }
        self.waits = self.shard.output(link).is_some_and(|output| output.is_empty());
        link
    }

    fn send(&mut self, link: LinkId, version: Version, packet: impl Into<Packet>) {
        let mut bytes = Vec::new();
        packet.into().encode(version, &mut bytes).unwrap();
        self.shard.receive(self.now, link, &bytes, None);
    }

    fn lose(&mut self, link: LinkId) {
        self.shard.lost(self.now, link);
    }

    fn told(&mut self) -> Vec<String> {
        let mut changes = Vec::new();
        if let Some(batch) = self.shard.take_batch(&mut changes) {
            self.shard.handle_committed(self.now, batch.number);
        }
        let text = |change: &Change| match change {
            Change::Session { client, user, expiry, .. } => {
                format!("{client} of {} for {expiry}", user.as_deref().unwrap_or("nobody"))
            }
            Change::Left { left: Left { ends_at, will_at }, .. } => format!("left {ends_at:?} {will_at:?}"),
            Change::SessionEnded { client, .. } => format!("{client} ended"),
            Change::Will { will, .. } => format!("will of {}", will.client),
            Change::WillCleared { .. } => "no will".to_owned(),
            other => format!("{other:?}"),
        };
        changes.iter().map(text).collect()
    }
}

fn as_user(name: &str, connect: Connect) -> Connect {
    Connect { username: Some(name.into()), ..connect }
}

#[test]
fn a_session_is_told_with_its_user_whenever_its_client_comes() {
    let mut told = Told::new();
    let a = told.join(as_user("ann", resume("a", 100)));
    assert!(told.waits);
    assert_eq!(told.told(), ["a of ann for 100"]);
    told.lose(a);
    assert_eq!(told.told(), ["left Some(101000) None"]);
    told.now += 5_000;
    let a = told.join(as_user("ann", resume("a", 100)));
    assert!(told.waits, "a session that goes on is another one after a crash");
    assert_eq!(told.told(), ["a of ann for 100"]);
    told.join(as_user("bob", resume("a", 200)));
    assert_eq!(told.told(), ["left Some(106000) None", "a of bob for 200"]);
    told.lose(a);
}

#[test]
fn a_session_that_ends_with_its_connection_is_not_told() {
    let mut told = Told::new();
    let a = told.join(connect("a"));
    assert!(!told.waits);
    assert!(told.told().is_empty());
    let list = properties([Property::SessionExpiryInterval(0)]);
    told.send(a, Version::V5, Disconnect { reason: ReasonCode::Success, properties: list });
    assert!(told.told().is_empty());
}

#[test]
fn a_session_for_ever_has_no_deadline() {
    let mut told = Told::new();
    let a = told.join(resume("a", u32::MAX));
    told.told();
    told.lose(a);
    assert_eq!(told.told(), ["left None None"]);
}

#[test]
fn a_session_that_loses_its_interval_ends_in_the_store_too() {
    let mut told = Told::new();
    let a = told.join(resume("a", 100));
    told.told();
    let list = properties([Property::SessionExpiryInterval(0)]);
    told.send(a, Version::V5, Disconnect { reason: ReasonCode::Success, properties: list });
    assert_eq!(told.told(), ["a of nobody for 0", "a ended"]);
    let a = told.join(resume("a", 100));
    told.lose(a);
    told.told();
    let a = told.join(resume("a", 0));
    assert!(told.waits);
    assert_eq!(told.told(), ["a of nobody for 0"]);
    told.lose(a);
    assert_eq!(told.told(), ["a ended"]);
}

#[test]
fn disconnect_tells_another_interval_before_the_client_is_gone() {
    let mut told = Told::new();
    let a = told.join(resume("a", 100));
    told.told();
    let list = properties([Property::SessionExpiryInterval(7)]);
    told.send(a, Version::V5, Disconnect { reason: ReasonCode::Success, properties: list });
    assert_eq!(told.told(), ["a of nobody for 7", "left Some(8000) None"]);
}

#[test]
fn wills_are_told_when_they_come_wait_and_go() {
    let mut told = Told::new();
    let delay = properties([Property::WillDelayInterval(30)]);
    let delayed = Will { properties: delay, ..will("wills", "gone") };
    let a = told.join(Connect { will: Some(delayed), ..resume("a", 100) });
    assert_eq!(told.told(), ["a of nobody for 100", "will of a"]);
    told.lose(a);
    assert_eq!(told.told(), ["left Some(101000) Some(31000)"]);
    told.now += 30_000;
    told.shard.handle_timeout(told.now);
    assert_eq!(told.told(), ["no will"]);
    let b = told.join(Connect { will: Some(will("wills", "gone")), ..connect("b") });
    assert!(!told.waits);
    assert_eq!(told.told(), ["will of b"]);
    told.send(b, Version::V5, Disconnect { reason: ReasonCode::Success, properties: Properties::default() });
    assert_eq!(told.told(), ["no will"]);
}
