//! Proves that codec, session and engine need no standard library.
//!
//! If one of them, or anything they depend on, brought in `std`, there would be two panic handlers and this program
//! would not link. When it runs, a client and a server talk in memory: CONNECT, SUBSCRIBE, and a QoS 2 message that comes
//! back. It ends with 0 if the message is the same.

#![no_std]
#![no_main]

extern crate alloc;

use alloc::vec;
use alloc::vec::Vec;
use core::ffi::c_int;
use core::panic::PanicInfo;

use bytes::Bytes;
use darter_codec::{
    PacketId, Properties, Publish, QoS, ReasonCode, Subscribe, SubscribeFilter, SubscriptionOptions, Version,
};
use darter_engine::access::Identity;
use darter_engine::{Effect, Limits, LinkId, Place, Shard, Verdict};
use darter_session::client::{Connection, Event, Message, Options};
use static_alloc::Bump;

/// Hands out memory once and never takes it back: enough for one conversation.
#[global_allocator]
static MEMORY: Bump<[u8; 32 << 20]> = Bump::uninit();

#[panic_handler]
fn stop(_: &PanicInfo<'_>) -> ! {
    loop {
        core::hint::spin_loop();
    }
}

// The compiled form of the alloc crate names these two even though nothing here ever unwinds.
#[allow(unsafe_code)]
#[unsafe(no_mangle)]
extern "C" fn rust_eh_personality() {}
#[allow(unsafe_code)]
#[unsafe(no_mangle)]
extern "C" fn _Unwind_Resume() {}

/// What the C runtime starts.
#[allow(unsafe_code)]
#[unsafe(no_mangle)]
pub extern "C" fn main() -> c_int {
    let unchanged = [Version::V31, Version::V311, Version::V5].into_iter().all(|version| {
        message_that_came_back(version).is_some_and(|message| message.payload[..] == *b"21.5")
    });
    c_int::from(!unchanged)
}

/// One client and one server without a network between them.
struct Conversation {
    client: Connection,
    server: Shard,
    link: LinkId,
    now: u64,
    /// Bytes of the client that the server has not consumed.
    unread: Vec<u8>,
}

/// Subscribes, publishes with QoS 2, and returns what arrives.
fn message_that_came_back(version: Version) -> Option<Message> {
    let mut server = Shard::new(Place { index: 0, shards: 1, key: 1 }, Limits::default(), 2, 0);
    let link = server.accept(0);
    let mut client = Connection::new(Options::new(version, "board"));
    client.handle_open(0);
    let mut conversation = Conversation { client, server, link, now: 0, unread: Vec::new() };
    conversation.wait_for(|event| matches!(event, Event::Connected(_)).then_some(()))?;

    let options = SubscriptionOptions::new(QoS::ExactlyOnce);
    let filters = vec![SubscribeFilter { filter: "room/+".into(), options }];
    let subscribe = Subscribe { packet_id: PacketId::new(1)?, properties: Properties::default(), filters };
    conversation.client.subscribe(subscribe).ok()?;
    conversation.wait_for(|event| matches!(event, Event::Subscribed(..)).then_some(()))?;

    let publish = Publish {
        dup: false,
        qos: QoS::ExactlyOnce,
        retain: false,
        topic: "room/temperature".into(),
        packet_id: None,
        properties: Properties::default(),
        payload: Bytes::from_static(b"21.5"),
    };
    conversation.client.publish(publish).ok()?;
    let message = conversation.wait_for(|event| match event {
        Event::Message(message) => Some(*message),
        _ => None,
    })?;
    conversation.client.disconnect(ReasonCode::Success, Properties::default());
    conversation.turn();
    Some(message)
}

impl Conversation {
    /// Lets both sides talk until the client reports what is asked for.
    fn wait_for<T>(&mut self, mut wanted: impl FnMut(Event) -> Option<T>) -> Option<T> {
        for _ in 0..100 {
            while let Some(event) = self.client.poll_event() {
                if let Some(found) = wanted(event) {
                    return Some(found);
                }
            }
            self.turn();
        }
        None
    }

    /// Carries bytes once in each direction; what is to be stored counts as stored at once.
    fn turn(&mut self) {
        self.now += 1;
        let now = self.now;
        self.client.poll_transmit(now, &mut self.unread);
        let consumed = self.server.receive(now, self.link, &self.unread, None);
        self.unread.drain(..consumed);
        loop {
            let mut changes = Vec::new();
            let batch = self.server.take_batch(&mut changes);
            if let Some(batch) = batch {
                self.server.handle_committed(now, batch.number);
            }
            let effect = self.server.poll_effect();
            match effect {
                Some(Effect::Authenticate { link, .. }) => {
                    self.server.handle_verdict(now, link, Verdict::Accept(Identity::default()));
                }
                None if batch.is_none() => break,
                _ => {}
            }
        }
        while let Some(link) = self.server.poll_dirty() {
            let Some(output) = self.server.output(link) else { continue };
            let bytes = output.chunks().collect::<Vec<_>>().concat();
            output.advance(bytes.len());
            self.server.written(now, link);
            self.client.handle_input(&bytes);
        }
        self.server.finish_turn();
    }
}
