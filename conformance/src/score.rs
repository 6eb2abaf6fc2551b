//! What a run says about the statements of a standard.

use std::collections::HashMap;
use std::fmt::Write as _;

use serde::Serialize;

use crate::manifest::Manifest;
use crate::outcome::Failure;
use crate::packet::Version;
use crate::runner::Report;

/// What is known about a statement after a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Every test that names it and could run succeeded.
    Proved,
    /// At least one test that names it failed.
    Failing,
    /// The server, as it is allowed to, does not offer what its tests need.
    NotApplicable,
    /// No test can prove it from outside.
    NotTestable,
    /// Its tests were not part of the run.
    NotRun,
}

/// The verdicts on one standard.
#[derive(Debug, Clone, Serialize)]
pub struct Score {
    /// Name of the standard.
    pub standard: String,
    /// Every statement with its verdict.
    pub statements: Vec<(String, Verdict)>,
}

impl Score {
    /// Draws the conclusions from the reports of a run.
    pub fn of(manifest: &Manifest, version: Version, reports: &[Report]) -> Self {
        let outcomes: HashMap<&str, &Report> =
            reports.iter().filter(|r| r.version == version).map(|r| (r.test.name, r)).collect();
        let verdict = |tests: &[String]| {
            if tests.is_empty() {
                return Verdict::NotTestable;
            }
            let ran: Vec<_> = tests.iter().filter_map(|t| outcomes.get(t.as_str())).collect();
            if ran.iter().any(|r| matches!(r.outcome, Err(Failure::Wrong(_)))) {
                Verdict::Failing
            } else if ran.len() < tests.len() {
                Verdict::NotRun
            } else if ran.iter().any(|r| r.outcome.is_ok()) {
                Verdict::Proved
            } else {
                Verdict::NotApplicable
            }
        };
        let statements = manifest.statement.iter().map(|s| (s.id.clone(), verdict(&s.tests))).collect();
        Self { standard: manifest.standard.clone(), statements }
    }

    /// How many statements have this verdict.
    pub fn count(&self, verdict: Verdict) -> usize {
        self.statements.iter().filter(|(_, v)| *v == verdict).count()
    }

    /// The ids of the failing statements.
    pub fn failing(&self) -> Vec<&str> {
        self.statements.iter().filter(|(_, v)| *v == Verdict::Failing).map(|(id, _)| id.as_str()).collect()
    }
}

/// A table of the scores, one line per standard.
pub fn table(scores: &[Score]) -> String {
    let mut out = String::from(
        "| standard | statements | proved | failing | not applicable | not testable from outside | not run |\n\
         |---|---|---|---|---|---|---|\n",
    );
    for score in scores {
        let count = |verdict| score.count(verdict);
        // Writing into a string cannot fail.
        let _ = writeln!(
            out,
            "| {} | {} | {} | {} | {} | {} | {} |",
            score.standard,
            score.statements.len(),
            count(Verdict::Proved),
            count(Verdict::Failing),
            count(Verdict::NotApplicable),
            count(Verdict::NotTestable),
            count(Verdict::NotRun),
        );
    }
    out
}
