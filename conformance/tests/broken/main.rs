//! Proof that the tests of the suite can fail: a proxy in front of a real server breaks one rule at a time, and the test
//! named for it must fail, saying why. Through a proxy that breaks nothing the same test must succeed.

#![allow(clippy::expect_used, reason = "what cannot go on ends the test")]

mod edit;
mod faults;
mod faults_v5;
mod proxy;

use std::collections::HashSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use darter_conformance::chapter;
use darter_conformance::client::PATIENCE;
use darter_conformance::outcome::Failure;
use darter_conformance::packet::Version;
use darter_conformance::runner::run_one;
use darter_testkit::BrokerFixture;

use proxy::{Fault, Rule, honest};

/// One broken rule.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Broken {
    /// What the server seems to do.
    pub(crate) what: &'static str,
    /// The statement it breaks.
    pub(crate) id: &'static str,
    /// The version of the protocol.
    pub(crate) version: Version,
    /// The test that must fail.
    pub(crate) test: &'static str,
    /// A part of what the failing test must say.
    pub(crate) says: &'static str,
    /// How the rule is broken.
    pub(crate) rule: Rule,
    /// What the server is told when the client is gone.
    pub(crate) last_words: &'static [u8],
}

/// Long enough for a server on the same machine, short because every missing answer is waited for.
const SHORT: Duration = Duration::from_millis(2500);

#[test]
fn every_broken_rule_is_noticed_by_its_test() {
    let table: Vec<Broken> = faults::TABLE.iter().chain(faults_v5::TABLE).copied().collect();
    let next = AtomicUsize::new(0);
    let problems = Mutex::new(Vec::new());
    let fixture = BrokerFixture::new(1);
    std::thread::scope(|scope| {
        for _ in 0..12 {
            scope.spawn(|| {
                while let Some(broken) = table.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if let Err(problem) = examine(&fixture, broken) {
                        problems
                            .lock()
                            .unwrap()
                            .push(format!("{} ({}): {problem}", broken.what, broken.test));
                    }
                }
            });
        }
    });
    let problems = problems.into_inner().unwrap();
    assert!(problems.is_empty(), "{} of {}:\n{}", problems.len(), table.len(), problems.join("\n"));
}

#[test]
fn more_than_twenty_statements_are_broken_once() {
    for (version, least) in [(Version::V311, 20), (Version::V5, 20)] {
        let ids: HashSet<_> =
            faults::TABLE.iter().chain(faults_v5::TABLE).filter(|b| b.version == version).collect_ids();
        assert!(ids.len() >= least, "{version:?}: {}", ids.len());
    }
}

trait CollectIds<'a> {
    fn collect_ids(self) -> HashSet<&'a str>;
}

impl<'a, I: Iterator<Item = &'a Broken>> CollectIds<'a> for I {
    fn collect_ids(self) -> HashSet<&'a str> {
        self.map(|broken| broken.id).collect()
    }
}

fn examine(fixture: &BrokerFixture, broken: &Broken) -> Result<(), String> {
    let test = chapter::all().find(|test| test.name == broken.test).ok_or("no such test")?;
    if !test.statements(broken.version).contains(&broken.id) {
        return Err(format!("the test does not name {}", broken.id));
    }
    let through = |fault, patience| {
        let address = proxy::start(fixture.address(), broken.version, fault);
        run_one(address, broken.version, test, patience).outcome
    };
    through(Fault { rule: honest, last_words: &[] }, PATIENCE)
        .map_err(|failure| format!("fails although nothing is broken: {failure}"))?;
    match through(Fault { rule: broken.rule, last_words: broken.last_words }, SHORT) {
        Err(Failure::Wrong(text)) if text.contains(broken.says) => Ok(()),
        Err(Failure::Wrong(text)) => Err(format!("fails for another reason: {text}")),
        other => Err(format!("does not fail: {other:?}")),
    }
}
