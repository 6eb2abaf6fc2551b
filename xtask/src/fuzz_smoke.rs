//! `cargo xtask fuzz-smoke`: a short run of every fuzz target.

use std::process::Command;

use crate::{refuse_options, step};

/// Runs `fuzz/smoke.sh`, which knows the targets and how long each of them runs.
pub(crate) fn run(options: &[String]) -> Result<(), String> {
    refuse_options(options)?;
    step::execute(Command::new("bash").arg("fuzz/smoke.sh"))
}
