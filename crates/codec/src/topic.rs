//! Topic names, topic filters and shared subscriptions (sections 4.7 and 4.8).

use thiserror::Error;

/// The longest topic name or topic filter, in bytes ([MQTT-4.7.3-3]).
pub const MAX_LENGTH: usize = 65_535;

/// Why a topic name or a topic filter is not valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum TopicError {
    /// It has no character ([MQTT-4.7.3-1]).
    #[error("it is empty")]
    Empty,
    /// It is longer than 65,535 bytes ([MQTT-4.7.3-3]).
    #[error("it is longer than 65535 bytes")]
    TooLong,
    /// It holds U+0000 ([MQTT-4.7.3-2]).
    #[error("it holds U+0000")]
    Nul,
    /// A topic name holds `+` or `#` ([MQTT-4.7.0-1]).
    #[error("a topic name cannot hold `+` or `#`")]
    WildcardInName,
    /// `+` shares its level with other characters, or `#` is not alone on the last level ([MQTT-4.7.1-1],
    /// [MQTT-4.7.1-2]).
    #[error("`+` must stand alone on its level, `#` alone on the last one")]
    MisplacedWildcard,
    /// The share name of a shared subscription is missing, or holds a wildcard ([MQTT-4.8.2-1], [MQTT-4.8.2-2]).
    #[error("the share name is missing, or holds a wildcard")]
    ShareName,
    /// It has more levels than the caller allows.
    #[error("it has more levels than allowed")]
    TooManyLevels,
}

/// Checks a topic name: 1 to 65,535 bytes, no U+0000, no wildcard (section 4.7).
///
/// # Errors
///
/// The first rule it breaks.
#[inline]
pub fn check_name(name: &str) -> Result<(), TopicError> {
    check_length(name)?;
    match holds_wildcard_or_nul(name.as_bytes()) {
        false => Ok(()),
        true if name.as_bytes().contains(&0) => Err(TopicError::Nul),
        true => Err(TopicError::WildcardInName),
    }
}

/// Checks a topic filter: 1 to 65,535 bytes, no U+0000, wildcards only where they may stand (section 4.7.1).
///
/// A filter that starts with `$share/` is checked as a plain one; [`SharedFilter::parse`] knows the rest.
///
/// # Errors
///
/// The first rule it breaks.
pub fn check_filter(filter: &str) -> Result<(), TopicError> {
    check_length(filter)?;
    if filter.as_bytes().contains(&0) {
        return Err(TopicError::Nul);
    }
    let mut levels = levels(filter).peekable();
    while let Some(level) = levels.next() {
        let allowed = match level {
            "+" => true,
            "#" => levels.peek().is_none(),
            text => !text.bytes().any(|byte| byte == b'+' || byte == b'#'),
        };
        if !allowed {
            return Err(TopicError::MisplacedWildcard);
        }
    }
    Ok(())
}

/// Checks that a topic name or filter has at most `most` levels.
///
/// # Errors
///
/// [`TopicError::TooManyLevels`].
pub fn check_depth(topic: &str, most: usize) -> Result<(), TopicError> {
    if levels(topic).nth(most).is_some() { Err(TopicError::TooManyLevels) } else { Ok(()) }
}

/// Whether a topic filter matches a topic name. Both must be valid, and the filter not a shared one.
///
/// A filter that starts with a wildcard matches no name that starts with `$` ([MQTT-4.7.2-1]).
#[must_use]
pub fn matches(filter: &str, topic: &str) -> bool {
    if topic.starts_with('$') && filter.starts_with(['+', '#']) {
        return false;
    }
    let mut names = levels(topic);
    for pattern in levels(filter) {
        match (pattern, names.next()) {
            ("#", _) => return true,
            (_, None) => return false,
            ("+", Some(_)) => {}
            (pattern, Some(name)) if pattern == name => {}
            _ => return false,
        }
    }
    names.next().is_none()
}

/// Whether a filter matches every topic name that another one matches. Both must be valid, and not shared ones.
///
/// It may be false where only the structure differs: `+/#` matches what `#` matches, and is not told to.
#[must_use]
pub fn covers(wide: &str, narrow: &str) -> bool {
    if narrow.starts_with('$') && wide.starts_with(['+', '#']) {
        return false;
    }
    let mut levels_of_narrow = levels(narrow);
    for pattern in levels(wide) {
        match (pattern, levels_of_narrow.next()) {
            ("#", _) => return true,
            (_, None | Some("#")) => return false,
            ("+", Some(_)) => {}
            (pattern, Some(level)) if pattern == level => {}
            _ => return false,
        }
    }
    levels_of_narrow.next().is_none()
}

/// Whether there is a topic name that both filters match. Both must be valid, and not shared ones.
#[must_use]
pub fn overlap(one: &str, other: &str) -> bool {
    let starts_wild = |filter: &str| filter.starts_with(['+', '#']);
    if (one.starts_with('$') && starts_wild(other)) || (other.starts_with('$') && starts_wild(one)) {
        return false;
    }
    let (mut one, mut other) = (levels(one), levels(other));
    loop {
        match (one.next(), other.next()) {
            (None, None) | (Some("#"), _) | (_, Some("#")) => return true,
            (Some(a), Some(b)) if a == "+" || b == "+" || a == b => {}
            _ => return false,
        }
    }
}

/// The levels of a topic name or filter: the parts between the `/`, empty ones included.
#[inline]
pub fn levels(topic: &str) -> impl Iterator<Item = &str> + Clone {
    topic.split('/')
}

/// Whether a topic filter holds a wildcard.
#[must_use]
pub fn has_wildcards(filter: &str) -> bool {
    filter.bytes().any(|byte| byte == b'+' || byte == b'#')
}

/// The filter of a shared subscription: `$share/{group}/{filter}` (section 4.8.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SharedFilter<'a> {
    /// The share name, which names the group of subscribers.
    pub group: &'a str,
    /// The topic filter the group shares.
    pub filter: &'a str,
}

impl<'a> SharedFilter<'a> {
    /// Takes a shared filter apart; `Ok(None)` if it is a plain one, which is not checked further.
    ///
    /// # Errors
    ///
    /// [`TopicError::ShareName`] if the share name is empty or holds a wildcard, otherwise what
    /// [`check_filter`] finds in the part behind it or in the whole.
    pub fn parse(whole: &'a str) -> Result<Option<Self>, TopicError> {
        let Some(rest) = whole.strip_prefix("$share") else {
            return Ok(None);
        };
        let rest = match rest.strip_prefix('/') {
            Some(rest) => rest,
            None if rest.is_empty() => return Err(TopicError::ShareName),
            None => return Ok(None),
        };
        let (group, filter) = rest.split_once('/').ok_or(TopicError::Empty)?;
        if group.is_empty() || has_wildcards(group) {
            return Err(TopicError::ShareName);
        }
        check_filter(filter)?;
        check_filter(whole)?;
        Ok(Some(Self { group, filter }))
    }
}

#[inline]
fn check_length(topic: &str) -> Result<(), TopicError> {
    match topic.len() {
        0 => Err(TopicError::Empty),
        1..=MAX_LENGTH => Ok(()),
        _ => Err(TopicError::TooLong),
    }
}

/// Looks at eight bytes at a time: every PUBLISH comes through here.
#[inline]
fn holds_wildcard_or_nul(bytes: &[u8]) -> bool {
    let (words, rest) = bytes.as_chunks::<8>();
    let found = words.iter().fold(0, |found, word| found | special_bytes(u64::from_le_bytes(*word)));
    let last = match bytes.last_chunk::<8>() {
        Some(word) => special_bytes(u64::from_le_bytes(*word)),
        None => u64::from(rest.iter().any(|byte| matches!(byte, 0 | b'+' | b'#'))),
    };
    found | last != 0
}

/// Not 0 if one of the eight bytes is 0, `+` or `#`.
#[inline]
const fn special_bytes(word: u64) -> u64 {
    const ONES: u64 = 0x0101_0101_0101_0101;
    // A borrow runs out of a byte, and sets its high bit where it was not set, only if a byte was 0.
    const fn zero_bytes(word: u64) -> u64 {
        word.wrapping_sub(ONES) & !word & (ONES << 7)
    }
    zero_bytes(word) | zero_bytes(word ^ (ONES * b'+' as u64)) | zero_bytes(word ^ (ONES * b'#' as u64))
}

#[cfg(test)]
mod tests {
    use alloc::borrow::ToOwned;
    use alloc::string::String;
    use alloc::vec::Vec;

    use super::*;

    #[test]
    fn names_may_hold_anything_but_wildcards_and_nul() {
        for name in ["a", "/", "//", "a b", "$SYS/x", "sport/ténnis", "\u{7F}"] {
            assert_eq!(check_name(name), Ok(()), "{name}");
        }
        assert_eq!(check_name(""), Err(TopicError::Empty));
        assert_eq!(check_name("a\0"), Err(TopicError::Nul));
        assert_eq!(check_name("a/+"), Err(TopicError::WildcardInName));
        assert_eq!(check_name("a#b"), Err(TopicError::WildcardInName));
        assert_eq!(check_name(&"x".repeat(65_535)), Ok(()));
        assert_eq!(check_name(&"x".repeat(65_536)), Err(TopicError::TooLong));
    }

    #[test]
    fn a_filter_covers_another_one_if_it_matches_all_that_the_other_matches() {
        let covered = [
            ("#", "a/+/#"),
            ("a/#", "a"),
            ("a/#", "a/#"),
            ("a/+", "a/+"),
            ("a/+/c", "a/b/c"),
            ("$s/#", "$s/x"),
        ];
        for (wide, narrow) in covered {
            assert!(covers(wide, narrow), "{wide} {narrow}");
        }
        let not = [
            ("a/+", "a/#"),
            ("a/+", "a"),
            ("+", "a/b"),
            ("a", "+"),
            ("#", "$s/x"),
            ("+/x", "$s/x"),
            ("a/b", "a"),
        ];
        for (wide, narrow) in not {
            assert!(!covers(wide, narrow), "{wide} {narrow}");
        }
    }

    #[test]
    fn what_a_covered_filter_matches_both_match_and_overlapping_ones_meet_somewhere() {
        let words = ["a", "b", "", "$s", "+", "#"];
        let mut texts: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        for _ in 0..2 {
            let longer: Vec<_> = texts
                .iter()
                .flat_map(|text| words.iter().map(move |word| [text, "/", word].concat()))
                .collect();
            texts.extend(longer);
        }
        let filters: Vec<_> =
            texts.iter().filter(|text| text.len() < 7 && check_filter(text).is_ok()).collect();
        // No name is empty, but two filters may meet there alone: `+` and `/#`.
        let names: Vec<_> = texts.iter().filter(|text| text.is_empty() || check_name(text).is_ok()).collect();
        for one in &filters {
            for other in &filters {
                let meets = names.iter().any(|name| matches(one, name) && matches(other, name));
                assert_eq!(overlap(one, other), meets, "{one} {other}");
                if covers(one, other) {
                    assert!(
                        names.iter().all(|name| !matches(other, name) || matches(one, name)),
                        "{one} {other}"
                    );
                }
            }
        }
    }

    #[test]
    fn a_bad_byte_is_found_wherever_it_stands() {
        for len in 1..40 {
            // Neighbours of the bytes looked for, in every place, raise no alarm.
            for harmless in ["\u{1}", "*", ",", "\"", "$", "\u{7F}"] {
                assert_eq!(check_name(&harmless.repeat(len)), Ok(()));
            }
            for at in 0..len {
                for (bad, error) in [
                    ('\0', TopicError::Nul),
                    ('+', TopicError::WildcardInName),
                    ('#', TopicError::WildcardInName),
                ] {
                    let name: String = (0..len).map(|i| if i == at { bad } else { 'a' }).collect();
                    assert_eq!(check_name(&name), Err(error), "{bad:?} at {at} of {len}");
                }
            }
        }
    }

    #[test]
    fn wildcards_stand_alone_on_their_level() {
        for filter in ["#", "+", "a/#", "/#", "+/+", "a/+/b", "/+", "+/#", "$SYS/#", "a//b", "/"] {
            assert_eq!(check_filter(filter), Ok(()), "{filter}");
        }
        for filter in ["a#", "a/#/b", "#/a", "a+", "a/+b", "a/b#", "##", "++", "#+"] {
            assert_eq!(check_filter(filter), Err(TopicError::MisplacedWildcard), "{filter}");
        }
        assert_eq!(check_filter(""), Err(TopicError::Empty));
        assert_eq!(check_filter("a\0"), Err(TopicError::Nul));
        assert_eq!(check_filter(&"x".repeat(65_536)), Err(TopicError::TooLong));
    }

    #[test]
    fn filters_match_as_section_4_7_says() {
        let matching = [
            ("a/b", "a/b"),
            ("a/#", "a"),
            ("a/#", "a/b/c"),
            ("#", "a/b"),
            ("#", "/"),
            ("+", "a"),
            ("a/+", "a/"),
            ("+/+", "/a"),
            ("/+", "/a"),
            ("a/+/c", "a/b/c"),
            ("a/+/#", "a/b"),
            ("$SYS/#", "$SYS/x"),
            ("$SYS/+", "$SYS/x"),
            ("a/$b", "a/$b"),
            ("+/$b", "a/$b"),
        ];
        for (filter, topic) in matching {
            assert!(matches(filter, topic), "{filter} {topic}");
        }
        let differing = [
            ("a/b", "a"),
            ("a", "a/b"),
            ("a/+", "a"),
            ("a/+", "a/b/c"),
            ("+", "/a"),
            ("+", "a/"),
            ("a/b/#", "a"),
            ("a/#", "ab"),
            ("A", "a"),
            ("/a", "a"),
            ("#", "$SYS/x"),
            ("+/x", "$SYS/x"),
            ("+", "$SYS"),
            ("a/+/#", "a"),
        ];
        for (filter, topic) in differing {
            assert!(!matches(filter, topic), "{filter} {topic}");
        }
    }

    #[test]
    fn shared_filters_are_taken_apart() {
        assert_eq!(SharedFilter::parse("$share/g/a/+"), Ok(Some(SharedFilter { group: "g", filter: "a/+" })));
        assert_eq!(SharedFilter::parse("$share/g//"), Ok(Some(SharedFilter { group: "g", filter: "/" })));
        for plain in ["a/b", "$shared/g/a", "$SYS/#", "x/$share/g/a"] {
            assert_eq!(SharedFilter::parse(plain), Ok(None), "{plain}");
        }
        for group in ["$share", "$share//a", "$share/+/a", "$share/g#/a"] {
            assert_eq!(SharedFilter::parse(group), Err(TopicError::ShareName), "{group}");
        }
        assert_eq!(SharedFilter::parse("$share/g"), Err(TopicError::Empty));
        assert_eq!(SharedFilter::parse("$share/g/"), Err(TopicError::Empty));
        assert_eq!(SharedFilter::parse("$share/g/#/a"), Err(TopicError::MisplacedWildcard));
        assert_eq!(SharedFilter::parse("$share/g\0/a"), Err(TopicError::Nul));
        let long = "$share/g/".to_owned() + &"x".repeat(65_535);
        assert_eq!(SharedFilter::parse(&long), Err(TopicError::TooLong));
    }

    #[test]
    fn depth_counts_levels() {
        assert_eq!(levels("a//b").collect::<Vec<_>>(), ["a", "", "b"]);
        assert_eq!(check_depth("a/b", 2), Ok(()));
        assert_eq!(check_depth("a/b/", 2), Err(TopicError::TooManyLevels));
        assert_eq!(check_depth("a", 0), Err(TopicError::TooManyLevels));
    }
}
