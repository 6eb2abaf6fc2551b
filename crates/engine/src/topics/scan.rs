//! From a topic filter to the retained messages it matches, a page at a time.

use super::retained::RetainedTree;
use alloc::vec::Vec;
use darter_codec::Message;

/// Topic names looked at for each message of a page, before the page ends without being full.
const LOOKS: usize = 8;

/// How far the scan of a filter has come. The default is its start.
#[derive(Debug, Default, Clone)]
pub struct ScanCursor {
    state: State,
    /// The next topic name to look at, or the first behind it if that one is gone.
    at: Vec<u8>,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum State {
    #[default]
    Start,
    Under,
    Done,
}

impl ScanCursor {
    /// The start of a scan.
    #[must_use]
    pub fn new() -> ScanCursor {
        ScanCursor::default()
    }

    /// True once every matching message was found.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.state == State::Done
    }
}

/// Where to look after a topic name.
enum Step {
    /// It matches.
    Match,
    /// It does not; the next one may.
    Next,
    /// No match before the key that was written to the buffer.
    Seek,
    /// No match from here on.
    End,
}

impl RetainedTree {
    /// Appends the next messages whose topic names match a filter, at most `max` (at least 1), in the byte order of
    /// their names. True if there may be more: call again with the same filter and cursor. A page may have few
    /// messages or none and not be the last, so that one that finds little takes no longer than a full one.
    ///
    /// Messages may be retained and removed between pages: one that is there all the time is found exactly once. A
    /// filter that begins with a wildcard matches no topic name that begins with `$` [MQTT-4.7.2-1].
    pub fn scan(&self, filter: &str, cursor: &mut ScanCursor, max: usize, out: &mut Vec<Message>) -> bool {
        if cursor.is_done() {
            return false;
        }
        let Some(start) = beginning(filter) else {
            out.extend(self.get(filter).cloned());
            cursor.state = State::Done;
            return false;
        };
        if cursor.state == State::Start {
            cursor.at = start.into();
            cursor.state = State::Under;
        }
        let mut place = self.order.seek(&cursor.at, |slot| self.topic(slot));
        let (mut found, mut looks) = (0, 0);
        while let Some(slot) = self.order.get(place) {
            let message = &self.entries[slot as usize].message;
            if found >= max.max(1) || looks >= max.max(8) * LOOKS {
                cursor.at.clear();
                cursor.at.extend_from_slice(message.topic_bytes());
                return true;
            }
            looks += 1;
            match compare(filter.as_bytes(), message.topic_bytes(), &mut cursor.at) {
                Step::Match => {
                    out.push(message.clone());
                    found += 1;
                    place = self.order.next(place);
                }
                Step::Next => place = self.order.next(place),
                Step::Seek => place = self.order.seek_onward(place, &cursor.at, |slot| self.topic(slot)),
                Step::End => break,
            }
        }
        *cursor = ScanCursor { state: State::Done, at: Vec::new() };
        false
    }

    fn topic(&self, slot: u32) -> &[u8] {
        self.entries[slot as usize].topic()
    }
}

/// The least topic name a filter can match, or nothing if it has no wildcard.
fn beginning(filter: &str) -> Option<&[u8]> {
    let filter = filter.as_bytes();
    let wildcard = filter.iter().position(|&byte| byte == b'+' || byte == b'#')?;
    // "a/#" matches "a" too.
    let end = if filter[wildcard] == b'#' { wildcard.saturating_sub(1) } else { wildcard };
    Some(&filter[..end])
}

/// Compares a topic name with a filter that has a wildcard, and finds the least name behind it that could match.
fn compare(filter: &[u8], topic: &[u8], key: &mut Vec<u8>) -> Step {
    if topic.first() == Some(&b'$') && matches!(filter.first(), Some(b'+' | b'#')) {
        return seek(key, &[b"%"]);
    }
    let mut start = 0;
    let mut plus = false;
    let mut levels = filter.split(|&byte| byte == b'/').peekable();
    while let Some(wanted) = levels.next() {
        if wanted == b"#" {
            return Step::Match;
        }
        let (before, rest) = topic.split_at(start);
        let len = rest.iter().position(|&byte| byte == b'/').unwrap_or(rest.len());
        if wanted == b"+" {
            plus = true;
        } else if rest[..len] != *wanted {
            return mismatch(before, rest, wanted, levels.peek().is_none(), plus, key);
        }
        let ends = start + len == topic.len();
        start += len + 1;
        match (ends, levels.peek()) {
            (true, None) => return Step::Match,
            (true, Some(&next)) if next == b"#" => return Step::Match,
            (true, Some(_)) if wanted == b"+" => return Step::Next,
            (true, Some(_)) => return seek(key, &[topic, b"/"]),
            (false, None) => return seek(key, &[&topic[..start - 1], &[b'/' + 1]]),
            (false, Some(_)) => {}
        }
    }
    Step::End
}

/// The level at the start of `rest` is not the `wanted` one, the levels `before` it match. Names with the same levels
/// before stand together; those that match begin with the wanted level, and with a slash behind it if it is not the
/// `last`. `plus` tells whether there may be matches with other levels before.
fn mismatch(before: &[u8], rest: &[u8], wanted: &[u8], last: bool, plus: bool, key: &mut Vec<u8>) -> Step {
    if wanted > rest {
        return seek(key, &[before, wanted]);
    }
    if !last && rest.starts_with(wanted) && rest.get(wanted.len()).is_some_and(|&byte| byte < b'/') {
        return seek(key, &[before, wanted, b"/"]);
    }
    match before.split_last() {
        Some((_, levels)) if plus => seek(key, &[levels, &[b'/' + 1]]),
        _ => Step::End,
    }
}

fn seek(key: &mut Vec<u8>, parts: &[&[u8]]) -> Step {
    key.clear();
    parts.iter().for_each(|part| key.extend_from_slice(part));
    Step::Seek
}
