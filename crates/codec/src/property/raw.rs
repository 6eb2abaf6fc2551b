//! Properties as they stand on the wire: borrowed, checked, not yet values.

use alloc::vec::Vec;

use super::{Carrier, PropertyId};
use crate::read::Reader;
use crate::{DecodeError, EncodeError, write};

/// One property, borrowed from the packet and checked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RawProperty<'a> {
    pub(crate) id: PropertyId,
    /// The whole property: identifier and value.
    pub(crate) bytes: &'a [u8],
    pub(crate) value: RawValue<'a>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum RawValue<'a> {
    Number(u32),
    Text(&'a str),
    Binary(&'a [u8]),
    Pair(&'a str, &'a str),
}

/// Reads the length of the properties and takes their bytes, not looking at them.
#[inline]
pub(crate) fn read_raw<'a>(reader: &mut Reader<'a>) -> Result<&'a [u8], DecodeError> {
    let len = reader.variable_int()?;
    reader.take(usize::try_from(len).unwrap_or(usize::MAX))
}

/// The properties in `raw`, each one checked. Ends after the first error.
#[inline]
pub(crate) fn walk(raw: &[u8], carrier: Carrier) -> Walk<'_> {
    Walk { reader: Reader::new(raw), carrier, seen: Seen::default() }
}

#[derive(Clone)]
pub(crate) struct Walk<'a> {
    reader: Reader<'a>,
    carrier: Carrier,
    seen: Seen,
}

impl<'a> Walk<'a> {
    fn property(&mut self) -> Result<RawProperty<'a>, DecodeError> {
        let start = self.reader.rest();
        let id = PropertyId::from_u8(self.reader.u8()?)
            .ok_or(DecodeError::Malformed { what: "unknown property" })?;
        self.seen.check(id, self.carrier)?;
        let value = id.wire().read(&mut self.reader)?;
        id.wire().check(value)?;
        let bytes = &start[..start.len() - self.reader.rest().len()];
        Ok(RawProperty { id, bytes, value })
    }
}

impl<'a> Iterator for Walk<'a> {
    type Item = Result<RawProperty<'a>, DecodeError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.reader.is_empty() {
            return None;
        }
        let property = self.property();
        if property.is_err() {
            self.reader = Reader::new(&[]);
        }
        Some(property)
    }
}

/// Which properties have been met: one bit per number, all below 64.
#[derive(Clone, Default)]
pub(super) struct Seen(u64);

impl Seen {
    #[inline]
    pub(super) fn check(&mut self, id: PropertyId, carrier: Carrier) -> Result<(), DecodeError> {
        if !id.is_allowed_in(carrier) {
            return Err(DecodeError::Malformed { what: "property not allowed in this packet" });
        }
        let bit = 1 << id as u8;
        if self.0 & bit != 0 && !id.is_repeatable_in(carrier) {
            return Err(DecodeError::ProtocolViolation { what: "property given twice" });
        }
        self.0 |= bit;
        Ok(())
    }
}

/// How a value stands on the wire, and which values are allowed.
#[derive(Clone, Copy)]
pub(super) enum Wire {
    /// A byte, 0 or 1.
    Flag,
    /// A byte, 0 or 1.
    MaximumQos,
    Two,
    PositiveTwo,
    /// A topic alias: two bytes, not 0.
    Alias,
    Four,
    PositiveFour,
    /// A variable byte integer, not 0.
    Variable,
    Text,
    /// A string that is a valid topic name.
    TopicName,
    Binary,
    Pair,
}

impl Wire {
    #[inline]
    fn read<'a>(self, reader: &mut Reader<'a>) -> Result<RawValue<'a>, DecodeError> {
        Ok(match self {
            Self::Flag | Self::MaximumQos => RawValue::Number(reader.u8()?.into()),
            Self::Two | Self::PositiveTwo | Self::Alias => RawValue::Number(reader.u16()?.into()),
            Self::Four | Self::PositiveFour => RawValue::Number(reader.u32()?),
            Self::Variable => RawValue::Number(reader.variable_int()?),
            Self::Text | Self::TopicName => RawValue::Text(reader.string()?),
            Self::Binary => RawValue::Binary(reader.binary()?),
            Self::Pair => RawValue::Pair(reader.string()?, reader.string()?),
        })
    }

    #[inline]
    pub(super) fn check(self, value: RawValue<'_>) -> Result<(), DecodeError> {
        let what = match (self, value) {
            (Self::Alias, RawValue::Number(0)) => return Err(DecodeError::TopicAliasInvalid),
            (Self::Flag, RawValue::Number(2..)) => "a flag that is neither 0 nor 1",
            (Self::MaximumQos, RawValue::Number(2..)) => "a maximum QoS that is neither 0 nor 1",
            (Self::PositiveTwo | Self::PositiveFour | Self::Variable, RawValue::Number(0)) => {
                "a property that must not be 0"
            }
            (Self::TopicName, RawValue::Text(name)) if crate::topic::check_name(name).is_err() => {
                "a response topic that is no topic name"
            }
            _ => return Ok(()),
        };
        Err(DecodeError::ProtocolViolation { what })
    }
}

impl RawValue<'_> {
    pub(super) fn encode(self, wire: Wire, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        match (self, wire) {
            (Self::Number(number), Wire::Variable) => return write::variable_int(out, number),
            (Self::Number(number), Wire::Four | Wire::PositiveFour) => {
                out.extend_from_slice(&number.to_be_bytes());
            }
            (Self::Number(number), Wire::Flag | Wire::MaximumQos) => {
                out.extend_from_slice(&number.to_be_bytes()[3..]);
            }
            (Self::Number(number), _) => out.extend_from_slice(&number.to_be_bytes()[2..]),
            (Self::Text(text), _) => write::string(out, text)?,
            (Self::Binary(bytes), _) => write::binary(out, bytes)?,
            (Self::Pair(name, value), _) => {
                write::string(out, name)?;
                write::string(out, value)?;
            }
        }
        Ok(())
    }
}
