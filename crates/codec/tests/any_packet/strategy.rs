//! Any packet that may be sent, of any version.

use bytes::Bytes;

use darter_codec::property::{Carrier, PropertyId};
use darter_codec::{
    Auth, ByteString, ConnAck, Connect, ConnectReturnCode, Disconnect, Packet, PacketId, PacketType,
    Properties, Property, PubAck, PubComp, PubRec, PubRel, Publish, QoS, ReasonCode, RetainHandling, SubAck,
    Subscribe, SubscribeFilter, SubscriptionOptions, UnsubAck, Unsubscribe, Version, Will,
};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

/// A version, and a packet that says the same after it has been written and read in that version.
pub(crate) fn versioned_packet() -> impl Strategy<Value = (Version, Packet)> {
    version().prop_flat_map(|version| packet(version).prop_map(move |packet| (version, packet)))
}

pub(crate) fn version() -> impl Strategy<Value = Version> {
    select(Version::ALL.as_slice())
}

pub(crate) fn packet(version: Version) -> BoxedStrategy<Packet> {
    let auth = match version {
        Version::V5 => auth().prop_map(Packet::from).boxed(),
        _ => Just(Packet::PingReq).boxed(),
    };
    prop_oneof![
        connect(version).prop_map(Packet::from),
        connack(version).prop_map(Packet::from),
        publish(version).prop_map(Packet::from),
        acks(version),
        subscribe(version).prop_map(Packet::from),
        suback(version).prop_map(Packet::from),
        unsubscribe(version).prop_map(Packet::from),
        unsuback(version).prop_map(Packet::from),
        Just(Packet::PingReq),
        Just(Packet::PingResp),
        disconnect(version).prop_map(Packet::from),
        auth,
    ]
    .boxed()
}

fn connect(version: Version) -> impl Strategy<Value = Connect> {
    let credentials = (option::of(text()), option::of(binary()));
    let rest = (any::<bool>(), any::<u16>(), option::of(will(version)), any::<bool>());
    (text(), credentials, properties(version, Carrier::Connect), rest).prop_map(
        move |(client_id, (username, password), properties, (clean_start, keep_alive, will, bridge))| {
            let authenticates = properties.authentication_method().is_some();
            let properties = properties
                .iter()
                .filter(|property| authenticates || property.id() != PropertyId::AuthenticationData);
            Connect {
                clean_start,
                keep_alive,
                will,
                password: password.filter(|_| version == Version::V5 || username.is_some()),
                username,
                properties: properties.cloned().collect(),
                bridge: bridge && version != Version::V5,
                ..Connect::new(version, client_id)
            }
        },
    )
}

fn will(version: Version) -> impl Strategy<Value = Will> {
    (qos(), any::<bool>(), topic_name(), binary(), properties(version, Carrier::Will)).prop_map(
        |(qos, retain, topic, payload, properties)| Will { qos, retain, topic, payload, properties },
    )
}

fn connack(version: Version) -> impl Strategy<Value = ConnAck> {
    let reason = match version {
        Version::V5 => reason(PacketType::ConnAck),
        _ => (0_u8..=5)
            .prop_filter_map("no return code", ConnectReturnCode::from_u8)
            .prop_map(ConnectReturnCode::to_reason_code)
            .boxed(),
    };
    (any::<bool>(), reason, properties(version, Carrier::ConnAck)).prop_map(
        move |(session_present, reason, properties)| ConnAck {
            session_present: session_present && !reason.is_error() && version != Version::V31,
            reason,
            properties,
        },
    )
}

pub(crate) fn publish(version: Version) -> impl Strategy<Value = Publish> {
    let flags = (qos(), any::<bool>(), any::<bool>(), any::<bool>());
    (flags, topic_name(), packet_id(), properties(version, Carrier::Publish), payload()).prop_map(
        |((qos, dup, retain, by_alias), topic, packet_id, properties, payload)| Publish {
            dup: dup && qos != QoS::AtMostOnce,
            qos,
            retain,
            topic: if by_alias && properties.topic_alias().is_some() { ByteString::new() } else { topic },
            packet_id: Some(packet_id).filter(|_| qos != QoS::AtMostOnce),
            properties,
            payload,
        },
    )
}

fn acks(version: Version) -> BoxedStrategy<Packet> {
    macro_rules! ack {
        ($name:ident) => {{
            let reason = match version {
                Version::V5 => reason(PacketType::$name),
                _ => Just(ReasonCode::Success).boxed(),
            };
            (packet_id(), reason, properties(version, Carrier::$name))
                .prop_map(|(packet_id, reason, properties)| $name { packet_id, reason, properties }.into())
        }};
    }
    prop_oneof![ack!(PubAck), ack!(PubRec), ack!(PubRel), ack!(PubComp)].boxed()
}

fn subscribe(version: Version) -> impl Strategy<Value = Subscribe> {
    let options = (qos(), any::<bool>(), any::<bool>(), retain_handling());
    let options = options.prop_map(|(qos, no_local, retain_as_published, retain_handling)| {
        SubscriptionOptions { qos, no_local, retain_as_published, retain_handling }
    });
    let filter = (topic_filter(), options).prop_map(move |(filter, mut options)| {
        if version != Version::V5 {
            options = SubscriptionOptions::new(options.qos);
        }
        options.no_local &= !filter.starts_with("$share/");
        SubscribeFilter { filter, options }
    });
    (packet_id(), properties(version, Carrier::Subscribe), vec(filter, 1..5))
        .prop_map(|(packet_id, properties, filters)| Subscribe { packet_id, properties, filters })
}

fn suback(version: Version) -> impl Strategy<Value = SubAck> {
    let reason = reason(PacketType::SubAck).prop_map(move |reason| match version {
        Version::V5 => reason,
        _ => reason.min(ReasonCode::UnspecifiedError),
    });
    (packet_id(), vec(reason, 1..5), properties(version, Carrier::SubAck))
        .prop_map(|(packet_id, reasons, properties)| SubAck { packet_id, reasons, properties })
}

fn unsubscribe(version: Version) -> impl Strategy<Value = Unsubscribe> {
    (packet_id(), properties(version, Carrier::Unsubscribe), vec(topic_filter(), 1..5))
        .prop_map(|(packet_id, properties, filters)| Unsubscribe { packet_id, properties, filters })
}

fn unsuback(version: Version) -> impl Strategy<Value = UnsubAck> {
    let most = if version == Version::V5 { 5 } else { 1 };
    (packet_id(), vec(reason(PacketType::UnsubAck), most / 5..most), properties(version, Carrier::UnsubAck))
        .prop_map(|(packet_id, reasons, properties)| UnsubAck { packet_id, reasons, properties })
}

fn disconnect(version: Version) -> impl Strategy<Value = Disconnect> {
    let reason = match version {
        Version::V5 => reason(PacketType::Disconnect),
        _ => Just(ReasonCode::Success).boxed(),
    };
    (reason, properties(version, Carrier::Disconnect))
        .prop_map(|(reason, properties)| Disconnect { reason, properties })
}

fn auth() -> impl Strategy<Value = Auth> {
    (reason(PacketType::Auth), properties(Version::V5, Carrier::Auth))
        .prop_map(|(reason, properties)| Auth { reason, properties })
}

fn reason(packet: PacketType) -> BoxedStrategy<ReasonCode> {
    let allowed: Vec<_> =
        ReasonCode::ALL.iter().copied().filter(|reason| reason.is_allowed_in(packet)).collect();
    select(allowed).boxed()
}

/// Properties that the carrier may have; none before version 5.
fn properties(version: Version, carrier: Carrier) -> BoxedStrategy<Properties> {
    if version != Version::V5 {
        return Just(Properties::new()).boxed();
    }
    let allowed: Vec<_> = PropertyId::ALL.iter().copied().filter(|id| id.is_allowed_in(carrier)).collect();
    vec(select(allowed).prop_flat_map(property), 0..8)
        .prop_map(move |properties| {
            let mut kept = Vec::<Property>::new();
            for property in properties {
                let first = kept.iter().all(|earlier| earlier.id() != property.id());
                if first || property.id().is_repeatable_in(carrier) {
                    kept.push(property);
                }
            }
            kept.into()
        })
        .boxed()
}

fn property(id: PropertyId) -> BoxedStrategy<Property> {
    use PropertyId as Id;
    match id {
        Id::PayloadFormatIndicator => any::<bool>().prop_map(Property::PayloadFormatIndicator).boxed(),
        Id::MessageExpiryInterval => any::<u32>().prop_map(Property::MessageExpiryInterval).boxed(),
        Id::ContentType => text().prop_map(Property::ContentType).boxed(),
        Id::ResponseTopic => topic_name().prop_map(Property::ResponseTopic).boxed(),
        Id::CorrelationData => binary().prop_map(Property::CorrelationData).boxed(),
        Id::SessionExpiryInterval => any::<u32>().prop_map(Property::SessionExpiryInterval).boxed(),
        Id::AssignedClientIdentifier => text().prop_map(Property::AssignedClientIdentifier).boxed(),
        Id::ServerKeepAlive => any::<u16>().prop_map(Property::ServerKeepAlive).boxed(),
        Id::AuthenticationMethod => text().prop_map(Property::AuthenticationMethod).boxed(),
        Id::AuthenticationData => binary().prop_map(Property::AuthenticationData).boxed(),
        Id::RequestProblemInformation => any::<bool>().prop_map(Property::RequestProblemInformation).boxed(),
        Id::WillDelayInterval => any::<u32>().prop_map(Property::WillDelayInterval).boxed(),
        Id::RequestResponseInformation => {
            any::<bool>().prop_map(Property::RequestResponseInformation).boxed()
        }
        Id::ResponseInformation => text().prop_map(Property::ResponseInformation).boxed(),
        Id::ServerReference => text().prop_map(Property::ServerReference).boxed(),
        Id::ReasonString => text().prop_map(Property::ReasonString).boxed(),
        Id::ReceiveMaximum => (1..=u16::MAX).prop_map(Property::ReceiveMaximum).boxed(),
        Id::TopicAliasMaximum => any::<u16>().prop_map(Property::TopicAliasMaximum).boxed(),
        Id::TopicAlias => (1..=u16::MAX).prop_map(Property::TopicAlias).boxed(),
        Id::MaximumQoS => {
            select([QoS::AtMostOnce, QoS::AtLeastOnce].as_slice()).prop_map(Property::MaximumQoS).boxed()
        }
        Id::RetainAvailable => any::<bool>().prop_map(Property::RetainAvailable).boxed(),
        Id::MaximumPacketSize => (1..=u32::MAX).prop_map(Property::MaximumPacketSize).boxed(),
        Id::WildcardSubscriptionAvailable => {
            any::<bool>().prop_map(Property::WildcardSubscriptionAvailable).boxed()
        }
        Id::SubscriptionIdentifierAvailable => {
            any::<bool>().prop_map(Property::SubscriptionIdentifierAvailable).boxed()
        }
        Id::SharedSubscriptionAvailable => {
            any::<bool>().prop_map(Property::SharedSubscriptionAvailable).boxed()
        }
        Id::SubscriptionIdentifier => {
            (1_u32..=268_435_455).prop_map(Property::SubscriptionIdentifier).boxed()
        }
        Id::UserProperty => (text(), text()).prop_map(Property::UserProperty).boxed(),
    }
}

fn packet_id() -> impl Strategy<Value = PacketId> {
    any::<u16>().prop_filter_map("no packet identifier", PacketId::new)
}

fn qos() -> impl Strategy<Value = QoS> {
    select([QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce].as_slice())
}

fn retain_handling() -> impl Strategy<Value = RetainHandling> {
    select([RetainHandling::Send, RetainHandling::SendIfNew, RetainHandling::DoNotSend].as_slice())
}

fn text() -> impl Strategy<Value = ByteString> {
    "[^\0]{0,12}".prop_map(ByteString::from)
}

fn topic_name() -> impl Strategy<Value = ByteString> {
    "[^\0+#]{1,20}".prop_map(ByteString::from)
}

fn topic_filter() -> impl Strategy<Value = ByteString> {
    r"(\$share/[a-z]{1,3}/)?((\+|[a-z$]{0,3})/){0,4}(\+|#|[a-z]{1,3})".prop_map(ByteString::from)
}

fn binary() -> impl Strategy<Value = Bytes> {
    vec(any::<u8>(), 0..20).prop_map(Bytes::from)
}

/// Long enough for lengths of one, two and three bytes.
fn payload() -> impl Strategy<Value = Bytes> {
    prop_oneof![
        8 => vec(any::<u8>(), 0..300),
        1 => (16_000_usize..20_000).prop_map(|len| vec![0x55; len]),
    ]
    .prop_map(Bytes::from)
}
