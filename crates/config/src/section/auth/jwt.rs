//! `[auth.jwt]`: logging in with a token.

use crate::Config;
use crate::key::{Key, Kind, List, Number, Section};
use crate::quantity::Unit;
use darter_broker::auth::jwt::{Algorithm, UnknownAlgorithm};
use std::path::PathBuf;
use std::time::Duration;

/// Which tokens let their owners in, and what they say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JwtAuth {
    /// The file of one key.
    pub key_file: Option<PathBuf>,
    /// The file of a set of keys.
    pub jwks_file: Option<PathBuf>,
    /// Algorithms that are accepted; all if there are none.
    pub algorithms: Vec<Algorithm>,
    /// What `iss` has to be.
    pub issuer: Option<String>,
    /// What has to be in `aud`.
    pub audience: Option<String>,
    /// How far clocks may differ.
    pub leeway: Duration,
    /// Whether a token needs `exp`.
    pub must_expire: bool,
    /// The claim with the user name.
    pub user_claim: String,
    /// Whether the user name of the CONNECT has to be that one.
    pub user_must_match: bool,
    /// The claim with roles.
    pub roles_claim: String,
    /// The claim with rules.
    pub permissions_claim: String,
}

impl Default for JwtAuth {
    fn default() -> Self {
        Self {
            key_file: None,
            jwks_file: None,
            algorithms: Vec::new(),
            issuer: None,
            audience: None,
            leeway: Duration::from_secs(30),
            must_expire: true,
            user_claim: "sub".into(),
            user_must_match: false,
            roles_claim: "roles".into(),
            permissions_claim: "permissions".into(),
        }
    }
}

/// A key that takes a text which is not empty.
macro_rules! text {
    ($field:ident, $takes:literal, $example:literal, $get:expr, $put:expr, $($meaning:literal)+) => {
        Key {
            name: stringify!($field),
            meaning: concat!($($meaning),+),
            kind: Kind::Text {
                takes: $takes,
                example: $example,
                get: |c| ($get)(&c.auth.jwt.$field),
                set: |c, text| {
                    if text.is_empty() {
                        return Err("is empty".into());
                    }
                    c.auth.jwt.$field = ($put)(text.to_owned());
                    Ok(())
                },
            },
        }
    };
}

/// A key that takes the name of a claim.
macro_rules! claim {
    ($field:ident, $example:literal, $($meaning:literal)+) => {
        text!($field, "the name of a claim", $example, |name: &String| Some(name.clone()), |name| name, $($meaning)+)
    };
}

pub(super) const SECTION: Section = Section {
    name: "auth.jwt",
    meaning: "Tokens (JWT) in place of passwords. They count when key_file or jwks_file is there.",
    keys: &[
        Key {
            name: "key_file",
            meaning: "The key that tokens are signed with: a public key in PEM, or for HS256 the secret itself.",
            kind: Kind::File {
                example: "tokens.pem",
                get: |c| c.auth.jwt.key_file.as_deref(),
                set: |c, file| c.auth.jwt.key_file = Some(file),
            },
        },
        Key {
            name: "jwks_file",
            meaning: "A set of keys (JWKS), of which the token names one.",
            kind: Kind::File {
                example: "jwks.json",
                get: |c| c.auth.jwt.jwks_file.as_deref(),
                set: |c, file| c.auth.jwt.jwks_file = Some(file),
            },
        },
        Key {
            name: "algorithms",
            meaning: "Algorithms that are accepted. Without it each key counts with the one algorithm that goes with it.",
            kind: Kind::List(List {
                takes: "a list of \"HS256\", \"RS256\", \"ES256\" and \"EdDSA\"",
                each: "an algorithm",
                example: &["ES256"],
                may_be_empty: false,
                get: |c| c.auth.jwt.algorithms.iter().map(|algorithm| algorithm.name().into()).collect(),
                clear: |c| c.auth.jwt.algorithms.clear(),
                add: |c, item| {
                    let unknown = |why: UnknownAlgorithm| format!("is not known; {why}");
                    c.auth.jwt.algorithms.push(item.text.parse().map_err(unknown)?);
                    Ok(())
                },
            }),
        },
        text!(
            issuer,
            "a text",
            "https://login.example.org",
            Clone::clone,
            Some,
            "Who must have made the token (iss). Without it anybody with the key."
        ),
        text!(
            audience,
            "a text",
            "mqtt",
            Clone::clone,
            Some,
            "For whom the token must be (aud). Without it for anybody."
        ),
        Key {
            name: "leeway",
            meaning: "By how much the clocks of this computer and of who makes tokens may differ.",
            kind: Kind::Number(Number {
                unit: Unit::Seconds,
                range: 0..=600,
                word: None,
                get: |c| Some(c.auth.jwt.leeway.as_secs()),
                set: |c, value| c.auth.jwt.leeway = Duration::from_secs(value.unwrap_or_default()),
            }),
        },
        Key {
            name: "must_expire",
            meaning: "Whether a token without an end (exp) is refused.",
            kind: Kind::Flag {
                get: |c| Some(c.auth.jwt.must_expire),
                set: |c, flag| c.auth.jwt.must_expire = flag,
            },
        },
        claim!(user_claim, "sub", "The claim with the user name."),
        Key {
            name: "user_must_match",
            meaning: "Whether the client has to send that user name too. Else it may send any or none.",
            kind: Kind::Flag {
                get: |c| Some(c.auth.jwt.user_must_match),
                set: |c, flag| c.auth.jwt.user_must_match = flag,
            },
        },
        claim!(roles_claim, "roles", "The claim with a list of roles, as they are named in [roles.NAME]."),
        claim!(
            permissions_claim,
            "permissions",
            "The claim with a list of rules that allow something, written as in [roles.NAME]."
        ),
    ],
    check: |c: &Config| match (&c.auth.jwt.key_file, &c.auth.jwt.jwks_file) {
        (Some(_), Some(_)) => Err("has key_file and jwks_file; write one of them".into()),
        (None, None) => Err("has no keys; write key_file or jwks_file".into()),
        _ => Ok(()),
    },
};
