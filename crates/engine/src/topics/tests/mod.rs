//! The indexes against plain lists that are asked one entry after the other.

mod order;
mod retained;
mod retained_reference;
mod subscribers;
mod subscriptions;
mod subscriptions_reference;
mod table;

use proptest::prelude::{Strategy, prop};
use std::string::String;

/// Few different levels, so that filters and names meet; some are long, empty or awkward to sort.
const LEVELS: [&str; 9] = [
    "",
    "a",
    "b",
    "a!",
    "a0",
    "$SYS",
    "ab",
    "a level of more than fifteen bytes",
    "other long level of a topic",
];

/// Topic names of one to five levels.
fn names() -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(&LEVELS[..]), 1..=5).prop_map(|levels| levels.join("/"))
}

/// Topic filters, about half of them with wildcards.
fn filters() -> impl Strategy<Value = String> {
    let level = prop::sample::select([&LEVELS[..], &["+", "+", "+"]].concat());
    (prop::collection::vec(level, 0..=4), prop::bool::weighted(0.3)).prop_map(|(mut levels, hash)| {
        if hash || levels.is_empty() {
            levels.push("#");
        }
        levels.join("/")
    })
}
