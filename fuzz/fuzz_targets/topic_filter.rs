//! Topic names and filters: the checks agree with a plain reading of the standard, and so does the matching.
#![no_main]

use darter_codec::SharedFilter;
use darter_codec::topic::{check_filter, check_name, levels, matches};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    // A line break divides filter and name, as neither often holds one.
    let text = String::from_utf8_lossy(data);
    let (filter, name) = text.split_once('\n').unwrap_or((&text, "a/b"));

    let has_length = |text: &str| !text.is_empty() && text.len() <= 65_535;
    let is_name = has_length(name) && !name.contains(['\0', '+', '#']);
    assert_eq!(check_name(name).is_ok(), is_name, "{name:?}");
    let is_filter = has_length(filter) && !filter.contains('\0') && wildcards_stand_alone(filter);
    assert_eq!(check_filter(filter).is_ok(), is_filter, "{filter:?}");

    if let Ok(Some(shared)) = SharedFilter::parse(filter) {
        assert_eq!(format!("$share/{}/{}", shared.group, shared.filter), filter);
        assert!(check_filter(shared.filter).is_ok() && is_filter);
    }
    let matched = matches(filter, name);
    if is_name && is_filter {
        let hidden = name.starts_with('$') && filter.starts_with(['+', '#']);
        let filter: Vec<_> = levels(filter).collect();
        let name: Vec<_> = levels(name).collect();
        assert_eq!(matched, !hidden && levels_match(&filter, &name), "{filter:?} {name:?}");
    }
});

fn wildcards_stand_alone(filter: &str) -> bool {
    let bytes = filter.as_bytes();
    let starts_level = |at: usize| at == 0 || bytes[at - 1] == b'/';
    (0..bytes.len()).all(|at| match bytes[at] {
        b'#' => starts_level(at) && at + 1 == bytes.len(),
        b'+' => starts_level(at) && bytes.get(at + 1).is_none_or(|next| *next == b'/'),
        _ => true,
    })
}

/// The matching of section 4.7.1, by recursion.
fn levels_match(filter: &[&str], name: &[&str]) -> bool {
    match (filter, name) {
        (["#"], _) => true,
        ([], []) => true,
        ([pattern, filter @ ..], [level, name @ ..]) => {
            (*pattern == "+" || pattern == level) && levels_match(filter, name)
        }
        _ => false,
    }
}
