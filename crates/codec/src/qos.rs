use crate::DecodeError;

/// The delivery promise of an application message (section 4.3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum QoS {
    /// Sent once and forgotten.
    #[default]
    AtMostOnce = 0,
    /// Sent until acknowledged; may arrive more than once.
    AtLeastOnce = 1,
    /// Arrives exactly once, by a two-step exchange.
    ExactlyOnce = 2,
}

impl QoS {
    /// The two bits used on the wire.
    #[must_use]
    pub const fn to_u8(self) -> u8 {
        self as u8
    }

    /// Reads the two bits used on the wire; `None` for 3 and above.
    #[must_use]
    pub const fn from_u8(value: u8) -> Option<Self> {
        match value {
            0 => Some(Self::AtMostOnce),
            1 => Some(Self::AtLeastOnce),
            2 => Some(Self::ExactlyOnce),
            _ => None,
        }
    }
}

impl TryFrom<u8> for QoS {
    type Error = DecodeError;

    /// Both bits set is malformed ([MQTT-3.3.1-4]).
    fn try_from(value: u8) -> Result<Self, DecodeError> {
        Self::from_u8(value).ok_or(DecodeError::Malformed { what: "QoS above 2" })
    }
}

impl From<QoS> for u8 {
    fn from(qos: QoS) -> Self {
        qos.to_u8()
    }
}
