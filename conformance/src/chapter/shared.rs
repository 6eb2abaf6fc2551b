//! Shared subscriptions (section 4.8.2), version 5.

use std::time::{Duration, Instant};

use crate::client::{Client, Event};
use crate::context::Context;
use crate::outcome::{Outcome, check, not_applicable};
use crate::packet::{self, PUBACK, PUBREC, Publish};
use crate::property::{Properties, SHARED_AVAILABLE};
use crate::received::Packet;

super::tests! {
    a_message_goes_to_one_member_of_a_share: v311 [] v5 ["4.8.2-1"];
    a_share_name_must_be_there: v311 [] v5 ["4.8.2-1"];
    a_share_name_has_no_wildcards_and_a_filter_behind_it: v311 [] v5 ["4.8.2-2"];
    a_share_respects_the_granted_qos: v311 [] v5 ["4.8.2-3"];
    a_qos_2_message_is_completed_with_the_member_it_went_to: v311 [] v5 ["4.8.2-4"];
    a_qos_2_message_does_not_move_when_the_members_session_ends: v311 [] v5 ["4.8.2-5"];
    a_message_refused_by_a_member_is_discarded: v311 [] v5 ["4.8.2-6"];
}

fn offered(client: &Client) -> Outcome {
    if client.connack.properties.number(SHARED_AVAILABLE) == Some(0) {
        not_applicable!("the server says that it offers no shared subscriptions");
    }
    Ok(())
}

fn share(topic: &str) -> String {
    format!("$share/group/{topic}")
}

fn a_message_goes_to_one_member_of_a_share(context: &Context) -> Outcome {
    let topic = context.topic("share");
    let mut members = [context.client()?, context.client()?];
    offered(&members[0])?;
    for member in &mut members {
        member.subscribe(&share(&topic), 1)?;
    }
    let mut publisher = context.client()?;
    for n in 0..10 {
        publisher.say(&topic, &n.to_string(), 1)?;
    }
    let mut came: Vec<String> =
        gather(&mut members, 10)?.into_iter().map(|(_, publish)| publish.text()).collect();
    came.sort();
    let wanted: Vec<String> = (0..10).map(|n| n.to_string()).collect();
    check!(came == wanted, "10 messages to a share of two; expected each once; got {came:?}");
    Ok(())
}

/// Waits until `wanted` messages came to the members, then proves with PINGREQ that these were all.
fn gather(members: &mut [Client], wanted: usize) -> Outcome<Vec<(usize, Publish)>> {
    let mut came = Vec::new();
    let deadline = Instant::now() + Duration::from_secs(5);
    while came.len() < wanted && Instant::now() < deadline {
        for (at, member) in members.iter_mut().enumerate() {
            if let Some(Event::Packet(Packet::Publish(publish))) =
                member.event_within(Duration::from_millis(20))?
            {
                came.push((at, publish));
            }
        }
    }
    for (at, member) in members.iter_mut().enumerate() {
        for packet in member.barrier()? {
            match packet {
                Packet::Publish(publish) => came.push((at, publish)),
                other => return member.wrong("messages only", &format!("{other:?}")),
            }
        }
    }
    Ok(came)
}

fn refused(context: &Context, filter: &str) -> Outcome {
    let mut client = context.client()?;
    offered(&client)?;
    client.send(&packet::subscribe(context.version, 1, &[(filter.as_bytes(), 0)], &Properties::none()))?;
    match client.event()? {
        Event::Closed => Ok(()),
        Event::Packet(Packet::Disconnect(_)) => client.closed(),
        Event::Packet(Packet::Codes(suback)) if suback.codes.iter().all(|c| *c >= 0x80) => Ok(()),
        other => client.wrong(&format!("the filter {filter:?} to be refused"), &format!("{other:?}")),
    }
}

fn a_share_name_must_be_there(context: &Context) -> Outcome {
    refused(context, "$share//conformance")?;
    refused(context, "$share/")
}

fn a_share_name_has_no_wildcards_and_a_filter_behind_it(context: &Context) -> Outcome {
    for filter in [
        "$share/a+b/conformance",
        "$share/a#/conformance",
        "$share/+/conformance",
        "$share/group",
        "$share/group/",
    ] {
        refused(context, filter)?;
    }
    Ok(())
}

fn a_share_respects_the_granted_qos(context: &Context) -> Outcome {
    let topic = context.topic("share");
    let mut member = context.client()?;
    offered(&member)?;
    let mut publisher = context.client()?;
    for asked in 0..3 {
        let granted = member.subscribe(&share(&topic), asked)?;
        for sent in 0..3 {
            publisher.say(&topic, "x", sent)?;
            let got = member.take_text("x")?;
            check!(got.qos == sent.min(granted), "sent QoS {sent}, granted {granted}; got {got:?}");
        }
    }
    Ok(())
}

/// Two members of which the first was just sent the QoS 2 message "two" and has not acknowledged it.
fn member_with_an_open_message(context: &Context, first_id: &str) -> Outcome<(Client, Client, String)> {
    let topic = context.topic("share");
    let mut first = context.kept_client(first_id)?;
    offered(&first)?;
    first.subscribe(&share(&topic), 2)?;
    context.client()?.say(&topic, "two", 2)?;
    let got = first.delivery()?;
    check!(got.text() == "two", "expected the message at the only member; got {got:?}");
    let mut second = context.client()?;
    second.subscribe(&share(&topic), 2)?;
    Ok((first, second, topic))
}

fn a_qos_2_message_is_completed_with_the_member_it_went_to(context: &Context) -> Outcome {
    let id = context.kept_id();
    let (first, mut second, _) = member_with_an_open_message(context, &id)?;
    first.cut()?;
    second.nothing()?;
    let mut first = context.kept_client(&id)?;
    let again = first.take_text("two")?;
    check!(again.dup, "expected the message again with DUP 1; got {again:?}");
    second.nothing()
}

fn a_qos_2_message_does_not_move_when_the_members_session_ends(context: &Context) -> Outcome {
    let id = context.kept_id();
    let (first, mut second, topic) = member_with_an_open_message(context, &id)?;
    first.cut()?;
    // A clean start ends the session of the first member.
    context.connect(&packet::Connect::new(context.version, &id))?.disconnect()?;
    context.client()?.say(&topic, "sentinel", 2)?;
    second.take_text("sentinel")?;
    second.nothing()
}

fn a_message_refused_by_a_member_is_discarded(context: &Context) -> Outcome {
    let topic = context.topic("share");
    let mut members = [context.client()?, context.client()?];
    offered(&members[0])?;
    let mut publisher = context.client()?;
    for member in &mut members {
        member.subscribe(&share(&topic), 2)?;
    }
    for (qos, first) in [(1, PUBACK), (2, PUBREC)] {
        publisher.say(&topic, "refuse me", qos)?;
        let came = gather(&mut members, 1)?;
        for (at, publish) in &came {
            members[*at].send(&packet::acknowledge(context.version, first, publish.id, 0x83))?;
        }
        // After the refusal the message must come to nobody.
        let copies = came.len() + gather(&mut members, 0)?.len();
        check!(copies == 1, "a message of QoS {qos} was refused with 0x83; expected one copy; got {copies}");
    }
    Ok(())
}
