//! Clients that misbehave, and others that must not notice.

use darter_codec::{Packet, QoS, ReasonCode, Version};
use darter_testkit::packets::{connect, publish, subscribe};
use darter_testkit::{BrokerFixture, Dice, RawClient};
use std::io::Write;

/// A client that publishes to itself and gets what it published.
pub(crate) struct Well {
    client: RawClient,
    rounds: u32,
}

impl Well {
    pub(crate) fn new(server: &BrokerFixture) -> Self {
        let mut client = RawClient::join(server.address(), connect("well")).unwrap();
        client.exchange(subscribe("well", QoS::AtMostOnce)).unwrap();
        Self { client, rounds: 0 }
    }

    pub(crate) fn works(&mut self) {
        self.rounds += 1;
        self.client.send(publish("well", &self.rounds.to_string())).unwrap();
        assert_eq!(self.client.message().unwrap().payload, self.rounds.to_string());
    }
}

battery! {
    fn bad_bytes_end_their_connection_and_no_other(shards: u8) {
        let server = BrokerFixture::new(shards);
        let mut well = Well::new(&server);
        let bad: [&[u8]; 6] = [
            &[0x00, 0x00],
            &[0x30, 0xFF, 0xFF, 0xFF, 0xFF, 0x01],
            &[0x30, 0x03, 0x00, 0x01, b'#'],
            &[0x36, 0x03, 0x00, 0x01, b't'],
            &[0xC1, 0x00],
            &[0x82, 0x02, 0x00, 0x01],
        ];
        for bytes in bad {
            let mut client = RawClient::join(server.address(), connect("rude")).unwrap();
            client.send_bytes(bytes).unwrap();
            let last = client.receive().unwrap();
            let Some(Packet::Disconnect(disconnect)) = last else { panic!("{last:?} after {bytes:02x?}") };
            assert!(disconnect.reason.is_error());
            assert_eq!(client.receive().unwrap(), None);
            well.works();
        }
    }

    fn noise_never_stops_the_server(shards: u8) {
        let server = BrokerFixture::new(shards);
        let mut well = Well::new(&server);
        let mut dice = Dice::new(u64::from(shards));
        for round in 0..200 {
            let mut client = if round % 2 == 0 {
                RawClient::open(server.address(), Version::V5).unwrap()
            } else {
                RawClient::join(server.address(), connect("noise")).unwrap()
            };
            let noise: Vec<u8> = (0..dice.below(300)).map(|_| dice.roll().to_le_bytes()[0]).collect();
            // The server may have closed the connection already.
            let _ = client.send_bytes(&noise);
            drop(client);
            well.works();
        }
    }

    fn a_client_that_never_reads_disturbs_nobody(shards: u8) {
        let server = BrokerFixture::with(shards, |options| options.limits.output_bytes = 64 * 1024);
        let mut well = Well::new(&server);
        let mut lazy = RawClient::join(server.address(), connect("lazy")).unwrap();
        lazy.exchange(subscribe("flood", QoS::AtMostOnce)).unwrap();
        let mut writer = RawClient::join(server.address(), connect("writer")).unwrap();
        let body = "x".repeat(4_000);
        for round in 0..5_000 {
            writer.send(publish("flood", &body)).unwrap();
            if round % 500 == 0 {
                well.works();
            }
        }
        assert_eq!(writer.exchange(Packet::PingReq).unwrap(), Packet::PingResp, "the publisher is not held up");
        well.works();
        // Once it reads, what it gets is whole.
        lazy.send(Packet::PingReq).unwrap();
        let mut count = 0;
        while let Some(packet) = lazy.receive().unwrap() {
            match packet {
                Packet::Publish(message) => {
                    assert_eq!(message.payload, body);
                    count += 1;
                }
                Packet::PingResp => break,
                other => panic!("{other:?}"),
            }
        }
        assert!(count < 5_000, "{count}: the rest was dropped and counted");
    }

    fn a_client_that_only_asks_is_not_read_from_for_ever(shards: u8) {
        let server = BrokerFixture::with(shards, |options| options.limits.output_bytes = 16 * 1024);
        let mut well = Well::new(&server);
        let lazy = RawClient::join(server.address(), connect("lazy")).unwrap();
        let mut stream = lazy.stream().try_clone().unwrap();
        stream.set_nonblocking(true).unwrap();
        let pings = [0xC0, 0x00].repeat(32 * 1024);
        let mut accepted = 0usize;
        // The system's buffers fill up; after that the server must have stopped reading.
        for _ in 0..200 {
            match stream.write(&pings) {
                Ok(count) => accepted += count,
                Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock),
            }
            well.works();
        }
        assert!(accepted < 200 * pings.len(), "it read everything: {accepted}");
    }

    fn who_is_too_large_is_told(shards: u8) {
        let server = BrokerFixture::with(shards, |options| options.limits.packet_size = 10_000);
        let mut client = RawClient::join(server.address(), connect("large")).unwrap();
        client.send(publish("t", &"x".repeat(20_000))).unwrap();
        let last = client.receive().unwrap();
        assert!(matches!(last, Some(Packet::Disconnect(last)) if last.reason == ReasonCode::PacketTooLarge));
    }
}
