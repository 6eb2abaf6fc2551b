//! The tests, one file per part of the standards.

mod acknowledge;
mod alias;
mod capability;
mod connack;
mod connect;
mod credentials;
mod disconnect;
mod flow;
mod format;
mod keep_alive;
mod property;
mod publish;
mod qos;
mod redelivery;
mod retain;
mod session;
mod shared;
mod subscribe;
mod topic;
mod unsubscribe;
mod will;

use crate::context::Context;
use crate::outcome::Outcome;
use crate::packet::Version;

/// A test: what it is called, which statements it proves, and the code.
#[derive(Debug, Clone, Copy)]
pub struct Test {
    /// Unique name, the behaviour it proves.
    pub name: &'static str,
    /// Statements of MQTT 3.1.1 it proves; none: it is not run with that version.
    pub v311: &'static [&'static str],
    /// Statements of MQTT 5.0 it proves; none: it is not run with that version.
    pub v5: &'static [&'static str],
    /// The test.
    pub run: fn(&Context) -> Outcome,
}

impl Test {
    /// The statements of one standard it proves.
    pub fn statements(&self, version: Version) -> &'static [&'static str] {
        match version {
            Version::V311 => self.v311,
            Version::V5 => self.v5,
        }
    }
}

/// Every test, in the order of the chapters.
pub fn all() -> impl Iterator<Item = &'static Test> {
    [
        format::TESTS,
        connect::TESTS,
        credentials::TESTS,
        connack::TESTS,
        keep_alive::TESTS,
        will::TESTS,
        publish::TESTS,
        retain::TESTS,
        property::TESTS,
        alias::TESTS,
        flow::TESTS,
        acknowledge::TESTS,
        qos::TESTS,
        redelivery::TESTS,
        subscribe::TESTS,
        unsubscribe::TESTS,
        session::TESTS,
        capability::TESTS,
        topic::TESTS,
        shared::TESTS,
        disconnect::TESTS,
    ]
    .into_iter()
    .flatten()
}

/// Rows of a chapter's table: `function: v311 ["3.1.0-1"] v5 ["3.1.0-1"]`.
macro_rules! tests {
    ($($name:ident: v311 [$($a:literal),*] v5 [$($b:literal),*];)*) => {
        pub(super) const TESTS: &[$crate::chapter::Test] = &[$(
            $crate::chapter::Test {
                name: stringify!($name),
                v311: &[$(concat!("MQTT-", $a)),*],
                v5: &[$(concat!("MQTT-", $b)),*],
                run: $name,
            }
        ),*];
    };
}

use tests;
