//! The properties of version 5 (section 2.2.2): one table, and everything else made from it.

use alloc::vec::Vec;

use bytes::Bytes;

use crate::read::Reader;
use crate::{ByteString, DecodeError, EncodeError, QoS, write};

mod raw;
#[cfg(test)]
mod tests;
mod value;

pub(crate) use raw::{RawProperty, RawValue, Walk, read_raw, walk};
use raw::{Seen, Wire};
use value::Value;

/// What carries a property: a packet, or the will inside CONNECT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub enum Carrier {
    /// The CONNECT packet itself.
    Connect = 1,
    /// The will in the payload of CONNECT.
    Will = 1 << 1,
    /// CONNACK.
    ConnAck = 1 << 2,
    /// PUBLISH.
    Publish = 1 << 3,
    /// PUBACK.
    PubAck = 1 << 4,
    /// PUBREC.
    PubRec = 1 << 5,
    /// PUBREL.
    PubRel = 1 << 6,
    /// PUBCOMP.
    PubComp = 1 << 7,
    /// SUBSCRIBE.
    Subscribe = 1 << 8,
    /// SUBACK.
    SubAck = 1 << 9,
    /// UNSUBSCRIBE.
    Unsubscribe = 1 << 10,
    /// UNSUBACK.
    UnsubAck = 1 << 11,
    /// DISCONNECT.
    Disconnect = 1 << 12,
    /// AUTH.
    Auth = 1 << 13,
}

/// What a getter returns: numbers by value, the rest by reference.
macro_rules! view_type {
    (ByteString) => {
        &ByteString
    };
    (Bytes) => {
        &Bytes
    };
    ($value:ident) => {
        $value
    };
}

macro_rules! view {
    (ByteString, $value:expr) => {
        $value
    };
    (Bytes, $value:expr) => {
        $value
    };
    ($type:ident, $value:expr) => {
        *$value
    };
}

/// One row per property: number, name, getter, value type, rule on the wire, and who may carry it.
macro_rules! properties {
    (
        once { $($(#[doc = $doc:literal])* $id:literal $name:ident $getter:ident: $value:ident, $wire:ident in [$($carrier:ident),*];)* }
        repeatable { $($(#[doc = $many_doc:literal])* $many_id:literal $many_name:ident: $many_value:ty, $many_wire:ident in [$($many_carrier:ident),*];)* }
    ) => {
        /// A property of version 5 (section 2.2.2.2).
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub enum Property {
            $($(#[doc = $doc])* $name($value),)*
            $($(#[doc = $many_doc])* $many_name($many_value),)*
        }

        /// The number of a property.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum PropertyId {
            $($(#[doc = $doc])* $name = $id,)*
            $($(#[doc = $many_doc])* $many_name = $many_id,)*
        }

        impl PropertyId {
            /// Every property: those that stand once, then those that may be repeated.
            pub const ALL: &'static [Self] = &[$(Self::$name,)* $(Self::$many_name,)*];

            /// The property of that number; `None` if the standard has none.
            #[must_use]
            #[inline]
            pub const fn from_u8(id: u8) -> Option<Self> {
                match id {
                    $($id => Some(Self::$name),)*
                    $($many_id => Some(Self::$many_name),)*
                    _ => None,
                }
            }

            #[inline]
            const fn carriers(self) -> u16 {
                match self {
                    $(Self::$name => 0 $(| Carrier::$carrier as u16)*,)*
                    $(Self::$many_name => 0 $(| Carrier::$many_carrier as u16)*,)*
                }
            }

            #[inline]
            const fn wire(self) -> Wire {
                match self {
                    $(Self::$name => Wire::$wire,)*
                    $(Self::$many_name => Wire::$many_wire,)*
                }
            }
        }

        impl Property {
            /// Its number.
            #[must_use]
            pub const fn id(&self) -> PropertyId {
                match self {
                    $(Self::$name(_) => PropertyId::$name,)*
                    $(Self::$many_name(_) => PropertyId::$many_name,)*
                }
            }

            fn raw_value(&self) -> RawValue<'_> {
                match self {
                    $(Self::$name(value) => value.to_raw(),)*
                    $(Self::$many_name(value) => value.to_raw(),)*
                }
            }

            fn from_raw(raw: &RawProperty<'_>, body: &Bytes) -> Option<Self> {
                Some(match raw.id {
                    $(PropertyId::$name => Self::$name(Value::from_raw(raw.value, body)?),)*
                    $(PropertyId::$many_name => Self::$many_name(Value::from_raw(raw.value, body)?),)*
                })
            }
        }

        impl Properties {
            $(
                $(#[doc = $doc])*
                #[must_use]
                pub fn $getter(&self) -> Option<view_type!($value)> {
                    self.0.iter().find_map(|property| match property {
                        Property::$name(value) => Some(view!($value, value)),
                        _ => None,
                    })
                }
            )*
        }
    };
}

properties! {
    once {
        /// Payload format indicator: the payload is UTF-8 text.
        0x01 PayloadFormatIndicator payload_format_indicator: bool, Flag in [Publish, Will];
        /// Message expiry interval: the message is worth delivering for so many seconds.
        0x02 MessageExpiryInterval message_expiry_interval: u32, Four in [Publish, Will];
        /// Content type: what the payload is, in the application's words.
        0x03 ContentType content_type: ByteString, Text in [Publish, Will];
        /// Response topic: the topic name an answer should go to.
        0x08 ResponseTopic response_topic: ByteString, TopicName in [Publish, Will];
        /// Correlation data: what an answer should carry to be recognized.
        0x09 CorrelationData correlation_data: Bytes, Binary in [Publish, Will];
        /// Session expiry interval: seconds the session outlives the connection; `u32::MAX` is for ever.
        0x11 SessionExpiryInterval session_expiry_interval: u32, Four in [Connect, ConnAck, Disconnect];
        /// Assigned client identifier: the one the server made.
        0x12 AssignedClientIdentifier assigned_client_identifier: ByteString, Text in [ConnAck];
        /// Server keep alive: seconds, in place of what the client asked for.
        0x13 ServerKeepAlive server_keep_alive: u16, Two in [ConnAck];
        /// Authentication method: the name of the method of enhanced authentication.
        0x15 AuthenticationMethod authentication_method: ByteString, Text in [Connect, ConnAck, Auth];
        /// Authentication data: what the method exchanges.
        0x16 AuthenticationData authentication_data: Bytes, Binary in [Connect, ConnAck, Auth];
        /// Request problem information: reason strings and user properties may be sent on any packet.
        0x17 RequestProblemInformation request_problem_information: bool, Flag in [Connect];
        /// Will delay interval: seconds between the end of the connection and the will.
        0x18 WillDelayInterval will_delay_interval: u32, Four in [Will];
        /// Request response information: the server may send response information.
        0x19 RequestResponseInformation request_response_information: bool, Flag in [Connect];
        /// Response information: a base for response topics.
        0x1A ResponseInformation response_information: ByteString, Text in [ConnAck];
        /// Server reference: another server to use.
        0x1C ServerReference server_reference: ByteString, Text in [ConnAck, Disconnect];
        /// Reason string: an explanation for people.
        0x1F ReasonString reason_string: ByteString, Text in [
            ConnAck, PubAck, PubRec, PubRel, PubComp, SubAck, UnsubAck, Disconnect, Auth
        ];
        /// Receive maximum: QoS 1 and 2 messages taken before they are acknowledged; 1 to 65535.
        0x21 ReceiveMaximum receive_maximum: u16, PositiveTwo in [Connect, ConnAck];
        /// Topic alias maximum: the highest topic alias taken; 0 takes none.
        0x22 TopicAliasMaximum topic_alias_maximum: u16, Two in [Connect, ConnAck];
        /// Topic alias: a number that stands for the topic name; 1 to 65535.
        0x23 TopicAlias topic_alias: u16, Alias in [Publish];
        /// Maximum QoS: the highest the server takes, 0 or 1.
        0x24 MaximumQoS maximum_qos: QoS, MaximumQos in [ConnAck];
        /// Retain available: the server keeps retained messages.
        0x25 RetainAvailable retain_available: bool, Flag in [ConnAck];
        /// Maximum packet size: the largest packet taken, in bytes; not 0.
        0x27 MaximumPacketSize maximum_packet_size: u32, PositiveFour in [Connect, ConnAck];
        /// Wildcard subscription available: the server has wildcard subscriptions.
        0x28 WildcardSubscriptionAvailable wildcard_subscription_available: bool, Flag in [ConnAck];
        /// Subscription identifier available: the server has subscription identifiers.
        0x29 SubscriptionIdentifierAvailable subscription_identifier_available: bool, Flag in [ConnAck];
        /// Shared subscription available: the server has shared subscriptions.
        0x2A SharedSubscriptionAvailable shared_subscription_available: bool, Flag in [ConnAck];
    }
    repeatable {
        /// Subscription identifier: 1 to 268,435,455. May be repeated in PUBLISH, not in SUBSCRIBE.
        0x0B SubscriptionIdentifier: u32, Variable in [Publish, Subscribe];
        /// User property: a name and a value. May be repeated, even with the same name.
        0x26 UserProperty: (ByteString, ByteString), Pair in [
            Connect, Will, ConnAck, Publish, PubAck, PubRec, PubRel, PubComp, Subscribe, SubAck, Unsubscribe,
            UnsubAck, Disconnect, Auth
        ];
    }
}

/// The properties of one packet or will, in the order they stand on the wire.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Properties(Vec<Property>);

impl Properties {
    /// No properties.
    #[must_use]
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// Adds one at the end. Nothing is checked here: the packet's `encode` does.
    pub fn push(&mut self, property: Property) {
        self.0.push(property);
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.0.len()
    }

    /// All of them, in order.
    pub fn iter(&self) -> core::slice::Iter<'_, Property> {
        self.0.iter()
    }

    /// Names and values of the user properties, in order (for PUBLISH: section 3.3.2.3.7).
    pub fn user_properties(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().filter_map(|property| match property {
            Property::UserProperty((name, value)) => Some((&**name, &**value)),
            _ => None,
        })
    }

    /// The subscription identifiers, in order (section 3.3.2.3.8).
    pub fn subscription_identifiers(&self) -> impl Iterator<Item = u32> {
        self.0.iter().filter_map(|property| match property {
            Property::SubscriptionIdentifier(id) => Some(*id),
            _ => None,
        })
    }

    /// Reads property bytes, their length not included, that stand somewhere in `body`.
    ///
    /// # Errors
    ///
    /// Malformed for an unknown property, one that this carrier may not have, or a value that does not fit its
    /// type; a protocol error for a property that stands twice, or a value out of its range (section 2.2.2.2).
    pub(crate) fn decode(raw: &[u8], carrier: Carrier, body: &Bytes) -> Result<Self, DecodeError> {
        let mut properties = Vec::new();
        for property in walk(raw, carrier) {
            properties.extend(Property::from_raw(&property?, body));
        }
        Ok(Self(properties))
    }

    /// Reads the length of the properties and the properties; none before version 5.
    pub(crate) fn read(reader: &mut Reader<'_>, carrier: Carrier, body: &Bytes) -> Result<Self, DecodeError> {
        Self::decode(read_raw(reader)?, carrier, body)
    }

    /// Appends, as raw bytes without their length, the properties of a will that its PUBLISH carries unchanged: all that
    /// a PUBLISH may have, but the message expiry interval, which counts down (section 3.1.3.2).
    pub fn encode_forwarded(&self, out: &mut Vec<u8>) {
        for property in &self.0 {
            let id = property.id();
            if !id.is_allowed_in(Carrier::Publish) || !crate::packet::is_forwarded(id) {
                continue;
            }
            let start = out.len();
            out.push(id as u8);
            if property.raw_value().encode(id.wire(), out).is_err() {
                out.truncate(start);
            }
        }
    }

    /// Appends the length of the properties and the properties.
    ///
    /// # Errors
    ///
    /// [`EncodeError::NotAllowed`] for what [`Self::decode`] of the receiver would refuse.
    pub(crate) fn encode(&self, carrier: Carrier, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        write::length_prefixed(out, |out| {
            let mut seen = Seen::default();
            for property in &self.0 {
                let (id, value) = (property.id(), property.raw_value());
                if seen.check(id, carrier).and_then(|()| id.wire().check(value)).is_err() {
                    return Err(EncodeError::NotAllowed { what: "a property that the packet cannot carry" });
                }
                out.push(id as u8);
                value.encode(id.wire(), out)?;
            }
            Ok(())
        })
    }
}

impl PropertyId {
    /// Whether that packet, or the will, may carry it (section 2.2.2.2).
    #[must_use]
    #[inline]
    pub const fn is_allowed_in(self, carrier: Carrier) -> bool {
        self.carriers() & carrier as u16 != 0
    }

    /// Whether it may stand there more than once: user properties anywhere, subscription identifiers in PUBLISH.
    #[must_use]
    #[inline]
    pub const fn is_repeatable_in(self, carrier: Carrier) -> bool {
        match self {
            Self::UserProperty => true,
            Self::SubscriptionIdentifier => matches!(carrier, Carrier::Publish),
            _ => false,
        }
    }
}

impl From<Vec<Property>> for Properties {
    fn from(properties: Vec<Property>) -> Self {
        Self(properties)
    }
}

impl FromIterator<Property> for Properties {
    fn from_iter<I: IntoIterator<Item = Property>>(properties: I) -> Self {
        Self(properties.into_iter().collect())
    }
}

impl Extend<Property> for Properties {
    fn extend<I: IntoIterator<Item = Property>>(&mut self, properties: I) {
        self.0.extend(properties);
    }
}

impl<'a> IntoIterator for &'a Properties {
    type Item = &'a Property;
    type IntoIter = core::slice::Iter<'a, Property>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}
