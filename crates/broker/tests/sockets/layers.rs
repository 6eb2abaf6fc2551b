//! What stands between a socket and MQTT: a transport made for these tests, alone and one in the other.

use darter_broker::net::{Fault, Filter, Layer, LayerKind, Peer, Received};
use darter_codec::{Packet, QoS, Version};
use darter_testkit::packets::{connect, publish, subscribe};
use darter_testkit::{BrokerFixture, RawClient};
use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

const DATA: u8 = 0;
const PING: u8 = 1;
const PONG: u8 = 2;
const END: u8 = 3;
const FAULT: u8 = 4;

/// Frames of a kind, a length of two bytes, and that many bytes with all their bits turned around.
#[derive(Debug, Default)]
struct Framing {
    partial: Vec<u8>,
}

fn frame(kind: u8, bytes: &[u8], into: &mut Vec<u8>) {
    into.push(kind);
    into.extend_from_slice(&u16::try_from(bytes.len()).unwrap().to_be_bytes());
    into.extend(bytes.iter().map(|byte| !byte));
}

impl Framing {
    fn next(&mut self) -> Option<(u8, Vec<u8>)> {
        let [kind, high, low, ..] = self.partial[..] else { return None };
        let end = 3 + usize::from(u16::from_be_bytes([high, low]));
        let bytes = self.partial.get(3..end)?.iter().map(|byte| !byte).collect();
        self.partial.drain(..end);
        Some((kind, bytes))
    }
}

impl Filter for Framing {
    fn receive(&mut self, bytes: &mut [u8], up: &mut Vec<u8>, down: &mut Vec<u8>) -> Result<Received, Fault> {
        self.partial.extend_from_slice(bytes);
        while let Some((kind, bytes)) = self.next() {
            match kind {
                DATA => up.extend_from_slice(&bytes),
                PING => frame(PONG, &bytes, down),
                END => return Ok(Received::End),
                _ => {
                    frame(FAULT, b"what?", down);
                    return Err(Fault::new("it sends frames of no known kind"));
                }
            }
        }
        Ok(Received::More)
    }

    fn send(&mut self, bytes: &[u8], down: &mut Vec<u8>) -> Result<(), Fault> {
        bytes.chunks(60_000).for_each(|bytes| frame(DATA, bytes, down));
        Ok(())
    }

    fn close(&mut self, down: &mut Vec<u8>) {
        frame(END, b"", down);
    }
}

#[derive(Debug)]
struct Framed;

impl Layer for Framed {
    fn kind(&self) -> LayerKind {
        LayerKind::WebSocket
    }

    fn begin(&self, _: Peer) -> Result<Box<dyn Filter>, Fault> {
        Ok(Box::<Framing>::default())
    }
}

/// The client's end of one transport.
#[derive(Debug)]
struct Wrapped<S> {
    below: S,
    framing: Framing,
    plain: VecDeque<u8>,
    /// Kinds of frames that were no data.
    others: Vec<u8>,
}

impl<S: Read + Write> Wrapped<S> {
    fn over(below: S) -> Self {
        Self { below, framing: Framing::default(), plain: VecDeque::new(), others: Vec::new() }
    }

    fn frame(&mut self, kind: u8, bytes: &[u8]) {
        let mut frames = Vec::new();
        frame(kind, bytes, &mut frames);
        self.below.write_all(&frames).unwrap();
    }

    fn wait_for(&mut self, kind: u8) {
        while !self.others.contains(&kind) {
            let mut buffer = [0; 1000];
            let count = self.below.read(&mut buffer).unwrap();
            assert_ne!(count, 0, "{:?}", self.others);
            self.take_in(&buffer[..count]);
        }
    }

    fn take_in(&mut self, bytes: &[u8]) {
        self.framing.partial.extend_from_slice(bytes);
        while let Some((kind, bytes)) = self.framing.next() {
            if kind == DATA { self.plain.extend(bytes) } else { self.others.push(kind) }
        }
    }
}

impl<S: Read + Write> Read for Wrapped<S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.plain.is_empty() {
            let mut buffer = vec![0; 50_000];
            match self.below.read(&mut buffer)? {
                0 => return Ok(0),
                count => self.take_in(&buffer[..count]),
            }
        }
        self.plain.read(buffer)
    }
}

impl<S: Read + Write> Write for Wrapped<S> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = bytes.len().min(7_001);
        self.frame(DATA, &bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn framed(shards: u8, layers: usize) -> BrokerFixture {
    BrokerFixture::with(shards, |options| {
        options.listeners[0].layers = (0..layers).map(|_| Arc::new(Framed) as Arc<dyn Layer>).collect();
    })
}

fn socket(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_nodelay(true).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream.set_write_timeout(Some(Duration::from_secs(20))).unwrap();
    stream
}

fn join(address: SocketAddr, client: &str) -> RawClient<Wrapped<TcpStream>> {
    RawClient::over(Wrapped::over(socket(address)), Version::V5).greet(connect(client)).unwrap().0
}

fn is_served<S: Read + Write>(mut client: RawClient<S>) {
    client.exchange(subscribe("t", QoS::AtMostOnce)).unwrap();
    for size in [0, 1, 500, 20_000, 70_000, 1_000_000] {
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

battery! {
    fn messages_of_any_size_go_through_a_transport(shards: u8) {
        let server = framed(shards, 1);
        for number in 0..4 {
            is_served(join(server.address(), &format!("client-{number}")));
        }
    }

    fn one_transport_goes_through_another(shards: u8) {
        let server = framed(shards, 2);
        for number in 0..4 {
            let stream = Wrapped::over(Wrapped::over(socket(server.address())));
            let client = RawClient::over(stream, Version::V5).greet(connect(&format!("client-{number}")));
            is_served(client.unwrap().0);
        }
    }

    fn what_follows_connect_at_once_goes_along_to_another_shard(shards: u8) {
        let server = framed(shards, 1);
        for number in 0..8 {
            let mut client = RawClient::over(Wrapped::over(socket(server.address())), Version::V5);
            let mut bytes = Vec::new();
            let packets: [Packet; 2] =
                [connect(&format!("client-{number}")).into(), subscribe("t", QoS::AtMostOnce).into()];
            packets.into_iter().for_each(|packet| packet.encode(Version::V5, &mut bytes).unwrap());
            for number in 0..3_000 {
                Packet::from(publish("t", &number.to_string())).encode(Version::V5, &mut bytes).unwrap();
            }
            let mut frames = Vec::new();
            bytes.chunks(5).for_each(|bytes| frame(DATA, bytes, &mut frames));
            client.stream_mut().below.write_all(&frames).unwrap();
            for number in 0..3_000 {
                assert_eq!(client.message().unwrap().payload, number.to_string());
            }
        }
    }

    fn bytes_of_a_transport_may_arrive_one_by_one(shards: u8) {
        let server = framed(shards, 1);
        let mut client = RawClient::over(Wrapped::over(socket(server.address())), Version::V5);
        let (mut bytes, mut frames) = (Vec::new(), Vec::new());
        Packet::from(connect("slow")).encode(Version::V5, &mut bytes).unwrap();
        frame(DATA, &bytes, &mut frames);
        for byte in frames {
            client.stream_mut().below.write_all(&[byte]).unwrap();
        }
        assert!(matches!(client.receive().unwrap(), Some(Packet::ConnAck(_))));
    }

    fn a_transport_answers_for_itself(shards: u8) {
        let server = framed(shards, 1);
        let mut client = join(server.address(), "a");
        client.stream_mut().frame(PING, b"are you there?");
        client.stream_mut().wait_for(PONG);
        assert_eq!(client.exchange(Packet::PingReq).unwrap(), Packet::PingResp);
    }

    fn who_only_asks_its_transport_and_never_reads_is_not_read_from_for_ever(shards: u8) {
        let server = framed(shards, 1);
        let mut rude = join(server.address(), "rude");
        let below = &mut rude.stream_mut().below;
        below.set_nonblocking(true).unwrap();
        let mut pings = Vec::new();
        frame(PING, &[7; 10_000], &mut pings);
        let mut sent = 0;
        // As much as the systems on both sides keep, and no more.
        let mut written = 0;
        loop {
            match below.write(&pings[written..]) {
                Ok(count) => {
                    (written, sent) = ((written + count) % pings.len(), sent + count);
                    assert!(sent < 200_000_000, "the server keeps it all");
                }
                Err(error) => {
                    assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
                    // Another client is served whole rounds meanwhile: so the server has had time to read on.
                    let before = sent;
                    is_served(join(server.address(), "polite"));
                    if let Ok(count) = below.write(&pings[written..]) {
                        (written, sent) = ((written + count) % pings.len(), sent + count);
                    }
                    if sent == before {
                        break;
                    }
                }
            }
        }
        // It goes on as soon as it reads.
        below.set_nonblocking(false).unwrap();
        let rest = pings[written..].to_vec();
        let mut writer = below.try_clone().unwrap();
        let writing = std::thread::spawn(move || if rest.len() < 10_003 { writer.write_all(&rest).unwrap() });
        let (mut pongs, mut buffer) = (0, vec![0; 100_000]);
        while pongs + 10_003 < sent {
            pongs += below.read(&mut buffer).unwrap();
        }
        writing.join().unwrap();
    }

    fn the_last_words_of_a_transport_arrive(shards: u8) {
        let mut server = framed(shards, 1);
        let mut bad = join(server.address(), "bad");
        bad.stream_mut().frame(99, b"");
        bad.stream_mut().frame(DATA, &[0; 5_000]);
        assert_eq!(bad.receive().unwrap(), None);
        assert_eq!(bad.stream().others, [FAULT]);
        let mut leaving = join(server.address(), "leaving");
        leaving.stream_mut().frame(END, b"");
        assert_eq!(leaving.receive().unwrap(), None);
        assert_eq!(leaving.stream().others, [END]);
        let mut staying = join(server.address(), "staying");
        server.shutdown();
        assert!(matches!(staying.receive().unwrap(), Some(Packet::Disconnect(_))));
        assert_eq!(staying.receive().unwrap(), None);
        assert_eq!(staying.stream().others, [END]);
    }

    fn a_slow_reader_gets_everything_through_a_transport(shards: u8) {
        const COUNT: usize = 200;
        let server = framed(shards, 1);
        let mut reader = join(server.address(), "reader");
        reader.exchange(subscribe("t", QoS::AtLeastOnce)).unwrap();
        let mut writer = join(server.address(), "writer");
        let body = "y".repeat(50_000);
        for number in 0..COUNT {
            let id = u16::try_from(number + 1).unwrap();
            let message = darter_testkit::packets::publish_1("t", &format!("{number} {body}"), id);
            assert!(matches!(writer.exchange(message).unwrap(), Packet::PubAck(_)));
        }
        for number in 0..COUNT {
            let message = reader.message().unwrap();
            assert!(message.payload == format!("{number} {body}"), "{number}");
        }
    }
}
