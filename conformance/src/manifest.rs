//! The normative statements of both standards, from `spec/*.toml`.

use serde::Deserialize;

use crate::packet::Version;

/// Whom a statement binds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Who {
    /// The server.
    Server,
    /// The client.
    Client,
    /// Both ends, or sender and receiver.
    Both,
    /// The transport.
    Network,
}

/// How strongly it binds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    /// Required.
    Must,
    /// Forbidden.
    MustNot,
    /// Recommended.
    Should,
    /// Allowed.
    May,
}

/// One normative statement.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Statement {
    /// Its id in the standard, such as `MQTT-3.1.0-1`.
    pub id: String,
    /// Whom it binds.
    pub who: Who,
    /// How strongly.
    pub level: Level,
    /// What it says, in our words.
    pub text: String,
    /// The tests that prove it.
    #[serde(default)]
    pub tests: Vec<String>,
    /// Why no test can prove it.
    pub why_not: Option<String>,
}

/// All statements of one standard.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Name of the standard.
    pub standard: String,
    /// Its statements, in its order.
    pub statement: Vec<Statement>,
}

impl Manifest {
    /// The manifest of one version.
    ///
    /// # Errors
    /// When the file, which is part of the program, is not well-formed.
    pub fn load(version: Version) -> Result<Self, toml::de::Error> {
        toml::from_str(match version {
            Version::V311 => include_str!("../spec/mqtt-3.1.1.toml"),
            Version::V5 => include_str!("../spec/mqtt-5.0.toml"),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::chapter;

    fn both() -> [(Version, Manifest); 2] {
        Version::ALL.map(|version| (version, Manifest::load(version).unwrap()))
    }

    #[test]
    fn each_standard_has_all_its_statements_once() {
        for ((version, manifest), count) in both().iter().zip([141, 251]) {
            let ids: HashSet<_> = manifest.statement.iter().map(|s| &s.id).collect();
            assert_eq!(ids.len(), manifest.statement.len(), "{version:?}: an id stands twice");
            assert_eq!(manifest.statement.len(), count, "{version:?}");
            assert!(ids.iter().all(|id| id.starts_with("MQTT-")), "{version:?}");
        }
    }

    #[test]
    fn statements_of_one_section_are_numbered_without_gaps() {
        for (version, manifest) in both() {
            let mut last: Option<(&str, u32)> = None;
            for statement in &manifest.statement {
                let (section, number) = statement.id.rsplit_once('-').unwrap();
                let number: u32 = number.parse().unwrap();
                let expected = last.filter(|(s, _)| *s == section).map_or(1, |(_, n)| n + 1);
                // The standard itself leaves out MQTT-2.2.1-1 in 5.0.
                let known = statement.id == "MQTT-2.2.1-2" && expected == 1;
                assert!(number == expected || known, "{version:?}: {} follows {last:?}", statement.id);
                last = Some((section, number));
            }
        }
    }

    #[test]
    fn every_statement_has_tests_or_a_reason_why_not() {
        for (version, manifest) in both() {
            for statement in &manifest.statement {
                let reasoned = statement.why_not.as_ref().is_some_and(|why| !why.is_empty());
                assert!(statement.tests.is_empty() == reasoned, "{version:?} {}", statement.id);
                assert!(!statement.text.is_empty(), "{version:?} {}", statement.id);
            }
        }
    }

    #[test]
    fn manifest_and_tests_name_each_other() {
        for (version, manifest) in both() {
            let listed: HashSet<(&str, &str)> = manifest
                .statement
                .iter()
                .flat_map(|s| s.tests.iter().map(move |t| (s.id.as_str(), t.as_str())))
                .collect();
            let proved: HashSet<(&str, &str)> = chapter::all()
                .flat_map(|t| t.statements(version).iter().map(move |id| (*id, t.name)))
                .collect();
            let mut missing: Vec<_> = proved.symmetric_difference(&listed).collect();
            missing.sort();
            assert!(missing.is_empty(), "{version:?}: only on one side: {missing:#?}");
        }
    }

    #[test]
    fn test_names_are_unique() {
        let mut names = HashSet::new();
        assert!(chapter::all().all(|test| names.insert(test.name)));
    }
}
