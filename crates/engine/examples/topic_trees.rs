//! Measures the two topic indexes: memory for each entry, and time for each lookup.
//!
//! Run with `cargo run --release -p darter-engine --example topic_trees [-- <case>]`. Every case runs in a process of
//! its own; memory is the growth of the resident set.
#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a program that prints what it measured")]

use darter_codec::{Message, QoS, SubscriptionOptions};
use darter_engine::topics::{Matches, RetainedTree, ScanCursor, Subscriber, SubscriptionTree};
use std::hint::black_box;
use std::process::Command;
use std::time::Instant;

const CASES: [(&str, fn()); 9] = [
    ("subscriptions-100k", || subscriptions(100_000, |n| format!("dev/{n}/state"))),
    ("subscriptions-500k", || subscriptions(500_000, |n| format!("dev/{n}/state"))),
    ("subscriptions-wide", || subscriptions(100_000, |n| format!("dev/{}/sensor/{}", n / 10, n % 10))),
    ("subscriptions-long", || {
        subscriptions(100_000, |n| {
            format!("a building with a long name/device-serial-{n:012}/temperature of air")
        });
    }),
    ("wildcards", || subscriptions(100_000, |n| format!("+/{n}/#"))),
    ("fan-out", fan_out),
    ("retained-100k", || retained(100_000)),
    ("retained-500k", || retained(500_000)),
    ("retained-mixed", || retained_wildcards(100_000)),
];

fn main() {
    let wanted = std::env::args().nth(1);
    for (name, case) in CASES {
        match &wanted {
            Some(wanted) if wanted == name => return case(),
            Some(_) => {}
            None => {
                let own = std::env::current_exe().unwrap();
                assert!(Command::new(own).arg(name).status().unwrap().success());
            }
        }
    }
}

fn subscriber(session: u32) -> Subscriber {
    Subscriber::new(session, SubscriptionOptions::new(QoS::AtMostOnce), 0)
}

fn subscriptions(count: u32, filter: fn(u32) -> String) {
    let topics: Vec<_> = shuffled(count).map(filter).collect();
    let names: Vec<_> = topics.iter().map(|topic| topic.replace('+', "x").replace('#', "y/z")).collect();
    let before = resident();
    let start = Instant::now();
    let mut tree = SubscriptionTree::new(7);
    for (session, filter) in (0..).zip(&topics) {
        tree.insert(filter, subscriber(session));
    }
    let inserted = start.elapsed().as_nanos() as f64 / f64::from(count);
    let bytes = (resident() - before) as f64 / f64::from(count);

    let mut matches = Matches::new();
    let mut best = f64::MAX;
    let rounds = 5;
    for round in 0..rounds {
        let start = Instant::now();
        for name in names.iter().skip(round).step_by(rounds) {
            tree.matches(name, &mut matches);
            for &node in matches.nodes() {
                black_box(tree.subscribers(node));
            }
            assert_eq!(matches.nodes().len(), 1);
        }
        best = best.min(start.elapsed().as_nanos() as f64 / f64::from(count) * rounds as f64);
    }
    let start = Instant::now();
    for _ in 0..1_000_000 {
        tree.matches(black_box(&names[0]), &mut matches);
    }
    let hot = start.elapsed().as_nanos() as f64 / 1e6;
    let start = Instant::now();
    for (session, filter) in (0..).zip(&topics) {
        assert!(tree.remove(filter, session).is_some());
    }
    let removed = start.elapsed().as_nanos() as f64 / f64::from(count);
    println!(
        "{count} subscriptions like {}: {bytes:.0} B each; insert {inserted:.0} ns, match {best:.0} ns ({hot:.0} ns if the \
         same again), remove {removed:.0} ns",
        topics[0]
    );
}

fn fan_out() {
    let mut tree = SubscriptionTree::new(7);
    let count = 10_000;
    let before = resident();
    let start = Instant::now();
    for session in 0..count {
        tree.insert("all/of/them", subscriber(session));
    }
    let inserted = start.elapsed().as_nanos() as f64 / f64::from(count);
    let bytes = (resident() - before) as f64 / f64::from(count);
    let mut matches = Matches::new();
    let start = Instant::now();
    for _ in 0..1000 {
        tree.matches("all/of/them", &mut matches);
        let sum: u64 = tree.subscribers(matches.nodes()[0]).iter().map(|one| u64::from(one.session)).sum();
        black_box(sum);
    }
    let walked = start.elapsed().as_nanos() as f64 / 1000.0 / f64::from(count);
    let start = Instant::now();
    for session in 0..count {
        tree.remove("all/of/them", session);
    }
    let removed = start.elapsed().as_nanos() as f64 / f64::from(count);
    println!(
        "{count} subscribers to one filter: {bytes:.0} B each; insert {inserted:.0} ns, walk {walked:.2} ns, remove \
         {removed:.0} ns each"
    );
}

fn retained(count: u32) {
    let topics: Vec<_> = shuffled(count).map(|n| format!("dev/{n:08}/status")).collect();
    let before = resident();
    let start = Instant::now();
    let mut tree = RetainedTree::new(7);
    for topic in &topics {
        tree.set(message(topic), 0);
    }
    let added = start.elapsed().as_nanos() as f64 / f64::from(count);
    let bytes = (resident() - before) as f64 / f64::from(count);
    let start = Instant::now();
    for topic in &topics {
        tree.set(message(topic), 0);
    }
    let replaced = start.elapsed().as_nanos() as f64 / f64::from(count);
    let start = Instant::now();
    for topic in &topics {
        black_box(tree.get(topic).unwrap());
    }
    let got = start.elapsed().as_nanos() as f64 / f64::from(count);
    let scanned = scan(&tree, "#", 64, count as usize);
    let cloned = (resident() - before) as f64 / f64::from(count);
    let again = scan(&tree, "dev/+/status", 64, count as usize);
    let start = Instant::now();
    for topic in &topics {
        tree.remove(topic, 0);
    }
    let removed = start.elapsed().as_nanos() as f64 / f64::from(count);
    println!(
        "{count} retained like {}: {bytes:.0} B each ({cloned:.0} B once delivered); add {added:.0} ns, replace \
         {replaced:.0} ns, get {got:.0} ns, scan # {scanned:.0} ns, scan dev/+/status {again:.0} ns, remove {removed:.0} ns",
        topics[0]
    );
}

/// Ten topics for each device; a filter wants one of them.
fn retained_wildcards(count: u32) {
    let mut tree = RetainedTree::new(7);
    for n in shuffled(count) {
        tree.set(message(&format!("dev/{}/sensor-{}/value", n / 10, n % 10)), 0);
    }
    for filter in ["dev/+/sensor-5/value", "dev/4711/#", "dev/+/+/value", "+/77/sensor-3/#"] {
        let start = Instant::now();
        let mut found = Vec::new();
        let mut cursor = ScanCursor::new();
        while tree.scan(filter, &mut cursor, 64, &mut found) {}
        let took = start.elapsed().as_nanos() as f64;
        println!(
            "{count} retained, scan {filter}: {} found in {:.0} us, {:.0} ns each",
            found.len(),
            took / 1e3,
            took / found.len() as f64
        );
    }
}

fn scan(tree: &RetainedTree, filter: &str, page: usize, expected: usize) -> f64 {
    let (mut found, mut out) = (0, Vec::new());
    let mut cursor = ScanCursor::new();
    let start = Instant::now();
    loop {
        let more = tree.scan(filter, &mut cursor, page, &mut out);
        found += out.len();
        out.clear();
        if !more {
            break;
        }
    }
    let took = start.elapsed().as_nanos() as f64;
    assert_eq!(found, expected);
    took / found as f64
}

fn message(topic: &str) -> Message {
    Message::new(QoS::AtMostOnce, true, topic, [], &[b'x'; 64], None)
}

/// The numbers below `count` in a mixed order.
fn shuffled(count: u32) -> impl Iterator<Item = u32> {
    let (count, mut at) = (u64::from(count), 0_u64);
    (0..count).map(move |_| {
        at = (at + 7_654_321) % count;
        u32::try_from(at).unwrap()
    })
}

/// Bytes of memory this process has in use.
fn resident() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    statm.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
}
