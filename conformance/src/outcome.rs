//! How a test ends.

use std::fmt;

/// What every test returns: success, or why not.
pub type Outcome<T = ()> = Result<T, Failure>;

/// Why a test did not succeed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// The server broke the rule: what was sent, what was expected, what came.
    Wrong(String),
    /// The server says, in a way the standard allows, that it does not offer what the test needs.
    NotApplicable(String),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Wrong(text) | Self::NotApplicable(text) => f.write_str(text),
        }
    }
}

/// Ends the test as failed with a formatted explanation.
macro_rules! fail {
    ($($arg:tt)*) => { return Err($crate::outcome::Failure::Wrong(format!($($arg)*))) };
}

/// Ends the test as failed unless the condition holds.
macro_rules! check {
    ($condition:expr, $($arg:tt)*) => { if !$condition { $crate::outcome::fail!($($arg)*) } };
}

/// Ends the test as not applicable to this server.
macro_rules! not_applicable {
    ($($arg:tt)*) => { return Err($crate::outcome::Failure::NotApplicable(format!($($arg)*))) };
}

pub(crate) use {check, fail, not_applicable};
