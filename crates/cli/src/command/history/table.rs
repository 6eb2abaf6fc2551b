//! Answers about the history as text and as comma-separated values.

use crate::command::plain::{harmless, number};
use crate::command::when;
use serde_json::Value;
use std::fmt::Write;

/// For people.
pub(super) fn text(answer: &Value) -> String {
    let mut text = String::new();
    if let Some(topics) = list(answer, "topics") {
        for topic in topics.iter().filter_map(Value::as_str) {
            let _ = writeln!(text, "{}", harmless(topic));
        }
        return or_nothing(text, "No topic is kept.\n");
    }
    for point in list(answer, "points").into_iter().flatten() {
        let _ = writeln!(text, "{}  {}", when::shown(at(point)), harmless(&payload(point)));
    }
    for part in list(answer, "parts").into_iter().flatten() {
        let time = when::shown(at(part));
        let count = number(part["count"].as_u64().unwrap_or_default());
        let _ = write!(text, "{time}  {count:>8}");
        for numbers in list(part, "numbers").into_iter().flatten() {
            let field = harmless(numbers["field"].as_str().unwrap_or_default());
            let name = if field.is_empty() { String::new() } else { format!(" {field}") };
            let _ = write!(text, " {name}");
            let _ = write!(text, " {} .. {} .. {}", numbers["min"], numbers["mean"], numbers["max"]);
        }
        text.push('\n');
    }
    or_nothing(text, "Nothing is kept of that.\n")
}

/// For spreadsheets, as RFC 4180 wants it, with line ends of one character.
pub(super) fn csv(answer: &Value) -> String {
    let mut text = String::new();
    if let Some(topics) = list(answer, "topics") {
        text.push_str("topic\n");
        for topic in topics.iter().filter_map(Value::as_str) {
            let _ = writeln!(text, "{}", cell(topic));
        }
    } else if let Some(parts) = list(answer, "parts") {
        text.push_str("time,messages,field,count,min,mean,max\n");
        for part in parts {
            let (time, messages) = (when::exact(at(part)), &part["count"]);
            let numbers = list(part, "numbers").map(Vec::as_slice).unwrap_or_default();
            for of in numbers {
                let field = cell(of["field"].as_str().unwrap_or_default());
                let (count, min, mean, max) = (&of["count"], &of["min"], &of["mean"], &of["max"]);
                let _ = writeln!(text, "{time},{messages},{field},{count},{min},{mean},{max}");
            }
            if numbers.is_empty() {
                let _ = writeln!(text, "{time},{messages},,,,,");
            }
        }
    } else {
        text.push_str("time,payload\n");
        for point in list(answer, "points").into_iter().flatten() {
            let _ = writeln!(text, "{},{}", when::exact(at(point)), cell(&payload(point)));
        }
    }
    text
}

fn list<'a>(value: &'a Value, name: &str) -> Option<&'a Vec<Value>> {
    value[name].as_array()
}

fn at(value: &Value) -> u64 {
    value["at"].as_u64().unwrap_or_default()
}

/// The text, or the bytes of what is no text.
fn payload(point: &Value) -> String {
    match (point["payload"].as_str(), point["hex"].as_str()) {
        (Some(text), _) => text.to_owned(),
        (None, Some(hex)) => format!("0x{hex}"),
        (None, None) => String::new(),
    }
}

fn cell(text: &str) -> String {
    if text.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}

fn or_nothing(text: String, nothing: &str) -> String {
    if text.is_empty() { nothing.to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn points_are_lines() {
        let answer = json!({ "points": [
            { "at": 1_000, "payload": "21.5" }, { "at": 2_250, "payload": "a,\"b\"\nc" }, { "at": 3_000, "hex": "ff" },
        ] });
        let csv = csv(&answer);
        assert_eq!(
            csv,
            "time,payload\n1970-01-01T00:00:01Z,21.5\n1970-01-01T00:00:02.25Z,\"a,\"\"b\"\"\nc\"\n1970-01-01T00:00:03Z,0xff\n"
        );
        let text = text(&answer);
        assert_eq!(text.lines().count(), 3, "{text}");
        assert!(text.contains(":01.000  21.5\n") && text.contains("  a,\"b\"\\nc\n"), "{text}");
    }

    #[test]
    fn parts_have_a_line_for_each_field() {
        let numbers =
            |field: &str| json!({ "field": field, "count": 2, "min": 1.0, "mean": 1.5, "max": 2.0 });
        let answer = json!({ "parts": [
            { "at": 0, "count": 2, "numbers": [numbers("t"), numbers("h")] }, { "at": 60_000, "count": 1, "numbers": [] },
        ] });
        let head = "time,messages,field,count,min,mean,max";
        let expected = [
            head,
            "1970-01-01T00:00:00Z,2,t,2,1.0,1.5,2.0",
            "1970-01-01T00:00:00Z,2,h,2,1.0,1.5,2.0",
            "1970-01-01T00:01:00Z,1,,,,,",
        ];
        assert_eq!(csv(&answer).lines().collect::<Vec<_>>(), expected);
        assert!(text(&answer).contains("t 1.0 .. 1.5 .. 2.0"), "{}", text(&answer));
    }

    #[test]
    fn nothing_is_said_as_such() {
        assert_eq!(text(&json!({ "points": [] })), "Nothing is kept of that.\n");
        assert_eq!(text(&json!({ "topics": [] })), "No topic is kept.\n");
        assert_eq!(csv(&json!({ "topics": ["a", "b,c"] })), "topic\na\n\"b,c\"\n");
    }
}
