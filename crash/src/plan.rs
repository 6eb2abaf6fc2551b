//! What chance has in store for a cycle.

use std::time::Duration;

use crate::dice::Dice;

/// How much longer a server works now and then.
const LONG: Duration = Duration::from_millis(2_400);
/// Milliseconds within which a stop is interrupted.
const LONGEST_STOP: u64 = 25;

/// When the server is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kill {
    /// So long after its start, in most cases before it is ready.
    AfterStart(Duration),
    /// So long after it was ready.
    AfterReady(Duration),
}

/// How the server is brought to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// `kill -9`.
    Kill,
    /// SIGTERM; it ends by itself.
    Stop,
    /// SIGTERM, and `kill -9` so long after that.
    KillInStop(Duration),
}

/// A fault of the disk; it begins a while after the server is ready.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Trouble {
    /// What happens.
    pub(crate) fault: DiskFault,
    /// How long after the server was ready.
    pub(crate) after: Duration,
    /// How long it lasts.
    pub(crate) lasts: Duration,
}

/// What a disk can do to a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DiskFault {
    /// No room after so many more bytes.
    Full {
        /// The bytes.
        bytes: u64,
    },
    /// Writes fail with an input/output error, from the next but `skip` on.
    FailedWrites {
        /// Writes that still succeed.
        skip: u64,
    },
    /// Syncs fail, and what they should have kept is gone from then on.
    FailedSyncs {
        /// Syncs that still succeed.
        skip: u64,
    },
    /// Writes take only a part of what they are given.
    ShortWrites,
    /// Every write and sync takes so many milliseconds.
    Slow {
        /// The milliseconds.
        millis: u64,
    },
}

impl DiskFault {
    /// A word for it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Full { .. } => "disk full",
            Self::FailedWrites { .. } => "failed writes",
            Self::FailedSyncs { .. } => "failed syncs",
            Self::ShortWrites => "short writes",
            Self::Slow { .. } => "a slow disk",
        }
    }
}

/// One cycle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Plan {
    /// When the server is killed.
    pub(crate) kill: Kill,
    /// How.
    pub(crate) ending: Ending,
    /// A fault before that.
    pub(crate) trouble: Option<Trouble>,
}

impl Plan {
    /// A quarter of all kills meets the server at its start, a quarter just after, and the rest at work. One end in four
    /// begins with SIGTERM. `ready` is how long starts take.
    pub(crate) fn roll(dice: &mut Dice, ready: Duration, power: bool) -> Self {
        let ending = match dice.below(8) {
            0 => Ending::Stop,
            1 => Ending::KillInStop(millis(dice, 0, LONGEST_STOP)),
            _ => Ending::Kill,
        };
        if power && dice.once_in(2) {
            let trouble = Some(Self::trouble(dice));
            return Self { kill: Kill::AfterReady(millis(dice, 0, 400)), ending, trouble };
        }
        let ready = u64::try_from(ready.as_millis()).unwrap_or(u64::MAX);
        let kill = match dice.below(8) {
            0 | 1 => Kill::AfterStart(millis(dice, 0, ready + ready / 2 + 5)),
            2 | 3 => Kill::AfterReady(millis(dice, 0, 150)),
            4..=6 => Kill::AfterReady(millis(dice, 150, 1_200)),
            _ => Kill::AfterReady(millis(dice, 1_200, 2_000)),
        };
        Self { kill, ending, trouble: None }
    }

    /// The same, with a server that works long enough to have stored whatever nobody waits for.
    pub(crate) fn lengthened(self) -> Self {
        let (Kill::AfterStart(lives) | Kill::AfterReady(lives)) = self.kill;
        Self { kill: Kill::AfterReady(lives + LONG), ..self }
    }

    fn trouble(dice: &mut Dice) -> Trouble {
        let fault = match dice.below(5) {
            0 => DiskFault::Full { bytes: dice.below(300_000) },
            1 => DiskFault::FailedWrites { skip: dice.below(20) },
            2 => DiskFault::FailedSyncs { skip: dice.below(20) },
            3 => DiskFault::ShortWrites,
            _ => DiskFault::Slow { millis: 20 + dice.below(150) },
        };
        Trouble { fault, after: millis(dice, 50, 400), lasts: millis(dice, 300, 900) }
    }
}

fn millis(dice: &mut Dice, from: u64, to: u64) -> Duration {
    Duration::from_millis(from + dice.below(to - from))
}
