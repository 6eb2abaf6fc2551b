//! Changes to single packets, the building blocks of broken rules.

use darter_conformance::packet::{self, Publish, Version};
use darter_conformance::property::Properties;
use darter_conformance::received::{self, Packet, Reader};

/// The packet type of these bytes.
pub(crate) fn kind(bytes: &[u8]) -> u8 {
    bytes[0] >> 4
}

/// What follows the fixed header.
pub(crate) fn body(bytes: &[u8]) -> &[u8] {
    let (header, total) = received::extent(bytes).expect("a length").expect("a whole packet");
    &bytes[header..total]
}

/// The PUBLISH in these bytes, if they are a well-formed one.
pub(crate) fn read_publish(version: Version, bytes: &[u8]) -> Option<Publish> {
    match received::take(version, &mut bytes.to_vec()) {
        Ok(Some((Packet::Publish(publish), _))) => Some(publish),
        _ => None,
    }
}

/// The same bytes with the PUBLISH in them changed; other packets stay as they are.
pub(crate) fn publish(version: Version, bytes: Vec<u8>, change: impl FnOnce(&mut Publish)) -> Vec<u8> {
    match read_publish(version, &bytes) {
        Some(mut publish) => {
            change(&mut publish);
            publish.bytes(version)
        }
        None => bytes,
    }
}

/// The same packet with one byte behind the fixed header changed.
pub(crate) fn byte(bytes: &[u8], at: usize, change: impl FnOnce(u8) -> u8) -> Vec<u8> {
    let mut inner = body(bytes).to_vec();
    if let Some(byte) = inner.get_mut(at) {
        *byte = change(*byte);
    }
    packet::frame(bytes[0], &inner)
}

/// The same CONNECT with its properties changed (version 5).
pub(crate) fn connect_properties(bytes: &[u8], change: impl FnOnce(&mut Properties)) -> Vec<u8> {
    properties(bytes, 10, change)
}

/// The same CONNACK with its properties changed (version 5).
pub(crate) fn connack_properties(bytes: &[u8], change: impl FnOnce(&mut Properties)) -> Vec<u8> {
    properties(bytes, 2, change)
}

/// Properties of fewer than 128 bytes that begin `at` bytes behind the fixed header.
fn properties(bytes: &[u8], at: usize, change: impl FnOnce(&mut Properties)) -> Vec<u8> {
    let inner = body(bytes);
    let end = at + 1 + usize::from(inner[at]);
    let mut properties = Properties::decode(&mut Reader::new(&inner[at..end])).expect("properties");
    change(&mut properties);
    let mut out = inner[..at].to_vec();
    properties.encode(&mut out);
    out.extend(&inner[end..]);
    packet::frame(bytes[0], &out)
}

/// The same CONNECT with another byte of connect flags.
pub(crate) fn connect_flags(bytes: &[u8], change: impl FnOnce(u8) -> u8) -> Vec<u8> {
    byte(bytes, 7, change)
}

/// The same SUBSCRIBE with each filter and its options changed.
pub(crate) fn filters(version: Version, bytes: &[u8], change: impl Fn(&mut Vec<u8>, &mut u8)) -> Vec<u8> {
    let inner = body(bytes);
    let mut at = if version.is_v5() { 3 + usize::from(inner[2]) } else { 2 };
    let mut out = inner[..at].to_vec();
    while at + 2 < inner.len() {
        let length = usize::from(u16::from_be_bytes([inner[at], inner[at + 1]]));
        let mut filter = inner[at + 2..at + 2 + length].to_vec();
        let mut options = inner[at + 2 + length];
        change(&mut filter, &mut options);
        packet::string(&mut out, &filter);
        out.push(options);
        at += 3 + length;
    }
    packet::frame(bytes[0], &out)
}
