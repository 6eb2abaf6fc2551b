use serde_json::{Value, json};

use super::{Graph, violations_of};

/// One package of a sample: folder, name, and what it declares as `(name, kind)`.
type Sample<'a> = (&'a str, &'a str, &'a [(&'a str, Option<&'a str>)]);

/// A metadata document in which every named package exists; those with an empty folder are foreign.
fn metadata(samples: &[Sample<'_>]) -> Value {
    let packages: Vec<Value> = samples
        .iter()
        .map(|(folder, name, imports)| {
            let declared: Vec<Value> =
                imports.iter().map(|(name, kind)| json!({ "name": name, "kind": kind })).collect();
            let manifest = format!("/tree/{folder}/Cargo.toml");
            json!({ "id": name, "name": name, "manifest_path": manifest, "dependencies": declared })
        })
        .collect();
    let nodes: Vec<Value> = samples
        .iter()
        .map(|(_, name, imports)| {
            let needed: Vec<Value> = imports
                .iter()
                .map(|(name, kind)| json!({ "pkg": name, "dep_kinds": [{ "kind": kind }] }))
                .collect();
            json!({ "id": name, "deps": needed })
        })
        .collect();
    let ours: Vec<&str> =
        samples.iter().filter(|(folder, _, _)| !folder.is_empty()).map(|(_, name, _)| *name).collect();
    json!({
        "workspace_root": "/tree",
        "workspace_members": ours,
        "packages": packages,
        "resolve": { "nodes": nodes },
    })
}

fn violations(samples: &[Sample<'_>]) -> Vec<String> {
    violations_of(&Graph::from_metadata(&metadata(samples)).unwrap())
}

#[test]
fn imports_that_the_table_allows_are_not_mentioned() {
    let found = violations(&[
        ("crates/codec", "darter-codec", &[("bytes", None)]),
        ("crates/session", "darter-session", &[("darter-codec", None)]),
        ("crates/engine", "darter-engine", &[("darter-codec", None), ("darter-session", None)]),
        ("crates/cli", "darter", &[("darter-engine", None)]),
        ("", "bytes", &[]),
    ]);
    assert_eq!(found, Vec::<String>::new());
}

#[test]
fn an_import_against_the_table_is_named_with_what_would_be_allowed() {
    let found = violations(&[
        ("crates/session", "darter-session", &[("darter-net", None)]),
        ("crates/net", "darter-net", &[]),
    ]);
    assert_eq!(found, ["session (L1) imports net: it may import codec"]);
}

#[test]
fn an_import_by_a_build_script_counts_too() {
    let found = violations(&[
        ("crates/net", "darter-net", &[("darter-codec", Some("build"))]),
        ("crates/codec", "darter-codec", &[]),
    ]);
    assert_eq!(found, ["net (L1) imports codec: it may import none of ours"]);
}

#[test]
fn what_only_tests_import_is_free() {
    let found = violations(&[
        ("crates/session", "darter-session", &[("darter-testkit", Some("dev")), ("tokio", Some("dev"))]),
        ("crates/testkit", "darter-testkit", &[("darter-session", None)]),
        ("", "tokio", &[]),
    ]);
    assert_eq!(found, Vec::<String>::new());
}

#[test]
fn the_binary_does_not_import_what_is_for_tests() {
    let found = violations(&[
        ("crates/cli", "darter", &[("darter-testkit", None)]),
        ("crates/testkit", "darter-testkit", &[]),
    ]);
    assert_eq!(found, ["cli (L5) imports testkit: it may import everything but what is for tests"]);
}

#[test]
fn a_socket_crate_below_the_engine_is_found_with_the_way_to_it() {
    let found = violations(&[
        ("crates/engine", "darter-engine", &[("innocent", None)]),
        ("", "innocent", &[("tokio", None)]),
        ("", "tokio", &[]),
    ]);
    assert_eq!(
        found,
        [
            "darter-engine must not see sockets, clocks and files, but reaches tokio: darter-engine -> innocent -> tokio"
        ]
    );
}

#[test]
fn a_socket_crate_in_the_server_is_fine() {
    let found = violations(&[("crates/broker", "darter-broker", &[("tokio", None)]), ("", "tokio", &[])]);
    assert_eq!(found, Vec::<String>::new());
}

#[test]
fn a_crate_without_a_row_is_named() {
    let found = violations(&[("crates/helpers", "darter-helpers", &[])]);
    assert_eq!(found, ["crates/helpers has no row in the table of layers (xtask/src/check_layers/table.rs)"]);
}

#[test]
fn nothing_imports_a_tool() {
    let found =
        violations(&[("crates/cli", "darter", &[("darter-perf", None)]), ("perf", "darter-perf", &[])]);
    assert_eq!(found, ["darter imports darter-perf: nothing imports the tool perf/"]);
}
