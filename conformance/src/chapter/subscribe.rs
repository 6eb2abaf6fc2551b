//! SUBSCRIBE and SUBACK (sections 3.8, 3.9).

use crate::context::Context;
use crate::outcome::{Outcome, check};
use crate::packet::{self, frame};
use crate::property::Properties;

super::tests! {
    subscribe_with_wrong_flags_ends_the_connection: v311 ["3.8.1-1"] v5 ["3.8.1-1"];
    an_ill_formed_filter_is_refused: v311 ["3.8.3-1"] v5 ["3.8.3-1"];
    filters_with_wildcards_are_served_or_refused: v311 ["3.8.3-2"] v5 [];
    a_subscribe_without_filters_is_refused: v311 ["3.8.3-3"] v5 ["3.8.3-2"];
    reserved_bits_in_the_options_are_refused: v311 ["3.8.3-4"] v5 ["3.8.3-5"];
    subscribe_is_answered_with_suback: v311 ["3.8.4-1"] v5 ["3.8.4-1"];
    a_subscription_to_the_same_filter_replaces_the_former: v311 ["3.8.4-3"] v5 ["3.8.4-3"];
    subscribing_again_sends_retained_messages_again: v311 ["3.8.4-3"] v5 ["3.8.4-4"];
    many_filters_are_handled_like_many_subscribes: v311 ["3.8.4-4"] v5 ["3.8.4-5"];
    suback_has_a_code_for_each_filter_in_order:
        v311 ["3.8.4-5", "3.9.3-1", "3.9.3-2"] v5 ["3.8.4-6", "3.8.4-7", "3.9.3-1", "3.9.3-2"];
    a_message_comes_with_the_lower_qos: v311 ["3.8.4-6"] v5 ["3.8.4-8"];
    no_local_keeps_a_clients_own_messages_away: v311 [] v5 ["3.8.3-3"];
    no_local_on_a_shared_subscription_is_refused: v311 [] v5 ["3.8.3-4"];
}

const SUBSCRIBE_REASONS_V5: [u8; 12] =
    [0x00, 0x01, 0x02, 0x80, 0x83, 0x87, 0x8F, 0x91, 0x97, 0x9E, 0xA1, 0xA2];
const SUBSCRIBE_REASONS_V311: [u8; 4] = [0x00, 0x01, 0x02, 0x80];

fn subscribe_with_wrong_flags_ends_the_connection(context: &Context) -> Outcome {
    for first in [0x80, 0x81, 0x83, 0x8A] {
        let filter = context.topic("flags");
        let mut bytes = packet::subscribe(context.version, 1, &[(filter.as_bytes(), 0)], &Properties::none());
        bytes[0] = first;
        context.ends_connection(&bytes)?;
    }
    Ok(())
}

fn an_ill_formed_filter_is_refused(context: &Context) -> Outcome {
    for filter in [&b"a/\xff"[..], b"a/\xed\xa0\x80"] {
        context.ends_connection(&packet::subscribe(
            context.version,
            1,
            &[(filter, 0)],
            &Properties::none(),
        ))?;
    }
    Ok(())
}

fn filters_with_wildcards_are_served_or_refused(context: &Context) -> Outcome {
    let root = context.topic("wild");
    let mut client = context.client()?;
    for filter in [format!("{root}/#"), format!("{root}/+")] {
        let suback = client.subscribe_raw(&[(&filter, 0)], &Properties::none())?;
        if suback.codes == [0x80] {
            continue;
        }
        client.say(&format!("{root}/a"), "x", 1)?;
        client.take_text("x")?;
        client.unsubscribe(&[&filter])?;
    }
    Ok(())
}

fn a_subscribe_without_filters_is_refused(context: &Context) -> Outcome {
    context.ends_connection(&packet::subscribe(context.version, 1, &[], &Properties::none()))?;
    let cut_off: &[u8] = if context.v5() { &[0, 1, 0, 0, 1, b'a'] } else { &[0, 1, 0, 1, b'a'] };
    context.ends_connection(&frame(0x82, cut_off))
}

fn reserved_bits_in_the_options_are_refused(context: &Context) -> Outcome {
    let filter = context.topic("options");
    let wrong: &[u8] =
        if context.v5() { &[0x40, 0x80, 0xC0, 0x03, 0x30] } else { &[0x03, 0x04, 0x10, 0x80, 0xFC] };
    for options in wrong {
        let filters = [(filter.as_bytes(), *options)];
        context.ends_connection(&packet::subscribe(context.version, 1, &filters, &Properties::none()))?;
    }
    Ok(())
}

fn subscribe_is_answered_with_suback(context: &Context) -> Outcome {
    let mut client = context.client()?;
    for _ in 0..3 {
        client.subscribe(&context.topic("answer"), 1)?;
    }
    client.nothing()
}

fn a_subscription_to_the_same_filter_replaces_the_former(context: &Context) -> Outcome {
    let topic = context.topic("replace");
    let mut client = context.client()?;
    let mut publisher = context.client()?;
    for qos in [2, 0, 1] {
        let granted = client.subscribe(&topic, qos)?;
        publisher.say(&topic, "x", 2)?;
        let got = client.take_text("x")?;
        check!(got.qos == granted, "expected the QoS {granted} of the new subscription; got {got:?}");
        // One copy only: the former subscription is gone.
        client.nothing()?;
    }
    Ok(())
}

fn subscribing_again_sends_retained_messages_again(context: &Context) -> Outcome {
    let topic = context.retained_topic("replace");
    let mut publisher = context.client()?;
    publisher.retain(&topic, "kept")?;
    let mut client = context.client()?;
    for qos in [0, 1, 1] {
        client.subscribe(&topic, qos)?;
        let got = client.take_text("kept")?;
        check!(got.retain, "expected the retained message again; got {got:?}");
    }
    publisher.say(&topic, "live", 1)?;
    client.take_text("live").map(drop)
}

fn many_filters_are_handled_like_many_subscribes(context: &Context) -> Outcome {
    let topics: Vec<String> = (0..4).map(|_| context.topic("many")).collect();
    let mut client = context.client()?;
    let filters: Vec<(&str, u8)> = topics.iter().map(|t| (t.as_str(), 1)).collect();
    let suback = client.subscribe_raw(&filters, &Properties::none())?;
    check!(suback.codes == [1; 4], "expected one SUBACK with four codes; got {suback:?}");
    client.nothing()?;
    let mut publisher = context.client()?;
    for topic in &topics {
        publisher.say(topic, topic, 1)?;
        client.take_text(topic)?;
    }
    Ok(())
}

fn suback_has_a_code_for_each_filter_in_order(context: &Context) -> Outcome {
    let root = context.topic("codes");
    let names: Vec<String> = (0..6).map(|n| format!("{root}/{n}")).collect();
    let wanted = [2, 0, 1, 1, 0, 2];
    let filters: Vec<(&str, u8)> = names.iter().map(String::as_str).zip(wanted).collect();
    let mut client = context.client()?;
    let suback = client.subscribe_raw(&filters, &Properties::none())?;
    let listed: &[u8] = if context.v5() { &SUBSCRIBE_REASONS_V5 } else { &SUBSCRIBE_REASONS_V311 };
    check!(suback.codes.iter().all(|c| listed.contains(c)), "expected listed codes; got {suback:?}");
    check!(suback.codes.len() == 6, "sent 6 filters; got {suback:?}");
    let in_order = suback.codes.iter().zip(wanted).all(|(code, asked)| *code <= asked || *code >= 0x80);
    check!(in_order && suback.codes != [0; 6], "asked for {wanted:?}; got {suback:?}");
    // What is granted must be what is delivered, filter by filter.
    let mut publisher = context.client()?;
    for (name, granted) in names.iter().zip(&suback.codes) {
        publisher.say(name, "x", 2)?;
        let got = client.take_text("x")?;
        check!(got.qos == *granted, "granted {granted} for {name}; got {got:?}");
    }
    Ok(())
}

fn a_message_comes_with_the_lower_qos(context: &Context) -> Outcome {
    let mut client = context.client()?;
    let mut publisher = context.client()?;
    for asked in 0..3 {
        let topic = context.topic("lower");
        let granted = client.subscribe(&topic, asked)?;
        check!(granted <= asked, "asked for QoS {asked}; granted {granted}");
        for sent in 0..3 {
            publisher.say(&topic, "x", sent)?;
            let got = client.take_text("x")?;
            check!(got.qos == sent.min(granted), "sent QoS {sent}, granted {granted}; got {got:?}");
        }
    }
    Ok(())
}

fn no_local_keeps_a_clients_own_messages_away(context: &Context) -> Outcome {
    let topic = context.topic("local");
    let mut client = context.client()?;
    client.subscribe(&topic, 0x04 | 1)?;
    client.say(&topic, "my own", 1)?;
    context.client()?.say(&topic, "another's", 1)?;
    client.take_text("another's")?;
    client.nothing()
}

fn no_local_on_a_shared_subscription_is_refused(context: &Context) -> Outcome {
    let filter = format!("$share/group/{}", context.topic("local"));
    let filters = [(filter.as_bytes(), 0x04)];
    context.ends_connection(&packet::subscribe(context.version, 1, &filters, &Properties::none()))
}
