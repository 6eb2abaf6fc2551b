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

#[cfg(test)]
mod tests {
    use crate::packet::exact::{assert_same, read};
    use crate::{Packet, Version};

    #[test]
    fn pings_are_two_bytes_in_every_version() {
        for version in Version::ALL {
            assert_same(version, Packet::PingReq, &[0xC0, 0x00]);
            assert_same(version, Packet::PingResp, &[0xD0, 0x00]);
        }
    }

    #[test]
    fn a_ping_with_a_body_is_malformed() {
        assert!(read(Version::V5, &[0xC0, 1, 0]).is_err());
        assert!(read(Version::V311, &[0xD0, 1, 0]).is_err());
    }
}
