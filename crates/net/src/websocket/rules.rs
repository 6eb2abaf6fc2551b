//! Who may connect, to what.

use std::fmt;
use std::str::FromStr;
use thiserror::Error;

/// What a listener serves over WebSocket, and to whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    /// Paths that are served, each beginning with `/`. What stands behind `?` does not count.
    pub paths: Vec<String>,
    /// Sub-protocols that are spoken, in the spelling of their standard. The answer is the first of them that the
    /// client names.
    pub protocols: Vec<String>,
    /// Web pages that may connect besides those of the same host.
    pub origins: Vec<Origin>,
    /// The longest payload of one frame, in bytes. Nothing is allocated for it: frames go on as they arrive.
    pub frame_limit: u64,
}

/// Where a web page comes from, as a browser says it (RFC 6454): scheme, host and port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// Every page of every site.
    Any,
    /// One site, in lower case and without the port that its scheme implies; or `null`, which browsers send for
    /// files and the like.
    Site(String),
}

/// What is no origin.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "{0:?} is no origin: write it as browsers send it, such as https://app.example.org or http://localhost:3000, or * for all"
)]
pub struct OriginError(String);

impl FromStr for Origin {
    type Err = OriginError;

    fn from_str(text: &str) -> Result<Self, OriginError> {
        match text {
            "*" => Ok(Self::Any),
            "null" => Ok(Self::Site("null".into())),
            _ => match Site::read(text) {
                Some(site) => Ok(Self::Site(site.to_string())),
                None => Err(OriginError(text.into())),
            },
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("*"),
            Self::Site(site) => f.write_str(site),
        }
    }
}

impl Rules {
    /// Whether a page may connect that comes from `origin`, to a server that the client calls `host`.
    pub(super) fn may_connect(&self, origin: &str, host: &str) -> bool {
        let site = Site::read(origin);
        let shown = site.as_ref().map_or_else(|| origin.to_owned(), Site::to_string);
        let is_named = self.origins.iter().any(|allowed| match allowed {
            Origin::Any => true,
            Origin::Site(allowed) => *allowed == shown,
        });
        // The ports may differ: the page is often served by another program of the same host.
        is_named
            || site
                .is_some_and(|site| name_of(host).is_some_and(|host| site.host == host.to_ascii_lowercase()))
    }

    pub(super) fn serves(&self, path: &str) -> bool {
        self.paths.iter().any(|served| served == path)
    }
}

/// Scheme, host and port.
struct Site {
    scheme: String,
    host: String,
    port: Option<u16>,
}

impl Site {
    fn read(text: &str) -> Option<Self> {
        let (scheme, authority) = text.split_once("://")?;
        let host = name_of(authority)?;
        let port = match &authority[host.len()..] {
            "" => None,
            port => Some(port.strip_prefix(':')?.parse().ok()?),
        };
        let scheme = scheme.to_ascii_lowercase();
        let implied = match &*scheme {
            "http" => Some(80),
            "https" => Some(443),
            _ if scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte)) => None,
            _ => return None,
        };
        Some(Self {
            scheme,
            host: host.to_ascii_lowercase(),
            port: port.filter(|port| Some(*port) != implied),
        })
    }
}

impl fmt::Display for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme, self.host)?;
        self.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

/// The host without its port; brackets around an IPv6 address stay.
fn name_of(authority: &str) -> Option<&str> {
    let end = match authority.strip_prefix('[') {
        Some(rest) => rest.find(']')? + 2,
        None => authority.find(':').unwrap_or(authority.len()),
    };
    let (name, port) = authority.split_at(end);
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~[]:".contains(&byte);
    let is_port =
        port.strip_prefix(':').is_none_or(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()));
    let is_whole = (port.is_empty() || port.starts_with(':')) && is_port;
    (is_whole && !name.is_empty() && name.bytes().all(is_name)).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(origins: &[&str]) -> Rules {
        let origins = origins.iter().map(|origin| origin.parse().unwrap()).collect();
        Rules { paths: vec!["/mqtt".into()], protocols: vec!["mqtt".into()], origins, frame_limit: 1000 }
    }

    #[test]
    fn pages_of_the_same_host_may_connect_whatever_the_port() {
        let rules = rules(&[]);
        for (origin, host) in [
            ("http://pi", "pi"),
            ("http://pi:8080", "pi:8083"),
            ("https://PI.example", "pi.Example:443"),
            ("http://[fd00::1]:8080", "[fd00::1]:8083"),
            ("http://192.0.2.1", "192.0.2.1:8083"),
        ] {
            assert!(rules.may_connect(origin, host), "{origin} {host}");
        }
    }

    #[test]
    fn pages_of_other_hosts_may_not_connect() {
        let rules = rules(&[]);
        for (origin, host) in [
            ("http://evil.example", "pi"),
            ("http://pi.evil.example", "pi"),
            ("http://pi@evil.example", "pi"),
            ("http://pi/", "pi"),
            ("http://", ""),
            ("pi", "pi"),
            ("null", "null"),
            ("http://[fd00::1", "[fd00::1"),
            ("http://[fd00::1]x", "[fd00::1]x"),
            ("", ""),
        ] {
            assert!(!rules.may_connect(origin, host), "{origin} {host}");
        }
    }

    #[test]
    fn named_pages_may_connect_and_ports_count_then() {
        let rules = rules(&["https://App.example:443", "http://localhost:3000", "null"]);
        for origin in ["https://app.example", "https://APP.example:443", "http://localhost:3000", "null"] {
            assert!(rules.may_connect(origin, "pi"), "{origin}");
        }
        for origin in
            ["http://app.example", "https://app.example:444", "http://localhost", "https://localhost:3000"]
        {
            assert!(!rules.may_connect(origin, "pi"), "{origin}");
        }
        assert!(self::rules(&["*"]).may_connect("whatever it is", "pi"));
    }

    #[test]
    fn what_is_no_origin_is_refused_with_what_to_write() {
        for text in [
            "",
            "app.example",
            "https://app.example/",
            "https://app.example/x",
            "https://*.example",
            "https://a:b",
        ] {
            let error = text.parse::<Origin>().unwrap_err().to_string();
            assert!(
                error.starts_with(&format!("{text:?} is no origin: write it as browsers send it")),
                "{error}"
            );
        }
        for text in ["*", "null", "https://app.example", "app+x://app.example:5"] {
            assert_eq!(text.parse::<Origin>().unwrap().to_string(), text);
        }
    }
}
