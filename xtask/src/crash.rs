//! The crash laboratory: builds server and laboratory, and runs it.

use std::path::PathBuf;
use std::process::Command;

use crate::step;

const USAGE: &str = "\
usage: cargo xtask crash [options]

  --cycles N     how often the server is started and brought to its end (25)
  --seed S       everything left to chance follows from it
  --shards K     shards of the server; its own choice if not given
  --power        the power fails as well: what was not synced is thrown away, and the disk has faults (Linux, gcc)
  --server PATH  this darter binary instead of a new build
  --release      with optimisation
  --keep         keep the data folder, also after a good run
  --trace NAMES  write what these clients send and receive into trace.log there, such as subscriber-0,publisher-2
  --memory       control: nothing is durable, and the run must fail
  --spare        control: the server is never killed, and the run must succeed even with --memory
  --lie          control, with --power: the disk claims to have synced and has not, and the run must fail
";

/// Builds what is needed and runs the laboratory with the options it knows.
pub(crate) fn run(options: &[String]) -> Result<(), String> {
    if options.iter().any(|option| option == "--help") {
        print!("{USAGE}");
        return Ok(());
    }
    let release = options.iter().any(|option| option == "--release");
    let passed: Vec<&String> = options.iter().filter(|option| *option != "--release").collect();
    let given = passed.iter().any(|option| *option == "--server");
    let binaries = build(release, !given)?;
    let mut laboratory = Command::new(binaries.join("darter-crash"));
    if !given {
        laboratory.arg("--server").arg(binaries.join("darter"));
    }
    laboratory.arg("--folder").arg(folder()).args(passed);
    step::execute(&mut laboratory)
}

fn build(release: bool, server: bool) -> Result<PathBuf, String> {
    let mut arguments = vec!["build", "--quiet", "-p", "darter-crash"];
    if server {
        arguments.extend(["-p", "darter"]);
    }
    if release {
        arguments.push("--release");
    }
    step::execute(&mut step::cargo(&arguments))?;
    Ok(step::target_folder().join(if release { "release" } else { "debug" }))
}

/// A new folder for each run, on the disk that builds use: a temporary folder may be memory.
fn folder() -> PathBuf {
    step::target_folder().join("crash").join(format!("run-{}", std::process::id()))
}
