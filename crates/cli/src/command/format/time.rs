//! Local time, printed as C's strftime prints it in the C locale.

use jiff::Zoned;

/// A moment in the local time zone.
#[derive(Debug)]
pub(crate) struct Moment(Zoned);

impl Moment {
    pub(crate) fn now() -> Self {
        Self(Zoned::now())
    }

    pub(crate) fn unix_seconds(&self) -> i64 {
        self.0.timestamp().as_second()
    }

    /// 0 to 999,999,999.
    pub(crate) fn nanosecond(&self) -> u32 {
        u32::try_from(self.0.subsec_nanosecond()).unwrap_or(0)
    }

    /// As 2016-08-10T09:47:38+0100.
    pub(crate) fn iso_8601(&self) -> String {
        format!("{}T{}{}", self.strftime('F'), self.strftime('T'), self.strftime('z'))
    }

    /// As 2016-08-10T09:47:38.123456Z+0100.
    pub(crate) fn json(&self) -> String {
        format!(
            "{}T{}.{:06}Z{}",
            self.strftime('F'),
            self.strftime('T'),
            self.nanosecond() / 1000,
            self.strftime('z')
        )
    }

    /// What strftime makes of one conversion; a letter that it does not know comes back with its percent sign.
    pub(crate) fn strftime(&self, letter: char) -> String {
        let time = &self.0;
        let hour_12 = match time.hour() % 12 {
            0 => 12,
            hour => hour,
        };
        match letter {
            'a' => WEEKDAYS[self.weekday()][..3].to_owned(),
            'A' => WEEKDAYS[self.weekday()].to_owned(),
            'b' | 'h' => self.month()[..3].to_owned(),
            'B' => self.month().to_owned(),
            'c' => self.all("abeTY".chars(), " "),
            'C' => format!("{:02}", time.year().div_euclid(100)),
            'd' => format!("{:02}", time.day()),
            'D' | 'x' => self.all("mdy".chars(), "/"),
            'e' => format!("{:2}", time.day()),
            'F' => self.all("Ymd".chars(), "-"),
            'g' => format!("{:02}", time.date().iso_week_date().year().rem_euclid(100)),
            'G' => time.date().iso_week_date().year().to_string(),
            'H' => format!("{:02}", time.hour()),
            'I' => format!("{hour_12:02}"),
            'j' => format!("{:03}", time.day_of_year()),
            'k' => format!("{:2}", time.hour()),
            'l' => format!("{hour_12:2}"),
            'm' => format!("{:02}", time.month()),
            'M' => format!("{:02}", time.minute()),
            'n' => "\n".to_owned(),
            'p' => if time.hour() < 12 { "AM" } else { "PM" }.to_owned(),
            'P' => if time.hour() < 12 { "am" } else { "pm" }.to_owned(),
            'r' => format!("{} {}", self.all("IMS".chars(), ":"), self.strftime('p')),
            'R' => self.all("HM".chars(), ":"),
            's' => self.unix_seconds().to_string(),
            'S' => format!("{:02}", time.second()),
            't' => "\t".to_owned(),
            'T' | 'X' => self.all("HMS".chars(), ":"),
            'u' => (self.weekday() + 6).rem_euclid(7).saturating_add(1).to_string(),
            'U' => format!("{:02}", self.week(self.weekday())),
            'V' => format!("{:02}", time.date().iso_week_date().week()),
            'w' => self.weekday().to_string(),
            'W' => format!("{:02}", self.week((self.weekday() + 6) % 7)),
            'y' => format!("{:02}", time.year().rem_euclid(100)),
            'Y' => time.year().to_string(),
            'z' => self.offset(),
            'Z' => self.zone(),
            '%' => "%".to_owned(),
            other => format!("%{other}"),
        }
    }

    fn all(&self, letters: impl Iterator<Item = char>, separator: &str) -> String {
        letters.map(|letter| self.strftime(letter)).collect::<Vec<_>>().join(separator)
    }

    /// 0 is Sunday.
    fn weekday(&self) -> usize {
        usize::try_from(self.0.weekday().to_sunday_zero_offset()).unwrap_or(0)
    }

    fn month(&self) -> &'static str {
        let index = usize::try_from(self.0.month() - 1).unwrap_or(0);
        MONTHS[index.min(MONTHS.len() - 1)]
    }

    /// The week of the year, where `weekday` counts from the first day of a week; days before the first whole one are
    /// in week 0.
    fn week(&self, weekday: usize) -> usize {
        let day = usize::try_from(self.0.day_of_year()).unwrap_or(1) - 1;
        (day + 7 - weekday) / 7
    }

    fn offset(&self) -> String {
        let seconds = self.0.offset().seconds();
        let minutes = seconds.abs() / 60;
        format!("{}{:02}{:02}", if seconds < 0 { '-' } else { '+' }, minutes / 60, minutes % 60)
    }

    fn zone(&self) -> String {
        self.0.time_zone().to_offset_info(self.0.timestamp()).abbreviation().to_owned()
    }
}

const WEEKDAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;
    use jiff::tz::{Offset, TimeZone};

    fn moment(year: i16, month: i8, day: i8) -> Moment {
        let zone = TimeZone::fixed(Offset::from_seconds(-12_600).unwrap());
        Moment(date(year, month, day).at(13, 4, 5, 60_708).to_zoned(zone).unwrap())
    }

    #[test]
    fn conversions_are_those_of_the_c_locale() {
        let moment = moment(2026, 2, 3);
        let expected = [
            ('a', "Tue"),
            ('A', "Tuesday"),
            ('b', "Feb"),
            ('B', "February"),
            ('c', "Tue Feb  3 13:04:05 2026"),
            ('C', "20"),
            ('D', "02/03/26"),
            ('e', " 3"),
            ('F', "2026-02-03"),
            ('I', "01"),
            ('j', "034"),
            ('k', "13"),
            ('l', " 1"),
            ('p', "PM"),
            ('r', "01:04:05 PM"),
            ('R', "13:04"),
            ('u', "2"),
            ('U', "05"),
            ('V', "06"),
            ('w', "2"),
            ('W', "05"),
            ('y', "26"),
            ('z', "-0330"),
            ('Q', "%Q"),
            ('%', "%"),
        ];
        for (letter, text) in expected {
            assert_eq!(moment.strftime(letter), text, "%{letter}");
        }
        assert_eq!(moment.iso_8601(), "2026-02-03T13:04:05-0330");
        assert_eq!(moment.json(), "2026-02-03T13:04:05.000060Z-0330");
    }

    #[test]
    fn weeks_at_the_turn_of_the_year() {
        for (day, u, w, v, g) in [
            (moment(2027, 1, 1), "00", "00", "53", "2026"),
            (moment(2027, 1, 3), "01", "00", "53", "2026"),
            (moment(2027, 1, 4), "01", "01", "01", "2027"),
            (moment(2028, 12, 31), "53", "52", "52", "2028"),
        ] {
            let got = ['U', 'W', 'V', 'G'].map(|letter| day.strftime(letter));
            assert_eq!(got, [u, w, v, g]);
        }
    }
}
