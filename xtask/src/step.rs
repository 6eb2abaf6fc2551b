//! Steps of a check: a heading, a program that is run, and the time it took.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// The work tree's root, where every program is started.
pub(crate) fn root() -> PathBuf {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    own.parent().unwrap_or(own).to_path_buf()
}

/// `cargo` with these arguments, the same cargo that started this program.
pub(crate) fn cargo(arguments: &[&str]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(arguments);
    command
}

/// Where build results go; the same folder that cargo uses.
pub(crate) fn target_folder() -> PathBuf {
    match std::env::var_os("CARGO_TARGET_DIR") {
        Some(folder) => root().join(folder),
        None => root().join("target"),
    }
}

/// Whether a program can be started at all.
pub(crate) fn is_installed(program: &str, probe: &[&str]) -> bool {
    Command::new(program).args(probe).output().is_ok_and(|output| output.status.success())
}

/// Runs a program from the work tree's root; what it prints goes to the terminal.
pub(crate) fn execute(command: &mut Command) -> Result<(), String> {
    let status = command.current_dir(root()).status();
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("{} failed ({status})", line(command))),
        Err(error) => Err(format!("{} could not be started: {error}", line(command))),
    }
}

/// Runs a program and returns its standard output.
pub(crate) fn capture(command: &mut Command) -> Result<Vec<u8>, String> {
    let output = command
        .current_dir(root())
        .output()
        .map_err(|error| format!("{} could not be started: {error}", line(command)))?;
    if output.status.success() {
        Ok(output.stdout)
    } else {
        let complaint = String::from_utf8_lossy(&output.stderr);
        Err(format!("{} failed ({}):\n{complaint}", line(command), output.status))
    }
}

/// The command as a person would type it, for messages.
fn line(command: &Command) -> String {
    let program = Path::new(command.get_program()).file_name().unwrap_or(command.get_program());
    let mut text = program.to_string_lossy().into_owned();
    for argument in command.get_args() {
        text.push(' ');
        text.push_str(&argument.to_string_lossy());
    }
    text
}

/// The steps run so far, with their times, for the summary at the end.
#[derive(Default)]
pub(crate) struct Steps {
    /// Whether the steps after a failed one are run too.
    pub(crate) keep_going: bool,
    done: Vec<(String, Duration)>,
    failures: Vec<String>,
    left_out: Vec<String>,
}

impl Steps {
    /// Prints the heading, runs the step and notes its time. A failure is returned, unless the run keeps going.
    pub(crate) fn run(
        &mut self,
        heading: &str,
        action: impl FnOnce() -> Result<(), String>,
    ) -> Result<(), String> {
        println!("\n==> {heading}");
        let started = Instant::now();
        let outcome = action();
        let took = started.elapsed();
        match &outcome {
            Ok(()) => println!("    {heading}: ok, {:.1} s", took.as_secs_f64()),
            Err(_) => println!("    {heading}: FAILED after {:.1} s", took.as_secs_f64()),
        }
        self.done.push((heading.to_owned(), took));
        let Err(reason) = outcome else { return Ok(()) };
        let reason = format!("{heading}: {reason}");
        if !self.keep_going {
            return Err(reason);
        }
        self.failures.push(reason);
        Ok(())
    }

    /// Fails with everything that failed on the way of a run that kept going.
    pub(crate) fn verdict(&mut self) -> Result<(), String> {
        if self.failures.is_empty() {
            Ok(())
        } else {
            Err(std::mem::take(&mut self.failures).join("\n       "))
        }
    }

    /// Notes that a step was left out and why, so that the summary says it.
    pub(crate) fn leave_out(&mut self, heading: &str, why: &str) {
        self.left_out.push(format!("{heading} ({why})"));
    }

    /// Prints every step with its time.
    pub(crate) fn print_summary(&self) {
        let whole: Duration = self.done.iter().map(|(_, took)| *took).sum();
        println!("\n==> summary");
        for (heading, took) in &self.done {
            println!("    {:>7.1} s  {heading}", took.as_secs_f64());
        }
        for heading in &self.left_out {
            println!("    left out   {heading}");
        }
        println!("    {:>7.1} s  in all", whole.as_secs_f64());
    }
}
