//! PUBACK, PUBREC, PUBREL and PUBCOMP (sections 3.4 to 3.7): one layout, four packets.

use alloc::vec::Vec;

use bytes::Bytes;

use crate::packet::check_flags;
use crate::property::{Carrier, read_raw, walk};
use crate::read::Reader;
use crate::{DecodeError, EncodeError, PacketId, PacketType, Properties, ReasonCode, Version, write};

macro_rules! ack_packets {
    ($($(#[doc = $doc:literal])* $name:ident;)*) => {$(
        $(#[doc = $doc])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct $name {
            /// The packet identifier of the PUBLISH it belongs to.
            pub packet_id: PacketId,
            /// How it went; always success before version 5.
            pub reason: ReasonCode,
            /// Properties (version 5).
            pub properties: Properties,
        }

        impl $name {
            /// With no properties.
            #[must_use]
            pub const fn new(packet_id: PacketId, reason: ReasonCode) -> Self {
                Self { packet_id, reason, properties: Properties::new() }
            }

            /// Reads the body of the packet; `first` is its first byte.
            ///
            /// # Errors
            ///
            /// Reserved flags, packet identifier 0, a reason code that this packet does not have, properties that
            /// are not allowed, bytes too few or too many.
            pub fn decode(version: Version, first: u8, body: &Bytes) -> Result<Self, DecodeError> {
                let (view, properties) = read(version, first, body, PacketType::$name)?;
                let properties = Properties::decode(properties, Carrier::$name, body)?;
                Ok(Self { packet_id: view.packet_id, reason: view.reason, properties })
            }

            /// Appends the whole packet. Before version 5, reason and properties are left out.
            ///
            /// # Errors
            ///
            /// A reason code or property that this packet does not have, or a string that is too long.
            pub fn encode(&self, version: Version, out: &mut Vec<u8>) -> Result<(), EncodeError> {
                let Self { packet_id, reason, properties } = self;
                write_packet(PacketType::$name, Carrier::$name, version, *packet_id, *reason, properties, out)
            }
        }
    )*};
}

ack_packets! {
    /// PUBACK: the answer to a QoS 1 PUBLISH (section 3.4).
    PubAck;
    /// PUBREC: the first answer to a QoS 2 PUBLISH (section 3.5).
    PubRec;
    /// PUBREL: the answer to PUBREC (section 3.6).
    PubRel;
    /// PUBCOMP: the answer to PUBREL and the end of the exchange (section 3.7).
    PubComp;
}

/// Any of the four, as far as a session needs it: nothing is allocated, the properties are checked and passed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AckView {
    /// The packet identifier of the PUBLISH it belongs to.
    pub packet_id: PacketId,
    /// How it went; always success before version 5.
    pub reason: ReasonCode,
}

impl AckView {
    /// Reads a PUBACK, PUBREC, PUBREL or PUBCOMP; which one, `first` says.
    ///
    /// # Errors
    ///
    /// As [`PubAck::decode`]; malformed too for any other packet.
    #[inline]
    pub fn decode(version: Version, first: u8, body: &[u8]) -> Result<Self, DecodeError> {
        let (kind, carrier) = match PacketType::of(first) {
            Some(kind @ PacketType::PubAck) => (kind, Carrier::PubAck),
            Some(kind @ PacketType::PubRec) => (kind, Carrier::PubRec),
            Some(kind @ PacketType::PubRel) => (kind, Carrier::PubRel),
            Some(kind @ PacketType::PubComp) => (kind, Carrier::PubComp),
            _ => return Err(DecodeError::Malformed { what: "not an acknowledgement" }),
        };
        let (view, properties) = read(version, first, body, kind)?;
        for property in walk(properties, carrier) {
            property?;
        }
        Ok(view)
    }
}

/// Identifier and reason, and the property bytes not yet looked at. Reason and properties may be missing, from the end
/// (section 3.4.2.1).
#[inline]
fn read(version: Version, first: u8, body: &[u8], kind: PacketType) -> Result<(AckView, &[u8]), DecodeError> {
    check_flags(version, first, kind)?;
    let mut reader = Reader::new(body);
    let packet_id = reader.packet_id()?;
    let mut view = AckView { packet_id, reason: ReasonCode::Success };
    if reader.is_empty() {
        return Ok((view, &[]));
    }
    if !version.has_properties() {
        reader.finish()?;
    }
    view.reason = super::read_reason(&mut reader, kind)?;
    let properties = if reader.is_empty() { &[] } else { read_raw(&mut reader)? };
    reader.finish()?;
    Ok((view, properties))
}

fn write_packet(
    kind: PacketType,
    carrier: Carrier,
    version: Version,
    packet_id: PacketId,
    reason: ReasonCode,
    properties: &Properties,
    out: &mut Vec<u8>,
) -> Result<(), EncodeError> {
    let [high, low] = packet_id.get().to_be_bytes();
    let brief = reason == ReasonCode::Success && properties.is_empty();
    if brief || !version.has_properties() {
        out.extend_from_slice(&[kind.first_byte(), 2, high, low]);
        return Ok(());
    }
    super::check_reason(reason, kind)?;
    if properties.is_empty() {
        out.extend_from_slice(&[kind.first_byte(), 3, high, low, reason.to_u8()]);
        return Ok(());
    }
    write::packet(out, kind.first_byte(), |out| {
        out.extend_from_slice(&[high, low, reason.to_u8()]);
        properties.encode(carrier, out)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packet::exact::{assert_not_written, assert_same, read};
    use crate::{Packet, Property};

    fn id(number: u16) -> PacketId {
        PacketId::new(number).unwrap()
    }

    fn with_reason_string(reason: ReasonCode) -> PubRec {
        let properties = [Property::ReasonString("no".into())].into_iter().collect();
        PubRec { packet_id: id(0x0102), reason, properties }
    }

    #[test]
    fn success_is_four_bytes_in_every_version() {
        for version in Version::ALL {
            assert_same(version, PubAck::new(id(0x0102), ReasonCode::Success), &[0x40, 2, 1, 2]);
            assert_same(version, PubRec::new(id(0x0102), ReasonCode::Success), &[0x50, 2, 1, 2]);
            assert_same(version, PubRel::new(id(0x0102), ReasonCode::Success), &[0x62, 2, 1, 2]);
            assert_same(version, PubComp::new(id(0xFFFF), ReasonCode::Success), &[0x70, 2, 0xFF, 0xFF]);
        }
    }

    #[test]
    fn a_reason_without_properties_is_five_bytes() {
        let refused = PubAck::new(id(9), ReasonCode::NotAuthorized);
        assert_same(Version::V5, refused, &[0x40, 3, 0, 9, 0x87]);
        let unknown = PubRel::new(id(9), ReasonCode::PacketIdentifierNotFound);
        assert_same(Version::V5, unknown, &[0x62, 3, 0, 9, 0x92]);
    }

    #[test]
    fn properties_follow_the_reason() {
        let bytes = [0x50, 9, 1, 2, 0x97, 5, 0x1F, 0, 2, b'n', b'o'];
        assert_same(Version::V5, with_reason_string(ReasonCode::QuotaExceeded), &bytes);
        let bytes = [0x50, 9, 1, 2, 0x00, 5, 0x1F, 0, 2, b'n', b'o'];
        assert_same(Version::V5, with_reason_string(ReasonCode::Success), &bytes);
    }

    #[test]
    fn success_may_be_spelled_out_with_empty_properties() {
        let expected = Packet::from(PubComp::new(id(5), ReasonCode::Success));
        assert_eq!(read(Version::V5, &[0x70, 3, 0, 5, 0]), Ok(expected.clone()));
        assert_eq!(read(Version::V5, &[0x70, 4, 0, 5, 0, 0]), Ok(expected));
    }

    #[test]
    fn older_versions_send_neither_reason_nor_properties() {
        for version in [Version::V31, Version::V311] {
            let mut out = Vec::new();
            with_reason_string(ReasonCode::QuotaExceeded).encode(version, &mut out).unwrap();
            assert_eq!(out, [0x50, 2, 1, 2]);
            assert!(read(version, &[0x50, 3, 1, 2, 0]).is_err());
        }
    }

    #[test]
    fn what_the_packet_cannot_carry_is_refused_both_ways() {
        assert_not_written(Version::V5, PubAck::new(id(1), ReasonCode::PacketIdentifierNotFound));
        assert!(read(Version::V5, &[0x40, 3, 0, 1, 0x92]).is_err());
        // A reason code that does not exist, a property of another packet, a body too short and one too long.
        for body in [&[0, 1, 0x03][..], &[0, 1, 0, 2, 0x01, 1], &[0], &[0, 1, 0, 0, 0]] {
            assert!(AckView::decode(Version::V5, 0x40, body).is_err(), "{body:?}");
        }
        assert_eq!(
            AckView::decode(Version::V5, 0x40, &[0, 0]).map_err(|error| error.reason_code()),
            Err(ReasonCode::ProtocolError)
        );
    }

    #[test]
    fn the_view_reads_what_the_packet_reads() {
        let body = [1, 2, 0x97, 5, 0x1F, 0, 2, b'n', b'o'];
        let expected = AckView { packet_id: id(0x0102), reason: ReasonCode::QuotaExceeded };
        assert_eq!(AckView::decode(Version::V5, 0x50, &body), Ok(expected));
        assert!(AckView::decode(Version::V5, 0x30, &body).is_err(), "a PUBLISH is no acknowledgement");
    }
}
