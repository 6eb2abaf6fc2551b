//! PINGREQ and PINGRESP (sections 3.12 and 3.13): two bytes each.

use crate::packet::check_flags;
use crate::{DecodeError, PacketType, Version};

/// A whole PINGREQ.
pub const PING_REQ: [u8; 2] = [PacketType::PingReq.first_byte(), 0];

/// A whole PINGRESP.
pub const PING_RESP: [u8; 2] = [PacketType::PingResp.first_byte(), 0];

/// Both have no body.
pub(super) fn decode(version: Version, first: u8, body: &[u8]) -> Result<(), DecodeError> {
    check_flags(version, first, PacketType::PingReq)?;
    if body.is_empty() { Ok(()) } else { Err(DecodeError::Malformed { what: "ping with a body" }) }
}
