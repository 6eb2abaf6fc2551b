//! Keep alive (section 3.1.2.10) and PINGREQ (section 3.12).

use std::time::{Duration, Instant};

use crate::client::{Client, Event};
use crate::context::Context;
use crate::outcome::{Outcome, check};
use crate::packet::{Connect, PINGREQ, Publish, Will};
use crate::property::{Properties, SERVER_KEEP_ALIVE, WILL_DELAY};
use crate::received::Packet;

super::tests! {
    a_silent_client_is_disconnected_after_its_keep_alive: v311 ["3.1.2-24"] v5 ["3.1.2-22", "3.2.2-22"];
    a_silent_client_is_treated_as_lost_with_its_will: v311 ["3.1.2-24"] v5 ["3.1.2-22"];
    a_client_that_sends_within_its_keep_alive_stays_connected: v311 ["3.1.2-24"] v5 ["3.1.2-22"];
    pingreq_is_answered_with_pingresp: v311 ["3.12.4-1"] v5 ["3.12.4-1"];
}

/// Beyond one and a half times the keep alive: servers look at their clocks in steps of up to five seconds.
const TOLERANCE: Duration = Duration::from_secs(6);

fn timed(context: &Context, seconds: u16) -> Connect {
    Connect { keep_alive: seconds, ..Connect::new(context.version, &context.id()) }
}

/// The keep alive that counts: the server's own if it names one.
fn interval(client: &Client, asked: u16) -> Duration {
    let seconds = client.connack.properties.number(SERVER_KEEP_ALIVE).unwrap_or_else(|| u32::from(asked));
    Duration::from_secs(u64::from(seconds))
}

fn a_silent_client_is_disconnected_after_its_keep_alive(context: &Context) -> Outcome {
    let mut client = context.connect(&timed(context, 1))?;
    let interval = interval(&client, 1);
    let start = Instant::now();
    let deadline = interval * 3 / 2 + TOLERANCE;
    match client.event_within(deadline)? {
        Some(Event::Closed) => {}
        Some(Event::Packet(Packet::Disconnect(_))) => client.closed()?,
        other => {
            return client
                .wrong(&format!("the end of the connection within {deadline:?}"), &format!("{other:?}"));
        }
    }
    let waited = start.elapsed();
    check!(waited >= interval, "keep alive {interval:?}: the connection already ended after {waited:?}");
    Ok(())
}

fn a_silent_client_is_treated_as_lost_with_its_will(context: &Context) -> Outcome {
    let topic = context.topic("lost");
    let mut watcher = context.client()?;
    watcher.subscribe(&topic, 0)?;
    let properties = if context.v5() { Properties::none().u32(WILL_DELAY, 0) } else { Properties::none() };
    let will = Will { topic: topic.into(), payload: b"lost".to_vec(), properties, ..Will::default() };
    let _client = context.connect(&timed(context, 1).with_will(will))?;
    watcher.take_text("lost").map(drop)
}

fn a_client_that_sends_within_its_keep_alive_stays_connected(context: &Context) -> Outcome {
    let mut pinging = context.connect(&timed(context, 1))?;
    let mut publishing = context.connect(&timed(context, 1))?;
    let topic = context.topic("alive");
    let start = Instant::now();
    while start.elapsed() < Duration::from_millis(3600) {
        pinging.nothing()?;
        publishing.send(&Publish::new(&topic, "x").bytes(context.version))?;
        pinging.quiet_for(Duration::from_millis(600))?;
    }
    publishing.nothing()
}

fn pingreq_is_answered_with_pingresp(context: &Context) -> Outcome {
    let mut client = context.client()?;
    for _ in 0..3 {
        client.send(&PINGREQ)?;
    }
    for _ in 0..3 {
        match client.event()? {
            Event::Packet(Packet::PingResp) => {}
            other => return client.wrong("PINGRESP", &format!("{other:?}")),
        }
    }
    Ok(())
}
