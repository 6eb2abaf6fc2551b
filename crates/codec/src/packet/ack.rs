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
