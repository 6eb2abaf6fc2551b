//! Answers about the history as text and as comma-separated values.

use crate::command::plain::{harmless, number};
use crate::command::when;
use serde_json::Value;
use std::fmt::Write;

/// What is said when not everything is shown.
pub(super) const MORE: &str = "there are more; --limit, the times or the prefix choose which are shown";

/// For people. `is_cut` when there is more than is shown.
pub(super) fn text(answer: &Value, is_cut: bool) -> String {
    let mut text = whole_text(answer);
    if is_cut {
        let _ = writeln!(text, "({MORE})");
    }
    text
}

fn whole_text(answer: &Value) -> String {
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
    if let Some(parts) = list(answer, "parts").filter(|parts| !parts.is_empty()) {
        let _ =
            writeln!(text, "{:<23}  {:>9}  {:>14}  {:>14}  {:>14}", "from", "count", "least", "mean", "most");
        for part in parts {
            let (time, count) = (when::shown(at(part)), number(part["count"].as_u64().unwrap_or_default()));
            let [min, mean, max] = ["min", "mean", "max"].map(|name| part[name].to_string());
            let _ = writeln!(text, "{time:<23}  {count:>9}  {min:>14}  {mean:>14}  {max:>14}");
        }
    }
    or_nothing(text, "Nothing is kept of that.\n")
}

/// For spreadsheets, as RFC 4180 wants it, with line ends of one character. The line of names stands first.
pub(super) fn csv(answer: &Value) -> String {
    let mut text = String::new();
    if let Some(topics) = list(answer, "topics") {
        text.push_str("topic\n");
        for topic in topics.iter().filter_map(Value::as_str) {
            let _ = writeln!(text, "{}", cell(topic));
        }
    } else if let Some(parts) = list(answer, "parts") {
        text.push_str("time,count,min,mean,max\n");
        for part in parts {
            let (count, min, mean, max) = (&part["count"], &part["min"], &part["mean"], &part["max"]);
            let _ = writeln!(text, "{},{count},{min},{mean},{max}", when::exact(at(part)));
        }
    } else {
        text.push_str("time,payload\n");
        text.push_str(&csv_points(list(answer, "points").map(Vec::as_slice).unwrap_or_default()));
    }
    text
}

/// Points without the line of names.
pub(super) fn csv_points(points: &[Value]) -> String {
    let mut text = String::new();
    for point in points {
        let _ = writeln!(text, "{},{}", when::exact(at(point)), cell(&payload(point)));
    }
    text
}

fn list<'a>(value: &'a Value, name: &str) -> Option<&'a Vec<Value>> {
    value[name].as_array()
}

pub(super) fn at(value: &Value) -> u64 {
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
        let text = text(&answer, false);
        assert_eq!(text.lines().count(), 3, "{text}");
        assert!(text.contains(":01.000  21.5\n") && text.contains("  a,\"b\"\\nc\n"), "{text}");
    }

    #[test]
    fn parts_are_a_table() {
        let answer = json!({ "parts": [{ "at": 60_000, "count": 2, "min": 1.0, "mean": 1.5, "max": 2.25 }] });
        assert_eq!(csv(&answer), "time,count,min,mean,max\n1970-01-01T00:01:00Z,2,1.0,1.5,2.25\n");
        let text = text(&answer, false);
        let row: Vec<_> = text.lines().nth(1).unwrap().split_whitespace().skip(2).collect();
        assert_eq!(row, ["2", "1.0", "1.5", "2.25"]);
    }

    #[test]
    fn nothing_is_said_as_such() {
        assert_eq!(text(&json!({ "parts": [] }), false), "Nothing is kept of that.\n");
        assert_eq!(text(&json!({ "points": [] }), false), "Nothing is kept of that.\n");
        assert_eq!(text(&json!({ "topics": [] }), false), "No topic is kept.\n");
        assert_eq!(csv(&json!({ "topics": ["a", "b,c"] })), "topic\na\n\"b,c\"\n");
    }
}
