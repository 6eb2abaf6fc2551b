//! More than one answer has.

use super::table;
use darter_broker::admin::history::Request;
use serde_json::Value;
use std::io;

/// Whether the answer has less than was asked for.
pub(super) fn is_cut(answer: &Value, request: &Request) -> bool {
    // The last three of many are all that was wanted.
    let has_all = request.last.is_some_and(|wanted| points(answer).len() >= wanted);
    answer["more"] == Value::Bool(true) && !has_all
}

/// Prints comma-separated values, the messages of a time with `all` to the end of it. Whether something is missing.
pub(super) fn csv(
    mut request: Request,
    all: bool,
    mut ask: impl FnMut(&Request) -> anyhow::Result<Value>,
    mut print: impl FnMut(&str) -> io::Result<()>,
) -> anyhow::Result<bool> {
    let mut answer = ask(&request)?;
    print(&table::csv(&answer))?;
    let mut printed = 0;
    while all && request.from.is_some() && is_cut(&answer, &request) {
        let points = points(&answer);
        let Some(last) = points.last().map(table::at).filter(|_| points.len() > printed) else { break };
        // Others may have the same time: those that are printed come once more.
        printed = points.iter().rev().take_while(|point| table::at(point) == last).count();
        request.from = Some(last);
        answer = ask(&request)?;
        print(&table::csv_points(self::points(&answer).get(printed..).unwrap_or_default()))?;
    }
    Ok(is_cut(&answer, &request))
}

fn points(answer: &Value) -> &[Value] {
    answer["points"].as_array().map(Vec::as_slice).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// What is printed of messages at these times, three in one answer, and whether something is missing.
    fn printed(times: &[u64], all: bool) -> (Vec<String>, bool) {
        let ask = |request: &Request| {
            let rest = times.iter().enumerate().filter(|(_, time)| Some(**time) >= request.from);
            let rest: Vec<_> =
                rest.map(|(number, time)| json!({ "at": time, "payload": number.to_string() })).collect();
            Ok(json!({ "points": rest[..rest.len().min(3)], "more": rest.len() > 3 }))
        };
        let mut text = String::new();
        let request = Request { from: Some(0), to: Some(99), ..Request::default() };
        let more = csv(request, all, ask, |part| {
            text.push_str(part);
            Ok(())
        });
        let payloads = text.lines().skip(1).map(|line| line.rsplit_once(',').unwrap().1.to_owned());
        (payloads.collect(), more.unwrap())
    }

    fn numbers(count: usize) -> Vec<String> {
        (0..count).map(|number| number.to_string()).collect()
    }

    #[test]
    fn all_messages_of_a_time_are_printed_once() {
        let cases: [&[u64]; 5] =
            [&[], &[1, 2, 3], &[1, 2, 3, 4], &[1, 1, 2, 2, 3, 3, 4, 4, 5, 5], &[1, 2, 3, 4, 5, 6, 7, 8]];
        for times in cases {
            assert_eq!(printed(times, true), (numbers(times.len()), false), "{times:?}");
        }
    }

    #[test]
    fn what_cannot_be_printed_is_known_to_be_missing() {
        assert_eq!(printed(&[1, 2, 3, 4], false), (numbers(3), true));
        assert_eq!(
            printed(&[1, 2, 2, 2, 2], true),
            (numbers(4), true),
            "one answer is too small for that time"
        );
    }

    #[test]
    fn so_many_of_the_last_as_were_wanted_are_all() {
        let answer = json!({ "points": [1, 2], "more": true });
        let last = |wanted| Request { last: Some(wanted), ..Request::default() };
        assert!(is_cut(&answer, &last(3)) && !is_cut(&answer, &last(2)));
        assert!(is_cut(&answer, &Request { from: Some(1), ..Request::default() }));
    }
}
