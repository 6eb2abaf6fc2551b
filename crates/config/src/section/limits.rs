//! `[limits]`: what clients are allowed.

use crate::key::{Key, Kind, Number, Section};
use crate::part::Fixed;
use crate::quantity::Unit;
use darter_broker::{QueuePolicy, RatePolicy};

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;
/// In seconds.
const DAY: u64 = 86_400;

/// The record of a key that has the name and the type of a field of the limits.
macro_rules! limit {
    ($field:ident, $unit:ident, $range:expr, $($meaning:literal)+) => {
        Key {
            name: stringify!($field),
            meaning: concat!($($meaning),+),
            kind: Kind::Number(Number {
                unit: Unit::$unit,
                range: $range,
                word: None,
                get: |c| u64::try_from(c.limits.$field).ok(),
                set: |c, value| {
                    // What a small computer cannot count that far is without a limit there.
                    c.limits.$field =
                        value.map_or(c.limits.$field, |value| value.try_into().unwrap_or(!0));
                },
            }),
        }
    };
}

/// The record of a key whose field is 0 for any number.
macro_rules! any_limit {
    ($field:ident, $unit:ident, $range:expr, $word:literal, $($meaning:literal)+) => {
        Key {
            name: stringify!($field),
            meaning: concat!($($meaning),+),
            kind: Kind::Number(Number {
                unit: Unit::$unit,
                range: $range,
                word: Some($word),
                get: |c| Some(u64::from(c.limits.$field)).filter(|value| *value > 0),
                set: |c, value| c.limits.$field = value.unwrap_or(0).try_into().unwrap_or(!0),
            }),
        }
    };
}

pub(crate) static PART: Fixed = Fixed { section: SECTION, below: &[] };

const SECTION: Section = Section {
    name: "limits",
    meaning: "What clients are allowed. The defaults suit most servers.",
    keys: &[
        limit!(
            connect_size,
            Bytes,
            256..=16 * MIB,
            "Largest CONNECT packet, from a client that is not known yet."
        ),
        limit!(
            packet_size,
            Bytes,
            KIB..=256 * MIB,
            "Largest packet from a connected client. Version 5 clients are told (Maximum Packet Size)."
        ),
        limit!(
            connect_timeout,
            Milliseconds,
            100..=600_000,
            "Time for a new connection to send its CONNECT."
        ),
        limit!(
            receive_maximum,
            Count,
            1..=65_535,
            "QoS 1 and 2 messages that one client may have on the way to the server at once. Version 5 clients are \
             told (Receive Maximum)."
        ),
        limit!(
            inflight,
            Count,
            1..=65_535,
            "QoS 1 and 2 messages on the way to one client that it has not acknowledged. A version 5 client can ask \
             for fewer."
        ),
        limit!(
            topic_alias_maximum,
            Count,
            0..=65_535,
            "Topic aliases that a version 5 client may set; with 0 none."
        ),
        Key {
            name: "keep_alive",
            meaning: "Longest keep alive. Version 5 clients that ask for more, or for none, are told to use this one; \
                      with \"any\" every client has what it asks for.",
            kind: Kind::Number(Number {
                unit: Unit::Seconds,
                range: 1..=65_535,
                word: Some("any"),
                get: |c| c.limits.keep_alive.map(u64::from),
                set: |c, seconds| c.limits.keep_alive = seconds.and_then(|seconds| seconds.try_into().ok()),
            }),
        },
        Key {
            name: "session_expiry",
            meaning: "How long the session of a client that is gone is kept at most; with 0 it ends with the \
                      connection, with \"never\" clients may ask for sessions that never end.",
            kind: Kind::Number(Number {
                unit: Unit::Seconds,
                range: 0..=36_500 * DAY,
                word: Some("never"),
                get: |c| Some(c.limits.session_expiry).filter(|seconds| *seconds != u32::MAX).map(u64::from),
                set: |c, seconds| {
                    c.limits.session_expiry =
                        seconds.and_then(|seconds| seconds.try_into().ok()).unwrap_or(u32::MAX);
                },
            }),
        },
        limit!(
            queue_messages,
            Count,
            1..=1_000_000_000,
            "Most messages that wait in one session for its client."
        ),
        limit!(queue_bytes, Bytes, KIB..=1024 * GIB, "Most bytes that wait in one session for its client."),
        limit!(
            queues_messages,
            Count,
            1..=1_000_000_000_000,
            "Most messages that wait in all sessions of the server together."
        ),
        limit!(
            queues_bytes,
            Bytes,
            KIB..=1024 * GIB,
            "Most bytes that wait in all sessions of the server together."
        ),
        Key {
            name: "queue_policy",
            meaning: "What happens to a message for which there is no room in a queue. \"drop-oldest\": the oldest \
                      messages that were not sent yet make room for it. \"drop-newest\": it is dropped. \
                      \"disconnect\": it is dropped, and the session's client, if it is there, is disconnected. Each \
                      message dropped is counted by client, topic and reason.",
            kind: Kind::Choice {
                words: &["drop-oldest", "drop-newest", "disconnect"],
                get: |c| match c.limits.queue_policy {
                    QueuePolicy::DropOldest => "drop-oldest",
                    QueuePolicy::DropNewest => "drop-newest",
                    QueuePolicy::Disconnect => "disconnect",
                },
                set: |c, word| {
                    c.limits.queue_policy = match word {
                        "drop-oldest" => QueuePolicy::DropOldest,
                        "disconnect" => QueuePolicy::Disconnect,
                        _ => QueuePolicy::DropNewest,
                    }
                },
            },
        },
        limit!(
            output_bytes,
            Bytes,
            16 * KIB..=GIB,
            "Most bytes that wait to be sent on one connection. Beyond it QoS 0 messages are dropped and counted, \
             and QoS 1 and 2 messages wait in the session."
        ),
        limit!(
            outputs_bytes,
            Bytes,
            MIB..=64 * GIB,
            "Most bytes that wait to be sent to all slow readers of one shard together. Beyond it each of them may have \
             a sixteenth of output_bytes."
        ),
        limit!(
            topic_levels,
            Count,
            1..=65_536,
            "Most levels (parts between slashes) of a topic name or filter."
        ),
        limit!(subscriptions, Count, 1..=100_000_000, "Most subscriptions of one session."),
        any_limit!(
            publish_messages,
            Count,
            1..=10_000_000,
            "any",
            "Most messages that one client may publish in a second."
        ),
        any_limit!(
            publish_bytes,
            Bytes,
            1..=64 * GIB,
            "any",
            "Most bytes of PUBLISH packets that one client may send in a second."
        ),
        any_limit!(
            user_publish_messages,
            Count,
            1..=10_000_000,
            "any",
            "Most messages that all clients of one user together may publish in a second. Clients without a user name are not \
             meant."
        ),
        any_limit!(
            user_publish_bytes,
            Bytes,
            1..=64 * GIB,
            "any",
            "Most bytes of PUBLISH packets that all clients of one user together may send in a second."
        ),
        limit!(
            publish_burst,
            Milliseconds,
            100..=600_000,
            "So much time's worth of messages and bytes may come at once; for all four rates."
        ),
        Key {
            name: "rate_policy",
            meaning: "What happens to a client that publishes faster. \"wait\": the server reads nothing more from it for a \
                      while, and nothing is lost. \"disconnect\": it is disconnected.",
            kind: Kind::Choice {
                words: &["wait", "disconnect"],
                get: |c| match c.limits.rate_policy {
                    RatePolicy::Wait => "wait",
                    RatePolicy::Disconnect => "disconnect",
                },
                set: |c, word| {
                    c.limits.rate_policy =
                        if word == "disconnect" { RatePolicy::Disconnect } else { RatePolicy::Wait };
                },
            },
        },
        any_limit!(
            takeovers,
            Count,
            1..=1_000_000,
            "any",
            "So many times in a row one client may take another's place under the same client identifier before that is \
             taken for a fight of two clients, which is told with both addresses and slowed down."
        ),
        limit!(
            takeover_window,
            Milliseconds,
            1_000..=3_600_000,
            "When nobody has taken the place for so long, the row ends."
        ),
        limit!(
            takeover_delay,
            Milliseconds,
            0..=60_000,
            "In a fight a newcomer waits for its answer up to so long; with 0 it is only told."
        ),
    ],
    check: |_| Ok(()),
};
