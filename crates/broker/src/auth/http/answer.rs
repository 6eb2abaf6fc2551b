//! What the other server says.

use crate::auth::jwt::permitted;
use darter_engine::access::Identity;
use serde::Deserialize;
use std::sync::Arc;

/// Bytes of the longest user name that a CONNECT can carry.
const MOST_NAME: usize = 65_535;
/// Where rules of answers are said to be written.
const ORIGIN: &str = "http";

/// What an answer comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answer {
    /// The client may connect.
    Accept(Identity),
    /// It may not.
    Refuse(&'static str),
    /// Nobody knows.
    Unavailable(&'static str),
}

/// The body. An answer that says more than is understood may mean something else, and lets nobody in.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct Body {
    user: Option<String>,
    #[serde(default)]
    roles: Vec<String>,
    permissions: Option<Vec<String>>,
}

impl Answer {
    /// Reads a status and a body.
    pub(super) fn read(status: u16, body: &[u8]) -> Self {
        match status {
            200 | 204 if body.trim_ascii().is_empty() => Self::accept(Body::default()),
            200 => match serde_json::from_slice(body) {
                Ok(body) => Self::accept(body),
                Err(_) => Self::Unavailable("the answer of the HTTP server for logins is not understood"),
            },
            408 | 429 => Self::Unavailable("the HTTP server for logins is too busy"),
            400..=499 => Self::Refuse("the HTTP server for logins has refused it"),
            _ => Self::Unavailable("the HTTP server for logins has a problem of its own"),
        }
    }

    fn accept(body: Body) -> Self {
        let rules = match &body.permissions {
            Some(texts) => permitted(texts.iter().map(String::as_str), ORIGIN),
            None => Ok(Vec::new()),
        };
        let Ok(rules) = rules else {
            return Self::Unavailable("a permission from the HTTP server for logins is no rule");
        };
        if body.user.as_deref().is_some_and(|user| !is_name(user)) {
            return Self::Unavailable("the HTTP server for logins names a user that cannot be one");
        }
        let roles = body.roles.into_iter().map(Arc::from).collect();
        let user = body.user.map(Arc::from);
        Self::Accept(Identity { user, roles, rules: rules.into(), ..Identity::default() })
    }

    /// With the client's own name, if the answer has none.
    pub(super) fn identity(self, user: Option<Arc<str>>) -> Self {
        match self {
            Self::Accept(identity) => match identity.user.clone().or(user) {
                Some(user) => Self::Accept(Identity { user: Some(user), ..identity }),
                None => Self::Refuse("neither the client nor the HTTP server for logins names a user"),
            },
            other => other,
        }
    }
}

fn is_name(name: &str) -> bool {
    (1..=MOST_NAME).contains(&name.len()) && !name.contains(char::is_control)
}
