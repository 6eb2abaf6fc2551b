//! `[log]`: what is logged.

use crate::key::{Key, Kind, Section};
use crate::part::Fixed;
use std::fmt;
use std::str::FromStr;
use thiserror::Error;

/// What is logged.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Log {
    /// How much.
    pub level: Level,
}

/// How much is logged; each level includes those before it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Nothing.
    Off,
    /// What the server cannot do.
    Error,
    /// What somebody should look at, such as refused connections.
    Warn,
    /// Clients that come and go.
    #[default]
    Info,
    /// What helps to find a fault.
    Debug,
    /// Every step.
    Trace,
}

/// A text is not the name of a [`Level`].
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("is not a level; there are {}", Level::WORDS.join(", "))]
pub struct BadLevel;

impl Level {
    /// The names of all levels, the quietest first.
    pub const WORDS: &'static [&'static str] = &["off", "error", "warn", "info", "debug", "trace"];
    const ALL: [Self; 6] = [Self::Off, Self::Error, Self::Warn, Self::Info, Self::Debug, Self::Trace];

    /// Its name.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }
}

impl FromStr for Level {
    type Err = BadLevel;

    fn from_str(word: &str) -> Result<Self, BadLevel> {
        Self::ALL.into_iter().find(|level| level.word() == word).ok_or(BadLevel)
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

pub(crate) static PART: Fixed = Fixed { section: SECTION, below: &[] };

const SECTION: Section = Section {
    name: "log",
    meaning: "What is logged, on standard error.",
    keys: &[Key {
        name: "level",
        meaning: "How much: \"warn\" names what somebody should look at, \"info\" also clients that come and go, \
                  \"debug\" and \"trace\" help to find a fault.",
        kind: Kind::Choice {
            words: Level::WORDS,
            get: |c| c.log.level.word(),
            set: |c, word| c.log.level = word.parse().unwrap_or(c.log.level),
        },
    }],
    check: |_| Ok(()),
};
