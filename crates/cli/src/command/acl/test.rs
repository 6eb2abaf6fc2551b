//! `darter acl test`: a file of expectations against the rules.

use super::expectation::Expectation;
use crate::command::plain::{counted, harmless, print};
use crate::command::rules::{Rules, RulesFlags};
use anyhow::{Context, bail};
use clap::Args;
use serde_json::{Value, json};
use std::fmt::Write;
use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

const NOTES: &str = "\
Each line of the file says what is expected: allow or deny, then who, what and the topic. Lines that begin with # are \
comments.

  allow ann publish home/door
  deny  ann subscribe home/safe/#
  allow board-1 as client b1 publish home/board/b1/state
  allow carl with role night-watch receive home/safe/door
  deny  anonymous publish home/door
  allow \"ann smith\" retain home/door
  deny  anonymous connect from 192.0.2.7
  allow ann connect to web

Exit codes: 0 when every expectation holds, 1 when one does not, 2 when they cannot be checked.

Examples:
  darter acl test expected.txt --config darter.toml     against a configuration file, such as in CI
  darter acl test expected.txt                          against the server that runs";

/// The options of `darter acl test`.
#[derive(Debug, Args)]
#[command(after_help = NOTES)]
pub(super) struct Arguments {
    /// File of expectations
    #[arg(value_name = "FILE")]
    file: PathBuf,

    #[command(flatten)]
    rules: RulesFlags,

    /// Print one line of JSON
    #[arg(long, help_heading = "Output")]
    json: bool,
}

/// What came of the expectations of a file.
struct Outcome {
    file: String,
    checked: u64,
    /// Those that do not hold, with the explanations.
    failed: Vec<(Expectation, Value)>,
}

/// Checks and prints.
pub(super) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let file = arguments.file.display().to_string();
    let text = fs::read_to_string(&arguments.file).with_context(|| format!("cannot read {file}"))?;
    let expectations = read(&file, &text)?;
    let outcome = check(file, expectations, &mut arguments.rules.open()?)?;
    print(&if arguments.json { format!("{}\n", outcome.json()) } else { outcome.text() })?;
    Ok(if outcome.failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

/// All expectations of a file, or everything that is wrong in it.
fn read(file: &str, text: &str) -> anyhow::Result<Vec<Expectation>> {
    let (mut expectations, mut wrong) = (Vec::new(), Vec::new());
    for (index, line) in text.lines().enumerate() {
        match Expectation::read(index + 1, line) {
            Ok(expectation) => expectations.extend(expectation),
            Err(why) => wrong.push(format!("{file}:{}: {why}", index + 1)),
        }
    }
    if !wrong.is_empty() {
        bail!("{}", wrong.join("\n"));
    }
    if expectations.is_empty() {
        bail!(
            "{file}: there is no expectation in the file; write lines such as: allow ann publish home/door"
        );
    }
    Ok(expectations)
}

fn check(file: String, expectations: Vec<Expectation>, rules: &mut Rules) -> anyhow::Result<Outcome> {
    let mut outcome = Outcome { file, checked: 0, failed: Vec::new() };
    for expectation in expectations {
        let answer = rules.explain(&expectation.question)?;
        outcome.checked += 1;
        if answer["allowed"] != Value::Bool(expectation.allowed) {
            outcome.failed.push((expectation, answer));
        }
    }
    Ok(outcome)
}

impl Outcome {
    fn text(&self) -> String {
        let mut text = String::new();
        for (expectation, answer) in &self.failed {
            let said = expectation.question.statement(!expectation.allowed);
            let (wish, change) = if expectation.allowed { ("allow", "allowed") } else { ("deny", "denied") };
            let _ = writeln!(
                text,
                "{}:{}: expected {change}, but {}",
                self.file,
                expectation.line,
                harmless(&said)
            );
            let why = answer["why"].as_str().unwrap_or_default();
            let _ = writeln!(text, "    {}", harmless(why));
            if let Some(change) = answer["change"]["text"].as_str() {
                let change: Vec<_> = change.lines().map(harmless).collect();
                let _ = writeln!(text, "    to {wish} it, {}", change.join("\n    "));
            }
        }
        let failed = self.failed.len() as u64;
        let _ = match failed {
            0 => writeln!(text, "{}: {} hold.", self.file, counted(self.checked, "expectation")),
            1 => {
                writeln!(text, "{}: 1 of {} does not hold.", self.file, counted(self.checked, "expectation"))
            }
            _ => writeln!(
                text,
                "{}: {failed} of {} do not hold.",
                self.file,
                counted(self.checked, "expectation")
            ),
        };
        text
    }

    fn json(&self) -> Value {
        let failed = self.failed.iter().map(|(expectation, answer)| {
            json!({
                "line": expectation.line,
                "expected": if expectation.allowed { "allow" } else { "deny" },
                "request": expectation.question.request(),
                "explanation": answer,
            })
        });
        json!({ "file": self.file, "checked": self.checked, "failed": failed.collect::<Vec<_>>() })
    }
}
