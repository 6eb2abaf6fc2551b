//! Version 1: one line of text.

use super::{Malformed, Scan, Source};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

pub(super) const START: &[u8] = b"PROXY ";

/// The longest line, with its end, in bytes.
const LONGEST: usize = 107;

/// Reads a line that begins as it must.
pub(super) fn scan(bytes: &[u8]) -> Result<Scan, Malformed> {
    let seen = &bytes[..bytes.len().min(LONGEST)];
    let Some(end) = seen.iter().position(|byte| *byte == b'\n') else {
        return if seen.len() < LONGEST { Ok(Scan::Partial) } else { Err(Malformed::TooLong) };
    };
    let line = seen[START.len()..end].strip_suffix(b"\r").ok_or(Malformed::Line)?;
    let line = str::from_utf8(line).map_err(|_| Malformed::Line)?;
    Ok(Scan::Header { length: end + 1, source: source(line).ok_or(Malformed::Line)? })
}

fn source(line: &str) -> Option<Source> {
    let mut words = line.split(' ');
    let ip = match words.next()? {
        // What follows is not for us.
        "UNKNOWN" => return Some(Source::Proxy),
        "TCP4" => addresses::<Ipv4Addr>(&mut words)?,
        "TCP6" => addresses::<Ipv6Addr>(&mut words)?,
        _ => return None,
    };
    let from = port(words.next()?)?;
    port(words.next()?)?;
    words.next().is_none().then_some(Source::Client(SocketAddr::new(ip.to_canonical(), from)))
}

/// Where the connection comes from; where it went must be an address, too.
fn addresses<'a, T: FromStr + Into<IpAddr>>(words: &mut impl Iterator<Item = &'a str>) -> Option<IpAddr> {
    let from: T = words.next()?.parse().ok()?;
    words.next()?.parse::<T>().ok()?;
    Some(from.into())
}

fn port(word: &str) -> Option<u16> {
    // The number alone would also be read with a sign before it.
    word.bytes().all(|byte| byte.is_ascii_digit()).then(|| word.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::super::scan;
    use super::*;

    fn read(line: &str) -> Result<Scan, Malformed> {
        scan(format!("{line}\r\nrest").as_bytes())
    }

    fn client(address: &str, line: &str) -> Result<Scan, Malformed> {
        Ok(Scan::Header { length: line.len() + 2, source: Source::Client(address.parse().unwrap()) })
    }

    #[test]
    fn a_line_names_the_client() {
        let line = "PROXY TCP4 192.0.2.1 192.0.2.2 56324 1883";
        assert_eq!(read(line), client("192.0.2.1:56324", line));
        let line = "PROXY TCP6 2001:db8::1 2001:db8::2 1 65535";
        assert_eq!(read(line), client("[2001:db8::1]:1", line));
        let line = "PROXY TCP6 ::ffff:192.0.2.1 ::1 5 6";
        assert_eq!(read(line), client("192.0.2.1:5", line));
    }

    #[test]
    fn a_connection_of_unknown_origin_is_the_proxys_own() {
        for line in ["PROXY UNKNOWN", "PROXY UNKNOWN whatever it says"] {
            assert_eq!(read(line), Ok(Scan::Header { length: line.len() + 2, source: Source::Proxy }));
        }
    }

    #[test]
    fn a_line_that_breaks_the_rules_is_refused() {
        let lines = [
            "PROXY ",
            "PROXY TCP5 192.0.2.1 192.0.2.2 1 2",
            "PROXY tcp4 192.0.2.1 192.0.2.2 1 2",
            "PROXY TCP4 ::1 ::1 1 2",
            "PROXY TCP6 192.0.2.1 192.0.2.2 1 2",
            "PROXY TCP4 192.0.2.256 192.0.2.2 1 2",
            "PROXY TCP4 192.0.2.1 proxy.example 1 2",
            "PROXY TCP4 192.0.2.1 192.0.2.2 65536 2",
            "PROXY TCP4 192.0.2.1 192.0.2.2 +1 2",
            "PROXY TCP4 192.0.2.1 192.0.2.2 1",
            "PROXY TCP4 192.0.2.1 192.0.2.2 1 2 3",
            "PROXY TCP4  192.0.2.1 192.0.2.2 1 2",
            "PROXY TCP4 192.0.2.1 192.0.2.2 1 2 ",
        ];
        for line in lines {
            assert_eq!(read(line), Err(Malformed::Line), "{line}");
        }
        assert_eq!(scan(b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\n"), Err(Malformed::Line), "the end is CR LF");
        assert_eq!(scan(b"PROXY TCP4 \xFF 192.0.2.2 1 2\r\n"), Err(Malformed::Line));
    }

    #[test]
    fn a_line_without_an_end_is_refused_when_it_is_too_long() {
        let mut line = b"PROXY UNKNOWN ".to_vec();
        line.resize(LONGEST - 1, b'x');
        assert_eq!(scan(&line), Ok(Scan::Partial));
        line.push(b'\n');
        assert_eq!(scan(&line), Err(Malformed::Line));
        line[LONGEST - 2] = b'\r';
        assert_eq!(scan(&line), Ok(Scan::Header { length: LONGEST, source: Source::Proxy }));
        line[LONGEST - 1] = b'x';
        assert_eq!(scan(&line), Err(Malformed::TooLong));
    }
}
