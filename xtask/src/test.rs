//! `cargo xtask test`: every check and every test, in the order of how fast they tell something.

use std::path::PathBuf;
use std::process::Command;

use crate::step::{self, Steps, cargo, execute};
use crate::{check_layers, check_style};

/// Runs all steps up to the first that fails. `--fast` leaves out the slow ones, `--keep-going` runs the others all the
/// same after a failure.
pub(crate) fn run(options: &[String]) -> Result<(), String> {
    let mut fast = false;
    let mut steps = Steps::default();
    for option in options {
        match option.as_str() {
            "--fast" => fast = true,
            "--keep-going" => steps.keep_going = true,
            other => return Err(format!("usage: cargo xtask test [--fast] [--keep-going], not {other:?}")),
        }
    }
    let outcome = all_steps(&mut steps, fast).and_then(|()| steps.verdict());
    steps.print_summary();
    if outcome.is_ok() {
        println!("    all checks passed");
    }
    outcome
}

fn all_steps(steps: &mut Steps, fast: bool) -> Result<(), String> {
    steps.run("format", format)?;
    steps.run("style", || check_style::run(&[]))?;
    steps.run("layers", || check_layers::run(&[]))?;
    steps.run("lints", || {
        execute(&mut cargo(&[
            "clippy",
            "--workspace",
            "--all-targets",
            "--all-features",
            "--",
            "-D",
            "warnings",
        ]))
    })?;
    steps.run("tests", workspace_tests)?;
    if fast {
        for heading in ["documentation", "no standard library", "licences", "foreign clients", "conformance"]
        {
            steps.leave_out(heading, "--fast");
        }
        return Ok(());
    }
    steps.run("documentation tests", || execute(&mut cargo(&["test", "--workspace", "--doc", "--quiet"])))?;
    steps.run("documentation", || {
        execute(cargo(&["doc", "--workspace", "--no-deps", "--quiet"]).env("RUSTDOCFLAGS", "-D warnings"))
    })?;
    steps.run("no standard library", no_standard_library)?;
    if step::is_installed("cargo", &["deny", "--version"]) {
        steps.run("licences", || execute(&mut cargo(&["deny", "check", "--hide-inclusion-graph"])))?;
    } else {
        steps.leave_out("licences", "cargo-deny is not installed");
    }
    steps.run("foreign clients", foreign_clients)?;
    steps.run("conformance", conformance)
}

/// Packages that are workspaces of their own.
const APART: &[&str] = &["conformance/no-std/Cargo.toml", "e2e/rumqttc/Cargo.toml", "fuzz/Cargo.toml"];

fn format() -> Result<(), String> {
    execute(&mut cargo(&["fmt", "--all", "--", "--check"]))?;
    for manifest in APART.iter().filter(|manifest| step::root().join(manifest).exists()) {
        execute(&mut cargo(&["fmt", "--manifest-path", manifest, "--", "--check"]))?;
    }
    Ok(())
}

/// Every test of the workspace, with nextest when it is there.
fn workspace_tests() -> Result<(), String> {
    if step::is_installed("cargo", &["nextest", "--version"]) {
        execute(&mut cargo(&[
            "nextest",
            "run",
            "--workspace",
            "--all-features",
            "--no-tests",
            "pass",
            "--no-fail-fast",
        ]))
    } else {
        execute(&mut cargo(&["test", "--workspace", "--all-features", "--lib", "--bins", "--tests"]))
    }
}

/// Links codec, session and engine into a program without the standard library, and runs it.
fn no_standard_library() -> Result<(), String> {
    let target = step::target_folder().join("no-std");
    execute(
        cargo(&["run", "--quiet", "--manifest-path", "conformance/no-std/Cargo.toml"])
            .env("CARGO_TARGET_DIR", target),
    )
}

/// MQTT clients that others wrote, against the real binary.
fn foreign_clients() -> Result<(), String> {
    let server = build_server()?;
    execute(Command::new("bash").arg("e2e/run").env("DARTER_BIN", server))
}

/// The conformance suite, against the real binary.
fn conformance() -> Result<(), String> {
    let server = build_server()?;
    let mut suite = cargo(&["run", "--quiet", "--package", "darter-conformance", "--", "--start"]);
    execute(suite.arg(server))
}

fn build_server() -> Result<PathBuf, String> {
    execute(&mut cargo(&["build", "--quiet", "--package", "darter"]))?;
    Ok(step::target_folder().join("debug").join("darter"))
}
