//! The numbers in a payload.

use serde_json::Value;
use std::borrow::Cow;

/// A longer path to a field gets no roll-up.
pub(super) const LONGEST_PATH: usize = 256;

/// The number that the payload is.
pub(super) fn number(payload: &[u8]) -> Option<f64> {
    let text = std::str::from_utf8(payload).ok()?.trim();
    // Rust also reads "inf" and "nan".
    text.starts_with(|first: char| first.is_ascii_digit() || matches!(first, '+' | '-' | '.'))
        .then(|| text.parse().ok())
        .flatten()
        .filter(|number: &f64| number.is_finite())
}

/// Calls `found` with each numeric field of a JSON object and its dotted path, in the order of the paths' parts.
pub(super) fn each(payload: &[u8], found: &mut dyn FnMut(&str, f64)) {
    if let Some(value @ Value::Object(_)) = object(payload) {
        walk(&value, &mut String::new(), found);
    }
}

/// The number in a field of a JSON object.
pub(super) fn field(payload: &[u8], path: &str) -> Option<f64> {
    let mut answer = None;
    each(payload, &mut |name, number| {
        if name == path && answer.is_none() {
            answer = Some(number);
        }
    });
    answer
}

/// The number in a field, or the number that the payload is.
pub(super) fn value(payload: &[u8], path: Option<&str>) -> Option<f64> {
    match path {
        None => number(payload),
        Some(path) => field(payload, path),
    }
}

/// The name of a field's series. No topic name holds U+0000 ([MQTT-4.7.3-2]).
pub(super) fn series<'t>(topic: &'t str, path: Option<&str>) -> Cow<'t, str> {
    match path {
        None => topic.into(),
        Some(path) => format!("{topic}\0{path}").into(),
    }
}

/// The topic of a series.
pub(super) fn topic_of(series: &str) -> &str {
    series.split('\0').next().unwrap_or(series)
}

fn object(payload: &[u8]) -> Option<Value> {
    // Most payloads are no objects; the first byte says so.
    let first = payload.iter().find(|byte| !byte.is_ascii_whitespace())?;
    (*first == b'{').then(|| serde_json::from_slice(payload).ok()).flatten()
}

fn walk(value: &Value, path: &mut String, found: &mut dyn FnMut(&str, f64)) {
    match value {
        Value::Number(number) if path.len() <= LONGEST_PATH => {
            if let Some(number) = number.as_f64().filter(|number| number.is_finite()) {
                found(path, number);
            }
        }
        Value::Object(fields) => {
            for (name, value) in fields {
                let length = path.len();
                if !path.is_empty() {
                    path.push('.');
                }
                path.push_str(name);
                walk(value, path, found);
                path.truncate(length);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_can_be_a_number() {
        for (text, expected) in [("21.5", 21.5), (" -3e2\n", -300.0), ("+7", 7.0), ("0", 0.0), (".5", 0.5)] {
            assert_eq!(number(text.as_bytes()), Some(expected), "{text}");
        }
        for text in ["", "on", "nan", "inf", "-inf", "-nan", "1e999", "1 2", "\"1\"", "{\"a\":1}", "[1]", "-"]
        {
            assert_eq!(number(text.as_bytes()), None, "{text}");
        }
        assert_eq!(number(&[0xFF, b'1']), None);
    }

    #[test]
    fn the_numbers_of_an_object_are_found_with_their_paths() {
        let mut found = Vec::new();
        let payload = br#" {"t":21,"in":{"h":0.5,"deep":{"x":-1}},"s":"a","l":[1],"n":null,"b":true}"#;
        each(payload, &mut |path, number| found.push((path.to_owned(), number)));
        found.sort_by(|a, b| a.0.cmp(&b.0));
        assert_eq!(found, [("in.deep.x".to_owned(), -1.0), ("in.h".into(), 0.5), ("t".into(), 21.0)]);
        assert_eq!(value(payload, Some("in.h")), Some(0.5));
        assert_eq!(value(payload, Some("s")), None);
        assert_eq!(value(payload, None), None);
        each(b"{\"a\":1", &mut |_, _| panic!("cut short"));
        each("[".repeat(10_000).as_bytes(), &mut |_, _| panic!("deep"));
        each("{\"a\":".repeat(10_000).as_bytes(), &mut |_, _| panic!("deep"));
    }

    #[test]
    fn a_series_names_its_topic() {
        assert_eq!(topic_of(&series("a/b", Some("t.x"))), "a/b");
        assert_eq!(series("a/b", None), "a/b");
    }
}
