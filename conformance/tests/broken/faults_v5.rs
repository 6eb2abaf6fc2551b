//! Rules of version 5.

use darter_conformance::packet::{Publish, Version};
use darter_conformance::property::{
    ASSIGNED_CLIENT_ID, MAXIMUM_PACKET_SIZE, MESSAGE_EXPIRY, PAYLOAD_FORMAT, Properties, REASON_STRING,
    RECEIVE_MAXIMUM, SESSION_EXPIRY, SUBSCRIPTION_ID, TOPIC_ALIAS, Value,
};

use crate::Broken;
use crate::edit;
use crate::proxy::{Act, Rule, Way};

use Act::Pass;
use Way::{ToClient, ToServer};

const fn broken(
    what: &'static str,
    id: &'static str,
    test: &'static str,
    says: &'static str,
    rule: Rule,
) -> Broken {
    Broken { what, id, version: Version::V5, test, says, rule, last_words: &[] }
}

fn delivery(way: Way, bytes: Vec<u8>, change: impl FnOnce(&mut Publish)) -> Vec<Act> {
    vec![Pass(if way == ToClient { edit::publish(Version::V5, bytes, change) } else { bytes })]
}

fn sent(way: Way, bytes: Vec<u8>, change: impl FnOnce(&mut Publish)) -> Vec<Act> {
    vec![Pass(if way == ToServer { edit::publish(Version::V5, bytes, change) } else { bytes })]
}

fn connect(way: Way, bytes: Vec<u8>, change: impl FnOnce(&mut Properties)) -> Vec<Act> {
    let it_is = way == ToServer && edit::kind(&bytes) == 1;
    vec![Pass(if it_is { edit::connect_properties(&bytes, change) } else { bytes })]
}

fn options(way: Way, bytes: Vec<u8>, change: impl Fn(&mut Vec<u8>, &mut u8)) -> Vec<Act> {
    let it_is = way == ToServer && edit::kind(&bytes) == 8;
    vec![Pass(if it_is { edit::filters(Version::V5, &bytes, change) } else { bytes })]
}

fn remove(properties: &mut Properties, id: u8) {
    properties.0.retain(|(other, _)| *other != id);
}

pub(crate) const TABLE: &[Broken] = &[
    broken(
        "a reserved flag of CONNACK is set",
        "MQTT-3.2.2-1",
        "the_reserved_connack_flags_are_zero",
        "expected flags 7 to 1 to be 0",
        |_, way, bytes, _| {
            let connack = way == ToClient && edit::kind(&bytes) == 2;
            vec![Pass(if connack { edit::byte(&bytes, 0, |flags| flags | 2) } else { bytes })]
        },
    ),
    broken(
        "no assigned client identifier is told",
        "MQTT-3.2.2-16",
        "an_empty_client_identifier_is_replaced_by_a_unique_one",
        "expected two different assigned client identifiers",
        |_, way, bytes, _| {
            let connack = way == ToClient && edit::kind(&bytes) == 2;
            vec![Pass(if connack {
                edit::connack_properties(&bytes, |properties| remove(properties, ASSIGNED_CLIENT_ID))
            } else {
                bytes
            })]
        },
    ),
    broken(
        "a take-over is told with another reason code",
        "MQTT-3.1.4-3",
        "a_connection_with_the_same_client_identifier_takes_over",
        "expected DISCONNECT 0x8E",
        |_, way, bytes, _| {
            let disconnect = way == ToClient && edit::kind(&bytes) == 14;
            vec![Pass(if disconnect { edit::byte(&bytes, 0, |_| 0x8B) } else { bytes })]
        },
    ),
    broken(
        "DISCONNECT has a reason code of another packet",
        "MQTT-3.14.2-1",
        "reason_codes_of_disconnect_are_listed_ones",
        "expected a reason code listed for DISCONNECT",
        |_, way, bytes, _| {
            let disconnect = way == ToClient && edit::kind(&bytes) == 14;
            vec![Pass(if disconnect { edit::byte(&bytes, 0, |_| 0x91) } else { bytes })]
        },
    ),
    broken(
        "the receive maximum is not looked at",
        "MQTT-3.3.4-9",
        "the_server_stays_within_the_clients_receive_maximum",
        "expected nothing but PINGRESP",
        |_, way, bytes, _| connect(way, bytes, |properties| remove(properties, RECEIVE_MAXIMUM)),
    ),
    broken(
        "the maximum packet size is not looked at",
        "MQTT-3.1.2-24",
        "a_message_over_the_clients_maximum_packet_size_is_not_sent",
        "expected the message",
        |_, way, bytes, _| connect(way, bytes, |properties| remove(properties, MAXIMUM_PACKET_SIZE)),
    ),
    broken(
        "every session is kept for five minutes",
        "MQTT-4.1.0-2",
        "a_session_ends_when_its_expiry_interval_has_passed",
        "after the interval; expected session present 0",
        |_, way, bytes, _| {
            connect(way, bytes, |properties| {
                remove(properties, SESSION_EXPIRY);
                properties.0.push((SESSION_EXPIRY, Value::U32(300)));
            })
        },
    ),
    broken(
        "no session is kept",
        "MQTT-3.1.2-23",
        "a_kept_session_survives_a_broken_connection",
        "expected session present 1",
        |_, way, bytes, _| connect(way, bytes, |properties| remove(properties, SESSION_EXPIRY)),
    ),
    broken(
        "a will is published twice",
        "MQTT-3.1.2-10",
        "a_will_is_published_only_once",
        "expected the message \"sentinel\"",
        |version, way, bytes, _| match edit::read_publish(version, &bytes) {
            Some(publish) if way == ToClient && publish.text() == "gone" => {
                vec![Pass(bytes.clone()), Pass(bytes)]
            }
            _ => vec![Pass(bytes)],
        },
    ),
    broken(
        "user properties come in another order",
        "MQTT-3.3.2-18",
        "user_properties_are_passed_on_in_order",
        "sent properties",
        |_, way, bytes, _| delivery(way, bytes, |publish| publish.properties.0.reverse()),
    ),
    broken(
        "the payload format is not passed on",
        "MQTT-3.3.2-4",
        "the_payload_format_is_passed_on",
        "sent properties",
        |_, way, bytes, _| delivery(way, bytes, |publish| remove(&mut publish.properties, PAYLOAD_FORMAT)),
    ),
    broken(
        "topic aliases come unasked",
        "MQTT-3.1.2-27",
        "no_topic_alias_comes_unasked",
        "no topic alias was allowed",
        |_, way, bytes, _| {
            delivery(way, bytes, |publish| publish.properties.0.push((TOPIC_ALIAS, Value::U16(1))))
        },
    ),
    broken(
        "the publisher's topic alias is taken for none",
        "MQTT-3.3.2-8",
        "a_topic_alias_of_zero_is_refused",
        "nothing in time",
        |_, way, bytes, _| sent(way, bytes, |publish| remove(&mut publish.properties, TOPIC_ALIAS)),
    ),
    broken(
        "the message expiry is passed on as it came",
        "MQTT-3.3.2-6",
        "the_message_expiry_is_reduced_by_the_time_waited",
        "expected 97 or 98 s; got Some(100)",
        |_, way, bytes, _| {
            delivery(way, bytes, |publish| {
                remove(&mut publish.properties, MESSAGE_EXPIRY);
                publish.properties.0.push((MESSAGE_EXPIRY, Value::U32(100)));
            })
        },
    ),
    broken(
        "messages do not expire",
        "MQTT-3.3.2-5",
        "an_expired_message_is_not_delivered",
        "expected the message \"lasting\"",
        |_, way, bytes, _| sent(way, bytes, |publish| remove(&mut publish.properties, MESSAGE_EXPIRY)),
    ),
    broken(
        "no local is not looked at",
        "MQTT-3.8.3-3",
        "no_local_keeps_a_clients_own_messages_away",
        "expected the message \"another's\"",
        |_, way, bytes, _| options(way, bytes, |_, options| *options &= !0x04),
    ),
    broken(
        "retain handling is not looked at",
        "MQTT-3.3.1-11",
        "retain_handling_2_sends_no_retained_messages",
        "expected nothing but PINGRESP",
        |_, way, bytes, _| options(way, bytes, |_, options| *options &= !0x30),
    ),
    broken(
        "retain as published is not looked at",
        "MQTT-3.3.1-13",
        "retain_as_published_keeps_the_flag",
        "got [false, false]",
        |_, way, bytes, _| options(way, bytes, |_, options| *options &= !0x08),
    ),
    broken(
        "a shared subscription is taken for a normal one",
        "MQTT-4.8.2-1",
        "a_message_goes_to_one_member_of_a_share",
        "expected each once",
        |_, way, bytes, _| {
            options(way, bytes, |filter, _| {
                if filter.starts_with(b"$share/group/") {
                    filter.drain(..13);
                }
            })
        },
    ),
    broken(
        "subscription identifiers are not sent",
        "MQTT-3.3.4-3",
        "overlapping_subscriptions_send_their_identifiers",
        "one copy with both or one copy for each",
        |_, way, bytes, _| delivery(way, bytes, |publish| remove(&mut publish.properties, SUBSCRIPTION_ID)),
    ),
    broken(
        "reason strings come although they are not wanted",
        "MQTT-3.1.2-29",
        "no_reason_strings_come_when_problem_information_is_not_wanted",
        "expected no reason string",
        |_, way, bytes, _| {
            if way == ToServer || bytes[0] != 0x40 {
                return vec![Pass(bytes)];
            }
            let mut body = edit::body(&bytes)[..2].to_vec();
            body.push(0);
            Properties::none().bytes(REASON_STRING, "because").encode(&mut body);
            vec![Pass(darter_conformance::packet::frame(0x40, &body))]
        },
    ),
    broken(
        "UNSUBACK says success for a filter that was not there",
        "MQTT-3.11.3-1",
        "unsuback_has_a_listed_code_for_each_filter_in_order",
        "two that were not",
        |_, way, bytes, _| {
            let unsuback = way == ToClient && bytes[0] == 0xB0;
            vec![Pass(if unsuback { edit::byte(&bytes, 4, |_| 0) } else { bytes })]
        },
    ),
    broken(
        "PUBACK has a reason code of another packet",
        "MQTT-3.4.2-1",
        "reason_codes_of_puback_are_listed_ones",
        "expected one of the reason codes",
        |_, way, bytes, _| {
            let puback = way == ToClient && bytes[0] == 0x40;
            let id = edit::body(&bytes).get(..2).map(<[u8]>::to_vec).unwrap_or_default();
            let wrong = darter_conformance::packet::frame(0x40, &[&id[..], &[0x11]].concat());
            vec![Pass(if puback { wrong } else { bytes })]
        },
    ),
    broken(
        "a message refused with an error is sent again",
        "MQTT-4.4.0-2",
        "a_message_refused_with_an_error_is_not_sent_again",
        "expected nothing but PINGRESP",
        |_, way, bytes, _| {
            let refusal = way == ToServer && bytes[0] == 0x40 && edit::body(&bytes).len() > 2;
            if refusal { Vec::new() } else { vec![Pass(bytes)] }
        },
    ),
    broken(
        "a property that is too long by a byte is sent",
        "MQTT-1.5.5-1",
        "lengths_from_the_server_are_in_their_shortest_form",
        "not in its shortest form",
        |_, way, bytes, _| {
            if way == ToServer || edit::kind(&bytes) != 3 || bytes.len() > 126 {
                return vec![Pass(bytes)];
            }
            let mut longer = vec![bytes[0], bytes[1] | 0x80, 0];
            longer.extend(&bytes[2..]);
            vec![Pass(longer)]
        },
    ),
];
