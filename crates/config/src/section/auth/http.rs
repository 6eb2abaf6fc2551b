//! `[auth.http]`: asking another server who may log in.

use crate::Config;
use crate::key::{Key, Kind, Number, Section};
use crate::quantity::Unit;
use std::path::PathBuf;
use std::time::Duration;

/// Which server is asked who may log in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpAuth {
    /// Where it is.
    pub url: Option<String>,
    /// How long an answer may take.
    pub timeout: Duration,
    /// Questions at once.
    pub at_once: usize,
    /// How long a good answer is known.
    pub cache: Duration,
    /// The authority of its certificate.
    pub authority: Option<PathBuf>,
}

impl Default for HttpAuth {
    fn default() -> Self {
        Self {
            url: None,
            timeout: Duration::from_secs(5),
            at_once: 4,
            cache: Duration::from_secs(60),
            authority: None,
        }
    }
}

pub(super) const SECTION: Section = Section {
    name: "auth.http",
    meaning: "Another server is asked whether a client may log in. Whoever it does not know is refused, and everybody while it \
              does not answer.",
    keys: &[
        Key {
            name: "url",
            meaning: "Where it is asked, with POST and a JSON object.",
            kind: Kind::Text {
                takes: "an address that begins with http:// or https://",
                example: "http://127.0.0.1:8000/mqtt/login",
                get: |c| c.auth.http.url.clone(),
                set: |c, text| {
                    let rest = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://"));
                    let fits = rest
                        .is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_graphic()));
                    if !fits {
                        return Err("is not such an address".into());
                    }
                    c.auth.http.url = Some(text.into());
                    Ok(())
                },
            },
        },
        Key {
            name: "timeout",
            meaning: "How long an answer may take; the client is refused then.",
            kind: Kind::Number(Number {
                unit: Unit::Milliseconds,
                range: 100..=60_000,
                word: None,
                get: |c| u64::try_from(c.auth.http.timeout.as_millis()).ok(),
                set: |c, value| {
                    c.auth.http.timeout = value.map_or(c.auth.http.timeout, Duration::from_millis);
                },
            }),
        },
        Key {
            name: "at_once",
            meaning: "Most questions on the way at once; others wait.",
            kind: Kind::Number(Number {
                unit: Unit::Count,
                range: 1..=64,
                word: None,
                get: |c| u64::try_from(c.auth.http.at_once).ok(),
                set: |c, value| {
                    c.auth.http.at_once =
                        value.and_then(|value| value.try_into().ok()).unwrap_or(c.auth.http.at_once);
                },
            }),
        },
        Key {
            name: "cache",
            meaning: "How long a client that was let in is let in again without a question; with 0 it is asked each time.",
            kind: Kind::Number(Number {
                unit: Unit::Seconds,
                range: 0..=3_600,
                word: None,
                get: |c| Some(c.auth.http.cache.as_secs()),
                set: |c, value| c.auth.http.cache = value.map_or(c.auth.http.cache, Duration::from_secs),
            }),
        },
        Key {
            name: "authority",
            meaning: "For https: the authority of that server's certificate, in PEM. Without it those of this computer count.",
            kind: Kind::File {
                example: "login-ca.pem",
                get: |c| c.auth.http.authority.as_deref(),
                set: |c, file| c.auth.http.authority = Some(file),
            },
        },
    ],
    check: |c: &Config| match &c.auth.http.url {
        Some(_) => Ok(()),
        None => Err("does not say whom to ask; write url".into()),
    },
};
