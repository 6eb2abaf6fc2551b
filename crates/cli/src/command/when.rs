//! Times on the command line and in what is printed.

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};

/// A time as milliseconds since 1970: a day or a time of day or both, in the local time zone; with `Z` or an offset in
/// that one; a span such as `2h`, which is so long ago; or `now`.
pub(crate) fn parse(text: &str) -> Result<u64, String> {
    parse_at(text, &Zoned::now())
}

fn parse_at(text: &str, now: &Zoned) -> Result<u64, String> {
    let text = text.trim();
    let local = |time: DateTime| time.to_zoned(now.time_zone().clone()).ok().map(|time| time.timestamp());
    let ago = |seconds: i64| Timestamp::from_second(now.timestamp().as_second().checked_sub(seconds)?).ok();
    let time = if text == "now" {
        Some(now.timestamp())
    } else if let Some(seconds) = span(text) {
        ago(seconds)
    } else if let Ok(time) = text.parse::<Timestamp>() {
        Some(time)
    } else if let Some(time) = text.parse::<Time>().ok().filter(|_| !text.contains('-')) {
        local(now.date().to_datetime(time))
    } else if let Ok(time) = text.parse::<DateTime>() {
        local(time)
    } else {
        text.parse::<Date>().ok().and_then(|date| local(date.to_datetime(Time::midnight())))
    };
    let time = time.and_then(|time| u64::try_from(time.as_millisecond()).ok());
    time.ok_or_else(|| ADVICE.to_owned())
}

const ADVICE: &str =
    "write it like \"2026-11-21 14:30\", 14:30, 2026-11-21T14:30:00Z, or 15min, 2h or 7d for so long ago";

/// Seconds of a number with a unit.
fn span(text: &str) -> Option<i64> {
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = (text[..digits].parse::<i64>().ok()?, text[digits..].trim_start());
    let (_, seconds) =
        [("s", 1), ("min", 60), ("h", 3_600), ("d", 86_400)].into_iter().find(|(name, _)| *name == unit)?;
    number.checked_mul(seconds)
}

/// A time of milliseconds since 1970 in the local time zone, as `2026-11-21 14:30:00.250`.
pub(crate) fn shown(milliseconds: u64) -> String {
    timestamp(milliseconds).to_zoned(TimeZone::system()).strftime("%F %T%.3f").to_string()
}

/// The same as other programs read it, such as `2026-11-21T13:30:00.25Z`.
pub(crate) fn exact(milliseconds: u64) -> String {
    timestamp(milliseconds).to_string()
}

fn timestamp(milliseconds: u64) -> Timestamp {
    let milliseconds = i64::try_from(milliseconds).unwrap_or(i64::MAX);
    Timestamp::from_millisecond(milliseconds).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<String, String> {
        let zone = TimeZone::fixed(jiff::tz::offset(2));
        let now = "2026-11-21T12:00:00Z".parse::<Timestamp>().unwrap().to_zoned(zone);
        parse_at(text, &now).map(exact)
    }

    #[test]
    fn times_are_read_as_people_write_them() {
        let cases = [
            ("now", "2026-11-21T12:00:00Z"),
            ("90 s", "2026-11-21T11:58:30Z"),
            ("15min", "2026-11-21T11:45:00Z"),
            ("2h", "2026-11-21T10:00:00Z"),
            ("7d", "2026-11-14T12:00:00Z"),
            ("2026-11-20", "2026-11-19T22:00:00Z"),
            ("2026-11-20 08:30", "2026-11-20T06:30:00Z"),
            ("2026-11-20T08:30:05.25", "2026-11-20T06:30:05.25Z"),
            ("2026-11-20T08:30:00Z", "2026-11-20T08:30:00Z"),
            ("2026-11-20T08:30:00+01:00", "2026-11-20T07:30:00Z"),
            ("08:30", "2026-11-21T06:30:00Z"),
        ];
        for (text, expected) in cases {
            assert_eq!(parsed(text).as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_is_no_time_is_refused_with_advice() {
        for text in ["", "yesterday", "5", "5 weeks", "2026-13-01", "99999999999999999999 d", "1960-01-01"] {
            assert!(parsed(text).is_err_and(|why| why.contains("14:30")), "{text}");
        }
    }
}
