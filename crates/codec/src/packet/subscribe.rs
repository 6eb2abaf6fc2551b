use alloc::vec::Vec;

use bytes::Bytes;

use crate::packet::check_flags;
use crate::property::Carrier;
use crate::read::{Reader, shared_string};
use crate::topic::{SharedFilter, check_filter};
use crate::{ByteString, DecodeError, EncodeError, PacketId, PacketType, Properties, QoS, Version, write};

/// SUBSCRIBE: the client asks for subscriptions (section 3.8).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscribe {
    /// The packet identifier, repeated in SUBACK.
    pub packet_id: PacketId,
    /// Properties (version 5).
    pub properties: Properties,
    /// What is subscribed to; never empty ([MQTT-3.8.3-2]).
    pub filters: Vec<SubscribeFilter>,
}

/// One topic filter of a SUBSCRIBE, with its options.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubscribeFilter {
    /// The topic filter; may be a shared one.
    pub filter: ByteString,
    /// How messages are to be sent.
    pub options: SubscriptionOptions,
}

/// How a subscription wants its messages (section 3.8.3.1). Before version 5 there is only the QoS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct SubscriptionOptions {
    /// The highest QoS messages are to be sent with.
    pub qos: QoS,
    /// Do not send what this client published itself.
    pub no_local: bool,
    /// Keep the RETAIN flag as it was published.
    pub retain_as_published: bool,
    /// Whether retained messages are sent at once.
    pub retain_handling: RetainHandling,
}

/// When retained messages are sent because of a SUBSCRIBE (section 3.8.3.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum RetainHandling {
    /// Every time.
    #[default]
    Send = 0,
    /// Only if the subscription did not exist.
    SendIfNew = 1,
    /// Never.
    DoNotSend = 2,
}

impl SubscriptionOptions {
    /// That QoS, and else as before version 5.
    #[must_use]
    pub const fn new(qos: QoS) -> Self {
        Self { qos, no_local: false, retain_as_published: false, retain_handling: RetainHandling::Send }
    }

    /// The byte of version 5.
    #[must_use]
    pub const fn to_u8(self) -> u8 {
        self.qos.to_u8()
            | (self.no_local as u8) << 2
            | (self.retain_as_published as u8) << 3
            | (self.retain_handling as u8) << 4
    }

    /// Reads the byte of version 5.
    ///
    /// # Errors
    ///
    /// Malformed for QoS 3 and for reserved bits ([MQTT-3.8.3-5]); a protocol error for retain handling 3.
    pub const fn from_u8(byte: u8) -> Result<Self, DecodeError> {
        if byte & 0b1100_0000 != 0 {
            return Err(DecodeError::Malformed { what: "reserved bits in the subscription options" });
        }
        let Some(qos) = QoS::from_u8(byte & 0b11) else {
            return Err(DecodeError::Malformed { what: "QoS above 2" });
        };
        let retain_handling = match byte >> 4 {
            0 => RetainHandling::Send,
            1 => RetainHandling::SendIfNew,
            2 => RetainHandling::DoNotSend,
            _ => return Err(DecodeError::ProtocolViolation { what: "retain handling 3" }),
        };
        let (no_local, retain_as_published) = (byte & 0b100 != 0, byte & 0b1000 != 0);
        Ok(Self { qos, no_local, retain_as_published, retain_handling })
    }

    fn decode(version: Version, byte: u8) -> Result<Self, DecodeError> {
        match version {
            Version::V5 => Self::from_u8(byte),
            Version::V311 if byte & !0b11 != 0 => {
                Err(DecodeError::Malformed { what: "reserved bits beside the requested QoS" })
            }
            // Version 3.1 calls the other bits unused.
            _ => QoS::try_from(byte & 0b11).map(Self::new),
        }
    }
}

impl SubscribeFilter {
    /// A topic filter with its options.
    #[must_use]
    pub fn new(filter: impl Into<ByteString>, options: SubscriptionOptions) -> Self {
        Self { filter: filter.into(), options }
    }

    fn check_shared(&self, version: Version) -> Result<(), DecodeError> {
        if version != Version::V5 {
            // Shared subscriptions are new in version 5; whether older clients get them, the server decides.
            return Ok(());
        }
        let shared = SharedFilter::parse(&self.filter).map_err(|_| DecodeError::TopicFilterInvalid)?;
        if shared.is_some() && self.options.no_local {
            return Err(DecodeError::ProtocolViolation { what: "no local on a shared subscription" });
        }
        Ok(())
    }
}

impl Subscribe {
    /// Reads the body of the packet; `first` is its first byte.
    ///
    /// # Errors
    ///
    /// No topic filter ([MQTT-3.8.3-2]), an invalid one, reserved bits, no local on a shared subscription
    /// ([MQTT-3.8.3-4]), packet identifier 0, properties that are not allowed, bytes too few.
    pub fn decode(version: Version, first: u8, body: &Bytes) -> Result<Self, DecodeError> {
        check_flags(version, first, PacketType::Subscribe)?;
        let mut reader = Reader::new(body);
        let packet_id = reader.packet_id()?;
        let properties = if version.has_properties() {
            Properties::read(&mut reader, Carrier::Subscribe, body)?
        } else {
            Properties::new()
        };
        let mut filters = Vec::new();
        while !reader.is_empty() {
            let filter = reader.string()?;
            check_filter(filter).map_err(|_| DecodeError::TopicFilterInvalid)?;
            let options = SubscriptionOptions::decode(version, reader.u8()?)?;
            let filter = SubscribeFilter { filter: shared_string(body, filter), options };
            filter.check_shared(version)?;
            filters.push(filter);
        }
        if filters.is_empty() {
            return Err(DecodeError::ProtocolViolation { what: "SUBSCRIBE without a topic filter" });
        }
        Ok(Self { packet_id, properties, filters })
    }

    /// Appends the whole packet. Before version 5, properties and all options but the QoS are left out.
    ///
    /// # Errors
    ///
    /// No topic filter, one that is not valid, a property that SUBSCRIBE does not have, or a field that is too long.
    pub fn encode(&self, version: Version, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        if self.filters.is_empty() {
            return Err(EncodeError::NotAllowed { what: "SUBSCRIBE without a topic filter" });
        }
        write::packet(out, PacketType::Subscribe.first_byte(), |out| {
            out.extend_from_slice(&self.packet_id.get().to_be_bytes());
            if version.has_properties() {
                self.properties.encode(Carrier::Subscribe, out)?;
            }
            for filter in &self.filters {
                write::topic_filter(out, &filter.filter)?;
                if filter.check_shared(version).is_err() {
                    return Err(EncodeError::NotAllowed { what: "a shared subscription that is not valid" });
                }
                out.push(match version {
                    Version::V5 => filter.options.to_u8(),
                    _ => filter.options.qos.to_u8(),
                });
            }
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packet::exact::{assert_not_written, assert_same, read};
    use crate::{Property, ReasonCode};

    fn subscribe(filters: &[(&'static str, SubscriptionOptions)]) -> Subscribe {
        let filters = filters.iter().map(|(filter, options)| SubscribeFilter::new(*filter, *options));
        Subscribe { packet_id: PacketId::MIN, properties: Properties::new(), filters: filters.collect() }
    }

    fn refused(version: Version, bytes: &[u8]) -> ReasonCode {
        read(version, bytes).unwrap_err().reason_code()
    }

    #[test]
    fn before_version_5_a_filter_has_a_qos() {
        let packet = subscribe(&[
            ("a/+", SubscriptionOptions::new(QoS::AtLeastOnce)),
            ("#", SubscriptionOptions::new(QoS::ExactlyOnce)),
        ]);
        let bytes = [0x82, 12, 0, 1, 0, 3, b'a', b'/', b'+', 1, 0, 1, b'#', 2];
        assert_same(Version::V31, packet.clone(), &bytes);
        assert_same(Version::V311, packet, &bytes);
    }

    #[test]
    fn version_5_has_options_and_properties() {
        let options = SubscriptionOptions {
            qos: QoS::ExactlyOnce,
            no_local: true,
            retain_as_published: true,
            retain_handling: RetainHandling::DoNotSend,
        };
        let properties = [Property::SubscriptionIdentifier(268_435_455)].into_iter().collect();
        let packet = Subscribe { properties, ..subscribe(&[("a", options)]) };
        let bytes = [0x82, 12, 0, 1, 5, 0x0B, 0xFF, 0xFF, 0xFF, 0x7F, 0, 1, b'a', 0b0010_1110];
        assert_same(Version::V5, packet, &bytes);
    }

    #[test]
    fn options_survive_as_a_byte_or_are_refused() {
        for byte in 0..=u8::MAX {
            match SubscriptionOptions::from_u8(byte) {
                Ok(options) => assert_eq!(options.to_u8(), byte),
                Err(_) => assert!(byte & 0b11 == 3 || byte >> 4 >= 3, "{byte:08b}"),
            }
        }
    }

    #[test]
    fn wrong_options_are_refused() {
        for version in Version::ALL {
            let qos_3 = if version == Version::V5 {
                &[0x82, 7, 0, 1, 0, 0, 1, b'a', 3][..]
            } else {
                &[0x82, 6, 0, 1, 0, 1, b'a', 3]
            };
            assert_eq!(refused(version, qos_3), ReasonCode::MalformedPacket);
        }
        assert_eq!(refused(Version::V311, &[0x82, 6, 0, 1, 0, 1, b'a', 4]), ReasonCode::MalformedPacket);
        assert!(read(Version::V31, &[0x82, 6, 0, 1, 0, 1, b'a', 4]).is_ok());
        assert_eq!(refused(Version::V5, &[0x82, 7, 0, 1, 0, 0, 1, b'a', 0x30]), ReasonCode::ProtocolError);
    }

    #[test]
    fn a_topic_filter_is_needed_and_checked() {
        assert_eq!(refused(Version::V311, &[0x82, 2, 0, 1]), ReasonCode::ProtocolError);
        assert_eq!(refused(Version::V311, &[0x82, 5, 0, 1, 0, 0, 0]), ReasonCode::TopicFilterInvalid);
        assert_eq!(
            refused(Version::V311, &[0x82, 7, 0, 1, 0, 2, b'#', b'a', 0]),
            ReasonCode::TopicFilterInvalid
        );
        assert_eq!(refused(Version::V311, &[0x82, 5, 0, 1, 0, 1, b'a']), ReasonCode::MalformedPacket);
        assert_eq!(refused(Version::V311, &[0x82, 6, 0, 0, 0, 1, b'a', 0]), ReasonCode::ProtocolError);
        assert_not_written(Version::V311, subscribe(&[]));
        assert_not_written(Version::V311, subscribe(&[("a+", SubscriptionOptions::default())]));
    }

    #[test]
    fn shared_subscriptions_are_checked_in_version_5() {
        let plain = SubscriptionOptions::default();
        let no_local = SubscriptionOptions { no_local: true, ..plain };
        let mut out = Vec::new();
        subscribe(&[("$share/g/a", plain)]).encode(Version::V5, &mut out).unwrap();
        assert!(read(Version::V5, &out).is_ok());
        assert_not_written(Version::V5, subscribe(&[("$share/g/a", no_local)]));
        assert_not_written(Version::V5, subscribe(&[("$share//a", plain)]));

        if let Some(options) = out.last_mut() {
            *options = no_local.to_u8();
        }
        assert_eq!(refused(Version::V5, &out), ReasonCode::ProtocolError);
        let no_group = b"\x82\x0F\0\x01\0\0\x09$share//a\0";
        assert_eq!(refused(Version::V5, no_group), ReasonCode::TopicFilterInvalid);
    }

    #[test]
    fn a_subscription_identifier_stands_once() {
        let twice = [0x82, 11, 0, 1, 4, 0x0B, 1, 0x0B, 2, 0, 1, b'a', 0];
        assert_eq!(refused(Version::V5, &twice), ReasonCode::ProtocolError);
    }
}
