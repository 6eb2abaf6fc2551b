//! What the kernel says about a process: CPU time and memory.

use std::fs;

use nix::sched::{CpuSet, sched_setaffinity};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::time::{ClockId, clock_getcpuclockid, clock_gettime};
use nix::unistd::Pid;

/// Watches one process from outside.
pub(crate) struct Process {
    id: i32,
    clock: ClockId,
}

/// A process's memory in bytes, from `/proc/<pid>/smaps_rollup`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Memory {
    /// Pages written by this process and shared with nobody.
    pub(crate) private_dirty: u64,
    /// Resident pages, shared ones included.
    pub(crate) resident: u64,
    /// Resident pages, shared ones divided by their users.
    pub(crate) proportional: u64,
}

impl Process {
    /// Watches the process with this id.
    pub(crate) fn new(id: i32) -> Result<Self, String> {
        let clock = clock_getcpuclockid(Pid::from_raw(id))
            .map_err(|error| format!("process {id} has no CPU clock: {error}"))?;
        // The clock's number alone proves nothing: ids out of range turn into other clocks.
        fs::metadata(format!("/proc/{id}")).map_err(|error| format!("there is no process {id}: {error}"))?;
        Ok(Self { id, clock })
    }

    /// Watches the program itself.
    pub(crate) fn own() -> Self {
        Self { id: i32::try_from(std::process::id()).unwrap_or(0), clock: ClockId::CLOCK_PROCESS_CPUTIME_ID }
    }

    /// CPU time of all its threads, user and system, in nanoseconds.
    ///
    /// This is the sum that utime and stime of `/proc/<pid>/stat` are cut from, without their 10 ms grain.
    pub(crate) fn cpu(&self) -> Result<u64, String> {
        let time = clock_gettime(self.clock)
            .map_err(|error| format!("process {} cannot be measured (has it ended?): {error}", self.id))?;
        let nanoseconds = i128::from(time.tv_sec()) * 1_000_000_000 + i128::from(time.tv_nsec());
        Ok(u64::try_from(nanoseconds).unwrap_or(0))
    }

    /// Its memory now.
    pub(crate) fn memory(&self) -> Result<Memory, String> {
        let path = format!("/proc/{}/smaps_rollup", self.id);
        let text = fs::read_to_string(&path).map_err(|error| format!("{path}: {error}"))?;
        let field = |name: &str| {
            text.lines()
                .find_map(|line| line.strip_prefix(name)?.split_whitespace().next()?.parse::<u64>().ok())
                .map(|kilobytes| kilobytes * 1024)
                .ok_or_else(|| format!("{path} does not tell {name}"))
        };
        Ok(Memory {
            private_dirty: field("Private_Dirty:")?,
            resident: field("Rss:")?,
            proportional: field("Pss:")?,
        })
    }

    /// The most memory it ever had resident, in bytes.
    pub(crate) fn peak(&self) -> Result<u64, String> {
        let path = format!("/proc/{}/status", self.id);
        let text = fs::read_to_string(&path).map_err(|error| format!("{path}: {error}"))?;
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:")?.split_whitespace().next());
        let kilobytes: u64 =
            line.and_then(|word| word.parse().ok()).ok_or_else(|| format!("{path} does not tell VmHWM"))?;
        Ok(kilobytes * 1024)
    }
}

/// CPU time that all processes of this machine have used, in microseconds, in steps of 10 ms.
pub(crate) fn machine_busy() -> Result<f64, String> {
    /// Microseconds in one unit of `/proc/stat`.
    const TICK: f64 = 10_000.0;
    let text = fs::read_to_string("/proc/stat").map_err(|error| format!("/proc/stat: {error}"))?;
    let columns: Vec<f64> = text
        .lines()
        .next()
        .unwrap_or("")
        .split_whitespace()
        .skip(1)
        .filter_map(|word| word.parse().ok())
        .collect();
    // user, nice, system, then idle and waiting, then interrupts and what the hypervisor took.
    let busy = [0, 1, 2, 5, 6, 7].iter().filter_map(|index| columns.get(*index)).sum::<f64>();
    Ok(busy * TICK)
}

/// Keeps this program on one core; a machine without that core is left as it is.
pub(crate) fn pin(core: usize) -> bool {
    let mut set = CpuSet::new();
    set.set(core).is_ok() && sched_setaffinity(Pid::from_raw(0), &set).is_ok()
}

/// Allows as many open files as the system lets this user have, and says how many that are.
pub(crate) fn raise_file_limit() -> u64 {
    match getrlimit(Resource::RLIMIT_NOFILE) {
        Ok((soft, hard)) if soft < hard && setrlimit(Resource::RLIMIT_NOFILE, hard, hard).is_ok() => hard,
        Ok((soft, _)) => soft,
        Err(_) => 1024,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_shows_as_cpu_time_and_memory() {
        let own = Process::new(i32::try_from(std::process::id()).unwrap()).unwrap();
        let (cpu, memory) = (own.cpu().unwrap(), own.memory().unwrap());
        let block: Vec<u64> = (0..4_000_000).collect();
        assert!(own.cpu().unwrap() > cpu);
        assert!(own.memory().unwrap().private_dirty > memory.private_dirty + 20_000_000);
        assert!(own.peak().unwrap() >= 32_000_000);
        drop(block);
    }

    #[test]
    fn a_process_that_is_not_there_is_named() {
        assert!(Process::new(i32::MAX).is_err());
    }
}
