use core::fmt;
use core::num::NonZeroU16;

use crate::DecodeError;

/// A packet identifier: 1 to 65535 ([MQTT-2.2.1-3], 3.1.1: [MQTT-2.3.1-1]).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PacketId(NonZeroU16);

impl PacketId {
    /// The lowest identifier, 1.
    pub const MIN: Self = Self(NonZeroU16::MIN);
    /// The highest identifier, 65535.
    pub const MAX: Self = Self(NonZeroU16::MAX);

    /// `None` for 0, which is no packet identifier.
    #[must_use]
    pub const fn new(value: u16) -> Option<Self> {
        match NonZeroU16::new(value) {
            Some(value) => Some(Self(value)),
            None => None,
        }
    }

    /// The number on the wire.
    #[must_use]
    pub const fn get(self) -> u16 {
        self.0.get()
    }

    /// The identifier after this one; 65535 is followed by 1.
    #[must_use]
    pub const fn next(self) -> Self {
        match self.0.checked_add(1) {
            Some(value) => Self(value),
            None => Self::MIN,
        }
    }
}

impl TryFrom<u16> for PacketId {
    type Error = DecodeError;

    fn try_from(value: u16) -> Result<Self, DecodeError> {
        Self::new(value).ok_or(DecodeError::ProtocolViolation { what: "packet identifier 0" })
    }
}

impl From<PacketId> for u16 {
    fn from(id: PacketId) -> Self {
        id.get()
    }
}

impl fmt::Debug for PacketId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "PacketId({})", self.get())
    }
}

impl fmt::Display for PacketId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.get().fmt(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_go_round_and_leave_out_0() {
        assert_eq!(PacketId::new(0), None);
        assert_eq!(PacketId::MIN.next().get(), 2);
        assert_eq!(PacketId::MAX.next(), PacketId::MIN);
        assert!(PacketId::try_from(0).is_err());
    }
}
