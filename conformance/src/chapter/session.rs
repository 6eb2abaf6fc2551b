//! Sessions (sections 3.1.2.4, 3.1.2.11.2, 4.1).

use std::time::Duration;

use crate::context::Context;
use crate::outcome::{Outcome, check};
use crate::packet::Connect;
use crate::property::{Properties, SESSION_EXPIRY};

super::tests! {
    a_kept_session_is_resumed_with_its_subscriptions:
        v311 ["3.1.2-4", "4.1.0-1"] v5 ["3.1.2-5", "3.1.2-23"];
    messages_for_a_kept_session_wait_for_the_client: v311 ["3.1.2-5", "4.1.0-1"] v5 ["3.1.2-5", "3.1.2-23", "4.5.0-1"];
    a_connect_without_a_former_session_makes_a_new_one: v311 ["3.1.2-4"] v5 ["3.1.2-6"];
    a_session_lasts_as_long_as_its_connection: v311 ["4.1.0-2"] v5 ["4.1.0-1"];
    a_kept_session_survives_a_broken_connection: v311 ["4.1.0-1"] v5 ["3.1.2-23"];
    a_session_without_expiry_ends_with_its_connection: v311 [] v5 ["4.1.0-2"];
    a_session_ends_when_its_expiry_interval_has_passed: v311 [] v5 ["4.1.0-2"];
    a_disconnect_can_change_the_session_expiry: v311 [] v5 ["3.1.2-23", "4.1.0-2"];
    a_session_expiry_cannot_appear_at_disconnect: v311 [] v5 ["4.13.1-1"];
}

fn a_kept_session_is_resumed_with_its_subscriptions(context: &Context) -> Outcome {
    let id = context.kept_id();
    let topic = context.topic("kept");
    let mut client = context.kept_client(&id)?;
    client.subscribe(&format!("{topic}/#"), 1)?;
    client.disconnect()?;
    let mut client = context.kept_client(&id)?;
    check!(client.connack.flags == 1, "expected session present 1; got {:?}", client.connack);
    context.client()?.say(&topic, "live", 1)?;
    client.take_text("live").map(drop)
}

fn messages_for_a_kept_session_wait_for_the_client(context: &Context) -> Outcome {
    let id = context.kept_id();
    let topic = context.topic("wait");
    let mut client = context.kept_client(&id)?;
    client.subscribe(&topic, 2)?;
    client.disconnect()?;
    let mut publisher = context.client()?;
    for n in 0..20_u8 {
        publisher.say(&topic, &n.to_string(), 1 + n % 2)?;
    }
    let mut client = context.kept_client(&id)?;
    // Order is promised within one QoS.
    let mut next = [0_u8, 1];
    for _ in 0..20 {
        let got = client.take()?;
        let kind = usize::from(got.qos == 2);
        check!(got.text() == next[kind].to_string(), "expected message {}; got {got:?}", next[kind]);
        next[kind] += 2;
    }
    client.nothing()
}

fn a_connect_without_a_former_session_makes_a_new_one(context: &Context) -> Outcome {
    let id = context.kept_id();
    let topic = context.topic("new");
    let mut client = context.kept_client(&id)?;
    check!(client.connack.flags == 0, "expected session present 0; got {:?}", client.connack);
    client.nothing()?;
    client.subscribe(&topic, 1)?;
    client.disconnect()?;
    context.client()?.say(&topic, "x", 1)?;
    context.kept_client(&id)?.take_text("x").map(drop)
}

fn a_session_lasts_as_long_as_its_connection(context: &Context) -> Outcome {
    let topic = context.topic("lasting");
    let mut client = context.client()?;
    client.subscribe(&topic, 1)?;
    let mut publisher = context.client()?;
    // Longer than any expiry of a session without expiry interval.
    client.quiet_for(Duration::from_millis(1500))?;
    publisher.say(&topic, "x", 1)?;
    client.take_text("x").map(drop)
}

fn a_kept_session_survives_a_broken_connection(context: &Context) -> Outcome {
    let id = context.kept_id();
    let topic = context.topic("broken");
    let mut client = context.kept_client(&id)?;
    client.subscribe(&topic, 1)?;
    client.cut()?;
    context.client()?.say(&topic, "x", 1)?;
    let mut client = context.kept_client(&id)?;
    check!(client.connack.flags == 1, "expected session present 1; got {:?}", client.connack);
    client.take_text("x").map(drop)
}

fn expiring(context: &Context, id: &str, seconds: u32) -> Connect {
    let properties = Properties::none().u32(SESSION_EXPIRY, seconds);
    Connect { clean: false, ..Connect::new(context.version, id) }.with(properties)
}

fn a_session_without_expiry_ends_with_its_connection(context: &Context) -> Outcome {
    let id = context.kept_id();
    for connect in [expiring(context, &id, 0), Connect { clean: false, ..Connect::new(context.version, &id) }]
    {
        context.connect(&connect)?.cut()?;
        let client = context.connect(&connect)?;
        check!(
            client.connack.flags == 0,
            "no session expiry; expected session present 0; got {:?}",
            client.connack
        );
        client.disconnect()?;
    }
    Ok(())
}

fn a_session_ends_when_its_expiry_interval_has_passed(context: &Context) -> Outcome {
    let id = context.kept_id();
    let mut idle = context.client()?;
    context.connect(&expiring(context, &id, 1))?.disconnect()?;
    let client = context.connect(&expiring(context, &id, 1))?;
    check!(
        client.connack.flags == 1,
        "within the interval; expected session present 1; got {:?}",
        client.connack
    );
    client.disconnect()?;
    idle.quiet_for(Duration::from_millis(3200))?;
    let client = context.connect(&expiring(context, &id, 1))?;
    check!(
        client.connack.flags == 0,
        "after the interval; expected session present 0; got {:?}",
        client.connack
    );
    Ok(())
}

fn a_disconnect_can_change_the_session_expiry(context: &Context) -> Outcome {
    let id = context.kept_id();
    let zero = Properties::none().u32(SESSION_EXPIRY, 0);
    let long = Properties::none().u32(SESSION_EXPIRY, 300);
    context.connect(&expiring(context, &id, 300))?.disconnect_with(0, &zero)?;
    let client = context.connect(&expiring(context, &id, 1))?;
    check!(client.connack.flags == 0, "expiry set to 0 at DISCONNECT; got {:?}", client.connack);
    client.disconnect_with(0, &long)?;
    context.client()?.quiet_for(Duration::from_millis(3200))?;
    let client = context.connect(&expiring(context, &id, 300))?;
    check!(client.connack.flags == 1, "expiry raised to 300 s at DISCONNECT; got {:?}", client.connack);
    Ok(())
}

fn a_session_expiry_cannot_appear_at_disconnect(context: &Context) -> Outcome {
    let id = context.kept_id();
    let mut client = context.connect(&expiring(context, &id, 0))?;
    let long = Properties::none().u32(SESSION_EXPIRY, 300);
    client.send(&crate::packet::disconnect(context.version, 0, &long))?;
    client.closed()?;
    let client = context.connect(&expiring(context, &id, 300))?;
    check!(
        client.connack.flags == 0,
        "expiry 0 at CONNECT, 300 at DISCONNECT; expected no session; got {:?}",
        client.connack
    );
    Ok(())
}
