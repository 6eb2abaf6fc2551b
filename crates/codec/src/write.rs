//! Appending the data types of section 1.5 to a buffer.

use alloc::vec::Vec;

use crate::EncodeError;
use crate::frame::{MAX_REMAINING_LENGTH, encode_remaining_length};
use crate::topic::{TopicError, check_filter, check_name};

/// Appends a whole packet: the fixed header and what `body` writes. On an error nothing is appended.
pub(crate) fn packet(
    out: &mut Vec<u8>,
    first: u8,
    body: impl FnOnce(&mut Vec<u8>) -> Result<(), EncodeError>,
) -> Result<(), EncodeError> {
    let start = out.len();
    out.push(first);
    let written = length_prefixed(out, body);
    if written.is_err() {
        out.truncate(start);
    }
    written
}

/// Appends what `body` writes behind its length as a variable byte integer.
pub(crate) fn length_prefixed(
    out: &mut Vec<u8>,
    body: impl FnOnce(&mut Vec<u8>) -> Result<(), EncodeError>,
) -> Result<(), EncodeError> {
    let start = out.len();
    out.push(0);
    body(out)?;
    let size = out.len() - start - 1;
    let length = u32::try_from(size).ok().filter(|length| *length <= MAX_REMAINING_LENGTH);
    let length = length.ok_or(EncodeError::PacketTooLarge { size })?;
    let (bytes, used) = encode_remaining_length(length);
    if used == 1 {
        out[start] = bytes[0];
    } else {
        // Most bodies fit one length byte, so the place was kept for one.
        out.splice(start..=start, bytes[..used].iter().copied());
    }
    Ok(())
}

pub(crate) fn binary(out: &mut Vec<u8>, bytes: &[u8]) -> Result<(), EncodeError> {
    let len = u16::try_from(bytes.len()).map_err(|_| EncodeError::FieldTooLong { len: bytes.len() })?;
    out.extend_from_slice(&len.to_be_bytes());
    out.extend_from_slice(bytes);
    Ok(())
}

pub(crate) fn string(out: &mut Vec<u8>, text: &str) -> Result<(), EncodeError> {
    if text.as_bytes().contains(&0) {
        return Err(EncodeError::NotAllowed { what: "U+0000 in a string" });
    }
    binary(out, text.as_bytes())
}

pub(crate) fn variable_int(out: &mut Vec<u8>, value: u32) -> Result<(), EncodeError> {
    if value > MAX_REMAINING_LENGTH {
        return Err(EncodeError::NotAllowed { what: "variable byte integer above 268435455" });
    }
    let (bytes, used) = encode_remaining_length(value);
    out.extend_from_slice(&bytes[..used]);
    Ok(())
}

pub(crate) fn topic_name(out: &mut Vec<u8>, name: &str) -> Result<(), EncodeError> {
    match check_name(name) {
        Ok(()) => binary(out, name.as_bytes()),
        Err(TopicError::TooLong) => Err(EncodeError::FieldTooLong { len: name.len() }),
        Err(_) => Err(EncodeError::NotAllowed { what: "a topic name that is not valid" }),
    }
}

pub(crate) fn topic_filter(out: &mut Vec<u8>, filter: &str) -> Result<(), EncodeError> {
    match check_filter(filter) {
        Ok(()) => binary(out, filter.as_bytes()),
        Err(TopicError::TooLong) => Err(EncodeError::FieldTooLong { len: filter.len() }),
        Err(_) => Err(EncodeError::NotAllowed { what: "a topic filter that is not valid" }),
    }
}
