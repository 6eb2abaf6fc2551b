//! Will messages (sections 3.1.2.5 to 3.1.2.7, 3.1.3.2).

use std::time::{Duration, Instant};

use crate::client::Client;
use crate::context::Context;
use crate::outcome::{Outcome, check, fail};
use crate::packet::{Connect, Publish, Will};
use crate::property::{Properties, SESSION_EXPIRY, WILL_DELAY};
use crate::received::Packet;

super::tests! {
    a_will_is_published_when_the_connection_breaks: v311 ["3.1.2-8"] v5 ["3.1.2-7", "3.1.2-8"];
    a_will_is_published_when_the_client_breaks_a_rule: v311 ["3.1.2-8"] v5 ["3.1.2-8"];
    a_will_is_discarded_by_a_normal_disconnect: v311 ["3.1.2-10", "3.14.4-3"] v5 ["3.1.2-10", "3.14.4-3"];
    a_will_is_published_only_once: v311 ["3.1.2-10"] v5 ["3.1.2-10"];
    a_will_has_the_topic_payload_and_qos_of_connect: v311 ["3.1.2-9"] v5 ["3.1.2-9"];
    a_will_flag_without_will_fields_is_refused: v311 ["3.1.2-9"] v5 ["3.1.2-9"];
    will_fields_without_will_flag_are_refused: v311 ["3.1.2-11"] v5 ["3.1.4-1"];
    a_will_qos_without_will_flag_is_refused: v311 ["3.1.2-11", "3.1.2-13"] v5 ["3.1.2-11"];
    a_will_retain_without_will_flag_is_refused: v311 ["3.1.2-11", "3.1.2-15"] v5 ["3.1.2-13"];
    a_will_qos_of_three_is_refused: v311 ["3.1.2-14"] v5 ["3.1.2-12"];
    without_a_will_nothing_is_published: v311 ["3.1.2-12"] v5 [];
    a_will_without_retain_is_not_retained: v311 ["3.1.2-16"] v5 ["3.1.2-14"];
    a_will_with_retain_is_retained: v311 ["3.1.2-17"] v5 ["3.1.2-15"];
    an_ill_formed_will_topic_is_refused: v311 ["3.1.3-10"] v5 ["3.1.3-11"];
    a_will_waits_for_its_delay: v311 [] v5 ["3.1.2-8"];
    a_will_does_not_wait_beyond_the_end_of_the_session: v311 [] v5 ["3.1.2-8"];
    a_new_connection_within_the_will_delay_cancels_the_will: v311 [] v5 ["3.1.3-9"];
    user_properties_of_a_will_keep_their_order: v311 [] v5 ["3.1.3-10"];
    a_disconnect_with_will_publishes_the_will: v311 [] v5 ["3.1.2-8"];
}

fn will(topic: &str, payload: &str) -> Will {
    Will { topic: topic.into(), payload: payload.into(), ..Will::default() }
}

fn connect(context: &Context, will: Will) -> Outcome<Client> {
    context.connect(&Connect::new(context.version, &context.id()).with_will(will))
}

fn watcher(context: &Context, topic: &str) -> Outcome<Client> {
    let mut watcher = context.client()?;
    watcher.subscribe(topic, 2)?;
    Ok(watcher)
}

/// Proves that no message came by a sentinel on the same topic.
fn only_the_sentinel(context: &Context, watcher: &mut Client, topic: &str) -> Outcome {
    context.client()?.say(topic, "sentinel", 1)?;
    watcher.take_text("sentinel")?;
    watcher.nothing()
}

fn a_will_is_published_when_the_connection_breaks(context: &Context) -> Outcome {
    let topic = context.topic("will");
    let mut watcher = watcher(context, &topic)?;
    let client = connect(context, will(&topic, "gone"))?;
    watcher.nothing()?;
    client.cut()?;
    watcher.take_text("gone").map(drop)
}

fn a_will_is_published_when_the_client_breaks_a_rule(context: &Context) -> Outcome {
    let topic = context.topic("will");
    let mut watcher = watcher(context, &topic)?;
    let mut client = connect(context, will(&topic, "gone"))?;
    client.send(&[0x00, 0x00])?;
    client.closed()?;
    watcher.take_text("gone").map(drop)
}

fn a_will_is_discarded_by_a_normal_disconnect(context: &Context) -> Outcome {
    let topic = context.topic("will");
    let mut watcher = watcher(context, &topic)?;
    connect(context, will(&topic, "gone"))?.disconnect()?;
    only_the_sentinel(context, &mut watcher, &topic)
}

fn a_will_is_published_only_once(context: &Context) -> Outcome {
    let topic = context.topic("will");
    let mut watcher = watcher(context, &topic)?;
    let id = context.kept_id();
    context.connect(&Connect::kept(context.version, &id).with_will(will(&topic, "gone")))?.cut()?;
    watcher.take_text("gone")?;
    context.kept_client(&id)?.cut()?;
    only_the_sentinel(context, &mut watcher, &topic)
}

fn a_will_has_the_topic_payload_and_qos_of_connect(context: &Context) -> Outcome {
    let topic = context.topic("will");
    let mut watcher = watcher(context, &topic)?;
    for qos in 0..3 {
        let payload = format!("gone {qos}");
        connect(context, Will { qos, ..will(&topic, &payload) })?.cut()?;
        let got = watcher.take_text(&payload)?;
        check!(
            got.qos == qos && got.topic_text() == topic,
            "sent a will of QoS {qos} on {topic}; got {got:?}"
        );
    }
    connect(context, will(&topic, ""))?.cut()?;
    watcher.take_text("").map(drop)
}

fn a_will_flag_without_will_fields_is_refused(context: &Context) -> Outcome {
    let bare = Connect { flags: Some(0x06), ..Connect::new(context.version, &context.id()) };
    context.refused(&bare)?;
    let mut tail = if context.v5() { vec![0] } else { Vec::new() };
    crate::packet::string(&mut tail, b"conformance/topic/only");
    context.refused(&Connect { tail, ..bare }).map(drop)
}

fn will_fields_without_will_flag_are_refused(context: &Context) -> Outcome {
    let topic = context.topic("will");
    let connect = Connect::new(context.version, &context.id()).with_will(will(&topic, "x"));
    context.refused(&Connect { flags: Some(0x02), ..connect }).map(drop)
}

fn refused_flags(context: &Context, flags: u8) -> Outcome {
    let connect = Connect { flags: Some(flags), ..Connect::new(context.version, &context.id()) };
    context.refused(&connect).map(drop)
}

fn a_will_qos_without_will_flag_is_refused(context: &Context) -> Outcome {
    refused_flags(context, 0x0A)?;
    refused_flags(context, 0x12)
}

fn a_will_retain_without_will_flag_is_refused(context: &Context) -> Outcome {
    refused_flags(context, 0x22)
}

fn a_will_qos_of_three_is_refused(context: &Context) -> Outcome {
    let wrong = Will { qos: 3, ..will(&context.topic("will"), "x") };
    context.refused(&Connect::new(context.version, &context.id()).with_will(wrong)).map(drop)
}

fn without_a_will_nothing_is_published(context: &Context) -> Outcome {
    let topic = context.topic("will");
    let mut watcher = watcher(context, &topic)?;
    let id = context.id();
    context.connect(&Connect::new(context.version, &id).with_will(will(&topic, "old")))?.disconnect()?;
    context.connect(&Connect::new(context.version, &id))?.cut()?;
    only_the_sentinel(context, &mut watcher, &topic)
}

fn a_will_without_retain_is_not_retained(context: &Context) -> Outcome {
    let topic = context.topic("will");
    let mut watcher = watcher(context, &topic)?;
    connect(context, will(&topic, "gone"))?.cut()?;
    let got = watcher.take_text("gone")?;
    check!(!got.retain, "expected RETAIN 0 on a live message; got {got:?}");
    match late_copy(context, &topic)? {
        None => Ok(()),
        Some(got) => fail!("sent a will without will retain; a later subscriber got {got:?}"),
    }
}

/// What a subscriber is sent who comes after the will was published. Nobody acknowledges a will, so it may still be on its
/// way to where this subscriber is served: such a live copy, with RETAIN 0, does not count and another one is asked.
fn late_copy(context: &Context, topic: &str) -> Outcome<Option<Publish>> {
    for _ in 0..20 {
        let mut late = context.client()?;
        late.subscribe(topic, 0)?;
        match late.barrier()?.pop() {
            Some(Packet::Publish(publish)) if !publish.retain => {}
            Some(Packet::Publish(publish)) => return Ok(Some(publish)),
            Some(other) => return late.wrong("PUBLISH", &format!("{other:?}")),
            None => return Ok(None),
        }
    }
    fail!("20 subscribers one after the other got the will with RETAIN 0")
}

fn a_will_with_retain_is_retained(context: &Context) -> Outcome {
    let topic = context.retained_topic("will");
    let mut watcher = watcher(context, &topic)?;
    connect(context, Will { retain: true, ..will(&topic, "gone") })?.cut()?;
    watcher.take_text("gone")?;
    match late_copy(context, &topic)? {
        Some(got) if got.text() == "gone" => Ok(()),
        got => fail!("sent a will with will retain; a later subscriber got {got:?}"),
    }
}

fn an_ill_formed_will_topic_is_refused(context: &Context) -> Outcome {
    for topic in [&b"a\xff"[..], b"a\xed\xa0\x80"] {
        let wrong = Will { topic: topic.to_vec(), ..will("", "x") };
        context.refused(&Connect::new(context.version, &context.id()).with_will(wrong))?;
    }
    Ok(())
}

fn delayed(context: &Context, id: &str, topic: &str, delay: u32, expiry: u32) -> Outcome<Client> {
    let will = Will { properties: Properties::none().u32(WILL_DELAY, delay), ..will(topic, "gone") };
    let properties = Properties::none().u32(SESSION_EXPIRY, expiry);
    context.connect(
        &Connect { clean: false, ..Connect::new(context.version, id) }.with(properties).with_will(will),
    )
}

fn a_will_waits_for_its_delay(context: &Context) -> Outcome {
    let topic = context.topic("will");
    let mut watcher = watcher(context, &topic)?;
    let client = delayed(context, &context.kept_id(), &topic, 2, 60)?;
    let start = Instant::now();
    client.cut()?;
    watcher.take_text("gone")?;
    let waited = start.elapsed();
    check!(waited >= Duration::from_millis(1900), "will delay 2 s: the will came after {waited:?}");
    Ok(())
}

fn a_will_does_not_wait_beyond_the_end_of_the_session(context: &Context) -> Outcome {
    let topic = context.topic("will");
    let mut watcher = watcher(context, &topic)?;
    delayed(context, &context.id(), &topic, 60, 1)?.cut()?;
    watcher.take_text("gone").map(drop)
}

fn a_new_connection_within_the_will_delay_cancels_the_will(context: &Context) -> Outcome {
    let topic = context.topic("will");
    let mut watcher = watcher(context, &topic)?;
    let id = context.kept_id();
    delayed(context, &id, &topic, 1, 60)?.cut()?;
    let _back = context.kept_client(&id)?;
    watcher.quiet_for(Duration::from_millis(2500))?;
    only_the_sentinel(context, &mut watcher, &topic)
}

fn user_properties_of_a_will_keep_their_order(context: &Context) -> Outcome {
    let topic = context.topic("will");
    let mut watcher = watcher(context, &topic)?;
    let properties = Properties::none().user("b", "1").user("a", "2").user("b", "3").user("a", "2");
    let wanted = properties.users();
    connect(context, Will { properties, ..will(&topic, "gone") })?.cut()?;
    let got = watcher.take_text("gone")?.properties.users();
    check!(got == wanted, "sent user properties {wanted:?}; got {got:?}");
    Ok(())
}

fn a_disconnect_with_will_publishes_the_will(context: &Context) -> Outcome {
    let topic = context.topic("will");
    let mut watcher = watcher(context, &topic)?;
    connect(context, will(&topic, "gone"))?.disconnect_with(0x04, &Properties::none())?;
    watcher.take_text("gone").map(drop)
}
