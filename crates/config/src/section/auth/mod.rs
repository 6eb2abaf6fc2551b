//! `[auth]` with `[auth.jwt]` and `[auth.http]`: who may connect, and the file of rules.

mod http;
mod jwt;

pub use http::HttpAuth;
pub use jwt::JwtAuth;

use crate::key::{Key, Kind, Section};
use crate::part::Fixed;
use std::path::PathBuf;

/// Who may connect, and what they may do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Auth {
    /// A file of users and hashed passwords, as mosquitto has them.
    pub password_file: Option<PathBuf>,
    /// A file of rules in mosquitto's syntax.
    pub acl_file: Option<PathBuf>,
    /// Whether clients without a user name are let in; `None` leaves it to what else is set up.
    pub allow_anonymous: Option<bool>,
    /// `[auth.jwt]`: tokens.
    pub jwt: JwtAuth,
    /// `[auth.http]`: another server that is asked.
    pub http: HttpAuth,
}

pub(crate) static PART: Fixed = Fixed { section: SECTION, below: &[jwt::SECTION, http::SECTION] };

const SECTION: Section = Section {
    name: "auth",
    meaning: "Who may connect, and what they may do: [docs/access.md](access.md). Paths of files begin at the folder of the \
              configuration file. Files are read again when they change and at SIGHUP.",
    keys: &[
        Key {
            name: "password_file",
            meaning: "A file of users with hashed passwords, as mosquitto_passwd writes it.",
            kind: Kind::File {
                example: "passwords.txt",
                get: |c| c.auth.password_file.as_deref(),
                set: |c, file| c.auth.password_file = Some(file),
            },
        },
        Key {
            name: "acl_file",
            meaning: "A file of rules in the syntax of mosquitto's acl_file, beside the rules of [roles.NAME]. As soon as there \
                      is one rule, what no rule names is denied.",
            kind: Kind::File {
                example: "acl.txt",
                get: |c| c.auth.acl_file.as_deref(),
                set: |c, file| c.auth.acl_file = Some(file),
            },
        },
        Key {
            name: "allow_anonymous",
            meaning: "Whether clients without a user name are let in on every listener that does not say it itself. Without \
                      it nobody is where a way to log in is set up (password_file, [auth.jwt], [auth.http], user names from \
                      certificates), and else only programs on this computer.",
            kind: Kind::Flag {
                get: |c| c.auth.allow_anonymous,
                set: |c, flag| c.auth.allow_anonymous = Some(flag),
            },
        },
    ],
    check: |_| Ok(()),
};
