//! The names of the history's files.

use std::fmt;

/// What a file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum What {
    /// Points.
    Points,
    /// Roll-ups of minutes.
    Rollups,
}

impl What {
    fn word(self) -> &'static str {
        match self {
            Self::Points => "points",
            Self::Rollups => "rollups",
        }
    }
}

/// A file's name, `points-001764201600000-3600000-17.log`: what it holds, start and length of its bucket in
/// milliseconds, and a number that no other file has. The order is that of the buckets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct FileName {
    pub(super) what: What,
    pub(super) start: u64,
    pub(super) len: u64,
    pub(super) number: u64,
}

impl FileName {
    /// Nothing if a file is none of the history's.
    pub(super) fn parse(name: &str) -> Option<Self> {
        let mut parts = name.strip_suffix(".log")?.split('-');
        let what = match parts.next()? {
            "points" => What::Points,
            "rollups" => What::Rollups,
            _ => return None,
        };
        let mut number = || parts.next()?.parse().ok();
        let parsed = Self { what, start: number()?, len: number()?, number: number()? };
        // Nothing else may read as the same file.
        (parsed.to_string() == name).then_some(parsed)
    }

    /// The end of the bucket, which is not in it.
    pub(super) fn end(&self) -> u64 {
        self.start.saturating_add(self.len)
    }
}

impl fmt::Display for FileName {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}-{:015}-{}-{}.log", self.what.word(), self.start, self.len, self.number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_our_own_are_read() {
        let name = FileName { what: What::Points, start: 1_764_201_600_000, len: 3_600_000, number: 17 };
        assert_eq!(name.to_string(), "points-001764201600000-3600000-17.log");
        assert_eq!(FileName::parse(&name.to_string()), Some(name));
        for other in [
            "points-1-2-3.log",
            "points-000000000000001-2-3.log.tmp",
            "points-000000000000001-2.log",
            "points-000000000000001-2-3-4.log",
            "lines-000000000000001-2-3.log",
            "points-000000000000001-2-+3.log",
            ".log",
        ] {
            assert_eq!(FileName::parse(other), None, "{other}");
        }
    }
}
