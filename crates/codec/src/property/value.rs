//! The Rust types that stand for the values.

use bytes::Bytes;

use super::RawValue;
use crate::read::shared_string;
use crate::{ByteString, QoS};

/// A Rust type that a property holds.
pub(super) trait Value: Sized {
    fn to_raw(&self) -> RawValue<'_>;
    /// `None` only if the table gives the property a wire type that is not this type's.
    fn from_raw(raw: RawValue<'_>, body: &Bytes) -> Option<Self>;
}

macro_rules! number_value {
    ($($value:ty: $to:expr, $from:expr;)*) => {$(
        impl Value for $value {
            fn to_raw(&self) -> RawValue<'_> {
                let to: fn(Self) -> u32 = $to;
                RawValue::Number(to(*self))
            }

            fn from_raw(raw: RawValue<'_>, _: &Bytes) -> Option<Self> {
                let from: fn(u32) -> Option<Self> = $from;
                match raw {
                    RawValue::Number(number) => from(number),
                    _ => None,
                }
            }
        }
    )*};
}

number_value! {
    bool: u32::from, |number| Some(number != 0);
    QoS: |qos| qos.to_u8().into(), |number| QoS::from_u8(u8::try_from(number).ok()?);
    u16: u32::from, |number| u16::try_from(number).ok();
    u32: |number| number, Some;
}

impl Value for ByteString {
    fn to_raw(&self) -> RawValue<'_> {
        RawValue::Text(self)
    }

    fn from_raw(raw: RawValue<'_>, body: &Bytes) -> Option<Self> {
        match raw {
            RawValue::Text(text) => Some(shared_string(body, text)),
            _ => None,
        }
    }
}

impl Value for Bytes {
    fn to_raw(&self) -> RawValue<'_> {
        RawValue::Binary(self)
    }

    fn from_raw(raw: RawValue<'_>, body: &Bytes) -> Option<Self> {
        match raw {
            RawValue::Binary(bytes) => Some(body.slice_ref(bytes)),
            _ => None,
        }
    }
}

impl Value for (ByteString, ByteString) {
    fn to_raw(&self) -> RawValue<'_> {
        RawValue::Pair(&self.0, &self.1)
    }

    fn from_raw(raw: RawValue<'_>, body: &Bytes) -> Option<Self> {
        match raw {
            RawValue::Pair(name, value) => Some((shared_string(body, name), shared_string(body, value))),
            _ => None,
        }
    }
}
