use alloc::vec::Vec;

use bytes::Bytes;

use crate::packet::{check_flags, check_reason, read_reason};
use crate::property::Carrier;
use crate::read::Reader;
use crate::{DecodeError, EncodeError, PacketId, PacketType, Properties, ReasonCode, Version, write};

/// SUBACK: the server's answer to SUBSCRIBE (section 3.9).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubAck {
    /// The packet identifier of the SUBSCRIBE.
    pub packet_id: PacketId,
    /// One for each topic filter, in their order ([MQTT-3.8.4-6]). Before version 5 every failure is 0x80.
    pub reasons: Vec<ReasonCode>,
    /// Properties (version 5).
    pub properties: Properties,
}

impl SubAck {
    /// With no properties.
    #[must_use]
    pub const fn new(packet_id: PacketId, reasons: Vec<ReasonCode>) -> Self {
        Self { packet_id, reasons, properties: Properties::new() }
    }

    /// Reads the body of the packet; `first` is its first byte.
    ///
    /// # Errors
    ///
    /// Reserved flags or codes ([MQTT-3.9.3-2] of 3.1.1), packet identifier 0, no code at all, properties that are not
    /// allowed, bytes too few.
    pub fn decode(version: Version, first: u8, body: &Bytes) -> Result<Self, DecodeError> {
        check_flags(version, first, PacketType::SubAck)?;
        let mut reader = Reader::new(body);
        let packet_id = reader.packet_id()?;
        let properties = if version.has_properties() {
            Properties::read(&mut reader, Carrier::SubAck, body)?
        } else {
            Properties::new()
        };
        let mut reasons = Vec::with_capacity(reader.rest().len());
        while !reader.is_empty() {
            let reason = read_reason(&mut reader, PacketType::SubAck)?;
            if !version.has_properties() && reason > ReasonCode::UnspecifiedError {
                return Err(DecodeError::Malformed { what: "a return code above 0x80" });
            }
            reasons.push(reason);
        }
        if reasons.is_empty() {
            return Err(DecodeError::Malformed { what: "SUBACK without a reason code" });
        }
        Ok(Self { packet_id, reasons, properties })
    }

    /// Appends the whole packet.
    ///
    /// # Errors
    ///
    /// No reason code, one that SUBACK does not have, a property that it does not have, or a field that is too long.
    pub fn encode(&self, version: Version, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        if self.reasons.is_empty() {
            return Err(EncodeError::NotAllowed { what: "SUBACK without a reason code" });
        }
        for reason in &self.reasons {
            check_reason(*reason, PacketType::SubAck)?;
        }
        write::packet(out, PacketType::SubAck.first_byte(), |out| {
            out.extend_from_slice(&self.packet_id.get().to_be_bytes());
            if version.has_properties() {
                self.properties.encode(Carrier::SubAck, out)?;
                out.extend(self.reasons.iter().map(|reason| reason.to_u8()));
            } else {
                let failure = ReasonCode::UnspecifiedError.to_u8();
                out.extend(self.reasons.iter().map(|reason| reason.to_u8().min(failure)));
            }
            Ok(())
        })
    }
}
