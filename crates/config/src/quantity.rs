//! Numbers with units: sizes and durations as people write them.

/// What a number counts. Values are kept in the unit's smallest step: bytes, seconds, milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    /// Things; no unit is written.
    Count,
    /// Bytes; a number alone is bytes.
    Bytes,
    /// Time in seconds; a number alone is seconds.
    Seconds,
    /// Time in milliseconds; a number alone is seconds, as everywhere.
    Milliseconds,
}

const SIZES: &[(&str, u64)] = &[("B", 1), ("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30)];
const TIMES: &[(&str, u64)] =
    &[("ms", 1), ("s", 1_000), ("min", 60_000), ("h", 3_600_000), ("d", 86_400_000)];

impl Unit {
    /// What to call a value.
    pub(crate) fn noun(self) -> &'static str {
        match self {
            Self::Count => "a number",
            Self::Bytes => "a size",
            Self::Seconds | Self::Milliseconds => "a time",
        }
    }

    /// The value of a number without a unit.
    pub(crate) fn plain(self, number: u64) -> Option<u64> {
        match self {
            Self::Milliseconds => number.checked_mul(1_000),
            _ => Some(number),
        }
    }

    /// The value of a text such as `"16 MiB"`.
    ///
    /// # Errors
    /// What is wrong with the text.
    pub(crate) fn parse(self, text: &str) -> Result<u64, String> {
        let (names, step) = self.names();
        let text = text.trim();
        let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let (number, name) = (&text[..digits], text[digits..].trim_start());
        let Some(&(_, factor)) = names.iter().find(|(known, _)| *known == name) else {
            return Err(self.advice());
        };
        let number: u64 = number.parse().map_err(|_| self.advice())?;
        let smallest = number.checked_mul(factor).ok_or("is too large")?;
        if !smallest.is_multiple_of(step) {
            Err("is not a whole number of seconds".into())
        } else {
            Ok(smallest / step)
        }
    }

    /// A value as it is said: `16 MiB`, `10 s`, `1000`.
    pub(crate) fn show(self, value: u64) -> String {
        let (names, step) = self.names();
        let multiples =
            || names.iter().map(|(name, factor)| (*name, factor / step)).filter(|(_, steps)| *steps > 0);
        let largest = multiples().rfind(|(_, steps)| value >= *steps && value.is_multiple_of(*steps));
        match largest.or_else(|| multiples().next()) {
            Some((name, steps)) => format!("{} {name}", value / steps),
            None => value.to_string(),
        }
    }

    /// A value as it is written in a file: `"16 MiB"`, `"10 s"`, `1000`.
    pub(crate) fn write(self, value: u64) -> String {
        match self {
            Self::Count => value.to_string(),
            _ => format!("\"{}\"", self.show(value)),
        }
    }

    /// The names of the multiples, and how many of the first make one step of this unit.
    fn names(self) -> (&'static [(&'static str, u64)], u64) {
        match self {
            Self::Count => (&[], 1),
            Self::Bytes => (SIZES, 1),
            Self::Seconds => (TIMES, 1_000),
            Self::Milliseconds => (TIMES, 1),
        }
    }

    fn advice(self) -> String {
        match self {
            Self::Count => "is not a number; write it without quotes",
            Self::Bytes => "is not a size; write it like \"64 KiB\", with B, KiB, MiB or GiB",
            Self::Seconds | Self::Milliseconds => {
                "is not a time; write it like \"90 s\", with ms, s, min, h or d"
            }
        }
        .into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_times_are_read_in_every_unit() {
        let cases = [
            (Unit::Bytes, "16 MiB", 16 << 20),
            (Unit::Bytes, "16MiB", 16 << 20),
            (Unit::Bytes, "7 B", 7),
            (Unit::Seconds, "2 min", 120),
            (Unit::Seconds, "30 d", 30 * 86_400),
            (Unit::Seconds, "3000 ms", 3),
            (Unit::Milliseconds, "2 h", 7_200_000),
            (Unit::Milliseconds, "250 ms", 250),
        ];
        for (unit, text, value) in cases {
            assert_eq!(unit.parse(text), Ok(value), "{text}");
        }
    }

    #[test]
    fn what_is_not_a_quantity_is_refused_with_advice() {
        for text in ["", "16", "MiB", "16 MB", "-1 B", "1.5 MiB", "16 MiB 2"] {
            assert!(Unit::Bytes.parse(text).is_err_and(|why| why.contains("KiB")), "{text}");
        }
        assert!(Unit::Bytes.parse("99999999999 GiB").is_err_and(|why| why.contains("too large")));
        assert!(Unit::Seconds.parse("1500 ms").is_err_and(|why| why.contains("whole")));
        assert!(Unit::Count.parse("12").is_err_and(|why| why.contains("without quotes")));
    }

    #[test]
    fn a_shown_value_reads_back_as_itself() {
        for value in [1, 2, 59, 60, 1000, 1024, 1500, 3600, 65_535, 86_400, 1 << 20, 268_435_460] {
            for unit in [Unit::Bytes, Unit::Seconds, Unit::Milliseconds] {
                assert_eq!(unit.parse(&unit.show(value)), Ok(value), "{value} {unit:?}");
            }
            assert_eq!(Unit::Count.show(value), value.to_string());
        }
        assert_eq!(Unit::Bytes.show(16 << 20), "16 MiB");
        assert_eq!(Unit::Milliseconds.show(10_000), "10 s");
        assert_eq!(Unit::Milliseconds.show(250), "250 ms");
        assert_eq!(Unit::Seconds.show(0), "0 s");
    }
}
