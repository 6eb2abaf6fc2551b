//! The control packets (chapter 3), one file each.

use alloc::boxed::Box;
use alloc::vec::Vec;

use bytes::Bytes;

use crate::property::Carrier;
use crate::read::Reader;
use crate::{DecodeError, EncodeError, PacketType, Properties, ReasonCode, Version, write};

mod ack;
mod auth;
mod connack;
mod connect;
mod disconnect;
mod ping;
mod publish;
mod publish_head;
mod publish_view;
mod suback;
mod subscribe;
mod unsuback;
mod unsubscribe;

pub use ack::{AckView, PubAck, PubComp, PubRec, PubRel};
pub use auth::Auth;
pub use connack::ConnAck;
pub use connect::{Connect, Will};
pub use disconnect::Disconnect;
pub use ping::{PING_REQ, PING_RESP};
pub use publish::Publish;
pub use publish_head::PublishHead;
pub(crate) use publish_view::is_forwarded;
pub use publish_view::{ForwardedProperties, PublishView};
pub use suback::SubAck;
pub use subscribe::{RetainHandling, Subscribe, SubscribeFilter, SubscriptionOptions};
pub use unsuback::UnsubAck;
pub use unsubscribe::Unsubscribe;

/// Any control packet, of any version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Packet {
    /// Client asks for a connection (section 3.1).
    Connect(Box<Connect>),
    /// Server answers CONNECT (section 3.2).
    ConnAck(ConnAck),
    /// An application message (section 3.3).
    Publish(Publish),
    /// Answer to a QoS 1 PUBLISH (section 3.4).
    PubAck(PubAck),
    /// First answer to a QoS 2 PUBLISH (section 3.5).
    PubRec(PubRec),
    /// Answer to PUBREC (section 3.6).
    PubRel(PubRel),
    /// Answer to PUBREL (section 3.7).
    PubComp(PubComp),
    /// Client asks for subscriptions (section 3.8).
    Subscribe(Subscribe),
    /// Server answers SUBSCRIBE (section 3.9).
    SubAck(SubAck),
    /// Client ends subscriptions (section 3.10).
    Unsubscribe(Unsubscribe),
    /// Server answers UNSUBSCRIBE (section 3.11).
    UnsubAck(UnsubAck),
    /// Client shows it is alive (section 3.12).
    PingReq,
    /// Server answers PINGREQ (section 3.13).
    PingResp,
    /// The sender closes the connection (section 3.14).
    Disconnect(Disconnect),
    /// A step of enhanced authentication (section 3.15).
    Auth(Auth),
}

impl Packet {
    /// Reads the packet whose first byte and body [`crate::frame::scan`] found. Strings and payloads share the memory
    /// of `body`. CONNECT carries its own version: for it, `version` is not looked at.
    ///
    /// # Errors
    ///
    /// What is wrong with the packet; [`DecodeError::reason_code`] says how to answer it.
    pub fn decode(version: Version, first: u8, body: &Bytes) -> Result<Self, DecodeError> {
        let kind = PacketType::of(first).ok_or(DecodeError::Malformed { what: "packet type 0" })?;
        Ok(match kind {
            PacketType::Connect => Connect::decode(first, body)?.into(),
            PacketType::ConnAck => ConnAck::decode(version, first, body)?.into(),
            PacketType::Publish => Publish::decode(version, first, body)?.into(),
            PacketType::PubAck => PubAck::decode(version, first, body)?.into(),
            PacketType::PubRec => PubRec::decode(version, first, body)?.into(),
            PacketType::PubRel => PubRel::decode(version, first, body)?.into(),
            PacketType::PubComp => PubComp::decode(version, first, body)?.into(),
            PacketType::Subscribe => Subscribe::decode(version, first, body)?.into(),
            PacketType::SubAck => SubAck::decode(version, first, body)?.into(),
            PacketType::Unsubscribe => Unsubscribe::decode(version, first, body)?.into(),
            PacketType::UnsubAck => UnsubAck::decode(version, first, body)?.into(),
            PacketType::PingReq => ping::decode(version, first, body).map(|()| Self::PingReq)?,
            PacketType::PingResp => ping::decode(version, first, body).map(|()| Self::PingResp)?,
            PacketType::Disconnect => Disconnect::decode(version, first, body)?.into(),
            PacketType::Auth => Auth::decode(version, first, body)?.into(),
        })
    }

    /// Appends the whole packet to `out`. A CONNECT is written in its own version: for it, `version` is not looked
    /// at. What the version cannot carry (properties, reason codes) is left out. On an error nothing is appended.
    ///
    /// # Errors
    ///
    /// A field too long for its length bytes, or a value that may not be sent.
    pub fn encode(&self, version: Version, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        match self {
            Self::Connect(packet) => packet.encode(out),
            Self::ConnAck(packet) => packet.encode(version, out),
            Self::Publish(packet) => packet.encode(version, out),
            Self::PubAck(packet) => packet.encode(version, out),
            Self::PubRec(packet) => packet.encode(version, out),
            Self::PubRel(packet) => packet.encode(version, out),
            Self::PubComp(packet) => packet.encode(version, out),
            Self::Subscribe(packet) => packet.encode(version, out),
            Self::SubAck(packet) => packet.encode(version, out),
            Self::Unsubscribe(packet) => packet.encode(version, out),
            Self::UnsubAck(packet) => packet.encode(version, out),
            Self::PingReq => {
                out.extend_from_slice(&PING_REQ);
                Ok(())
            }
            Self::PingResp => {
                out.extend_from_slice(&PING_RESP);
                Ok(())
            }
            Self::Disconnect(packet) => packet.encode(version, out),
            Self::Auth(packet) => packet.encode(version, out),
        }
    }

    /// Its type.
    #[must_use]
    pub const fn packet_type(&self) -> PacketType {
        match self {
            Self::Connect(_) => PacketType::Connect,
            Self::ConnAck(_) => PacketType::ConnAck,
            Self::Publish(_) => PacketType::Publish,
            Self::PubAck(_) => PacketType::PubAck,
            Self::PubRec(_) => PacketType::PubRec,
            Self::PubRel(_) => PacketType::PubRel,
            Self::PubComp(_) => PacketType::PubComp,
            Self::Subscribe(_) => PacketType::Subscribe,
            Self::SubAck(_) => PacketType::SubAck,
            Self::Unsubscribe(_) => PacketType::Unsubscribe,
            Self::UnsubAck(_) => PacketType::UnsubAck,
            Self::PingReq => PacketType::PingReq,
            Self::PingResp => PacketType::PingResp,
            Self::Disconnect(_) => PacketType::Disconnect,
            Self::Auth(_) => PacketType::Auth,
        }
    }
}

impl From<Connect> for Packet {
    fn from(packet: Connect) -> Self {
        Self::Connect(Box::new(packet))
    }
}

macro_rules! packet_from {
    ($($name:ident)*) => {$(
        impl From<$name> for Packet {
            fn from(packet: $name) -> Self {
                Self::$name(packet)
            }
        }
    )*};
}

packet_from! {
    ConnAck Publish PubAck PubRec PubRel PubComp Subscribe SubAck Unsubscribe UnsubAck Disconnect Auth
}

/// Checks the low half of the first byte ([MQTT-2.1.3-1]). Version 3.1 gives those bits to DUP, QoS and RETAIN for
/// every packet and says only that most of them are not used, so there just the QoS of a request counts.
fn check_flags(version: Version, first: u8, kind: PacketType) -> Result<(), DecodeError> {
    let checked = match (version, kind.fixed_flags()) {
        (Version::V31, 0) => 0,
        (Version::V31, _) => 0b0110,
        _ => 0b1111,
    };
    if (first ^ kind.fixed_flags()) & checked == 0 {
        Ok(())
    } else {
        Err(DecodeError::Malformed { what: "reserved flags in the first byte" })
    }
}

/// A reason code that a packet of this type may carry; any other is malformed (section 2.4).
fn read_reason(reader: &mut Reader<'_>, kind: PacketType) -> Result<ReasonCode, DecodeError> {
    ReasonCode::from_u8(reader.u8()?)
        .filter(|reason| reason.is_allowed_in(kind))
        .ok_or(DecodeError::Malformed { what: "a reason code that the packet does not have" })
}

/// Refuses to send a reason code that a packet of this type does not have.
fn check_reason(reason: ReasonCode, kind: PacketType) -> Result<(), EncodeError> {
    if reason.is_allowed_in(kind) {
        Ok(())
    } else {
        Err(EncodeError::NotAllowed { what: "a reason code that the packet does not have" })
    }
}

/// Appends a packet that is a reason code and properties, as short as the standard lets it be.
fn write_reason_and_properties(
    kind: PacketType,
    carrier: Carrier,
    reason: ReasonCode,
    properties: &Properties,
    out: &mut Vec<u8>,
) -> Result<(), EncodeError> {
    write::packet(out, kind.first_byte(), |out| {
        if reason == ReasonCode::Success && properties.is_empty() {
            return Ok(());
        }
        out.push(reason.to_u8());
        // DISCONNECT may end here (section 3.14.2.2.1); of AUTH the standard does not say so.
        if kind == PacketType::Disconnect && properties.is_empty() {
            return Ok(());
        }
        properties.encode(carrier, out)
    })
}

/// For the tests of every packet: its value and its exact bytes.
#[cfg(test)]
mod exact {
    use super::*;
    use crate::{Scan, frame};

    /// Reads one whole packet.
    pub(super) fn read(version: Version, bytes: &[u8]) -> Result<Packet, DecodeError> {
        let Scan::Complete(frame) = frame::scan(bytes, usize::MAX)? else { panic!("not a whole packet") };
        assert_eq!(frame.len, bytes.len(), "more than one packet");
        Packet::decode(version, frame.first, &Bytes::copy_from_slice(frame.body))
    }

    /// Asserts that the packet is written as these bytes, and these bytes are read as the packet.
    pub(super) fn assert_same(version: Version, packet: impl Into<Packet>, bytes: &[u8]) {
        let packet = packet.into();
        let mut out = Vec::from(*b"before");
        packet.encode(version, &mut out).unwrap();
        assert_eq!(&out[6..], bytes, "written in {version:?}");
        assert_eq!(read(version, bytes), Ok(packet), "read in {version:?}");
    }

    /// Asserts that the packet is not written, and what was in the buffer stays as it was.
    pub(super) fn assert_not_written(version: Version, packet: impl Into<Packet>) -> EncodeError {
        let mut out = Vec::from(*b"before");
        let error = packet.into().encode(version, &mut out).unwrap_err();
        assert_eq!(out, b"before");
        error
    }
}

#[cfg(test)]
mod tests {
    use super::exact::read;
    use super::*;

    #[test]
    fn packet_type_0_is_malformed_in_every_version() {
        for version in Version::ALL {
            let error = read(version, &[0x00, 0]).unwrap_err();
            assert_eq!(error.reason_code(), ReasonCode::MalformedPacket);
        }
    }

    #[test]
    fn reserved_flags_are_malformed_from_3_1_1_on() {
        let bodies: [(PacketType, &[u8]); 4] = [
            (PacketType::PubAck, &[0, 1]),
            (PacketType::PubRel, &[0, 1]),
            (PacketType::PingReq, &[]),
            (PacketType::Disconnect, &[]),
        ];
        for (kind, body) in bodies {
            let body = Bytes::copy_from_slice(body);
            for flags in 0..16 {
                let first = (kind as u8) << 4 | flags;
                let right = flags == kind.fixed_flags();
                for version in [Version::V311, Version::V5] {
                    assert_eq!(Packet::decode(version, first, &body).is_ok(), right, "{kind:?} {flags:04b}");
                }
            }
        }
    }

    #[test]
    fn version_3_1_may_set_dup_on_a_request_that_is_sent_again() {
        let subscribe = [0x8A, 6, 0, 1, 0, 1, b'a', 0];
        assert!(read(Version::V31, &subscribe).is_ok());
        assert!(read(Version::V311, &subscribe).is_err());
        let wrong_qos = [0x84, 6, 0, 1, 0, 1, b'a', 0];
        assert!(read(Version::V31, &wrong_qos).is_err());
    }

    #[test]
    fn a_packet_keeps_the_memory_it_was_read_from() {
        let body = Bytes::from_static(b"\0\x01ahello");
        let Ok(Packet::Publish(publish)) = Packet::decode(Version::V311, 0x30, &body) else { panic!() };
        assert_eq!(publish.payload.as_ptr(), body[3..].as_ptr());
        assert_eq!(publish.topic.as_bytes().as_ptr(), body[2..].as_ptr());
    }
}
