//! Version 2: a fixed start, addresses, and further fields, which are read over.

use super::{LONGEST_HEADER, Malformed, Scan, Source};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

pub(super) const START: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";

/// Bytes before the addresses: the start, version and command, kind of address, length.
const FIXED: usize = START.len() + 4;
/// Version 2, with the two commands that there are.
const LOCAL: u8 = 0x20;
const PROXY: u8 = 0x21;
/// The field with a checksum (CRC32c) of the whole header.
const CHECKSUM: u8 = 0x03;

/// Reads a header that begins as it must.
pub(super) fn scan(bytes: &[u8]) -> Result<Scan, Malformed> {
    let Some(&command) = bytes.get(START.len()) else { return Ok(Scan::Partial) };
    if !matches!(command, LOCAL | PROXY) {
        return Err(Malformed::Command(command));
    }
    let Some(&family) = bytes.get(START.len() + 1) else { return Ok(Scan::Partial) };
    // Nothing but the length counts for a local connection, and for one of which nothing is told.
    let addresses = match family {
        _ if command == LOCAL => None,
        0x00 => None,
        0x11 => Some(12),
        0x21 => Some(36),
        0x31 => Some(216),
        other => return Err(Malformed::Family(other)),
    };
    let Some(&[.., high, low]) = bytes.first_chunk::<FIXED>() else { return Ok(Scan::Partial) };
    let length = FIXED + usize::from(u16::from_be_bytes([high, low]));
    if length > LONGEST_HEADER {
        return Err(Malformed::TooLong);
    }
    let Some(header) = bytes.get(..length) else { return Ok(Scan::Partial) };
    let Some(addresses) = addresses else { return Ok(Scan::Header { length, source: Source::Proxy }) };
    let (told, fields) = header[FIXED..].split_at_checked(addresses).ok_or(Malformed::Short)?;
    check_fields(header, fields)?;
    Ok(Scan::Header { length, source: source(told) })
}

/// Where a connection comes from: the first of two addresses, then its port.
fn source(told: &[u8]) -> Source {
    let address = match told.len() {
        12 => told.first_chunk::<4>().map(|ip| (IpAddr::V4(Ipv4Addr::from(*ip)), 8)),
        36 => told.first_chunk::<16>().map(|ip| (Ipv6Addr::from(*ip).to_canonical(), 32)),
        _ => None,
    };
    match address {
        Some((ip, at)) => Source::Client(SocketAddr::new(ip, u16::from_be_bytes([told[at], told[at + 1]]))),
        None => Source::Proxy,
    }
}

/// Goes through the further fields, each a kind, a length and a value.
fn check_fields(header: &[u8], mut fields: &[u8]) -> Result<(), Malformed> {
    while let [kind, high, low, rest @ ..] = fields {
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        let (value, later) = rest.split_at_checked(length).ok_or(Malformed::Short)?;
        if *kind == CHECKSUM {
            let at = header.len() - rest.len();
            check_sum(header, at, value)?;
        }
        fields = later;
    }
    if fields.is_empty() { Ok(()) } else { Err(Malformed::Short) }
}

/// Compares the checksum at `at` with that of the header, in which its own bytes count as zeros.
fn check_sum(header: &[u8], at: usize, value: &[u8]) -> Result<(), Malformed> {
    let told: [u8; 4] = value.try_into().map_err(|_| Malformed::Short)?;
    let own = at..at + told.len();
    let bytes = header.iter().enumerate().map(|(at, byte)| if own.contains(&at) { 0 } else { *byte });
    if crc32c(bytes) == u32::from_be_bytes(told) { Ok(()) } else { Err(Malformed::Checksum) }
}

/// The checksum of Castagnoli. Bit by bit: it is used once for a connection, over some dozen bytes.
fn crc32c(bytes: impl Iterator<Item = u8>) -> u32 {
    const POLYNOMIAL: u32 = 0x82F6_3B78;
    let mut sum = !0u32;
    for byte in bytes {
        sum ^= u32::from(byte);
        for _ in 0..8 {
            let carry = sum & 1;
            sum = (sum >> 1) ^ (POLYNOMIAL & carry.wrapping_neg());
        }
    }
    !sum
}

#[cfg(test)]
mod tests {
    use super::super::scan;
    use super::*;

    fn header(command: u8, family: u8, body: &[u8]) -> Vec<u8> {
        let mut header = START.to_vec();
        header.extend([command, family]);
        header.extend(u16::try_from(body.len()).unwrap().to_be_bytes());
        header.extend(body);
        header
    }

    fn inet4() -> Vec<u8> {
        [&[192, 0, 2, 1, 192, 0, 2, 2][..], &4000u16.to_be_bytes(), &1883u16.to_be_bytes()].concat()
    }

    fn whole(bytes: &[u8], source: Source) -> Result<Scan, Malformed> {
        Ok(Scan::Header { length: bytes.len(), source })
    }

    /// Puts the right checksum at the end of a header.
    fn with_checksum(body: &[u8]) -> Vec<u8> {
        let body = [body, &[CHECKSUM, 0, 4, 0, 0, 0, 0]].concat();
        let mut bytes = header(0x21, 0x11, &body);
        let sum = crc32c(bytes.iter().copied());
        let at = bytes.len() - 4;
        bytes[at..].copy_from_slice(&sum.to_be_bytes());
        bytes
    }

    #[test]
    fn the_checksum_is_that_of_castagnoli() {
        assert_eq!(crc32c(b"123456789".iter().copied()), 0xE306_9283);
    }

    #[test]
    fn a_header_names_the_client() {
        let bytes = header(0x21, 0x11, &inet4());
        assert_eq!(scan(&bytes), whole(&bytes, Source::Client("192.0.2.1:4000".parse().unwrap())));
        let ip: Ipv6Addr = "2001:db8::7".parse().unwrap();
        let body = [&ip.octets()[..], &[0; 16], &5u16.to_be_bytes(), &[0; 2]].concat();
        let bytes = header(0x21, 0x21, &body);
        assert_eq!(scan(&bytes), whole(&bytes, Source::Client("[2001:db8::7]:5".parse().unwrap())));
        let more = [&bytes[..], b"what the client sends"].concat();
        assert_eq!(scan(&more), scan(&bytes));
    }

    #[test]
    fn a_mapped_address_is_the_one_it_maps() {
        let ip = Ipv4Addr::new(192, 0, 2, 1).to_ipv6_mapped();
        let bytes = header(0x21, 0x21, &[&ip.octets()[..], &[0; 16], &5u16.to_be_bytes(), &[0; 2]].concat());
        assert_eq!(scan(&bytes), whole(&bytes, Source::Client("192.0.2.1:5".parse().unwrap())));
    }

    #[test]
    fn local_unspecified_and_unix_connections_are_the_proxys_own() {
        for (command, family, body) in [
            (0x20, 0x00, 0),
            (0x20, 0x11, 3),
            (0x20, 0xFF, 7),
            (0x21, 0x00, 0),
            (0x21, 0x00, 5),
            (0x21, 0x31, 216),
        ] {
            let bytes = header(command, family, &vec![0; body]);
            assert_eq!(scan(&bytes), whole(&bytes, Source::Proxy), "{command:#x} {family:#x}");
        }
    }

    #[test]
    fn further_fields_are_read_over() {
        let fields = [&inet4()[..], &[0x04, 0, 3, 1, 2, 3, 0xEE, 0, 0]].concat();
        let bytes = header(0x21, 0x11, &fields);
        assert_eq!(scan(&bytes), whole(&bytes, Source::Client("192.0.2.1:4000".parse().unwrap())));
    }

    #[test]
    fn fields_that_do_not_fit_are_refused() {
        for field in
            [&[0x04][..], &[0x04, 0], &[0x04, 0, 1], &[0x04, 0xFF, 0xFF, 1], &[CHECKSUM, 0, 3, 1, 2, 3]]
        {
            let bytes = header(0x21, 0x11, &[&inet4()[..], field].concat());
            assert_eq!(scan(&bytes), Err(Malformed::Short), "{field:?}");
        }
        for (family, length) in [(0x11, 11), (0x21, 35), (0x31, 215)] {
            assert_eq!(scan(&header(0x21, family, &vec![0; length])), Err(Malformed::Short));
        }
    }

    #[test]
    fn a_checksum_is_compared() {
        let good = with_checksum(&[&inet4()[..], &[0x04, 0, 1, 9]].concat());
        assert_eq!(scan(&good), whole(&good, Source::Client("192.0.2.1:4000".parse().unwrap())));
        for at in FIXED..FIXED + 12 {
            let mut bad = good.clone();
            bad[at] ^= 0x10;
            assert_eq!(scan(&bad), Err(Malformed::Checksum), "byte {at}");
        }
    }

    #[test]
    fn unknown_versions_commands_and_kinds_are_refused() {
        for command in [0x00, 0x10, 0x11, 0x22, 0x2F, 0x31] {
            assert_eq!(scan(&header(command, 0x11, &inet4())), Err(Malformed::Command(command)));
        }
        for family in [0x01, 0x10, 0x12, 0x22, 0x32, 0x41, 0xFF] {
            assert_eq!(scan(&header(0x21, family, &[0; 216])), Err(Malformed::Family(family)));
        }
    }

    #[test]
    fn a_header_is_refused_for_its_length_before_it_arrives() {
        let longest = header(0x21, 0x00, &vec![0; LONGEST_HEADER - FIXED]);
        assert!(matches!(scan(&longest), Ok(Scan::Header { length: LONGEST_HEADER, .. })));
        let longer = header(0x21, 0x00, &vec![0; LONGEST_HEADER - FIXED + 1]);
        assert_eq!(scan(&longer[..FIXED]), Err(Malformed::TooLong));
    }
}
