//! Rules of both versions, broken in 3.1.1.

use darter_conformance::packet::{self, Publish, Version};

use crate::Broken;
use crate::edit;
use crate::proxy::{Act, Memory, Way};

use Act::{Answer, Pass};
use Way::{ToClient, ToServer};

const fn broken(
    what: &'static str,
    id: &'static str,
    test: &'static str,
    says: &'static str,
    rule: crate::proxy::Rule,
) -> Broken {
    Broken { what, id, version: Version::V311, test, says, rule, last_words: &[] }
}

/// Swallows packets to the server that begin with one of these bytes.
fn swallow(way: Way, bytes: Vec<u8>, first: &[u8]) -> Vec<Act> {
    if way == ToServer && first.contains(&bytes[0]) { Vec::new() } else { vec![Pass(bytes)] }
}

/// Changes each delivery to a client.
fn delivery(version: Version, way: Way, bytes: Vec<u8>, change: impl FnOnce(&mut Publish)) -> Vec<Act> {
    vec![Pass(if way == ToClient { edit::publish(version, bytes, change) } else { bytes })]
}

fn lose(way: Way, bytes: Vec<u8>, first: u8) -> Vec<Act> {
    if way == ToClient && bytes[0] == first { Vec::new() } else { vec![Pass(bytes)] }
}

pub(crate) const TABLE: &[Broken] = &[
    broken(
        "session present is always 0",
        "MQTT-3.2.2-2",
        "session_present_is_one_for_a_kept_session",
        "expected session present 1",
        |_, way, bytes, _| {
            let connack = way == ToClient && edit::kind(&bytes) == 2;
            vec![Pass(if connack { edit::byte(&bytes, 0, |_| 0) } else { bytes })]
        },
    ),
    broken(
        "session present is always 1",
        "MQTT-3.2.2-1",
        "session_present_is_zero_on_a_clean_start",
        "expected session present 0",
        |_, way, bytes, _| {
            let connack = way == ToClient && edit::kind(&bytes) == 2;
            vec![Pass(if connack { edit::byte(&bytes, 0, |_| 1) } else { bytes })]
        },
    ),
    broken(
        "a refusal for the client identifier has another return code",
        "MQTT-3.1.3-8",
        "an_empty_client_identifier_with_a_kept_session_is_rejected",
        "expected return code 2",
        |_, way, bytes, _| {
            let connack = way == ToClient && edit::kind(&bytes) == 2;
            vec![Pass(if connack {
                edit::byte(&bytes, 1, |code| if code == 2 { 5 } else { code })
            } else {
                bytes
            })]
        },
    ),
    broken(
        "an unknown protocol level is refused with another return code",
        "MQTT-3.1.2-2",
        "an_unknown_protocol_level_is_refused",
        "CONNACK with the code for an unacceptable level",
        |_, way, bytes, _| {
            let connack = way == ToClient && edit::kind(&bytes) == 2;
            vec![Pass(if connack { edit::byte(&bytes, 1, |_| 3) } else { bytes })]
        },
    ),
    broken(
        "a second CONNECT is ignored",
        "MQTT-3.1.0-2",
        "a_second_connect_ends_the_connection",
        "nothing in time",
        |_, way, bytes, memory| {
            memory.count += usize::from(way == ToServer && edit::kind(&bytes) == 1);
            if memory.count > 1 && edit::kind(&bytes) == 1 { Vec::new() } else { vec![Pass(bytes)] }
        },
    ),
    broken(
        "the reserved connect flag is not looked at",
        "MQTT-3.1.2-3",
        "the_reserved_connect_flag_must_be_zero",
        "expected a refusal",
        |_, way, bytes, _| {
            let connect = way == ToServer && edit::kind(&bytes) == 1;
            vec![Pass(if connect { edit::connect_flags(&bytes, |flags| flags & 0xFE) } else { bytes })]
        },
    ),
    broken(
        "the keep alive is not looked at",
        "MQTT-3.1.2-24",
        "a_silent_client_is_disconnected_after_its_keep_alive",
        "expected the end of the connection",
        |_, way, bytes, _| {
            let connect = way == ToServer && edit::kind(&bytes) == 1;
            vec![Pass(if connect { edit::byte(&bytes, 9, |_| 0) } else { bytes })]
        },
    ),
    broken(
        "a clean session does not discard the former one",
        "MQTT-3.1.2-6",
        "a_clean_start_discards_the_former_session",
        "expected session present 0",
        |_, way, bytes, _| {
            let connect = way == ToServer && edit::kind(&bytes) == 1;
            vec![Pass(if connect { edit::connect_flags(&bytes, |flags| flags & !2) } else { bytes })]
        },
    ),
    Broken {
        what: "a will is never published",
        id: "MQTT-3.1.2-8",
        version: Version::V311,
        test: "a_will_is_published_when_the_connection_breaks",
        says: "nothing in time",
        rule: crate::proxy::honest,
        last_words: &[0xE0, 0],
    },
    broken(
        "a will is published although DISCONNECT came",
        "MQTT-3.14.4-3",
        "a_will_is_discarded_by_a_normal_disconnect",
        "expected the message \"sentinel\"",
        |_, way, bytes, _| swallow(way, bytes, &[0xE0]),
    ),
    broken(
        "will retain is not looked at",
        "MQTT-3.1.2-17",
        "a_will_with_retain_is_retained",
        "a later subscriber got None",
        |_, way, bytes, _| {
            let connect = way == ToServer && edit::kind(&bytes) == 1;
            vec![Pass(if connect { edit::connect_flags(&bytes, |flags| flags & !0x20) } else { bytes })]
        },
    ),
    broken(
        "PUBREC is not sent",
        "MQTT-3.3.4-1",
        "the_answer_to_a_publish_follows_its_qos",
        "expected the packet 0x50 with identifier 12",
        |_, way, bytes, _| lose(way, bytes, 0x50),
    ),
    broken(
        "PUBACK has another packet identifier",
        "MQTT-2.3.1-6",
        "acknowledgements_repeat_the_packet_identifier",
        "expected the packet 0x40 with identifier 1",
        |_, way, bytes, _| {
            let puback = way == ToClient && bytes[0] == 0x40;
            vec![Pass(if puback { edit::byte(&bytes, 1, |low| low ^ 2) } else { bytes })]
        },
    ),
    broken(
        "SUBACK has another packet identifier",
        "MQTT-3.8.4-2",
        "suback_and_unsuback_repeat_the_packet_identifier",
        "expected the packet 0x90 with identifier 1",
        |_, way, bytes, _| {
            let suback = way == ToClient && bytes[0] == 0x90;
            vec![Pass(if suback { edit::byte(&bytes, 1, |low| low ^ 2) } else { bytes })]
        },
    ),
    broken(
        "the codes of SUBACK stand in another order",
        "MQTT-3.9.3-1",
        "suback_has_a_code_for_each_filter_in_order",
        "asked for [2, 0, 1, 1, 0, 2]",
        |_, way, bytes, _| {
            if way == ToServer || bytes[0] != 0x90 {
                return vec![Pass(bytes)];
            }
            let mut inner = edit::body(&bytes).to_vec();
            inner[2..].sort_unstable();
            vec![Pass(packet::frame(bytes[0], &inner))]
        },
    ),
    broken(
        "SUBACK lacks the last code",
        "MQTT-3.8.4-4",
        "many_filters_are_handled_like_many_subscribes",
        "expected one SUBACK with four codes",
        |_, way, bytes, _| {
            if way == ToServer || bytes[0] != 0x90 {
                return vec![Pass(bytes)];
            }
            let inner = edit::body(&bytes);
            vec![Pass(packet::frame(bytes[0], &inner[..inner.len() - usize::from(inner.len() > 3)]))]
        },
    ),
    broken(
        "the first delivery has DUP",
        "MQTT-4.3.2-1",
        "a_first_delivery_has_dup_zero",
        "expected DUP 0",
        |version, way, bytes, _| delivery(version, way, bytes, |publish| publish.dup = publish.qos > 0),
    ),
    broken(
        "a QoS 0 message has DUP",
        "MQTT-3.3.1-2",
        "a_qos_0_message_has_dup_zero",
        "expected QoS 0 with DUP 0",
        |version, way, bytes, _| delivery(version, way, bytes, |publish| publish.dup = true),
    ),
    broken(
        "a message that is sent again has no DUP",
        "MQTT-3.3.1-1",
        "an_unacknowledged_qos_1_message_is_sent_again",
        "again with DUP 1",
        |version, way, bytes, _| delivery(version, way, bytes, |publish| publish.dup = false),
    ),
    broken(
        "a message that is sent again has another packet identifier",
        "MQTT-4.4.0-1",
        "an_unacknowledged_qos_2_message_is_sent_again",
        "again with DUP 1",
        |version, way, bytes, _| {
            delivery(version, way, bytes, |publish| publish.id += if publish.dup { 7 } else { 0 })
        },
    ),
    broken(
        "packet identifiers are used twice",
        "MQTT-2.3.1-4",
        "packet_identifiers_of_the_server_are_unused_and_not_zero",
        "expected an unused packet identifier",
        |version, way, bytes, _| delivery(version, way, bytes, |publish| publish.id = 1),
    ),
    broken(
        "a retained message has no RETAIN",
        "MQTT-3.3.1-8",
        "retain_is_one_for_a_new_subscription",
        "expected RETAIN 1",
        |version, way, bytes, _| delivery(version, way, bytes, |publish| publish.retain = false),
    ),
    broken(
        "a live message has RETAIN",
        "MQTT-3.3.1-9",
        "retain_is_zero_for_an_established_subscription",
        "expected RETAIN 0",
        |version, way, bytes, _| delivery(version, way, bytes, |publish| publish.retain = true),
    ),
    broken(
        "nothing is retained",
        "MQTT-3.3.1-5",
        "a_retained_message_reaches_later_subscribers",
        "nothing in time",
        |version, way, bytes, _| {
            vec![Pass(if way == ToServer {
                edit::publish(version, bytes, |p| p.retain = false)
            } else {
                bytes
            })]
        },
    ),
    broken(
        "everything is retained",
        "MQTT-3.3.1-12",
        "a_message_without_retain_is_not_stored",
        "expected nothing but PINGRESP",
        |version, way, bytes, _| {
            vec![Pass(if way == ToServer {
                edit::publish(version, bytes, |p| p.retain = true)
            } else {
                bytes
            })]
        },
    ),
    broken(
        "an empty retained message removes nothing",
        "MQTT-3.3.1-10",
        "an_empty_retained_message_removes_the_former_one",
        "expected nothing but PINGRESP",
        |version, way, bytes, _| {
            let keep = |p: &mut Publish| p.retain = p.retain && !p.payload.is_empty();
            vec![Pass(if way == ToServer { edit::publish(version, bytes, keep) } else { bytes })]
        },
    ),
    broken(
        "PINGREQ is not answered",
        "MQTT-3.12.4-1",
        "pingreq_is_answered_with_pingresp",
        "nothing in time",
        |_, way, bytes, _| lose(way, bytes, 0xD0),
    ),
    broken(
        "UNSUBSCRIBE is answered and changes nothing",
        "MQTT-3.10.4-2",
        "after_unsuback_no_new_messages_come",
        "expected the message \"sentinel\"",
        |version, way, bytes, _| {
            if way == ToServer && edit::kind(&bytes) == 10 {
                let id = edit::body(&bytes)[..2].to_vec();
                return vec![Answer(packet::frame(
                    0xB0,
                    &if version.is_v5() { [&id[..], &[0, 0]].concat() } else { id },
                ))];
            }
            vec![Pass(bytes)]
        },
    ),
    broken(
        "UNSUBSCRIBE of nothing is not answered",
        "MQTT-3.10.4-5",
        "an_unsubscribe_of_nothing_is_answered_too",
        "nothing in time",
        |_, way, bytes, _| lose(way, bytes, 0xB0),
    ),
    broken(
        "messages come with QoS 0 only",
        "MQTT-3.8.4-6",
        "a_message_comes_with_the_lower_qos",
        "sent QoS 1, granted 1",
        |version, way, bytes, _| delivery(version, way, bytes, |publish| publish.qos = 0),
    ),
    broken(
        "a QoS 2 message that is sent twice is delivered twice",
        "MQTT-4.3.3-2",
        "a_qos_2_message_sent_twice_is_delivered_once",
        "expected the message \"sentinel\"",
        |version, way, bytes, _| match edit::read_publish(version, &bytes) {
            Some(publish) if way == ToServer && publish.dup => {
                let again = Publish { qos: 0, dup: false, ..publish };
                vec![Pass(again.bytes(version)), Pass(bytes)]
            }
            _ => vec![Pass(bytes)],
        },
    ),
    broken(
        "PUBREC is not answered",
        "MQTT-4.3.3-1",
        "pubrec_is_answered_with_pubrel",
        "nothing in time",
        |_, way, bytes, _| lose(way, bytes, 0x62),
    ),
    broken(
        "PUBREL is not answered",
        "MQTT-4.3.3-2",
        "pubrel_is_answered_with_pubcomp",
        "expected the packet 0x70 with identifier 5",
        |_, way, bytes, _| lose(way, bytes, 0x70),
    ),
    broken(
        "every second message is overtaken by the next",
        "MQTT-4.6.0-6",
        "messages_of_one_client_keep_their_order",
        "expected the message \"0.0\"",
        overtake,
    ),
    broken(
        "a filter # matches topics that begin with a dollar sign",
        "MQTT-4.7.2-1",
        "a_leading_wildcard_does_not_match_a_dollar_topic",
        "a filter that begins with a wildcard matched",
        |version, way, bytes, _| {
            let all = way == ToServer && edit::kind(&bytes) == 8 && bytes.ends_with(&[0, 1, b'#', 0]);
            let mut acts = vec![Pass(bytes)];
            if all {
                acts.push(Answer(Publish::new("$SYS/leak", "x").bytes(version)));
            }
            acts
        },
    ),
    broken(
        "topic names are compared without case",
        "MQTT-4.7.3-4",
        "names_are_compared_without_normalisation",
        "expected",
        |version, way, bytes, _| {
            let lower = |p: &mut Publish| p.topic = p.topic.to_ascii_lowercase();
            vec![Pass(if way == ToServer { edit::publish(version, bytes, lower) } else { bytes })]
        },
    ),
    broken(
        "a byte order mark is stripped",
        "MQTT-1.5.3-3",
        "a_byte_order_mark_in_a_string_is_kept",
        "expected the message \"marked\"",
        |version, way, bytes, _| {
            let strip = |text: &mut Vec<u8>| {
                if let Some(at) = text.windows(3).position(|w| w == [0xEF, 0xBB, 0xBF]) {
                    text.drain(at..at + 3);
                }
            };
            match (way, edit::kind(&bytes)) {
                (ToServer, 3) => vec![Pass(edit::publish(version, bytes, |p| strip(&mut p.topic)))],
                (ToServer, 8) => vec![Pass(edit::filters(version, &bytes, |filter, _| strip(filter)))],
                _ => vec![Pass(bytes)],
            }
        },
    ),
    broken(
        "ill-formed strings are ignored",
        "MQTT-1.5.3-1",
        "ill_formed_utf8_ends_the_connection",
        "nothing in time",
        |version, way, bytes, _| {
            let wrong = way == ToServer && bytes[0] == 0x30 && edit::read_publish(version, &bytes).is_none();
            if wrong { Vec::new() } else { vec![Pass(bytes)] }
        },
    ),
    broken(
        "wrong flags of SUBSCRIBE are ignored",
        "MQTT-3.8.1-1",
        "subscribe_with_wrong_flags_ends_the_connection",
        "expected the server to end the connection",
        |_, way, mut bytes, _| {
            if way == ToServer && edit::kind(&bytes) == 8 {
                bytes[0] = 0x82;
            }
            vec![Pass(bytes)]
        },
    ),
    broken(
        "a QoS of 3 is ignored",
        "MQTT-3.3.1-4",
        "a_qos_of_three_ends_the_connection",
        "nothing in time",
        |_, way, bytes, _| swallow(way, bytes, &[0x36]),
    ),
    broken(
        "a kept session forgets what comes while its client is away",
        "MQTT-3.1.2-5",
        "messages_for_a_kept_session_wait_for_the_client",
        "nothing in time",
        |version, way, bytes, _| {
            vec![Pass(if way == ToServer { edit::publish(version, bytes, elsewhere) } else { bytes })]
        },
    ),
];

/// Nobody subscribes to this name: the message is acknowledged and lost.
fn elsewhere(publish: &mut Publish) {
    publish.topic = b"conformance/nowhere".to_vec();
}

fn overtake(version: Version, way: Way, bytes: Vec<u8>, memory: &mut Memory) -> Vec<Act> {
    if way == ToServer || edit::read_publish(version, &bytes).is_none() {
        return vec![Pass(bytes)];
    }
    match memory.held.take() {
        Some(earlier) => vec![Pass(bytes), Pass(earlier)],
        None => {
            memory.held = Some(bytes);
            Vec::new()
        }
    }
}
