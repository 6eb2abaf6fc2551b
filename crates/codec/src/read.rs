//! A cursor over borrowed bytes for the data types of section 1.5.

use bytes::Bytes;

use crate::{ByteString, DecodeError, PacketId};

const ENDS_EARLY: DecodeError = DecodeError::Malformed { what: "packet ends early" };

#[derive(Clone, Copy)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    #[inline]
    pub(crate) const fn rest(&self) -> &'a [u8] {
        self.rest
    }

    #[inline]
    pub(crate) const fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    #[inline]
    pub(crate) fn take(&mut self, len: usize) -> Result<&'a [u8], DecodeError> {
        let (taken, rest) = self.rest.split_at_checked(len).ok_or(ENDS_EARLY)?;
        self.rest = rest;
        Ok(taken)
    }

    #[inline]
    fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let (taken, rest) = self.rest.split_first_chunk::<N>().ok_or(ENDS_EARLY)?;
        self.rest = rest;
        Ok(*taken)
    }

    #[inline]
    pub(crate) fn u8(&mut self) -> Result<u8, DecodeError> {
        self.array::<1>().map(|[byte]| byte)
    }

    #[inline]
    pub(crate) fn u16(&mut self) -> Result<u16, DecodeError> {
        self.array().map(u16::from_be_bytes)
    }

    #[inline]
    pub(crate) fn u32(&mut self) -> Result<u32, DecodeError> {
        self.array().map(u32::from_be_bytes)
    }

    #[inline]
    pub(crate) fn packet_id(&mut self) -> Result<PacketId, DecodeError> {
        PacketId::try_from(self.u16()?)
    }

    /// A variable byte integer (section 1.5.5). More bytes than needed are malformed ([MQTT-1.5.5-1]).
    #[inline]
    pub(crate) fn variable_int(&mut self) -> Result<u32, DecodeError> {
        let mut value = 0;
        for shift in [0, 7, 14, 21] {
            let byte = self.u8()?;
            value |= u32::from(byte & 0x7F) << shift;
            if byte & 0x80 == 0 {
                if byte == 0 && shift != 0 {
                    return Err(DecodeError::Malformed { what: "variable byte integer longer than needed" });
                }
                return Ok(value);
            }
        }
        Err(DecodeError::Malformed { what: "variable byte integer of more than four bytes" })
    }

    /// Binary data (section 1.5.6).
    #[inline]
    pub(crate) fn binary(&mut self) -> Result<&'a [u8], DecodeError> {
        let len = self.u16()?;
        self.take(usize::from(len))
    }

    /// A UTF-8 encoded string (section 1.5.4): no surrogates, no U+0000.
    pub(crate) fn string(&mut self) -> Result<&'a str, DecodeError> {
        let text = core::str::from_utf8(self.binary()?).map_err(|_| DecodeError::InvalidUtf8)?;
        if text.as_bytes().contains(&0) { Err(DecodeError::InvalidUtf8) } else { Ok(text) }
    }

    /// What is left must be nothing.
    #[inline]
    pub(crate) fn finish(self) -> Result<(), DecodeError> {
        if self.rest.is_empty() {
            Ok(())
        } else {
            Err(DecodeError::Malformed { what: "bytes after the end of the packet" })
        }
    }
}

/// The owned string behind a slice of `body`, sharing its memory.
pub(crate) fn shared_string(body: &Bytes, text: &str) -> ByteString {
    // The text was checked when it was borrowed; the second look stands in for an unchecked conversion.
    ByteString::try_from(body.slice_ref(text.as_bytes())).unwrap_or_default()
}
