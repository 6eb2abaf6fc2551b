//! The end of a server.

use darter_broker::ListenerOptions;
use darter_codec::{Packet, QoS, ReasonCode, Version};
use darter_testkit::packets::{connect, connect_as, publish, subscribe};
use darter_testkit::{BrokerFixture, RawClient};

battery! {
    fn clients_are_told_that_the_server_stops(shards: u8) {
        let mut server = BrokerFixture::new(shards);
        let mut new: Vec<_> = (0..8)
            .map(|number| RawClient::join(server.address(), connect(&format!("new-{number}"))).unwrap())
            .collect();
        let mut old: Vec<_> = (0..8)
            .map(|number| {
                let hello = connect_as(Version::V311, &format!("old-{number}"), true);
                RawClient::join(server.address(), hello).unwrap()
            })
            .collect();
        let mut silent = RawClient::open(server.address(), Version::V5).unwrap();
        server.shutdown();
        for client in &mut new {
            let last = client.receive().unwrap();
            assert!(matches!(last, Some(Packet::Disconnect(last)) if last.reason == ReasonCode::ServerShuttingDown));
            assert_eq!(client.receive().unwrap(), None);
        }
        for client in &mut old {
            assert_eq!(client.receive().unwrap(), None);
        }
        assert_eq!(silent.receive().unwrap(), None);
        assert!(RawClient::open(server.address(), Version::V5).is_err(), "nobody listens any more");
    }

    fn the_last_messages_are_written_before_the_server_stops(shards: u8) {
        let mut server = BrokerFixture::new(shards);
        let mut client = RawClient::join(server.address(), connect("a")).unwrap();
        client.exchange(subscribe("t", QoS::AtMostOnce)).unwrap();
        for number in 0..100 {
            client.send(publish("t", &number.to_string())).unwrap();
        }
        // The first one that comes back shows that the server has begun to read them.
        assert_eq!(client.message().unwrap().payload, "0");
        server.shutdown();
        let mut count = 1;
        let last = loop {
            match client.receive().unwrap() {
                Some(Packet::Publish(message)) => {
                    assert_eq!(message.payload, count.to_string());
                    count += 1;
                }
                other => break other,
            }
        };
        assert!(matches!(last, Some(Packet::Disconnect(last)) if last.reason == ReasonCode::ServerShuttingDown));
    }

    fn a_dropped_server_stops_too(shards: u8) {
        let server = BrokerFixture::new(shards);
        let address = server.address();
        let mut client = RawClient::join(address, connect("a")).unwrap();
        drop(server);
        assert!(matches!(client.receive().unwrap(), Some(Packet::Disconnect(_))));
        let again = BrokerFixture::with(shards, |options| options.listeners = vec![ListenerOptions::at(address)]);
        RawClient::join(again.address(), connect("a")).unwrap();
    }
}
