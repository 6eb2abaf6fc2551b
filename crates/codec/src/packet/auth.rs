use alloc::vec::Vec;

use bytes::Bytes;

use crate::packet::{check_flags, check_reason, read_reason, write_reason_and_properties};
use crate::property::Carrier;
use crate::read::Reader;
use crate::{DecodeError, EncodeError, PacketType, Properties, ReasonCode, Version};

/// AUTH: a step of enhanced authentication (section 3.15). Only in version 5.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Auth {
    /// Success, another step, or the start of re-authentication.
    pub reason: ReasonCode,
    /// Properties. The standard asks for an authentication method, but also lets the packet end before it; so its
    /// presence is left to the receiver.
    pub properties: Properties,
}

impl Auth {
    /// With no properties.
    #[must_use]
    pub const fn new(reason: ReasonCode) -> Self {
        Self { reason, properties: Properties::new() }
    }

    /// Reads the body of the packet; `first` is its first byte. An empty body is success (section 3.15.2.1).
    ///
    /// # Errors
    ///
    /// A protocol error before version 5; reserved flags ([MQTT-3.15.1-1]), a reason code that AUTH does not have,
    /// properties that are not allowed, bytes too few or too many.
    pub fn decode(version: Version, first: u8, body: &Bytes) -> Result<Self, DecodeError> {
        if !version.has_properties() {
            return Err(DecodeError::ProtocolViolation { what: "AUTH before version 5" });
        }
        check_flags(version, first, PacketType::Auth)?;
        let mut reader = Reader::new(body);
        let mut packet = Self::new(ReasonCode::Success);
        if !reader.is_empty() {
            packet.reason = read_reason(&mut reader, PacketType::Auth)?;
        }
        if !reader.is_empty() {
            packet.properties = Properties::read(&mut reader, Carrier::Auth, body)?;
        }
        reader.finish()?;
        Ok(packet)
    }

    /// Appends the whole packet.
    ///
    /// # Errors
    ///
    /// Any version but 5, a reason code or property that AUTH does not have, or a field that is too long.
    pub fn encode(&self, version: Version, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        if !version.has_properties() {
            return Err(EncodeError::NotAllowed { what: "AUTH before version 5" });
        }
        check_reason(self.reason, PacketType::Auth)?;
        write_reason_and_properties(PacketType::Auth, Carrier::Auth, self.reason, &self.properties, out)
    }
}
