//! Topic names and topic filters (section 4.7).

use crate::client::{Client, Event};
use crate::context::Context;
use crate::outcome::{Outcome, check};
use crate::packet::{self, Publish};
use crate::property::Properties;
use crate::received::Packet;

super::tests! {
    a_multi_level_wildcard_in_the_wrong_place_is_refused: v311 ["4.7.1-2"] v5 ["4.7.1-1"];
    a_single_level_wildcard_in_the_wrong_place_is_refused: v311 ["4.7.1-3"] v5 ["4.7.1-2"];
    a_multi_level_wildcard_matches_the_parent_and_every_level_below: v311 ["4.7.1-2"] v5 ["4.7.1-1"];
    a_single_level_wildcard_matches_exactly_one_level: v311 ["4.7.1-3"] v5 ["4.7.1-2"];
    a_leading_wildcard_does_not_match_a_dollar_topic: v311 ["4.7.2-1"] v5 ["4.7.2-1"];
    an_empty_topic_is_refused: v311 ["4.7.3-1"] v5 ["4.7.3-1"];
    a_null_character_in_a_topic_is_refused: v311 ["4.7.3-2"] v5 ["4.7.3-2"];
    names_are_compared_without_normalisation: v311 ["4.7.3-4"] v5 ["4.7.3-4"];
}

/// A filter a server must not take: it refuses it in SUBACK or ends the connection.
fn not_granted(context: &Context, filter: &str) -> Outcome {
    let mut client = context.client()?;
    client.send(&packet::subscribe(context.version, 1, &[(filter.as_bytes(), 0)], &Properties::none()))?;
    match client.event()? {
        Event::Closed => Ok(()),
        Event::Packet(Packet::Disconnect(_)) => client.closed(),
        Event::Packet(Packet::Codes(suback)) if suback.codes.iter().all(|c| *c >= 0x80) => Ok(()),
        other => client.wrong(&format!("the filter {filter:?} to be refused"), &format!("{other:?}")),
    }
}

fn a_multi_level_wildcard_in_the_wrong_place_is_refused(context: &Context) -> Outcome {
    for filter in ["conformance/#/x", "#/x", "conformance#", "conformance/a#", "##", "conformance/#/"] {
        not_granted(context, filter)?;
    }
    Ok(())
}

fn a_single_level_wildcard_in_the_wrong_place_is_refused(context: &Context) -> Outcome {
    for filter in ["conformance/a+", "conformance+", "+a", "conformance/++", "conformance/+a/b"] {
        not_granted(context, filter)?;
    }
    Ok(())
}

/// Publishes to every name and expects exactly those in `matching` to come.
fn matches(context: &Context, filter: &str, names: &[String], matching: &[String]) -> Outcome {
    let mut client = context.client()?;
    client.subscribe(filter, 1)?;
    let mut publisher = context.client()?;
    for name in names {
        publisher.say(name, name, 1)?;
    }
    for name in matching {
        client.take_text(name)?;
    }
    client.nothing()
}

fn a_multi_level_wildcard_matches_the_parent_and_every_level_below(context: &Context) -> Outcome {
    let root = context.topic("tree");
    let names = ["", "/", "/a", "/a/b", "/a/b/c", "//", "x", "x/a"].map(|n| format!("{root}{n}"));
    matches(context, &format!("{root}/#"), &names, &names[..6])
}

fn a_single_level_wildcard_matches_exactly_one_level(context: &Context) -> Outcome {
    let root = context.topic("tree");
    let names = ["", "/", "/a", "/b", "/a/b", "/a/", "x"].map(|n| format!("{root}{n}"));
    matches(context, &format!("{root}/+"), &names, &names[1..4])?;
    let names = ["/a/x", "//x", "/x", "/a/b/x", "/a/x/"].map(|n| format!("{root}{n}"));
    matches(context, &format!("{root}/+/x"), &names, &names[..2])
}

fn a_leading_wildcard_does_not_match_a_dollar_topic(context: &Context) -> Outcome {
    let topic = format!("$conformance/{}", context.topic("dollar"));
    let levels = topic.matches('/').count();
    let deep = format!("+{}", "/+".repeat(levels));
    // Other clients publish all the time, so the wildcard subscribers look only for what begins with a dollar.
    let mut subscribers = Vec::new();
    for filter in ["#", "+/#", deep.as_str()] {
        let mut client = context.client()?;
        client.subscribe(filter, 0)?;
        subscribers.push(client);
    }
    let mut exact = context.client()?;
    let suback = exact.subscribe_raw(&[(&topic, 1)], &Properties::none())?;
    let mut publisher = context.client()?;
    publisher.send(&Publish::new(&topic, "x").qos(1, 9).bytes(context.version))?;
    if !matches!(publisher.event()?, Event::Packet(Packet::Ack(_))) {
        crate::outcome::not_applicable!("the server does not take messages on $ topics");
    }
    if suback.codes == [1] {
        exact.take_text("x")?;
    }
    let sentinel = context.topic("sentinel");
    publisher.say(&sentinel, "sentinel", 1)?;
    let deep_too = format!("{sentinel}{}", "/x".repeat(levels.saturating_sub(sentinel.matches('/').count())));
    publisher.say(&deep_too, "sentinel", 1)?;
    for client in &mut subscribers {
        no_dollar_until(client, &[&sentinel, &deep_too])?;
    }
    Ok(())
}

fn no_dollar_until(client: &mut Client, sentinels: &[&str]) -> Outcome {
    loop {
        let got = client.take()?.topic_text();
        check!(!got.starts_with('$'), "a filter that begins with a wildcard matched {got:?}");
        if sentinels.contains(&got.as_str()) {
            return Ok(());
        }
    }
}

fn an_empty_topic_is_refused(context: &Context) -> Outcome {
    context.ends_connection(&Publish::new("", "x").bytes(context.version))?;
    not_granted(context, "")?;
    context.ends_connection(&packet::unsubscribe(context.version, 1, &[b""]))
}

fn a_null_character_in_a_topic_is_refused(context: &Context) -> Outcome {
    context.ends_connection(&Publish::new("a\0", "x").bytes(context.version))?;
    not_granted(context, "a/\0/b")?;
    context.ends_connection(&packet::unsubscribe(context.version, 1, &[b"a\0"]))
}

fn names_are_compared_without_normalisation(context: &Context) -> Outcome {
    let root = context.topic("Name");
    // Case, empty levels, white space, and one letter in its two Unicode forms.
    let names = ["/a", "/A", "//a", "/a/", "/ a", "/a ", "/\u{e9}", "/e\u{301}", "/./a"]
        .map(|n| format!("{root}{n}"));
    for name in &names {
        matches(context, name, &names, std::slice::from_ref(name))?;
    }
    Ok(())
}
