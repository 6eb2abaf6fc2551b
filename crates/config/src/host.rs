//! Where to listen, as people write it.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;
use thiserror::Error;

/// An IP address, or the name of a host that is looked up when the server starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Host {
    /// An address.
    Ip(IpAddr),
    /// A name such as `localhost`.
    Name(String),
}

/// Why a text is not a [`Host`].
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum BadHost {
    /// A port stands behind the address.
    #[error("takes an address without a port; the port has an option of its own")]
    WithPort,
    /// Neither an address nor a possible name.
    #[error("is not an address or a host name; write it like 127.0.0.1, ::1, 0.0.0.0 or localhost")]
    Neither,
}

impl FromStr for Host {
    type Err = BadHost;

    fn from_str(text: &str) -> Result<Self, BadHost> {
        let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
        if let Ok(address) = bare.parse() {
            return Ok(Self::Ip(address));
        }
        if text.parse::<SocketAddr>().is_ok()
            || text.split_once(':').is_some_and(|(name, port)| is_name(name) && port.parse::<u16>().is_ok())
        {
            return Err(BadHost::WithPort);
        }
        if is_name(text) { Ok(Self::Name(text.into())) } else { Err(BadHost::Neither) }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(address) => address.fmt(f),
            Self::Name(name) => f.write_str(name),
        }
    }
}

/// Whether it can be the name of a host (RFC 1123); a last part of digits would be a broken address.
fn is_name(text: &str) -> bool {
    let part = |part: &str| {
        !part.is_empty()
            && part.len() <= 63
            && part.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
            && !part.starts_with('-')
            && !part.ends_with('-')
    };
    let text = text.strip_suffix('.').unwrap_or(text);
    let last = text.rsplit('.').next().unwrap_or_default();
    text.len() <= 253 && text.split('.').all(part) && !last.chars().all(|c| c.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_names_are_read() {
        assert_eq!("0.0.0.0".parse(), Ok(Host::Ip([0, 0, 0, 0].into())));
        assert_eq!("[::1]".parse::<Host>(), "::1".parse());
        for name in ["localhost", "my-pi.local", "a.b.c.", "host1"] {
            assert_eq!(name.parse(), Ok(Host::Name(name.into())));
        }
    }

    #[test]
    fn what_cannot_be_a_host_is_refused() {
        for text in ["", "300.1.2.3", "1.2.3", "a b", "-x", "a..b", "::1::", "*", "caf\u{e9}"] {
            assert_eq!(text.parse::<Host>(), Err(BadHost::Neither), "{text:?}");
        }
        for text in ["127.0.0.1:1883", "[::1]:1883", "localhost:1883"] {
            assert_eq!(text.parse::<Host>(), Err(BadHost::WithPort), "{text:?}");
        }
    }
}
