//! The table with state on the disk.

use std::fmt::Write;

use super::{number, word};
use crate::perf::laboratory::Laboratory;
use crate::perf::rows::{DISK_ROWS, Goal, Part};
use crate::perf::server::Kind;

/// What stands above it.
pub(super) const INTRODUCTION: &str = "\
The same machine, cores, payloads and figures as above, but the servers keep their state in a fresh folder on the disk.
QoS 1 throughout, 20 messages in flight per publisher where nothing else is said.

**What an acknowledgement means is not the same.** Darter runs with its default, `durability = \"always\"`: its PUBACK says
that the message is on the disk, `fdatasync` done; neither `kill -9` nor a power cut loses it. mosquitto runs with
`persistence true` and `autosave_interval 1800`, as Debian ships it: it acknowledges from memory and writes its whole
state every 30 minutes and when it ends, so that a crash loses everything since. Its figures here are those of a server
that writes nothing while it is measured.

Darter also writes its history (at most one point of each topic and second, the default). Both servers have the limits of
a session's queue raised: Darter `queue_messages` and `queue_bytes`, mosquitto `max_queued_messages 0`. CPU figures are the
server's own; what the kernel's threads do for the disk is under `others`.

The rows of 2 million are one run each: messages of 64 bytes from 50 publishers for one session that is away; then Darter
is ended by `kill -9`, mosquitto by SIGTERM, because only then does it save (its time to end is what that takes); then the
server is started again on the same folder, with the files still in the system's cache, and the time until it says that
it is ready is taken; then the session's client comes back and takes and acknowledges all of them, checked for loss and
order. Room on the disk is blocks of all files beyond those of the empty store (Darter keeps a ballast of 64 MiB
there), and after the drain is five seconds after it.
";

/// Every row that was measured, and how many goals are met.
pub(super) fn results(page: &mut String, laboratory: &Laboratory) {
    page.push_str("| scenario | goal | Darter | mosquitto | goal met |\n");
    page.push_str("|---|---:|---:|---:|---|\n");
    let (mut met, mut judged) = (0, 0);
    for row in DISK_ROWS {
        let run = row.run();
        if !laboratory.measured(Part::Disk).any(|(other, _)| other == run) {
            continue;
        }
        let of = |kind| super::median(laboratory.figures(run, kind, row.figure));
        let verdict = of(Kind::Darter).and_then(|figure| row.goal.is_met(figure));
        let _ = writeln!(
            page,
            "| {} | {} | {} | {} | {} |",
            row.label,
            row.goal.words(),
            number(of(Kind::Darter)),
            number(of(Kind::Mosquitto)),
            word(verdict),
        );
        judged += usize::from(verdict.is_some());
        met += usize::from(verdict == Some(true));
    }
    let _ = writeln!(page, "\n{met} of {judged} goals are met.");
}

impl Goal {
    fn is_met(self, figure: f64) -> Option<bool> {
        match self {
            Self::AtMost(limit) => Some(figure <= limit),
            Self::AtLeast(limit) => Some(figure >= limit),
            Self::Told => None,
        }
    }

    fn words(self) -> String {
        match self {
            Self::AtMost(limit) => format!("<= {limit}"),
            Self::AtLeast(limit) => format!(">= {limit}"),
            Self::Told => "-".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_goal_is_met_on_its_own_side_only() {
        assert_eq!(Goal::AtMost(8.0).is_met(8.0), Some(true));
        assert_eq!(Goal::AtMost(8.0).is_met(8.1), Some(false));
        assert_eq!(Goal::AtLeast(8.0).is_met(8.1), Some(true));
        assert_eq!(Goal::AtLeast(8.0).is_met(7.9), Some(false));
        assert_eq!(Goal::Told.is_met(1.0), None);
    }
}
