//! Topic aliases (section 3.3.2.3.4), version 5.

use std::collections::HashMap;

use crate::client::Client;
use crate::context::Context;
use crate::outcome::{Outcome, check, not_applicable};
use crate::packet::Publish;
use crate::property::{Properties, TOPIC_ALIAS, TOPIC_ALIAS_MAXIMUM};

super::tests! {
    no_topic_alias_comes_unasked: v311 [] v5 ["3.1.2-27"];
    topic_aliases_stay_within_the_clients_maximum: v311 [] v5 ["3.1.2-26", "3.3.2-11"];
    every_topic_alias_up_to_the_servers_maximum_is_accepted: v311 [] v5 ["3.3.2-12"];
    a_topic_alias_can_be_given_to_another_topic: v311 [] v5 ["3.3.2-12"];
    topic_aliases_end_with_the_connection: v311 [] v5 ["3.3.2-7"];
    a_topic_alias_of_zero_is_refused: v311 [] v5 ["3.3.2-8"];
    a_topic_alias_over_the_servers_maximum_is_refused: v311 [] v5 ["3.2.2-17", "3.3.2-9"];
}

fn alias(value: u16) -> Properties {
    Properties::none().u16(TOPIC_ALIAS, value)
}

/// The server's maximum; a test that needs one is not applicable without.
fn maximum(client: &Client) -> Outcome<u16> {
    match client.connack.properties.number(TOPIC_ALIAS_MAXIMUM).and_then(|n| u16::try_from(n).ok()) {
        Some(maximum) if maximum > 0 => Ok(maximum),
        _ => not_applicable!("the server accepts no topic aliases"),
    }
}

fn no_topic_alias_comes_unasked(context: &Context) -> Outcome {
    let topic = context.topic("alias");
    let mut subscribers =
        [context.client()?, context.client_with(Properties::none().u16(TOPIC_ALIAS_MAXIMUM, 0))?];
    let mut publisher = context.client()?;
    for subscriber in &mut subscribers {
        subscriber.subscribe(&topic, 0)?;
    }
    for n in 0..4 {
        publisher.say(&topic, &n.to_string(), 1)?;
        for subscriber in &mut subscribers {
            let got = subscriber.take_text(&n.to_string())?;
            check!(got.properties.get(TOPIC_ALIAS).is_none(), "no topic alias was allowed; got {got:?}");
        }
    }
    Ok(())
}

fn topic_aliases_stay_within_the_clients_maximum(context: &Context) -> Outcome {
    let root = context.topic("alias");
    let mut subscriber = context.client_with(Properties::none().u16(TOPIC_ALIAS_MAXIMUM, 2))?;
    subscriber.subscribe(&format!("{root}/#"), 0)?;
    let mut publisher = context.client()?;
    let mut known: HashMap<u32, Vec<u8>> = HashMap::new();
    for n in 0..15 {
        let topic = format!("{root}/{}", n % 5);
        publisher.say(&topic, "x", 1)?;
        let got = subscriber.take_text("x")?;
        let name = match got.properties.number(TOPIC_ALIAS) {
            None => got.topic,
            Some(alias) => {
                check!((1..=2).contains(&alias), "topic alias maximum 2; got alias {alias}");
                if !got.topic.is_empty() {
                    known.insert(alias, got.topic);
                }
                known.get(&alias).cloned().unwrap_or_default()
            }
        };
        check!(name == topic.as_bytes(), "expected topic {topic}; got {:?}", String::from_utf8_lossy(&name));
    }
    Ok(())
}

fn every_topic_alias_up_to_the_servers_maximum_is_accepted(context: &Context) -> Outcome {
    let mut publisher = context.client()?;
    let maximum = maximum(&publisher)?;
    let root = context.topic("alias");
    let mut subscriber = context.client()?;
    subscriber.subscribe(&format!("{root}/#"), 1)?;
    let mut values = vec![1, maximum];
    values.dedup();
    for value in &values {
        publisher.publish(&Publish::new(&format!("{root}/{value}"), "long").qos(1, 1).with(alias(*value)))?;
        subscriber.take_text("long")?;
    }
    for value in &values {
        publisher.publish(&Publish::new("", "short").qos(1, 1).with(alias(*value)))?;
        let got = subscriber.take_text("short")?;
        let wanted = format!("{root}/{value}");
        check!(got.topic_text() == wanted, "sent alias {value} of {wanted}; got {got:?}");
        check!(
            got.properties.get(TOPIC_ALIAS).is_none(),
            "the publisher's alias must not be passed on; got {got:?}"
        );
    }
    Ok(())
}

fn a_topic_alias_can_be_given_to_another_topic(context: &Context) -> Outcome {
    let mut publisher = context.client()?;
    maximum(&publisher)?;
    let root = context.topic("alias");
    let mut subscriber = context.client()?;
    subscriber.subscribe(&format!("{root}/#"), 1)?;
    for name in ["a", "b"] {
        let topic = format!("{root}/{name}");
        publisher.publish(&Publish::new(&topic, "long").qos(1, 1).with(alias(1)))?;
        publisher.publish(&Publish::new("", "short").qos(1, 1).with(alias(1)))?;
        for payload in ["long", "short"] {
            let got = subscriber.take_text(payload)?;
            check!(got.topic_text() == topic, "expected topic {topic}; got {got:?}");
        }
    }
    Ok(())
}

fn topic_aliases_end_with_the_connection(context: &Context) -> Outcome {
    let id = context.kept_id();
    let mut publisher = context.kept_client(&id)?;
    maximum(&publisher)?;
    publisher.publish(&Publish::new(&context.topic("alias"), "x").qos(1, 1).with(alias(1)))?;
    publisher.disconnect()?;
    let mut again = context.kept_client(&id)?;
    again.send(&Publish::new("", "x").with(alias(1)).bytes(context.version))?;
    again.closed()
}

fn a_topic_alias_of_zero_is_refused(context: &Context) -> Outcome {
    context.ends_connection(&Publish::new(&context.topic("alias"), "x").with(alias(0)).bytes(context.version))
}

fn a_topic_alias_over_the_servers_maximum_is_refused(context: &Context) -> Outcome {
    let mut client = context.client()?;
    let maximum = client.connack.properties.number(TOPIC_ALIAS_MAXIMUM).unwrap_or(0);
    let Some(over) = u16::try_from(maximum).ok().and_then(|n| n.checked_add(1)) else {
        not_applicable!("the server accepts every topic alias");
    };
    client.send(&Publish::new(&context.topic("alias"), "x").with(alias(over)).bytes(context.version))?;
    client.closed()
}
