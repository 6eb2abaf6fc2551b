//! Runs the tests against a server, many at a time.

use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::chapter::{self, Test};
use crate::client::PATIENCE;
use crate::context::Context;
use crate::outcome::{Failure, Outcome};
use crate::packet::Version;

/// Tests that run at the same time. Most of them wait for a clock or for the server.
const THREADS: usize = 12;

/// What to run, and against which server.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The server.
    pub address: SocketAddr,
    /// Versions to speak.
    pub versions: Vec<Version>,
    /// Only tests whose name, or a statement they prove, contains this.
    pub filter: Option<String>,
}

/// How one test ended.
#[derive(Debug, Clone)]
pub struct Report {
    /// The test.
    pub test: &'static Test,
    /// The version it spoke.
    pub version: Version,
    /// How it ended.
    pub outcome: Outcome,
    /// How long it took.
    pub took: Duration,
}

/// Runs the plan; `each` is called as tests end. Returns all reports in the order of the chapters.
pub fn run(plan: &Plan, each: impl Fn(&Report) + Sync) -> Vec<Report> {
    let jobs = jobs(plan);
    let next = AtomicUsize::new(0);
    let reports = Mutex::new(Vec::with_capacity(jobs.len()));
    std::thread::scope(|scope| {
        for _ in 0..THREADS.min(jobs.len()) {
            scope.spawn(|| {
                while let Some((version, test)) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let report = run_one(plan.address, *version, test, PATIENCE);
                    each(&report);
                    if let Ok(mut reports) = reports.lock() {
                        reports.push(report);
                    }
                }
            });
        }
    });
    let mut reports = reports.into_inner().unwrap_or_default();
    reports.sort_by_key(|report| {
        jobs.iter().position(|(v, t)| *v == report.version && t.name == report.test.name)
    });
    reports
}

/// Runs one test, which waits for answers as long as `patience`, and removes what it left on the server.
pub fn run_one(address: SocketAddr, version: Version, test: &'static Test, patience: Duration) -> Report {
    let context = Context::new(address, version, unique(), patience);
    let start = Instant::now();
    let outcome = (test.run)(&context);
    let took = start.elapsed();
    context.clean_up();
    Report { test, version, outcome, took }
}

impl Report {
    /// `ok`, `FAIL` or `n/a`.
    pub fn word(&self) -> &'static str {
        match self.outcome {
            Ok(()) => "ok",
            Err(Failure::Wrong(_)) => "FAIL",
            Err(Failure::NotApplicable(_)) => "n/a",
        }
    }
}

fn jobs(plan: &Plan) -> Vec<(Version, &'static Test)> {
    let wanted = |version: Version, test: &Test| {
        let ids = test.statements(version);
        let named = |filter: &String| test.name.contains(filter) || ids.iter().any(|id| id.contains(filter));
        !ids.is_empty() && plan.filter.as_ref().is_none_or(named)
    };
    plan.versions
        .iter()
        .flat_map(|version| chapter::all().map(move |test| (*version, test)))
        .filter(|(version, test)| wanted(*version, test))
        .collect()
}

/// At most 12 letters and digits that no other run or test uses.
fn unique() -> String {
    static COUNTER: AtomicUsize = AtomicUsize::new(0);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_millis());
    let count = COUNTER.fetch_add(1, Ordering::Relaxed) as u128;
    // Milliseconds within some hours, the process and a counter, in base 36.
    let mut number =
        ((now % 100_000_000) * 1000 + u128::from(std::process::id() % 1000)) * 4096 + count % 4096;
    let mut out = String::from("c");
    while number > 0 {
        let digit = u32::try_from(number % 36).unwrap_or(0);
        out.extend(char::from_digit(digit, 36));
        number /= 36;
    }
    out.truncate(12);
    out
}
