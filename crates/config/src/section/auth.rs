//! `[auth]`: who may connect, and what they may do.

use crate::key::{Key, Kind, Section};
use crate::part::Fixed;
use std::path::PathBuf;

/// Who may connect, and what they may do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Auth {
    /// A file of rules in mosquitto's syntax.
    pub acl_file: Option<PathBuf>,
}

pub(crate) static PART: Fixed = Fixed { section: SECTION, below: &[] };

const SECTION: Section = Section {
    name: "auth",
    meaning: "Who may connect, and what they may do. Paths of files begin at the folder of the configuration file.",
    keys: &[Key {
        name: "acl_file",
        meaning: "A file of rules in the syntax of mosquitto's acl_file, beside the rules of [roles.NAME]. As soon as there \
                  is one rule, what no rule names is denied.",
        kind: Kind::File {
            example: "acl.txt",
            get: |c| c.auth.acl_file.as_deref(),
            set: |c, file| c.auth.acl_file = Some(file),
        },
    }],
    check: |_| Ok(()),
};
