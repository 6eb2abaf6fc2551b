use alloc::vec::Vec;

use bytes::Bytes;

use crate::packet::{check_flags, check_reason, read_reason};
use crate::property::Carrier;
use crate::read::Reader;
use crate::{
    ConnectReturnCode, DecodeError, EncodeError, PacketType, Properties, ReasonCode, Version, write,
};

/// CONNACK: the server's answer to CONNECT (section 3.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnAck {
    /// The server goes on with a session it had; never with a refusal. Not there in version 3.1.
    pub session_present: bool,
    /// How it went. Before version 5 the nearest return code stands on the wire.
    pub reason: ReasonCode,
    /// Properties (version 5).
    pub properties: Properties,
}

impl ConnAck {
    /// With no properties.
    #[must_use]
    pub const fn new(session_present: bool, reason: ReasonCode) -> Self {
        Self { session_present, reason, properties: Properties::new() }
    }

    /// Reads the body of the packet; `first` is its first byte.
    ///
    /// # Errors
    ///
    /// Reserved bits ([MQTT-3.2.2-1]), an unknown code, a refusal with a session ([MQTT-3.2.2-6]), properties that are
    /// not allowed, bytes too few or too many.
    pub fn decode(version: Version, first: u8, body: &Bytes) -> Result<Self, DecodeError> {
        check_flags(version, first, PacketType::ConnAck)?;
        let mut reader = Reader::new(body);
        let flags = reader.u8()?;
        if version != Version::V31 && flags > 1 {
            return Err(DecodeError::Malformed { what: "reserved bits in the CONNACK flags" });
        }
        let session_present = version != Version::V31 && flags == 1;
        let (reason, properties) = if version.has_properties() {
            let reason = read_reason(&mut reader, PacketType::ConnAck)?;
            (reason, Properties::read(&mut reader, Carrier::ConnAck, body)?)
        } else {
            let code = ConnectReturnCode::from_u8(reader.u8()?)
                .ok_or(DecodeError::Malformed { what: "unknown return code" })?;
            (code.to_reason_code(), Properties::new())
        };
        reader.finish()?;
        if session_present && reason.is_error() {
            return Err(DecodeError::ProtocolViolation { what: "a refusal that has a session" });
        }
        Ok(Self { session_present, reason, properties })
    }

    /// Appends the whole packet: exactly four bytes before version 5.
    ///
    /// # Errors
    ///
    /// A reason code or property that CONNACK does not have, a refusal with a session, or a field that is too long.
    pub fn encode(&self, version: Version, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        check_reason(self.reason, PacketType::ConnAck)?;
        if self.session_present && self.reason.is_error() {
            return Err(EncodeError::NotAllowed { what: "a refusal that has a session" });
        }
        let flags = u8::from(self.session_present && version != Version::V31);
        write::packet(out, PacketType::ConnAck.first_byte(), |out| {
            if version.has_properties() {
                out.extend_from_slice(&[flags, self.reason.to_u8()]);
                self.properties.encode(Carrier::ConnAck, out)
            } else {
                out.extend_from_slice(&[flags, self.reason.to_v3_return_code().to_u8()]);
                Ok(())
            }
        })
    }
}
