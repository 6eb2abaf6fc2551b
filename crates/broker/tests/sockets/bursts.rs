//! Many bytes at once: none is lost, and none is read that must not be.

use darter_broker::access::Identity;
use darter_broker::auth::{Answer, Authenticator, Login, Verdict};
use darter_codec::{Packet, Publish, QoS, ReasonCode, Version};
use darter_testkit::packets::{connect, connect_as, publish, publish_1, resume, subscribe};
use darter_testkit::{BrokerFixture, RawClient};
use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::Shutdown;
use std::sync::{Arc, Condvar, Mutex};
use std::thread::{self, ThreadId};

fn encoded(version: Version, packets: impl IntoIterator<Item = Packet>) -> Vec<u8> {
    let mut bytes = Vec::new();
    for packet in packets {
        packet.encode(version, &mut bytes).unwrap();
    }
    bytes
}

fn expect_disconnect(client: &mut RawClient, reason: ReasonCode) {
    let last = client.receive().unwrap();
    assert!(matches!(&last, Some(Packet::Disconnect(last)) if last.reason == reason), "{last:?}");
    assert_eq!(client.receive().unwrap(), None);
}

/// Knows which shard serves which client, and holds up the reader's shard when a client named `gate-...` comes there.
#[derive(Default)]
struct Gate {
    state: Mutex<GateState>,
    changed: Condvar,
}

#[derive(Default)]
struct GateState {
    shards: HashMap<String, ThreadId>,
    held_up: bool,
    open: bool,
}

impl Gate {
    fn hold_up(&self, server: &BrokerFixture) -> Vec<RawClient> {
        // One of so many belongs to the reader's shard.
        let gates: Vec<_> = (0..64)
            .map(|number| {
                let mut client = RawClient::open(server.address(), Version::V5).unwrap();
                client.send(connect(&format!("gate-{number}"))).unwrap();
                client
            })
            .collect();
        drop(self.changed.wait_while(self.state.lock().unwrap(), |state| !state.held_up).unwrap());
        gates
    }

    fn open(&self) {
        self.state.lock().unwrap().open = true;
        self.changed.notify_all();
    }

    fn is_with_the_reader(&self, client: &str) -> bool {
        let state = self.state.lock().unwrap();
        state.shards[client] == state.shards["reader"]
    }
}

/// Lets the server go on, and stop, even if the test goes wrong.
struct Opener(Arc<Gate>);

impl Drop for Opener {
    fn drop(&mut self) {
        self.0.open();
    }
}

impl Authenticator for Gate {
    fn answer(&self, login: &Login<'_>) -> Answer {
        let mut state = self.state.lock().unwrap();
        let here = thread::current().id();
        state.shards.insert(login.connect.client_id.to_string(), here);
        if login.connect.client_id.starts_with("gate-") && state.shards["reader"] == here {
            state.held_up = true;
            self.changed.notify_all();
            drop(self.changed.wait_while(state, |state| !state.open).unwrap());
        }
        Answer::Now(Verdict::Accept(Identity::default()))
    }
}

/// Messages that all lie ready when the reader's shard begins to look at them: whatever it does in one turn, it must
/// not take in more for the reader than it writes.
fn a_reader_who_reads_is_not_overrun(shards: u8) {
    const EACH: usize = 245;
    let gate = Arc::new(Gate::default());
    let server = BrokerFixture::with(shards, |options| {
        options.listeners[0].authenticator = gate.clone();
        options.limits.output_bytes = 512 * 1024;
    });
    let mut reader = RawClient::join(server.address(), connect("reader")).unwrap();
    reader.exchange(subscribe("#", QoS::AtMostOnce)).unwrap();
    // The system shall know that this reader takes much, and not wait for this thread to run again.
    let body = "x".repeat(4_000_000);
    for _ in 0..4 {
        reader.send(publish("t", &body)).unwrap();
        assert!(reader.message().unwrap().payload == body);
    }
    let mut publishers: Vec<_> = (0..32)
        .map(|number| format!("publisher-{number}"))
        .map(|name| (RawClient::join(server.address(), connect(&name)).unwrap(), name))
        .filter(|(_, name)| shards == 1 || !gate.is_with_the_reader(name))
        .take(8)
        .collect();
    let opener = Opener(gate.clone());
    let _gates = gate.hold_up(&server);
    let message = Packet::from(publish("t", &"x".repeat(400)));
    // Together more than the server keeps of them for one reader, and less than may be under way between two shards.
    let burst = encoded(Version::V5, std::iter::repeat_n(message, EACH));
    assert!(publishers.len() * burst.len() > 750_000);
    for (publisher, _) in &mut publishers {
        publisher.send_bytes(&burst).unwrap();
    }
    if shards > 1 {
        for (publisher, _) in &mut publishers {
            // The other shard has passed everything on.
            assert_eq!(publisher.exchange(Packet::PingReq).unwrap(), Packet::PingResp);
        }
    }
    drop(opener);
    for number in 0..publishers.len() * EACH {
        let received = reader.message();
        assert!(received.is_ok(), "{number} arrived; lost: {:?}", server.drops());
    }
    assert_eq!(server.drops(), []);
}

#[test]
fn a_reader_who_reads_is_not_overrun_by_clients_of_its_shard() {
    a_reader_who_reads_is_not_overrun(1);
}

#[test]
fn a_reader_who_reads_is_not_overrun_by_other_shards() {
    a_reader_who_reads_is_not_overrun(2);
}

battery! {
    fn a_packet_in_two_parts_leaves_nothing_behind(shards: u8) {
        let server = BrokerFixture::new(shards);
        let mut client = RawClient::join(server.address(), connect("a")).unwrap();
        let ping = encoded(Version::V5, [Packet::PingReq]);
        let publication = encoded(Version::V5, [publish("t", "some words").into()]);
        for cut in 1..publication.len() {
            let (start, end) = publication.split_at(cut);
            // The answer shows that the start was read too.
            client.send_bytes(&[&ping[..], start].concat()).unwrap();
            assert_eq!(client.receive().unwrap(), Some(Packet::PingResp));
            client.send_bytes(end).unwrap();
            assert_eq!(client.exchange(Packet::PingReq).unwrap(), Packet::PingResp, "cut after {cut}");
        }
    }

    fn what_follows_connect_at_once_is_answered_on_every_shard(shards: u8) {
        let server = BrokerFixture::new(shards);
        let body = "x".repeat(200);
        for number in 0..4 * shards {
            for hello in [connect(&format!("clean-{number}")), resume(&format!("kept-{number}"), 60)] {
                let publications = (1..=900).map(|id| publish_1("t", &body, id).into());
                let bytes = encoded(Version::V5, std::iter::once(hello.into()).chain(publications));
                assert!(bytes.len() > 2 * 64 * 1024);
                let mut client = RawClient::open(server.address(), Version::V5).unwrap();
                client.send_bytes(&bytes).unwrap();
                assert!(matches!(client.receive().unwrap(), Some(Packet::ConnAck(_))));
                for id in 1..=900 {
                    let answer = client.receive().unwrap();
                    assert!(matches!(&answer, Some(Packet::PubAck(ack)) if ack.packet_id.get() == id), "{answer:?}");
                }
            }
        }
    }

    fn a_head_that_announces_too_much_ends_the_connection_before_the_body(shards: u8) {
        let server = BrokerFixture::new(shards);
        // PUBLISH with a remaining length of 250,000,000; its body never comes.
        let head = [0x30, 0x80, 0xE5, 0x9A, 0x77, 0x00, 0x01, b't'];
        for number in 0..4 * shards {
            let new = [connect(&format!("clean-{number}")), resume(&format!("kept-{number}"), 60)];
            let old = [connect_as(Version::V311, &format!("old-{number}"), number % 2 == 0)];
            for hello in new.into_iter().chain(old) {
                let version = hello.version;
                let mut client = RawClient::open(server.address(), version).unwrap();
                let bytes = [encoded(version, [hello.into()]), head.to_vec()].concat();
                client.send_bytes(&bytes).unwrap();
                assert!(matches!(client.receive().unwrap(), Some(Packet::ConnAck(_))));
                if version == Version::V5 {
                    expect_disconnect(&mut client, ReasonCode::PacketTooLarge);
                } else {
                    assert_eq!(client.receive().unwrap(), None);
                }
            }
        }
    }

    fn packets_cut_anywhere_arrive_whole_and_in_order(shards: u8) {
        let server = BrokerFixture::new(shards);
        let mut reader = RawClient::join(server.address(), connect("reader")).unwrap();
        reader.exchange(subscribe("#", QoS::AtLeastOnce)).unwrap();
        let mut writer = RawClient::join(server.address(), connect("writer")).unwrap();
        // Around the sizes at which a packet gets a buffer of its own, and many small ones between.
        let sizes = [0, 1, 3000, 7, 32_750, 5, 32_760, 100, 32_768, 40_000, 65_536, 2, 100_000, 11_111];
        let body = |number: u16| vec![number.to_le_bytes()[0]; sizes[usize::from(number) % sizes.len()]];
        let packets = (1..=500).map(|id| Publish { payload: body(id).into(), ..publish_1("t", "", id) }.into());
        let bytes = encoded(Version::V5, packets);
        thread::scope(|scope| {
            scope.spawn(|| writer.send_bytes(&bytes).unwrap());
            for number in 1..=500 {
                assert!(reader.message().unwrap().payload == body(number), "message {number}");
            }
        });
        for id in 1..=500 {
            let answer = writer.receive().unwrap();
            assert!(matches!(&answer, Some(Packet::PubAck(ack)) if ack.packet_id.get() == id), "{answer:?}");
        }
    }

    fn who_breaks_the_rules_in_a_flood_still_learns_why(shards: u8) {
        let server = BrokerFixture::new(shards);
        let mut client = RawClient::join(server.address(), connect("rude")).unwrap();
        // Not a packet; and then, as if nothing had happened, four megabytes more.
        client.send_bytes(&[0x00, 0x00]).unwrap();
        let flood = encoded(Version::V5, std::iter::repeat_n(publish("t", &"x".repeat(4000)).into(), 1000));
        client.send_bytes(&flood).unwrap();
        expect_disconnect(&mut client, ReasonCode::MalformedPacket);
    }

    fn who_sends_no_more_still_gets_what_was_written(shards: u8) {
        let server = BrokerFixture::new(shards);
        let mut reader = RawClient::join(server.address(), connect("reader")).unwrap();
        reader.exchange(subscribe("t", QoS::AtMostOnce)).unwrap();
        let mut writer = RawClient::join(server.address(), connect("writer")).unwrap();
        // More than the system keeps for a client that does not read.
        let body = "x".repeat(12_000_000);
        writer.send(publish("t", &body)).unwrap();
        assert_eq!(reader.stream().peek(&mut [0]).unwrap(), 1);
        reader.send_bytes(&[0x00, 0x00]).unwrap();
        reader.stream().shutdown(Shutdown::Write).unwrap();
        let message = reader.receive().unwrap();
        assert!(matches!(message, Some(Packet::Publish(message)) if message.payload == body));
        expect_disconnect(&mut reader, ReasonCode::MalformedPacket);
    }
}

#[test]
fn a_connection_that_has_ended_takes_in_nothing_for_long() {
    let server = BrokerFixture::new(1);
    let client = RawClient::join(server.address(), connect("rude")).unwrap();
    let mut stream = client.stream();
    stream.write_all(&[0x00, 0x00]).unwrap();
    let mut last = Vec::new();
    stream.read_to_end(&mut last).unwrap();
    assert_eq!(last.first(), Some(&0xE0), "DISCONNECT");
    // The server goes on reading for a while, but not for ever.
    let junk = [0; 64 * 1024];
    while stream.write_all(&junk).is_ok() {}
}
