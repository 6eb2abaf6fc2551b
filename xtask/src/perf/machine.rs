//! What the page says about the machine and the programs on it.

use std::fs;
use std::process::Command;

use crate::step;

/// Today in UTC, as the `date` program writes it.
pub(crate) fn date() -> String {
    first_line(Command::new("date").args(["-u", "+%Y-%m-%d %H:%M UTC"]))
}

/// The processor's name and how many cores it shows.
pub(crate) fn processor() -> String {
    let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = text
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(": "))
        .map_or("unknown processor", |(_, name)| name);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    format!("{name}, {cores} cores")
}

/// The kernel's version.
pub(crate) fn kernel() -> String {
    let version = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    format!("Linux {}", version.trim())
}

/// The state of the sources that were measured.
pub(crate) fn commit() -> String {
    first_line(Command::new("git").args(["describe", "--always", "--dirty"]).current_dir(step::root()))
}

/// The first line a program prints, whatever its exit code.
pub(crate) fn first_line(command: &mut Command) -> String {
    let output = command.output().map(|output| output.stdout).unwrap_or_default();
    String::from_utf8_lossy(&output).lines().next().unwrap_or("unknown").to_owned()
}
