//! What the page says about the machine and the programs on it.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;
use std::process::Command;
use std::time::Instant;

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

/// The file system of a folder, and how long it takes until 4 KiB at the end of a file are there for good.
pub(crate) fn disk(folder: &Path) -> String {
    let synced = sync_time(folder);
    let kind = first_line(Command::new("findmnt").args(["-n", "-o", "FSTYPE", "-T"]).arg(folder));
    match synced {
        Ok([median, slow]) => {
            format!(
                "{kind}; 4 KiB and one fdatasync take {median:.0} us, one in a hundred {slow:.0} us or more"
            )
        }
        Err(error) => format!("{kind}; {}: {error}", folder.display()),
    }
}

/// Times that the disk is asked.
const SYNCS: usize = 500;

/// Microseconds of one write of 4 KiB with its fdatasync: the median, and what 99 of 100 stay below.
fn sync_time(folder: &Path) -> io::Result<[f64; 2]> {
    fs::create_dir_all(folder)?;
    let path = folder.join("sync");
    let mut file = File::create(&path)?;
    let mut times = Vec::new();
    for _ in 0..SYNCS {
        let start = Instant::now();
        file.write_all(&[7; 4096])?;
        file.sync_data()?;
        times.push(start.elapsed().as_secs_f64() * 1e6);
    }
    fs::remove_file(path)?;
    times.sort_by(f64::total_cmp);
    Ok([times[SYNCS / 2], times[SYNCS * 99 / 100]])
}

/// The first line a program prints, whatever its exit code.
pub(crate) fn first_line(command: &mut Command) -> String {
    let output = command.output().map(|output| output.stdout).unwrap_or_default();
    String::from_utf8_lossy(&output).lines().next().unwrap_or("unknown").to_owned()
}
