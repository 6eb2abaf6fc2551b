//! Properties of PUBLISH that a server passes on (section 3.3.2.3), version 5.

use std::time::Duration;

use crate::context::Context;
use crate::outcome::{Outcome, check};
use crate::packet::Publish;
use crate::property::{
    CONTENT_TYPE, CORRELATION_DATA, MESSAGE_EXPIRY, PAYLOAD_FORMAT, Properties, RESPONSE_TOPIC,
};

super::tests! {
    the_payload_format_is_passed_on: v311 [] v5 ["3.3.2-4"];
    the_response_topic_is_passed_on: v311 [] v5 ["3.3.2-15"];
    the_correlation_data_is_passed_on: v311 [] v5 ["3.3.2-16"];
    the_content_type_is_passed_on: v311 [] v5 ["3.3.2-20"];
    user_properties_are_passed_on_in_order: v311 [] v5 ["3.3.2-17", "3.3.2-18"];
    properties_are_passed_on_with_retained_and_queued_messages:
        v311 [] v5 ["3.3.2-4", "3.3.2-15", "3.3.2-16", "3.3.2-17", "3.3.2-20"];
    an_ill_formed_response_topic_is_refused: v311 [] v5 ["3.3.2-13"];
    a_response_topic_with_wildcards_is_refused: v311 [] v5 ["3.3.2-14"];
    an_ill_formed_content_type_is_refused: v311 [] v5 ["3.3.2-19"];
    an_expired_message_is_not_delivered: v311 [] v5 ["3.3.2-5"];
    the_message_expiry_is_reduced_by_the_time_waited: v311 [] v5 ["3.3.2-6"];
}

fn arrives_unaltered(context: &Context, properties: &Properties) -> Outcome {
    let topic = context.topic("property");
    let mut subscriber = context.client()?;
    subscriber.subscribe(&topic, 1)?;
    context.client()?.publish(&Publish::new(&topic, "x").qos(1, 1).with(properties.clone()))?;
    let got = subscriber.take_text("x")?.properties;
    check!(sorted(&got) == sorted(properties), "sent properties {properties:?}; got {got:?}");
    Ok(())
}

/// The order between different properties is free, the order of user properties is not.
fn sorted(properties: &Properties) -> Properties {
    let mut all = properties.0.clone();
    all.sort_by_key(|(id, _)| *id);
    Properties(all)
}

fn the_payload_format_is_passed_on(context: &Context) -> Outcome {
    arrives_unaltered(context, &Properties::none().byte(PAYLOAD_FORMAT, 1))
}

fn the_response_topic_is_passed_on(context: &Context) -> Outcome {
    arrives_unaltered(context, &Properties::none().bytes(RESPONSE_TOPIC, "conformance/answer/\u{fc}"))
}

fn the_correlation_data_is_passed_on(context: &Context) -> Outcome {
    arrives_unaltered(context, &Properties::none().bytes(CORRELATION_DATA, [0, 1, 0xff, 0xfe]))
}

fn the_content_type_is_passed_on(context: &Context) -> Outcome {
    arrives_unaltered(context, &Properties::none().bytes(CONTENT_TYPE, "text/plain; charset=utf-8"))
}

fn user_properties_are_passed_on_in_order(context: &Context) -> Outcome {
    let properties =
        Properties::none().user("b", "1").user("a", "2").user("b", "1").user("", "").user("a", "1");
    arrives_unaltered(context, &properties)
}

fn everything() -> Properties {
    Properties::none()
        .byte(PAYLOAD_FORMAT, 1)
        .bytes(CONTENT_TYPE, "text/plain")
        .bytes(RESPONSE_TOPIC, "conformance/answer")
        .bytes(CORRELATION_DATA, [9, 0])
        .user("z", "1")
        .user("a", "2")
}

fn properties_are_passed_on_with_retained_and_queued_messages(context: &Context) -> Outcome {
    let topic = context.retained_topic("property");
    let id = context.kept_id();
    let mut away = context.kept_client(&id)?;
    away.subscribe(&topic, 1)?;
    away.disconnect()?;
    let mut publisher = context.client()?;
    publisher.retain(&topic, "first")?;
    publisher.publish(&Publish::new(&topic, "x").qos(1, 1).with(everything()).retained())?;
    let mut late = context.client()?;
    late.subscribe(&topic, 1)?;
    let mut back = context.kept_client(&id)?;
    back.take_text("first")?;
    for (client, how) in [(&mut late, "retained"), (&mut back, "queued")] {
        let got = client.take_text("x")?.properties;
        check!(sorted(&got) == sorted(&everything()), "{how}: sent {:?}; got {got:?}", everything());
    }
    Ok(())
}

fn refused(context: &Context, properties: Properties) -> Outcome {
    let publish = Publish::new(&context.topic("property"), "x").with(properties);
    context.ends_connection(&publish.bytes(context.version))
}

fn an_ill_formed_response_topic_is_refused(context: &Context) -> Outcome {
    refused(context, Properties::none().bytes(RESPONSE_TOPIC, *b"a\xff"))
}

fn a_response_topic_with_wildcards_is_refused(context: &Context) -> Outcome {
    for topic in ["a/#", "a/+/b"] {
        refused(context, Properties::none().bytes(RESPONSE_TOPIC, topic))?;
    }
    Ok(())
}

fn an_ill_formed_content_type_is_refused(context: &Context) -> Outcome {
    refused(context, Properties::none().bytes(CONTENT_TYPE, *b"a\xff"))
}

fn an_expired_message_is_not_delivered(context: &Context) -> Outcome {
    let topic = context.topic("expiry");
    let id = context.kept_id();
    let mut away = context.kept_client(&id)?;
    away.subscribe(&topic, 1)?;
    away.disconnect()?;
    let mut publisher = context.client()?;
    let short = Properties::none().u32(MESSAGE_EXPIRY, 1);
    publisher.publish(&Publish::new(&topic, "expired").qos(1, 1).with(short))?;
    publisher.say(&topic, "lasting", 1)?;
    publisher.quiet_for(Duration::from_millis(2300))?;
    let mut back = context.kept_client(&id)?;
    back.take_text("lasting")?;
    back.nothing()
}

fn the_message_expiry_is_reduced_by_the_time_waited(context: &Context) -> Outcome {
    let topic = context.topic("expiry");
    let id = context.kept_id();
    let mut away = context.kept_client(&id)?;
    away.subscribe(&topic, 1)?;
    away.disconnect()?;
    let mut publisher = context.client()?;
    let long = Properties::none().u32(MESSAGE_EXPIRY, 100);
    publisher.publish(&Publish::new(&topic, "x").qos(1, 1).with(long))?;
    publisher.quiet_for(Duration::from_millis(2300))?;
    let got = context.kept_client(&id)?.take_text("x")?.properties.number(MESSAGE_EXPIRY);
    check!(
        got.is_some_and(|left| (90..=98).contains(&left)),
        "sent message expiry 100 s, waited 2.3 s; expected 97 or 98 s; got {got:?}"
    );
    Ok(())
}
