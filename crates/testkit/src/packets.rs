//! Short ways to write packets down.

use darter_codec::{
    Connect, PacketId, Properties, Property, PubAck, PubComp, PubRec, PubRel, Publish, QoS, ReasonCode,
    Subscribe, SubscribeFilter, SubscriptionOptions, Unsubscribe, Version, Will,
};

/// A packet identifier.
///
/// # Panics
/// When it is 0.
#[must_use]
pub fn id(number: u16) -> PacketId {
    PacketId::new(number).expect("a packet identifier is not 0")
}

/// Properties from a list.
#[must_use]
pub fn properties<const N: usize>(list: [Property; N]) -> Properties {
    let mut properties = Properties::default();
    for property in list {
        properties.push(property);
    }
    properties
}

/// CONNECT of version 5 with a clean start and no keep alive.
#[must_use]
pub fn connect(client: &str) -> Connect {
    connect_as(Version::V5, client, true)
}

/// CONNECT of version 5 that continues a session, which lives for `expiry` seconds after its connection.
#[must_use]
pub fn resume(client: &str, expiry: u32) -> Connect {
    let properties = properties([Property::SessionExpiryInterval(expiry)]);
    Connect { properties, ..connect_as(Version::V5, client, false) }
}

/// CONNECT of any version, without keep alive.
#[must_use]
pub fn connect_as(version: Version, client: &str, clean_start: bool) -> Connect {
    Connect { clean_start, keep_alive: 0, ..Connect::new(version, client) }
}

/// A will of QoS 0 that is not retained.
#[must_use]
pub fn will(topic: &str, payload: &str) -> Will {
    Will {
        qos: QoS::AtMostOnce,
        retain: false,
        topic: topic.into(),
        payload: payload.as_bytes().to_vec().into(),
        properties: Properties::default(),
    }
}

/// PUBLISH of QoS 0.
#[must_use]
pub fn publish(topic: &str, payload: &str) -> Publish {
    Publish {
        dup: false,
        qos: QoS::AtMostOnce,
        retain: false,
        topic: topic.into(),
        packet_id: None,
        properties: Properties::default(),
        payload: payload.as_bytes().to_vec().into(),
    }
}

/// PUBLISH of QoS 1.
#[must_use]
pub fn publish_1(topic: &str, payload: &str, packet_id: u16) -> Publish {
    Publish { qos: QoS::AtLeastOnce, packet_id: Some(id(packet_id)), ..publish(topic, payload) }
}

/// PUBLISH of QoS 2.
#[must_use]
pub fn publish_2(topic: &str, payload: &str, packet_id: u16) -> Publish {
    Publish { qos: QoS::ExactlyOnce, packet_id: Some(id(packet_id)), ..publish(topic, payload) }
}

/// The same, retained.
#[must_use]
pub fn retained(publish: Publish) -> Publish {
    Publish { retain: true, ..publish }
}

/// SUBSCRIBE with one filter and default options.
#[must_use]
pub fn subscribe(filter: &str, qos: QoS) -> Subscribe {
    subscribe_with(filter, SubscriptionOptions::new(qos))
}

/// SUBSCRIBE with one filter.
#[must_use]
pub fn subscribe_with(filter: &str, options: SubscriptionOptions) -> Subscribe {
    Subscribe {
        packet_id: id(1),
        properties: Properties::default(),
        filters: vec![SubscribeFilter::new(filter, options)],
    }
}

/// UNSUBSCRIBE from one filter.
#[must_use]
pub fn unsubscribe(filter: &str) -> Unsubscribe {
    Unsubscribe { packet_id: id(1), properties: Properties::default(), filters: vec![filter.into()] }
}

macro_rules! acknowledgement {
    ($(#[doc = $doc:literal] $name:ident: $packet:ident;)*) => {
        $(
            #[doc = $doc]
            #[must_use]
            pub fn $name(packet_id: PacketId) -> $packet {
                $packet { packet_id, reason: ReasonCode::Success, properties: Properties::default() }
            }
        )*
    };
}

acknowledgement! {
    #[doc = "PUBACK of success."]
    puback: PubAck;
    #[doc = "PUBREC of success."]
    pubrec: PubRec;
    #[doc = "PUBREL of success."]
    pubrel: PubRel;
    #[doc = "PUBCOMP of success."]
    pubcomp: PubComp;
}
