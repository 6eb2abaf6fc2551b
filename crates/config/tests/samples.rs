//! Every sample is right, and a mistake in any place of it is found and named.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use darter_config::{Config, Problems};
use std::fs;
use std::path::Path;

fn samples() -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples");
    let mut samples = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "toml") {
            samples
                .push((path.file_name().unwrap().display().to_string(), fs::read_to_string(&path).unwrap()));
        }
    }
    assert!(samples.len() >= 2, "the samples are not where this test looks");
    samples
}

fn problems(text: &str) -> Vec<(usize, String)> {
    let problems = text.parse::<Config>().err();
    problems.iter().flat_map(Problems::iter).map(|problem| (problem.line, problem.what.clone())).collect()
}

/// The text with one line more, which becomes line `at` (counted from 1).
fn with_line(text: &str, at: usize, line: &str) -> String {
    let mut lines: Vec<_> = text.lines().collect();
    lines.insert(at - 1, line);
    lines.join("\n")
}

/// The text with line `at` (counted from 1) replaced.
fn with_other_line(text: &str, at: usize, line: &str) -> String {
    let mut lines: Vec<_> = text.lines().collect();
    lines[at - 1] = line;
    lines.join("\n")
}

/// Every line `key = value` as (line, section, key).
fn keys(text: &str) -> Vec<(usize, String, String)> {
    let (mut section, mut keys) = (String::new(), Vec::new());
    for (index, line) in text.lines().enumerate() {
        if let Some(name) = line.strip_prefix('[') {
            section = name.trim_end_matches(']').into();
        } else if let Some((key, _)) = line.split_once(" = ").filter(|_| !line.starts_with('#')) {
            keys.push((index + 1, section.clone(), key.into()));
        }
    }
    keys
}

#[test]
fn every_sample_is_accepted() {
    for (name, text) in samples() {
        assert_eq!(problems(&text), [], "{name}");
    }
}

#[test]
fn a_key_that_does_not_exist_is_refused_in_every_table_of_every_sample() {
    let mut tables = 0;
    for (name, text) in samples() {
        for (index, line) in text.lines().enumerate() {
            let Some(section) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) else {
                continue;
            };
            let found = problems(&with_line(&text, index + 2, "colour = \"blue\""));
            assert_eq!(found.len(), 1, "{name} [{section}]: {found:?}");
            assert_eq!(found[0].0, index + 2, "{name} [{section}]");
            assert!(found[0].1.starts_with(&format!("{section}.colour is not a key; ")), "{name}: {found:?}");
            tables += 1;
        }
        let found = problems(&with_line(&text, 1, "colour = \"blue\""));
        assert!(
            matches!(&found[..], [(1, what)] if what.starts_with("colour is outside")),
            "{name}: {found:?}"
        );
        let found = problems(&with_line(&text, 1, "[colour]"));
        assert!(
            matches!(&found[..], [(1, what)] if what.starts_with("[colour] is not a section")),
            "{name}: {found:?}"
        );
    }
    assert!(tables >= 17, "{tables} tables");
}

#[test]
fn a_misspelt_key_is_named_with_the_one_that_was_meant() {
    for (name, text) in samples() {
        for (line, section, key) in keys(&text) {
            let slip = format!("{}{}", &key[1..2], &key[0..1]) + &key[2..];
            let found = problems(&with_other_line(&text, line, &format!("{slip} = 1")));
            let expected = format!("{section}.{slip} is not a key; did you mean {key}?");
            assert_eq!(found, [(line, expected)], "{name}");
        }
    }
}

/// Keys that take any text.
const ANY_TEXT: &[&str] = &["acl_file", "users"];

/// Keys that take true and false.
const FLAGS: &[&str] = &[];

#[test]
fn a_value_of_the_wrong_kind_is_refused_for_every_key() {
    for (name, text) in samples() {
        for (line, section, key) in keys(&text) {
            let all = ["true", "1.5", "{ a = 1 }", "2026-11-21", "[[1]]", "-1", "99999999999999999", "\"?\""];
            let is_right = |value: &str| match value {
                "\"?\"" => ANY_TEXT.contains(&key.as_str()),
                "true" => FLAGS.contains(&key.as_str()),
                _ => false,
            };
            for wrong in all.into_iter().filter(|value| !is_right(value)) {
                let found = problems(&with_other_line(&text, line, &format!("{key} = {wrong}")));
                assert_eq!(found.len(), 1, "{name} {key} = {wrong}: {found:?}");
                assert_eq!(found[0].0, line, "{name} {key} = {wrong}");
                assert!(
                    found[0].1.starts_with(&format!("{section}.{key}")),
                    "{name} {key} = {wrong}: {found:?}"
                );
            }
        }
    }
}

#[test]
fn all_mistakes_of_a_file_are_named_at_once() {
    let text = "[listener]\nport = 70_000\nbnid = \"::\"\nbind = [\"127.0.0.1:1883\", 7]\n\n[servr]\n\n[limits]\n\
                packet_size = \"16 MB\"\nport = 1\n";
    let found = problems(text);
    let expected = [
        (2, "listener.port = 70000 is out of range; it takes a number from 0 to 65535, or \"auto\""),
        (3, "listener.bnid is not a key; did you mean bind?"),
        (
            4,
            "listener.bind[0]: \"127.0.0.1:1883\" takes an address without a port; the port has an option of its own",
        ),
        (4, "listener.bind[1] is a number; it takes an IP address or a host name"),
        (6, "[servr] is not a section; did you mean [server]?"),
        (
            9,
            "limits.packet_size: \"16 MB\" is not a size; write it like \"64 KiB\", with B, KiB, MiB or GiB; it takes a \
             size from 1 KiB to 256 MiB",
        ),
        (10, "limits.port is not a key; port belongs into [listener]"),
    ];
    assert_eq!(found, expected.map(|(line, what)| (line, what.to_string())));
}

#[test]
fn bad_topic_filters_are_named_with_their_line_and_key() {
    let text = "[storage.durability_for]\n\"a/#/b\" = \"always\"\n\"$share/g/t\" = \"memory\"\n\"\" = \"interval\"\n\
                \"fine/#\" = \"sometimes\"\n\"number\" = 1\n\"good/#\" = \"interval\"\n";
    let key = "storage.durability_for";
    let takes = "it takes one of \"always\", \"interval\", \"memory\"";
    let expected = [
        (
            2,
            format!(
                "{key}.\"a/#/b\" is not a topic filter: `+` must stand alone on its level, `#` alone on the last one"
            ),
        ),
        (3, format!("{key}.\"$share/g/t\" is a shared subscription; it takes a plain topic filter")),
        (4, format!("{key}.\"\" is not a topic filter: it is empty")),
        (5, format!("{key}.\"fine/#\": \"sometimes\" is not known; {takes}")),
        (6, format!("{key}.\"number\" is a number; {takes}")),
    ];
    assert_eq!(problems(text), expected);
}

#[test]
fn a_data_folder_that_is_no_absolute_path_is_refused() {
    let found = problems("[storage]\ndata_dir = \"data\"\n");
    let what = "storage.data_dir: \"data\" is not an absolute path; it takes an absolute path, \"auto\" or \"memory\"";
    assert_eq!(found, [(2, what.to_owned())]);
}

#[test]
fn what_is_not_toml_is_named_with_its_line() {
    let found = problems("[listener]\nport = 1883\nbind = [\n");
    assert!(matches!(&found[..], [(3 | 4, what), ..] if what.starts_with("this is not TOML: ")), "{found:?}");
    let found = problems("[listener]\nport = 1\nport = 2\n");
    assert!(matches!(&found[..], [(3, what)] if what.contains("duplicate")), "{found:?}");
}
